//! The schemas are held to the reader: the same fields in every table, and no word of a file that
//! is fine is refused.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Schema;
use crate::config::fields::Fields;
use crate::config::files::Files;
use crate::config::page::Page;
use crate::config::{draft, settings, suite};
use crate::policy::{DenyReason, Draft, FileId, Severity, compile};

const SETTINGS: [&str; 2] = [
    include_str!("../samples/schema-settings.toml"),
    include_str!("../samples/schema-settings-tls.toml"),
];
const POLICY: [&str; 1] = [include_str!("../samples/domain.toml")];
const TESTS: [&str; 1] = [include_str!("../samples/schema-tests.toml")];

fn schema(which: Schema) -> Json {
    serde_json::from_str(which.text()).unwrap()
}

/// Files that say all that can be said, together.
fn samples(which: Schema) -> &'static [&'static str] {
    match which {
        Schema::Policy => &POLICY,
        Schema::Settings => &SETTINGS,
        Schema::Tests => &TESTS,
    }
}

/// The file as a reader of JSON sees it: points in time are texts.
fn json(text: &str) -> Json {
    fn of(value: toml::Value) -> Json {
        match value {
            toml::Value::Datetime(time) => Json::String(time.to_string()),
            toml::Value::Array(items) => items.into_iter().map(of).collect(),
            toml::Value::Table(table) => table.into_iter().map(|(k, v)| (k, of(v))).collect(),
            other => serde_json::to_value(other).unwrap(),
        }
    }
    of(toml::Value::Table(toml::from_str(text).unwrap()))
}

/// Reads `text` as what it is and returns the problems, and whether only its names are in the way.
fn read(which: Schema, text: &str) -> (Vec<String>, bool) {
    let (page, root) = Page::parse(FileId(0), text);
    let draft = read_page(which, &page, &root);
    let mut problems = page.into_notes().problems;
    problems.retain(|problem| problem.severity == Severity::Error);
    let compiles = draft.is_none_or(|draft| compile(draft).is_ok());
    (problems.iter().map(ToString::to_string).collect(), compiles)
}

fn read_page(which: Schema, page: &Page<'_>, root: &Spanned<DeTable<'_>>) -> Option<Draft> {
    let fields = Fields::root(page, root);
    match which {
        Schema::Policy => {
            let mut draft = draft::read_fields(fields, &Files::default());
            draft.upstreams.push("vault".to_owned());
            return Some(draft);
        }
        Schema::Settings => {
            settings::config(Path::new("sidegate.toml"), fields);
        }
        Schema::Tests => {
            suite::suite(fields);
        }
    }
    None
}

/// Walks a file and its schema together and notes, by the place in the schema, which fields were
/// asked for.
fn meet(
    schema: &Json,
    at: &str,
    value: &DeValue<'_>,
    asked: &BTreeMap<usize, Vec<&'static str>>,
    met: &mut BTreeMap<String, BTreeSet<String>>,
) {
    match value {
        DeValue::Table(table) => meet_table(schema, at, table, asked, met),
        DeValue::Array(items) => {
            for item in items.iter() {
                meet(&schema["items"], &format!("{at}/items"), item.get_ref(), asked, met);
            }
        }
        _ => {}
    }
}

fn meet_table(
    schema: &Json,
    at: &str,
    table: &DeTable<'_>,
    asked: &BTreeMap<usize, Vec<&'static str>>,
    met: &mut BTreeMap<String, BTreeSet<String>>,
) {
    if let Some(asked) = asked.get(&std::ptr::from_ref(table).addr()) {
        let fields = met.entry(at.to_owned()).or_default();
        fields.extend(asked.iter().map(|field| (*field).to_owned()));
    }
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        let (below, at) = match schema["properties"].get(key) {
            Some(below) => (below, format!("{at}/properties/{key}")),
            None => (&schema["additionalProperties"], format!("{at}/additionalProperties")),
        };
        meet(below, &at, value.get_ref(), asked, met);
    }
}

/// Every table with fields of its own in a schema.
fn tables(schema: &Json, at: String, found: &mut BTreeMap<String, BTreeSet<String>>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.insert(at.clone(), properties.keys().cloned().collect());
        for (name, below) in properties {
            tables(below, format!("{at}/properties/{name}"), found);
        }
    }
    for name in ["additionalProperties", "items"] {
        if schema[name].is_object() {
            tables(&schema[name], format!("{at}/{name}"), found);
        }
    }
}

