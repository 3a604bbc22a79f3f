//! Examples at the end of `--help`: each is a command line that is understood (a test reads them
//! all), with what it does.

/// By command: lines and what they do.
type Examples = &'static [(&'static str, &'static str)];

const EXAMPLES: [(&str, Examples); 31] = [
    (
        "check",
        &[
            ("sidegate check -c etc/sidegate.toml", "everything that is wrong, with its place"),
            ("sidegate check --deny-warnings", "in a pipeline: warnings fail it, too"),
            ("sidegate check --explain SG023", "what a warning is about"),
        ],
    ),
    (
        "completions",
        &[
            ("sidegate completions bash > /etc/bash_completion.d/sidegate", "for everybody"),
            ("sidegate completions fish", "for `~/.config/fish/completions/sidegate.fish`"),
        ],
    ),
    (
        "demo",
        &[
            ("sidegate demo", "an upstream, a policy, three keys, and what to try"),
            ("sidegate demo --once", "sends the requests itself, and ends"),
        ],
    ),
    (
        "diff",
        &[
            ("sidegate diff old/etc etc", "who gains and who loses what"),
            (
                "sidegate diff --no-keys --output markdown --fail-on gained old/etc etc",
                "for a pull request",
            ),
        ],
    ),
    (
        "explain",
        &[
            (
                "sidegate explain GET http://api.example/vault/reports --key-id k_7Q2M",
                "why, by a key's record",
            ),
            (
                "sidegate explain POST /vault --host api.example --key-id k_7Q2M --at 90d",
                "what will be, when the key has ended",
            ),
        ],
    ),
    (
        "grant add",
        &[
            (
                "sidegate grant add --workspace acme --to group:analysts --product vault --role analyst",
                "a product role for a group",
            ),
            (
                "sidegate grant add --workspace acme --to account:svc-deploy --area members=view --dry-run",
                "what would change, and nothing is written",
            ),
        ],
    ),
    ("grant list", &[("sidegate grant list --workspace acme", "who is granted what, and where")]),
    (
        "grant revoke",
        &[("sidegate grant revoke --workspace acme --to group:analysts --all", "all that it has")],
    ),
    (
        "init",
        &[
            ("sidegate init etc", "settings, a policy, and a first key"),
            ("sidegate init etc --output json", "for scripts: with the key, shown this once"),
        ],
    ),
    (
        "key create",
        &[(
            "sidegate key create --workspace acme --account svc-deploy --expires 90d",
            "prints the key, once",
        )],
    ),
    (
        "key hash",
        &[("sidegate key hash < key.txt", "the digest of a key that is read from a file")],
    ),
    (
        "key import",
        &[("sidegate key import --dry-run keys.csv", "checks every row, writes nothing")],
    ),
    ("key list", &[("sidegate key list --output json", "for scripts: never a key itself")]),
    ("key prune", &[("sidegate key prune --older-than 180d --dry-run", "what would go")]),
    ("key revoke", &[("sidegate key revoke k_7Q2M", "and waits until it is in force")]),
    (
        "key rotate",
        &[(
            "sidegate key rotate k_7Q2M --overlap 7d",
            "prints the new key, once; the old one ends in a week",
        )],
    ),
    ("key show", &[("sidegate key show k_7Q2M", "all that is known of it")]),
    (
        "key verify",
        &[("sidegate key verify < key.txt", "whose key it is, and whether it is valid")],
    ),
    ("man", &[("sidegate man /usr/local/share/man/man1", "one page a command")]),
    (
        "member accept",
        &[(
            "sidegate member accept --workspace acme dana@acme.example",
            "who was invited is a member",
        )],
    ),
    (
        "member invite",
        &[(
            "sidegate member invite --workspace acme dana@acme.example member",
            "takes a seat, and reaches nothing yet",
        )],
    ),
    ("member list", &[("sidegate member list --output json", "members, and who is invited")]),
    (
        "member remove",
        &[(
            "sidegate member remove --workspace acme dana@acme.example",
            "but never the last owner",
        )],
    ),
    (
        "member set-role",
        &[(
            "sidegate member set-role --workspace acme --as carol@acme.example svc-reporting admin",
            "refuses what carol may not do",
        )],
    ),
    (
        "reload",
        &[
            ("sidegate reload", "and waits until the files are in force, or refused"),
            ("sidegate reload --accept", "lets in what the guard rails hold back, and prints it"),
        ],
    ),
    (
        "review",
        &[
            ("sidegate review", "who holds what, and what of it somebody should look at"),
            ("sidegate review --fail-on high --output markdown", "weekly, for an issue tracker"),
        ],
    ),
    (
        "schema",
        &[
            (
                "sidegate schema policy > policy.schema.json",
                "for `#:schema ./policy.schema.json` in policy.toml",
            ),
            ("sidegate schema --dir etc", "all three, beside the files"),
        ],
    ),
    ("serve", &[("sidegate serve -c /etc/sidegate/sidegate.toml", "until SIGTERM")]),
    (
        "status",
        &[
            (
                "sidegate status",
                "the policy in force, the last reloads, upstreams that are not well",
            ),
            ("sidegate status --ready", "a health check: exits 0 or 1"),
        ],
    ),
    (
        "test",
        &[
            ("sidegate test tests.toml", "explains what fails"),
            ("sidegate test --require-coverage tests.toml", "fails on what no case touches, too"),
        ],
    ),
    ("version", &[("sidegate version --output json", "for scripts")]),
];

/// Adds them to the commands that they are of.
pub(super) fn add(command: clap::Command) -> clap::Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let names: Vec<_> = path.split(' ').collect();
        to(command, &names, &text(examples))
    })
}

fn to(command: clap::Command, names: &[&str], text: &str) -> clap::Command {
    match names {
        [] => command.after_help(text.to_owned()),
        // A name that is none would be an argument of nothing: the test asks for each.
        [name, rest @ ..] if command.find_subcommand(name).is_some() => {
            command.mut_subcommand(name, |below| to(below, rest, text))
        }
        [..] => command,
    }
}

fn text(examples: Examples) -> String {
    let lines = examples.iter().map(|(line, does)| format!("\n  {line}\n      {does}"));
    format!("Examples:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;
    use crate::cli::tests::leaves;
    use crate::cli::{Cli, command};

    #[test]
    fn every_command_has_examples_and_they_are_understood() {
        let command = command();
        let mut found = leaves(&command);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let said: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(said, EXAMPLES.map(|(path, _)| path));
        for (path, command) in found {
            assert!(command.get_after_help().is_some(), "{path}");
        }
        for (path, examples) in EXAMPLES {
            for (line, _) in examples {
                assert!(line.starts_with(&format!("sidegate {path}")), "{line}");
                let words = line.split(['<', '>', '|']).next().unwrap().split_whitespace();
                let read = super::super::command().try_get_matches_from(words);
                let read = read.and_then(|matches| Cli::from_arg_matches(&matches));
                assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
            }
        }
    }
}
