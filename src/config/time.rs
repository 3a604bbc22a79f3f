//! Points in time as operators write them.

use jiff::Timestamp;
use toml::de::DeValue;

use super::fields::Fields;
use super::page::quoted;
use crate::policy::{Problem, UnixSeconds};

const FORM: &str = "write it with an offset, such as `2027-03-31T00:00:00Z`";

/// A TOML date, which is its first second in UTC, or what [`instant`] takes.
pub(super) fn day_or_instant(fields: &mut Fields<'_>, field: &'static str) -> Option<UnixSeconds> {
    let value = fields.value(field)?;
    if let DeValue::Datetime(time) = value.get_ref()
        && (time.time, time.offset) == (None, None)
        && let Ok(time) = format!("{time}T00:00:00Z").parse::<Timestamp>()
    {
        return Some(UnixSeconds(time.as_second()));
    }
    instant(fields, field)
}

/// A TOML offset date-time, or an RFC 3339 text; fractions of a second are dropped.
pub(super) fn instant(fields: &mut Fields<'_>, field: &'static str) -> Option<UnixSeconds> {
    let value = fields.value(field)?;
    let (written, hint) = match value.get_ref() {
        DeValue::Datetime(time) => {
            let hint = match (time.date, time.time, time.offset) {
                (Some(_), Some(_), None) => format!("add the offset: `{time}Z`"),
                (Some(_), None, None) => format!("add time and offset: `{time}T00:00:00Z`"),
                _ => FORM.to_owned(),
            };
            (time.to_string(), hint)
        }
        DeValue::String(text) => (text.to_string(), FORM.to_owned()),
        _ => return fields.wrong_type(field, "a date and time", value),
    };
    match written.parse::<Timestamp>() {
        Ok(time) => Some(UnixSeconds(time.as_second())),
        Err(_) => {
            let message = format!("`{field}` is not a point in time: {}", quoted(&written));
            fields.report(Problem::error(fields.place_of(value), message).hint(hint));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::page::Page;
    use crate::policy::FileId;

    #[test]
    fn points_in_time() {
        let cases = [
            ("2027-03-31T00:00:00Z", Ok(1_806_451_200)),
            ("2027-03-31 02:00:00+02:00", Ok(1_806_451_200)),
            ("2027-03-31T00:00:00.9Z", Ok(1_806_451_200)),
            ("\"2027-03-31T00:00:00Z\"", Ok(1_806_451_200)),
            ("2027-03-31T00:00:00", Err("add the offset: `2027-03-31T00:00:00Z`")),
            ("2027-03-31", Err("add time and offset: `2027-03-31T00:00:00Z`")),
            ("00:00:00", Err(FORM)),
            ("\"2027-03-31T00:00:00\"", Err(FORM)),
            ("\"soon\"", Err(FORM)),
        ];
        for (written, expected) in cases {
            let text = format!("ends = {written}");
            let (page, root) = Page::parse(FileId(0), &text);
            let found = instant(&mut Fields::root(&page, &root), "ends");
            let notes = page.into_notes();
            let hint = notes.problems.first().and_then(|problem| problem.hint.clone());
            assert_eq!(found.map(|time| time.0), expected.ok(), "{written}");
            assert_eq!(hint.as_deref(), expected.err(), "{written}");
        }
    }
}
