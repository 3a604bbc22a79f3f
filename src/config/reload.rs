//! `[reload]`: which changes are refused though they have no fault, and what is kept on disk.

use std::fmt;
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::page::quoted;
use crate::policy::Problem;

/// What `[reload]` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReloadRules {
    /// Of the keys that work, so many may stop working by one change.
    pub max_revoked: Option<Percent>,
    /// Whether no change may take away all owners of a workspace, or one whose keys work.
    pub keep_owners: bool,
    /// The folder in which a copy of what was loaded last is kept.
    pub last_good: Option<PathBuf>,
}

/// A share from 0 % to 100 %, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u16); // INVARIANT: at most 10,000

impl Percent {
    /// Reads `10%` or `2.5%`: two decimals at most.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.strip_suffix('%').map(|number| {
            number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)))
        })?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let decimals = match decimals {
            None => 0,
            Some(one) if one.len() == 1 && digits(one) => one.parse::<u16>().ok()? * 10,
            Some(two) if two.len() == 2 && digits(two) => two.parse().ok()?,
            Some(_) => return None,
        };
        let whole: u16 = whole.parse().ok().filter(|_| digits(whole))?;
        let hundredths = whole.checked_mul(100)?.checked_add(decimals)?;
        (hundredths <= 10_000).then_some(Self(hundredths))
    }

    /// That share of `count`, rounded down.
    pub fn of(self, count: usize) -> usize {
        let share = count as u128 * u128::from(self.0) / 10_000;
        usize::try_from(share).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(hundredths) = self;
        match hundredths % 100 {
            0 => write!(f, "{}%", hundredths / 100),
            rest => write!(f, "{}.{rest:02}%", hundredths / 100),
        }
    }
}

/// Reads the table.
pub(super) fn rules(fields: &mut Fields<'_>, folder: &Path) -> ReloadRules {
    let Some(mut table) = fields.table("reload") else { return ReloadRules::default() };
    table.describe("`[reload]`");
    let max_revoked = table.text("max_revoked").and_then(|written| {
        let percent = Percent::parse(&written.value);
        if percent.is_none() {
            let message = format!("{} is no share", quoted(&written.value));
            let hint = "write `10%`, or `2.5%`: from `0%` to `100%`";
            table.report(Problem::error(written.place, message).hint(hint));
        }
        percent
    });
    let rules = ReloadRules {
        max_revoked,
        keep_owners: table.flag("keep_owners"),
        last_good: table.text("last_good").map(|path| folder.join(path.value)),
    };
    table.finish();
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_with_their_sign() {
        for (text, shown, of_a_thousand) in [
            ("0%", Some("0%"), 0),
            ("10%", Some("10%"), 100),
            ("2.5%", Some("2.50%"), 25),
            ("0.05%", Some("0.05%"), 0),
            ("33.39%", Some("33.39%"), 333),
            ("100%", Some("100%"), 1000),
            ("100.01%", None, 0),
            ("101%", None, 0),
            ("99999999%", None, 0),
            ("10", None, 0),
            ("%", None, 0),
            (".5%", None, 0),
            ("5.%", None, 0),
            ("+5%", None, 0),
            ("1.+5%", None, 0),
            ("-5%", None, 0),
            ("1.234%", None, 0),
            (" 5%", None, 0),
        ] {
            let percent = Percent::parse(text);
            assert_eq!(percent.map(|it| it.to_string()).as_deref(), shown, "{text}");
            assert_eq!(percent.map_or(0, |it| it.of(1000)), of_a_thousand, "{text}");
        }
    }
}
