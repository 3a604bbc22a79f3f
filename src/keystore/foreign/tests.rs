use super::*;
use crate::policy::key::KeyDigest;

const HASH: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Rows as `line: workspace/account label`, and problems as `line:column: message`.
fn read(format: Format, input: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut rows = Vec::new();
    let problems = each_row(input, format, FileId(0), |line, row| {
        let label = row.label.as_deref().unwrap_or("-");
        rows.push(format!("{line}: {}/{} {label}", row.workspace, row.account));
        match &*row.account {
            "nobody" => Err(Wrong::new(Column::Account, "no").hint("another")),
            _ => Ok(()),
        }
    });
    let told = problems
        .iter()
        .map(|problem| format!("{}:{}: {problem}", problem.place.line, problem.place.column));
    (rows, told.collect())
}

#[test]
fn rows_are_read_in_every_spelling() {
    let cases: [(Format, String, &[&str]); 8] = [
        (Format::Csv, format!("hash,workspace,account\n{HASH},w,a\n"), &["2: w/a -"]),
        (Format::Csv, "account,label,key,workspace\r\na,l,k,w\r\n".into(), &["2: w/a l"]),
        (Format::Csv, "key,workspace,account,label\nk,w,a,\"x, \"\"y\"\"\"".into(), &["2: w/a x, \"y\""]),
        (Format::Csv, format!("\u{feff}key, workspace,account,hash\nk,w,a,\n,w,b,{HASH}\n"), &[
            "2: w/a -", "3: w/b -",
        ]),
        (Format::Csv, "\"key\",\"workspace\",\"account\"\n\"a,b\",w,a\n".into(), &["2: w/a -"]),
        (Format::JsonLines, format!("{{\"hash\":\"{HASH}\",\"workspace\":\"w\",\"account\":\"a\"}}\n"), &["1: w/a -"]),
        (Format::JsonLines, "{\"key\":\"\\u0061b\",\"workspace\":\"w\",\"account\":\"a\",\"label\":\"ü\",\"ceiling\":{\"level\":\"view\"}}".into(), &["1: w/a ü"]),
        (Format::JsonLines, "{\"key\":\"k\",\"hash\":null,\"workspace\":\"w\",\"account\":\"a\",\"ceiling\":null}\r\n".into(), &["1: w/a -"]),
    ];
    for (format, text, expected) in cases {
        let (rows, problems) = read(format, text.as_bytes());
        assert_eq!(problems, Vec::<String>::new(), "{text}");
        assert_eq!(rows, expected, "{text}");
    }
}

#[test]
fn fields_become_what_records_have() {
    let line = "{\"key\":\"tk_elsewhere\",\"workspace\":\"w\",\"account\":\"a\",\"owner\":\"o\",\
                \"created\":\"2020-01-01\",\"not_before\":\"2026-11-20T10:00:00Z\",\
                \"expires\":\"2027-02-18\"}";
    each_row(line.as_bytes(), Format::JsonLines, FileId(0), |_, row| {
        let Secret::Key(key) = &row.secret else { panic!() };
        assert_eq!(key.sha256(), KeyDigest::sha256("tk_elsewhere"));
        let text = |time: Option<crate::keystore::Timestamp>| time.unwrap().to_string();
        assert_eq!(text(row.created), "2020-01-01T00:00:00Z");
        assert_eq!(text(row.not_before), "2026-11-20T10:00:00Z");
        assert_eq!(text(row.expires), "2027-02-18T00:00:00Z");
        assert_eq!(row.owner.as_deref(), Some("o"));
        Ok(())
    });
}

