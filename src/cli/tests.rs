//! What holds for every command.

use super::*;

/// Commands that print nothing for scripts to read, and why.
const NO_JSON: [(&str, &str); 5] = [
    ("completions", "a script for a shell is all that it prints"),
    ("demo", "it is for people; `init` and `serve` are what scripts want"),
    ("man", "it prints which pages it wrote"),
    ("schema", "it prints JSON as it is"),
    ("serve", "it prints the log, whose format the settings say"),
];

/// Every command that has none below it, with the names that lead to it.
pub(super) fn leaves(command: &clap::Command) -> Vec<(String, &clap::Command)> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    let leaves_of = |below| match leaves(below) {
        leaves if leaves.is_empty() => vec![(below.get_name().to_owned(), below)],
        leaves => {
            let named = |(path, leaf)| (format!("{} {path}", below.get_name()), leaf);
            leaves.into_iter().map(named).collect()
        }
    };
    below.flat_map(leaves_of).collect()
}

#[test]
fn every_command_speaks_json_or_says_why_not() {
    let mut command = command();
    command.build();
    let leaves = leaves(&command);
    assert!(leaves.len() > 30, "{}", leaves.len());
    for (path, leaf) in &leaves {
        let output = leaf.get_arguments().find(|argument| argument.get_long() == Some("output"));
        let values = output.map(|output| output.get_possible_values()).unwrap_or_default();
        let speaks = values.iter().any(|value| value.get_name() == "json");
        let says_why_not = NO_JSON.iter().any(|(without, _)| without == path);
        assert!(speaks != says_why_not, "{path}: JSON {speaks}, excused {says_why_not}");
    }
    for (without, _) in NO_JSON {
        assert!(leaves.iter().any(|(path, _)| path == without), "{without} is no command");
    }
}

#[test]
fn what_could_not_be_printed_is_said() {
    let mut err = Vec::new();
    assert_eq!(printed(Ok(Exit::No), &mut err), Exit::No);
    assert_eq!(err, b"");
    let gone = io::Error::from(io::ErrorKind::BrokenPipe);
    assert_eq!((printed(Err(gone), &mut err), &*err), (Exit::Broke, &b""[..]));
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert_eq!(printed(Err(full), &mut err), Exit::Broke);
    assert_eq!(String::from_utf8(err).unwrap(), "cannot print: no storage space\n");
}
