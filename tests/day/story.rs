//! What the README tells: commands and answers, and how two tellings compare.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use snapbox::Redactions;

const OPENING: &str = "```console day\n";
const END: &str = "```";

/// What is another on every day, and what stands for it where two days are compared.
const ANOTHER_EACH_DAY: [(&str, &str); 11] = [
    ("[KEY]", "sg_[a-z]+_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}"),
    ("[TIME]", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    (
        "[HTTP_DATE]",
        r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
    ),
    ("[DAY]", r"(?-u:\b)[0-9]{4}-[0-9]{2}-[0-9]{2}(?-u:\b)"),
    ("[REQUEST_ID]", r"(?-u:\b)[0-9a-f]{32}(?-u:\b)"),
    // Files of a moment before the start may be loaded once more.
    ("[GENERATION]", "generation [0-9]+"),
    ("[TOOK]", r"after [0-9]+ ms"),
    ("[LEFT]", "  [0-9]+d  "),
    ("[UP]", r"up [0-9]+ s"),
    ("[DAYS]", r"in [0-9]+ days"),
    ("[VERSION]", r"sidegate [0-9]+\.[0-9]+\.[0-9]+"),
];

static REDACTIONS: LazyLock<Redactions> = LazyLock::new(|| {
    let mut redactions = Redactions::new();
    let patterns = ANOTHER_EACH_DAY.map(|(name, pattern)| (name, Regex::new(pattern).unwrap()));
    redactions.extend(patterns).unwrap();
    redactions
});

static ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u:\b)k_[0-9A-Za-z]{10}(?-u:\b)").unwrap());

/// A command with its answer.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) answer: String,
}

/// A fenced block of the day.
pub(crate) struct Block {
    /// Where its lines stand in the text.
    range: Range<usize>,
    pub(crate) steps: Vec<Step>,
}

impl Step {
    /// As it stands in a block.
    pub(crate) fn shown(&self) -> String {
        format!("$ {}\n{}", self.command.replace('\n', "\n> "), self.answer)
    }
}

/// Every block of the day.
pub(crate) fn parse(text: &str) -> Vec<Block> {
    let starts = text.match_indices(OPENING).map(|(at, _)| at + OPENING.len());
    let blocks = starts.map(|start| {
        let end = start + text[start..].find(END).unwrap();
        Block { range: start..end, steps: steps(&text[start..end]) }
    });
    blocks.collect()
}

fn steps(lines: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), answer: String::new() });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("an answer to nothing: {line}"));
        match line.strip_prefix("> ") {
            Some(more) if step.answer.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => {
                step.answer.push_str(line);
                step.answer.push('\n');
            }
        }
    }
    steps
}

/// The text with these steps in its blocks, in the place of those that it has.
pub(crate) fn retold(text: &str, blocks: &[Block], steps: impl Iterator<Item = Step>) -> String {
    let (mut new, mut rest) = (String::new(), 0);
    let mut steps = steps;
    for block in blocks {
        new.push_str(&text[rest..block.range.start]);
        let lived = steps.by_ref().take(block.steps.len());
        new.extend(lived.map(|step| step.shown()));
        rest = block.range.end;
    }
    new + &text[rest..]
}

/// The text without what is another on every day.
pub(crate) fn alike(text: &str) -> String {
    REDACTIONS.redact(text)
}

/// Which key of today stands for which of the day that is told.
#[derive(Default)]
pub(crate) struct Ids(Vec<(String, String)>);

impl Ids {
    /// Takes the keys that come up for the first time in two answers for each other, in their order.
    pub(crate) fn learn(&mut self, told: &str, is: &str) {
        let new = |text: &str, known: &dyn Fn(&(String, String)) -> String| {
            let mut ids: Vec<String> = Vec::new();
            for id in ID.find_iter(text).map(|found| found.as_str().to_owned()) {
                if !ids.contains(&id) && !self.0.iter().any(|pair| known(pair) == id) {
                    ids.push(id);
                }
            }
            ids
        };
        let told = new(told, &|pair| pair.0.clone());
        let is = new(is, &|pair| pair.1.clone());
        self.0.extend(told.into_iter().zip(is));
    }

    /// What was told, with the keys of today.
    pub(crate) fn today(&self, told: &str) -> String {
        let today = |id: &regex::Captures<'_>| {
            let pair = self.0.iter().find(|(told, _)| *told == id[0]);
            pair.map_or_else(|| id[0].to_owned(), |(_, is)| is.clone())
        };
        ID.replace_all(told, today).into_owned()
    }
}
