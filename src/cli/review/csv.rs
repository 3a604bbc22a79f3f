//! A review for a spreadsheet: RFC 4180, a row a finding.

use std::borrow::Cow;
use std::io::{self, Write};

use super::Review;

pub(super) fn write(review: &Review, out: &mut impl Write) -> io::Result<()> {
    write!(out, "severity,code,subject,place,fact,remedy\r\n")?;
    for finding in &review.findings.list {
        let place = review.report.place(finding.place);
        let cells = [
            finding.severity.name(),
            finding.code.name(),
            &finding.subject,
            &place,
            &finding.fact,
            finding.code.remedy(),
        ];
        let cells: Vec<_> = cells.into_iter().map(cell).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

fn cell(text: &str) -> Cow<'_, str> {
    // A spreadsheet takes it for a formula, and labels and accounts are written by others.
    let formula = text.starts_with(['=', '+', '-', '@']);
    if !formula && !text.contains([',', '"', '\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let guard = if formula { "'" } else { "" };
    Cow::Owned(format!("\"{guard}{}\"", text.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_text() {
        for (text, expected) in [
            ("plain text", "plain text"),
            ("a, b", "\"a, b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=HYPERLINK(1)", "\"'=HYPERLINK(1)\""),
            ("@sum", "\"'@sum\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