#[test]
fn a_schema_has_the_fields_that_the_reader_asks_for() {
    for which in Schema::ALL {
        let schema = schema(which);
        let mut asked = BTreeMap::new();
        for sample in samples(which) {
            let (page, root) = Page::parse(FileId(0), sample);
            read_page(which, &page, &root);
            meet_table(&schema, "", root.get_ref(), &page.asked(), &mut asked);
        }
        let mut said = BTreeMap::new();
        tables(&schema, String::new(), &mut said);
        assert_eq!(said, asked, "{which:?}: the schema, and what the reader asked for");
    }
}

#[test]
fn every_file_that_is_shipped_is_fine() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut files = Vec::new();
    for which in Schema::ALL {
        files.extend(samples(which).iter().map(|text| (which, (*text).to_owned())));
    }
    files.push((Schema::Settings, include_str!("../../cli/starter/sidegate.toml").to_owned()));
    files.push((Schema::Policy, include_str!("../../cli/starter/policy.toml").to_owned()));
    for example in ["alludium", "atomicagi", "atomyx"] {
        for (which, name) in [
            (Schema::Settings, "sidegate.toml"),
            (Schema::Policy, "policy.toml"),
            (Schema::Tests, "tests.toml"),
        ] {
            let path = examples.join(example).join(name);
            files.push((which, std::fs::read_to_string(path).unwrap()));
        }
    }
    for (which, text) in files {
        let wrong = wrong(&schema(which), &json(&text), "");
        assert_eq!(wrong, None, "{which:?}: {text:.60}");
    }
}

