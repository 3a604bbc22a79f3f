//! Every level, flag, state, limit, grant and route of the policies is held by a case: changed or
//! taken out, a case fails or the policy is refused.

use crate::example::Example;

/// Words of the language and what each is changed to.
const WORDS: [(&str, &[&str]); 8] = [
    ("\"none\"", &["\"view\"", "\"full\""]),
    ("\"view\"", &["\"none\"", "\"full\""]),
    ("\"full\"", &["\"none\"", "\"view\""]),
    ("\"active\"", &["\"past_due\"", "\"suspended\""]),
    ("\"trialing\"", &["\"suspended\""]),
    ("\"past_due\"", &["\"active\"", "\"suspended\""]),
    ("\"suspended\"", &["\"active\"", "\"past_due\""]),
    ("\"canceled\"", &["\"active\"", "\"past_due\""]),
];

/// Fields that are taken out.
const FIELDS: [&str; 6] = [
    "methods =",
    "permission =",
    "protect =",
    "subscription_ends =",
    "view_methods =",
    "hide_none =",
];

struct Mutant {
    what: String,
    policy: String,
}

fn mutants(policy: &str) -> Vec<Mutant> {
    let lines: Vec<_> = policy.lines().collect();
    let mut mutants = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.split('#').next().unwrap();
        let mut change = |what: &str, taken: usize, instead: &str| {
            let mut other = lines.clone();
            other.splice(at..at + taken, [instead]);
            let what = format!("line {}: `{}` {what}", at + 1, code.trim());
            mutants.push(Mutant { what, policy: other.join("\n") });
        };
        for (word, others) in WORDS {
            for (found, _) in code.match_indices(word) {
                for other in others {
                    let instead =
                        format!("{}{other}{}", &code[..found], &code[found + word.len()..]);
                    change(&format!("becomes `{}`", instead.trim()), 1, &instead);
                }
            }
        }
        // What is forwarded is no part of the decision.
        if code.contains("= true") && !code.starts_with("strip_prefix") {
            change("becomes false", 1, &code.replace("= true", "= false"));
        }
        if FIELDS.iter().any(|field| code.starts_with(field)) {
            change("is taken out", 1, "");
        }
        // A warning that is allowed decides nothing.
        if code.starts_with("[[") && !code.starts_with("[[allow]]") {
            let is_end = |line: &&str| line.is_empty() || line.starts_with('[');
            let rest = &lines[at + 1..];
            let length = 1 + rest.iter().position(is_end).unwrap_or(rest.len());
            change(&format!("({}) is taken out", rest[0]), length, "");
        }
    }
    mutants
}

#[test]
fn whatever_is_changed_a_case_fails() {
    let mut survived = Vec::new();
    for example in Example::all() {
        let accounts = example.cases.accounts();
        let mutants = mutants(&example.policy);
        let (mut refused, mut caught) = (0, 0);
        for Mutant { what, policy } in &mutants {
            match example.load(policy, &accounts) {
                Err(_) => refused += 1,
                Ok(snapshot) => {
                    let answers = example.cases.ask(&snapshot);
                    match answers.iter().all(|answer| answer.is_expected()) {
                        true => survived.push(format!("{}: {what}", example.name)),
                        false => caught += 1,
                    }
                }
            }
        }
        let total = mutants.len();
        println!(
            "{}: {total} changes: {caught} failed a case, {refused} were refused",
            example.name
        );
        assert!(caught > 50, "{}: {caught} changes only", example.name);
    }
    assert!(survived.is_empty(), "no case fails:\n{}", survived.join("\n"));
}
