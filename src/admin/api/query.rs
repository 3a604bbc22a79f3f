//! The query of a URL, field by field: what nobody knows is an error, not passed over.

use super::{MOST_ROWS, ROWS};

/// Fields that were not asked for yet.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `name=value&…`, as forms are sent.
    ///
    /// # Errors
    ///
    /// Where it is no such text, or has a field twice.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = || "the query is not percent-encoded UTF-8".to_owned();
            let name = decoded(name).ok_or_else(wrong)?;
            let value = decoded(value).ok_or_else(wrong)?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(format!("`{}` stands twice", shown(&name)));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// What stands there; an empty text is none.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_empty())
    }

    /// As [`take`](Self::take), in lower case: for what is looked for in any case.
    pub(super) fn part(&mut self, name: &str) -> String {
        self.take(name).unwrap_or_default().to_ascii_lowercase()
    }

    /// One of `known`.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &str,
        known: &[(&str, T)],
    ) -> Result<Option<T>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match known.iter().find(|(text, _)| *text == value) {
            Some((_, it)) => Ok(Some(*it)),
            None => {
                let names: Vec<_> = known.iter().map(|(text, _)| format!("`{text}`")).collect();
                Err(format!("`{name}` is one of {}", names.join(", ")))
            }
        }
    }

    /// A number up to `most`.
    pub(super) fn number(&mut self, name: &str, most: usize) -> Result<Option<usize>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) if number <= most => Ok(Some(number)),
            _ => Err(format!("`{name}` is a number from 0 to {most}")),
        }
    }

    /// How many rows are wanted.
    pub(super) fn limit(&mut self) -> Result<usize, String> {
        Ok(self.number("limit", MOST_ROWS)?.unwrap_or(ROWS).max(1))
    }

    /// Every field was asked for.
    ///
    /// # Errors
    ///
    /// Where one was not.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(format!("unknown field `{}`", shown(name))),
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_default).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_whole_or_refused() {
        let mut fields = Fields::parse("text=a%20b+c%C3%A9&limit=7&empty=&flag").unwrap();
        assert_eq!(fields.take("text").as_deref(), Some("a b cé"));
        assert_eq!(fields.limit(), Ok(7));
        assert_eq!(
            (fields.take("empty"), fields.take("flag"), fields.take("no")),
            (None, None, None)
        );
        assert_eq!(fields.limit(), Ok(ROWS));
        fields.finish().unwrap();
        for (query, wrong) in [
            ("a=1&a=2", "`a` stands twice"),
            ("a=%", "percent-encoded"),
            ("a=%zz", "percent-encoded"),
            ("a=%+1", "percent-encoded"),
            ("a=%ff", "percent-encoded"),
        ] {
            let told = Fields::parse(query).unwrap_err();
            assert!(told.contains(wrong), "{query}: {told}");
        }
        let mut fields = Fields::parse("limit=501&state=odd&%3Cb%3E=1").unwrap();
        assert_eq!(fields.limit(), Err("`limit` is a number from 0 to 500".to_owned()));
        let told = fields.choice("state", &[("on", ()), ("off", ())]).unwrap_err();
        assert_eq!(told, "`state` is one of `on`, `off`");
        assert_eq!(fields.finish(), Err("unknown field `<b>`".to_owned()));
    }
}