#[test]
fn the_first_settings_name_every_field() {
    let text = include_str!("../../cli/starter/sidegate.toml");
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words: BTreeSet<_> = text.split(|letter| !is_of_name(letter)).collect();
    let mut said = BTreeMap::new();
    tables(&schema(Schema::Settings), String::new(), &mut said);
    let fields: BTreeSet<_> = said.values().flatten().map(String::as_str).collect();
    assert!(fields.len() > 50, "{fields:?}");
    assert_eq!(fields.difference(&words).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// What stands in place of each value of a sample in turn.
const OTHERS: [&str; 22] = [
    "\"x\"",
    "\"\"",
    "\"none\"",
    "\"allow\"",
    "\"5s\"",
    "\"8KiB\"",
    "\"10%\"",
    "\"/x\"",
    "\"group:x\"",
    "\"http://x\"",
    "\"0600\"",
    "2027-03-31T00:00:00Z",
    "2027-03-31",
    "0",
    "1",
    "404",
    "-1",
    "99999999999",
    "0.5",
    "true",
    "[]",
    "{}",
];

/// Every file that is the sample but for one value, or one field more.
fn variants(value: &toml::Value) -> Vec<toml::Value> {
    let parsed = |text: &str| -> toml::Value {
        toml::from_str::<toml::Table>(&format!("v = {text}")).unwrap().remove("v").unwrap()
    };
    let mut all: Vec<_> = OTHERS.iter().map(|other| parsed(other)).collect();
    match value {
        toml::Value::Table(table) => {
            for (key, below) in table {
                let put = |below| {
                    let mut table = table.clone();
                    table.insert(key.clone(), below);
                    toml::Value::Table(table)
                };
                all.extend(variants(below).into_iter().map(put));
                let mut without = table.clone();
                without.remove(key);
                all.push(toml::Value::Table(without));
            }
            let mut more = table.clone();
            more.insert("nobody_asks_for_this".to_owned(), toml::Value::Boolean(true));
            all.push(toml::Value::Table(more));
        }
        toml::Value::Array(items) => {
            for (position, below) in items.iter().enumerate() {
                let put = |below| {
                    let mut items = items.clone();
                    items[position] = below;
                    toml::Value::Array(items)
                };
                all.extend(variants(below).into_iter().map(put));
            }
        }
        _ => {}
    }
    all
}

/// The files that a sample can become by one wrong value: what the reader takes, the schema does,
/// and of what the reader refuses most, all but what is between fields, or names.
#[test]
fn a_schema_refuses_nothing_that_the_reader_takes() {
    for which in Schema::ALL {
        let schema = schema(which);
        let (mut taken, mut refused, mut missed) = (0, 0, BTreeSet::new());
        let samples = samples(which).iter().map(|text| toml::from_str::<toml::Table>(text));
        for variant in samples.flat_map(|sample| variants(&toml::Value::Table(sample.unwrap()))) {
            let toml::Value::Table(variant) = variant else { continue };
            let text = toml::to_string(&variant).unwrap();
            let (problems, compiles) = read(which, &text);
            let wrong = wrong(&schema, &json(&text), "");
            match (problems.is_empty(), wrong) {
                (true, None) => taken += 1,
                (true, Some(_)) if !compiles => refused += 1,
                (true, Some(wrong)) => panic!("{which:?}: the reader takes\n{text}\nbut {wrong}"),
                (false, Some(_)) => refused += 1,
                (false, None) => {
                    missed.extend(problems);
                }
            }
        }
        assert!(taken > 50 && refused > 500, "{which:?}: {taken} taken, {refused} refused");
        for problem in missed {
            let shape = ["`nobody_asks_for_this`", " must be ", "has no unit", "is not a duration"];
            // JSON has no dates, and some bounds are between fields.
            let left = ["must be between", "not a date or time"];
            let is_shape = shape.iter().any(|shape| problem.contains(shape));
            let is_left = left.iter().any(|left| problem.contains(left));
            assert!(!is_shape || is_left, "{which:?}: the schema does not see {problem}");
        }
    }
}

#[test]
fn reasons_are_all_named() {
    let schema = schema(Schema::Tests);
    let said = &schema["properties"]["case"]["items"]["properties"]["reason"]["enum"];
    let said: BTreeSet<_> = said.as_array().unwrap().iter().flat_map(Json::as_str).collect();
    assert_eq!(said, DenyReason::ALL.map(DenyReason::code).into());
}

/// Why `value` is not as `schema` says. It knows the words that the schemas use, and no others:
/// `tests/peers/taplo.rs` holds them to a whole implementation.
fn wrong(schema: &Json, value: &Json, at: &str) -> Option<String> {
    let schema = schema.as_object().unwrap();
    let no = |what: &str| Some(format!("{at}: {value} {what}"));
    for (word, wanted) in schema {
        let found = match word.as_str() {
            "$schema" | "title" | "description" | "default" => None,
            "type" if is_of(value, wanted.as_str().unwrap()) => None,
            "type" => no(&format!("is no {wanted}")),
            "enum" if wanted.as_array().unwrap().contains(value) => None,
            "enum" => no("is none of the words"),
            "anyOf" => {
                let ways: Vec<_> =
                    wanted.as_array().unwrap().iter().map(|way| wrong(way, value, at)).collect();
                if ways.contains(&None) { None } else { ways.into_iter().flatten().next() }
            }
            "minLength" => too(value.as_str(), |it| it.chars().count() < number(wanted), "short"),
            "maxLength" => too(value.as_str(), |it| it.chars().count() > number(wanted), "long"),
            "pattern" => {
                let pattern = wanted.as_str().unwrap();
                too(value.as_str(), |it| !is_like(pattern, it), "unlike the pattern")
            }
            "minimum" => too(value.as_f64(), |it| it < wanted.as_f64().unwrap(), "small"),
            "maximum" => too(value.as_f64(), |it| it > wanted.as_f64().unwrap(), "large"),
            "minItems" => too(value.as_array(), |it| it.len() < number(wanted), "few"),
            "maxItems" => too(value.as_array(), |it| it.len() > number(wanted), "many"),
            "minProperties" => too(value.as_object(), |it| it.len() < number(wanted), "few"),
            "required" => wanted.as_array().unwrap().iter().find_map(|field| {
                let there = value.get(field.as_str().unwrap()).is_some() || !value.is_object();
                if there { None } else { no(&format!("is without {field}")) }
            }),
            "properties" => fields(value)
                .find_map(|(name, below)| wrong(wanted.get(name)?, below, &format!("{at}.{name}"))),
            "additionalProperties" => {
                let named = schema.get("properties");
                let is_named = |name: &str| named.is_some_and(|named| named.get(name).is_some());
                fields(value).filter(|(name, _)| !is_named(name)).find_map(|(name, below)| {
                    match wanted {
                        Json::Bool(false) => no(&format!("has {name}")),
                        wanted => wrong(wanted, below, &format!("{at}.{name}")),
                    }
                })
            }
            "items" => value.as_array().into_iter().flatten().find_map(|it| wrong(wanted, it, at)),
            other => panic!("{at}: the word {other} is not known here"),
        };
        if found.is_some() {
            return found.map(|found| format!("{found} ({word} at {at})"));
        }
    }
    None
}

fn is_of(value: &Json, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}

fn too<T>(value: Option<T>, is_too: impl Fn(T) -> bool, what: &str) -> Option<String> {
    value.is_some_and(is_too).then(|| format!("too {what}"))
}

thread_local! {
    static PATTERNS: RefCell<BTreeMap<String, regex::Regex>> = const { RefCell::new(BTreeMap::new()) };
}

fn is_like(pattern: &str, text: &str) -> bool {
    PATTERNS.with_borrow_mut(|known| {
        let made = known.entry(pattern.to_owned());
        made.or_insert_with_key(|pattern| regex::Regex::new(pattern).unwrap()).is_match(text)
    })
}

fn number(json: &Json) -> usize {
    usize::try_from(json.as_u64().unwrap()).unwrap()
}

fn fields(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