#[test]
fn every_damage_is_told_with_its_row_and_column_and_never_the_key() {
    let csv = |row: &str| format!("key,workspace,account,label,expires\nk,w,a,,\n{row}\n");
    let json = |fields: &str| format!("{{\"key\":\"SECRET\",\"workspace\":\"w\",{fields}}}\n");
    let cases = [
        (Format::Csv, csv("SECRET,w,nobody,,"), "3:10: `account`: no — another"),
        (Format::Csv, csv("SECRET,w,,,"), "3:10: `account`: there is none"),
        (Format::Csv, csv("SECRET,w,a,,soon"), "3:13: `expires`: it is no time such as"),
        (
            Format::Csv,
            csv("SECRET,\"w\",\"\u{e4}\",,SECRET"),
            "3:17: `expires`: it is no time such as",
        ),
        (Format::Csv, csv("SECRET word,w,a,,"), "3:1: `key`: a key has at most 512 visible"),
        (Format::Csv, csv("sg_SECRET,w,a,,"), "3:1: `key`: this is not a whole key of ours"),
        (
            Format::Csv,
            "hash,workspace,account\nSECRET:SECRET,w,a\n".into(),
            "2:1: `hash`: a hash starts with one of `blake3:`",
        ),
        (Format::Csv, csv(",w,a,,"), "3:0: it has neither `key` nor `hash`"),
        (Format::Csv, csv("SECRET,w,a"), "3:0: the row has 3 fields and the header 5"),
        (Format::Csv, csv("SECRET,w,a,b,c,"), "3:0: the row has 6 fields and the header 5"),
        (Format::Csv, csv("SECRET,w,\"a,,"), "3:10: a quote is not closed on its line"),
        (Format::Csv, csv("SECRET,w,\"a\"b,,"), "3:13: after a closing quote there is no comma"),
        (Format::Csv, csv("SECRET,w,a\"b,,"), "3:11: a quote stands inside a field"),
        (Format::Csv, csv("SECRET,w,a,\u{7},"), "3:12: `label`: a name or label has no control"),
        (Format::Csv, csv(""), "3:0: the line is blank"),
        (Format::Csv, csv(&"SECRET".repeat(20_000)), "3:0: the row is longer than 65536 bytes"),
        (
            Format::Csv,
            "SECRET,workspace,account\n".into(),
            "1:1: column 1 of the header is unknown",
        ),
        (
            Format::Csv,
            "key,workspce,account\nSECRET,w,a\n".into(),
            "1:5: unknown column `workspce` — did you mean `workspace`?",
        ),
        (Format::Csv, "key,workspace,key\n".into(), "1:15: the header has `key` twice"),
        (
            Format::Csv,
            "key,account\n".into(),
            "1:0: the header has no `workspace` — the first line",
        ),
        (Format::Csv, "workspace,account\n".into(), "1:0: the header has neither `key` nor `hash`"),
        (Format::Csv, "key,workspace,account,ceiling\n".into(), "1:23: column 4 of the header"),
        (Format::Csv, "key,workspace,account\n".into(), "0:0: there is no row in it"),
        (Format::Csv, String::new(), "0:0: there is no row in it"),
        (Format::JsonLines, String::new(), "0:0: there is no row in it"),
        (Format::JsonLines, json("\"account\":\"nobody\""), "1:0: `account`: no — another"),
        (Format::JsonLines, json("\"hash\":\"x\",\"account\":\"a\""), "1:0: it has both `key` and"),
        (
            Format::JsonLines,
            json("\"acount\":\"a\""),
            "1:40: unknown field `acount` — did you mean `account`?",
        ),
        (Format::JsonLines, json("\"account\":7"), "1:43: a number instead of a string"),
        (Format::JsonLines, json("\"account\":\"a"), "1:45: the record is cut off before its end"),
        (
            Format::JsonLines,
            json("\"account\":\"a\",\"expires\":\"1\""),
            "1:0: `expires`: it is no",
        ),
        (
            Format::JsonLines,
            json("\"account\":\"a\",\"not_before\":\"2026-11-20\",\"expires\":\"2026-11-19\""),
            "1:0: `expires`: it ends before it begins",
        ),
        (Format::JsonLines, "[\"SECRET\"]\n".into(), "1:"),
        (Format::JsonLines, "{\"key\":[\"SECRET\"]}\n".into(), "1:"),
    ];
    for (format, text, expected) in cases {
        let (_, problems) = read(format, text.as_bytes());
        let [problem] = &*problems else { panic!("{text:?}: {problems:?}") };
        assert!(problem.starts_with(expected), "{text:?}: {problem}");
        assert!(!problem.contains("SECRET"), "{problem}");
    }
}

#[test]
fn every_problem_is_told_up_to_a_hundred() {
    let rows = "k,w,nobody\n".repeat(250);
    let (_, problems) = read(Format::Csv, format!("key,workspace,account\n{rows}").as_bytes());
    assert_eq!(problems.len(), 101);
    assert!(problems[100].contains("and 150 more damaged lines"), "{}", problems[100]);
}

#[test]
fn what_is_no_utf_8_is_told() {
    let (_, problems) = read(Format::Csv, b"key,workspace,account\nk,w,\xff\n");
    assert_eq!(problems, ["2:0: not UTF-8 from byte 5 of the line on"]);
}
