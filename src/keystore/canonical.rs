//! The shape in which we write records ourselves, read without a general parser.
//!
//! A file of a million records is reloaded while requests wait for it. What has another shape is
//! left to serde, which takes every shape and says what is wrong with the others.

use crate::policy::key::KeyDigest;

use super::record::{Record, is_id, parse_ceiling};
use super::text::Text;
use super::timestamp::Timestamp;

/// The record, if `line` is byte for byte what we would write of it.
pub(super) fn parse(line: &str) -> Option<Record<'_>> {
    let mut rest = Rest(line);
    rest.literal("{\"id\":")?;
    let id = rest.text().filter(|id| is_id(id))?;
    rest.literal(",\"hash\":")?;
    let hash = KeyDigest::parse(rest.string()?).ok()?;
    rest.literal(",\"workspace\":")?;
    let workspace = rest.text()?;
    rest.literal(",\"account\":")?;
    let account = rest.text()?;
    rest.literal(",\"environment\":")?;
    let environment = rest.text()?;
    rest.literal(",\"label\":")?;
    let label = rest.or_null(Rest::text)?;
    let owner = rest.named(",\"owner\":", Rest::text)?;
    rest.literal(",\"created\":")?;
    let created = rest.time()?;
    rest.literal(",\"not_before\":")?;
    let not_before = rest.or_null(Rest::time)?;
    rest.literal(",\"expires\":")?;
    let expires = rest.or_null(Rest::time)?;
    rest.literal(",\"revoked\":")?;
    let revoked = rest.or_null(Rest::time)?;
    let reason = rest.named(",\"reason\":", Rest::text)?;
    rest.literal(",\"ceiling\":")?;
    let ceiling = match rest.0.strip_suffix('}')? {
        "null" => None,
        text => Some(parse_ceiling(text).ok()?),
    };
    Some(Record {
        id,
        hash,
        workspace,
        account,
        environment,
        label,
        owner,
        created,
        not_before,
        expires,
        revoked,
        reason,
        ceiling,
    })
}

/// What of the line has not been read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn literal(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.strip_prefix('"')?;
        let end = text.bytes().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (string, rest) = text.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(string)
    }

    fn text(&mut self) -> Option<Text<'a>> {
        Text::parse(self.string()?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::parse(self.string()?)
    }

    /// What stands only where there is something to say.
    fn named<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.0.strip_prefix(name) {
            Some(rest) => {
                self.0 = rest;
                read(self).map(Some)
            }
            None => Some(None),
        }
    }

    fn or_null<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.0.strip_prefix("null") {
            Some(rest) => {
                self.0 = rest;
                Some(None)
            }
            None => read(self).map(Some),
        }
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts are ASCII")]
mod tests {
    use proptest::prelude::*;

    use super::super::record::Object;
    use super::super::record::tests::LINE;
    use super::*;

    fn by_serde(line: &str) -> Option<Record<'_>> {
        serde_json::from_str::<Object<Record<'_>>>(line).ok().map(|object| object.0)
    }

    #[test]
    fn what_we_write_is_read_here() {
        let null = LINE.replace(r#"{"level":"view","products":["vault"]}"#, "null");
        let variants = [
            LINE.to_owned(),
            null.replace("\"nightly export\"", "null"),
            null.replace("\"revoked\":null", "\"revoked\":\"2026-12-01T00:00:00Z\""),
            null.replace("\"2027-02-18T10:00:00Z\"", "null"),
            null.replace("\"created\"", "\"owner\":\"team-data\",\"created\"")
                .replace("\"revoked\":null", "\"revoked\":null,\"reason\":\"leaked\""),
        ];
        for line in variants {
            let record = parse(&line).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), line);
            assert_eq!(Some(record), by_serde(&line));
        }
    }

    #[test]
    fn another_shape_is_left_to_serde() {
        let cases = [
            format!(" {LINE}"),
            format!("{LINE} "),
            LINE.replace("nightly export", "n\\u00e4chtlich"),
            LINE.replace("\"label\":\"nightly export\",", ""),
        ];
        for line in cases {
            assert_eq!(parse(&line), None, "{line}");
            assert!(by_serde(&line).is_some(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn for_every_damage_both_readers_agree(
            at in 0..LINE.len(),
            cut in 0..4_usize,
            put in "[\"\\\\{}:,\\x00-\\x1f\\x7fnulö0-9a-z_-]{0,3}",
        ) {
            let end = (at + cut).min(LINE.len());
            let line = format!("{}{put}{}", &LINE[..at], &LINE[end..]);
            if let Some(record) = parse(&line) {
                prop_assert_eq!(Some(record), by_serde(&line));
            }
        }
    }
}
