//! Accounts by name, across workspaces.

use super::names::{Map, is_account};
use crate::policy::draft::DraftAccount;
use crate::policy::lint::Lint;
use crate::policy::problem::{At, Place, Problem, nearest};

/// Accounts by name. Names that differ only in case are refused, so that a name captured from a
/// path finds its account however the client spelled it.
#[derive(Debug, Default)]
pub(in crate::policy) struct Accounts {
    names: Vec<Box<str>>,
    suspended: Vec<bool>,
    by_lower_case: Map<Box<str>, u32>,
}

impl Accounts {
    pub(in crate::policy) fn name(&self, account: u32) -> &str {
        self.names.get(account as usize).map_or("", |name| name)
    }

    /// Every account's name, by number.
    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    pub(in crate::policy) fn is_suspended(&self, account: u32) -> bool {
        self.suspended.get(account as usize).copied().unwrap_or(false)
    }

    /// The account of that name, in any case.
    pub(in crate::policy) fn find(&self, name: &str) -> Option<u32> {
        self.by_lower_case.get(name.to_ascii_lowercase().as_str()).copied()
    }

    pub(super) fn exact(&self, name: &str) -> Option<u32> {
        self.find(name).filter(|account| self.name(*account) == name)
    }

    pub(super) fn declare(
        &mut self,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        if let Some(account) = self.find(&name.value) {
            if self.name(account) != name.value {
                problems.push(
                    Problem::error(
                        name.place,
                        format!("account `{}` differs from another only in case", name.value),
                    )
                    .hint(format!("write `{}`", self.name(account))),
                );
                return None;
            }
            return Some(account);
        }
        if !is_account(&name.value) {
            problems.push(
                Problem::error(name.place, format!("account `{}` is not a name", name.value)).hint(
                    "an account has 1 to 254 visible ASCII characters without quotes, commas, slashes and backslashes",
                ),
            );
        }
        let account = self.names.len() as u32;
        self.names.push(name.value.as_str().into());
        self.suspended.push(false);
        self.by_lower_case.insert(name.value.to_ascii_lowercase().into_boxed_str(), account);
        Some(account)
    }

    /// The number of an account that need not be a member of anything: a key's.
    pub(super) fn of_key(&mut self, name: &str) -> u32 {
        self.exact(name).unwrap_or_else(|| {
            let name = At::new(name.to_owned(), Place::default());
            // A name that differs from a member's only in case is nobody's.
            self.declare(&name, &mut Vec::new()).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn suspend(&mut self, account: &DraftAccount, problems: &mut Vec<Problem>) {
        let name = &account.name;
        match self.exact(&name.value).and_then(|at| self.suspended.get_mut(at as usize)) {
            Some(suspended) => *suspended = account.suspended,
            None => {
                let message = format!("account `{}` is a member of no workspace", name.value);
                let known = self.names.iter().map(|name| &**name);
                problems.push(match nearest(&name.value, known) {
                    Some(near) => {
                        Problem::error(name.place, message).hint(format!("did you mean `{near}`?"))
                    }
                    // As an error it would keep in force the policy in which it still was one.
                    None => Problem::warning(Lint::AccountNowhere, name.place, message)
                        .hint("remove the entry"),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::problem::Severity;

    /// Once an error: suspending an account and removing its last membership was refused as a whole.
    #[test]
    fn a_suspended_account_that_has_left_keeps_no_policy_from_force() {
        let mut accounts = Accounts::default();
        let name = |text: &str| At::new(text.to_owned(), Place::default());
        accounts.declare(&name("mallory@acme.example"), &mut Vec::new());
        for (text, expected) in [
            ("mallory@acme.example", None),
            ("malory@acme.example", Some(Severity::Error)),
            ("somebody", Some(Severity::Warning)),
        ] {
            let mut problems = Vec::new();
            accounts.suspend(&DraftAccount { name: name(text), suspended: true }, &mut problems);
            assert_eq!(problems.first().map(|problem| problem.severity), expected, "{text}");
        }
    }
}
