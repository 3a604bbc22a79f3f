//! The page's files and what it shows, over plain sockets.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{PATIENCE, ask, until};
use crate::house::{HOSTILE, House, TOKEN};

const FILES: [&str; 12] = [
    "/",
    "/page/style.css",
    "/page/icon.svg",
    "/page/app.js",
    "/page/dom.js",
    "/page/overview.js",
    "/page/denials.js",
    "/page/members.js",
    "/page/keys.js",
    "/page/routes.js",
    "/page/explain.js",
    "/page/reloads.js",
];

const QUESTIONS: [&str; 10] = [
    "/api/overview",
    "/api/reloads",
    "/api/denials",
    "/api/routes",
    "/api/workspaces",
    "/api/members",
    "/api/members?columns=areas",
    "/api/members?product=visibility",
    "/api/keys",
    "/api/explain?method=GET&host=a&path=/&account=svc-deploy&workspace=acme",
];

/// A whole answer to a request as it stands.
fn raw(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn every_file_is_served_with_what_keeps_others_out() {
    let house = House::new("");
    let get = |path: &str, more: &str| {
        raw(house.gate.admin, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n"))
    };
    for path in FILES.iter().chain(&QUESTIONS).chain(&["/none", "/status", "/metrics"]) {
        let answer = get(path, "");
        let policy = header(&answer, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{path}");
        }
    }
    for path in FILES {
        let answer = get(path, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let kind = match path.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(header(&answer, "content-type"), Some(kind));
        assert_eq!(header(&answer, "cache-control"), Some("no-cache"));
        let tag = header(&answer, "etag").unwrap().to_owned();
        let again = get(path, &format!("if-none-match: \"x\", W/{tag}\r\n"));
        assert!(again.starts_with("HTTP/1.1 304"), "{again}");
        assert!(get(path, "if-none-match: \"x\"\r\n").starts_with("HTTP/1.1 200"));
    }
    for path in QUESTIONS {
        assert_eq!(header(&get(path, ""), "cache-control"), Some("no-store"), "{path}");
    }
}

/// Nothing is built from text, nothing is inline, nothing comes from elsewhere.
#[test]
fn the_page_needs_nothing_that_its_policy_forbids() {
    let house = House::new("");
    for path in FILES {
        let text = house.look(path, "").body;
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "https://",
            "http://127",
            " style=",
            " onclick=",
            "javascript:",
            "<style",
            "//cdn",
        ] {
            assert!(!text.contains(forbidden), "{path} has `{forbidden}`");
        }
        for used in text.match_indices("http://").map(|(at, _)| &text[at..]) {
            assert!(used.starts_with("http://www.w3.org/2000/svg"), "{path}: {used:.60}");
        }
        if path.ends_with(".js") {
            for import in text.lines().filter(|line| line.starts_with("import")) {
                assert!(import.contains("from \"./"), "{path}: {import}");
            }
        }
    }
    let html = house.look("/", "").body;
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(html.contains("<script type=\"module\" src=\"/page/app.js\"></script>"), "{html}");
}

#[test]
fn nothing_takes_anything_but_reading() {
    let house = House::new("");
    for path in FILES.iter().chain(&QUESTIONS) {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let answer = ask(house.gate.admin, method, path, "").unwrap();
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
        }
    }
    let before: Vec<_> = ["policy.toml", "keys.jsonl", "sidegate.toml"]
        .map(|name| fs::read(house.path().join(name)).unwrap())
        .into();
    let generation = house.json("/api/overview")["generation"].clone();
    QUESTIONS.iter().for_each(|path| drop(house.json(path)));
    let after: Vec<_> = ["policy.toml", "keys.jsonl", "sidegate.toml"]
        .map(|name| fs::read(house.path().join(name)).unwrap())
        .into();
    assert_eq!(before, after);
    assert_eq!(house.json("/api/overview")["generation"], generation);
}

#[test]
fn names_that_are_not_ours_and_pages_of_others_get_nothing() {
    let house = House::new("admin.hosts = [\"ops.example\"]");
    let get = |path: &str, head: &str| {
        let answer = raw(house.gate.admin, &format!("GET {path} HTTP/1.1\r\n{head}\r\n"));
        assert!(!answer.contains("acme"), "{answer}");
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for path in ["/", "/page/app.js", "/api/explain"] {
        assert_eq!(get(path, "host: evil.example\r\n"), "421", "{path}");
        assert_eq!(get(path, ""), "421", "{path}");
        let framed = "host: localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-dest: iframe\r\n";
        assert_eq!(get(path, framed), "403", "{path}");
        let image = "host: localhost\r\nsec-fetch-site: same-site\r\nsec-fetch-dest: image\r\n";
        assert_eq!(get(path, image), "403", "{path}");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:1", "ops.example", "OPS.example:9464"] {
        assert_eq!(get("/", &format!("host: {host}\r\n")), "200", "{host}");
    }
    // A scrape goes by whatever name it likes; the status has what only the page has otherwise.
    assert_eq!(get("/metrics", "host: sidegate.monitoring\r\n"), "200");
    assert_eq!(get("/healthz", "host: sidegate.monitoring\r\n"), "200");
    assert_eq!(get("/status", "host: evil.example\r\n"), "421");
}

#[test]
fn a_token_is_asked_for_where_there_is_one() {
    let house = House::new("admin.token = \"admin.token\"");
    let get = |path: &str, more: &str| {
        raw(house.gate.admin, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n"))
    };
    let basic = data_encoding::BASE64.encode(format!(":{TOKEN}").as_bytes());
    for path in FILES.iter().chain(&QUESTIONS) {
        let refused = get(path, "");
        assert!(refused.starts_with("HTTP/1.1 401"), "{path}: {refused}");
        assert!(header(&refused, "www-authenticate").unwrap().starts_with("Basic realm="));
        // A page that polls has its own words: no dialogue comes up in the middle of it.
        let polled = get(path, "sec-fetch-dest: empty\r\nsec-fetch-site: same-origin\r\n");
        assert_eq!(header(&polled, "www-authenticate"), Some("Bearer realm=\"sidegate\""));
        for good in [format!("Basic {basic}"), format!("Bearer {TOKEN}")] {
            let answer = get(path, &format!("authorization: {good}\r\n"));
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }
        let wrong = get(path, "authorization: Bearer 0123456789abcdef0123456789abcdeg\r\n");
        assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    }
    assert!(get(&format!("/?token={TOKEN}"), "").starts_with("HTTP/1.1 401"));
    for open in ["/healthz", "/readyz", "/metrics", "/status"] {
        assert!(get(open, "").starts_with("HTTP/1.1 200"), "{open}");
    }
    let log = fs::read_to_string(house.path().join("sidegate.log")).unwrap();
    assert!(!log.contains(TOKEN));
}

/// The same text as in the file, and no byte of a key or of its hash.
#[test]
fn hostile_names_are_text_and_secrets_are_nowhere() {
    let house = House::new("");
    house.request("GET", "/vault/acme/records/4711?secret=1", "mallory");
    house.request("GET", "/vault/acme/records/4711", "guessed");
    until("the denials", || house.json("/api/denials")["rows"].as_array().unwrap().len() == 2);
    let keys = house.json("/api/keys?text=mallory");
    assert_eq!(keys["rows"][0]["label"], HOSTILE);
    let members = house.json("/api/members?account=%3Cscript");
    assert_eq!(members["rows"][0]["account"], "<script>document.title=1");
    let hash = fs::read_to_string(house.path().join("keys.jsonl")).unwrap();
    let hash: Vec<_> = hash.split("sha256:").skip(1).map(|rest| &rest[..64]).collect();
    for path in QUESTIONS.iter().chain(&[
        "/api/keys?limit=500",
        "/api/explain?method=GET&host=a&path=/vault/acme/records&key_id=k_alice",
    ]) {
        let body = house.look(path, "").body;
        let kind =
            raw(house.gate.admin, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        assert_eq!(header(&kind, "content-type"), Some("application/json"));
        assert!(hash.iter().all(|hash| !body.contains(hash)), "{path}: {body}");
        for secret in ["key-mallory", "key-guessed", "4711", "secret"] {
            assert!(!body.contains(secret), "{path} has {secret}: {body}");
        }
    }
}

#[test]
fn members_are_chosen_by_every_filter() {
    let house = House::new("");
    let rows = |query: &str| -> Vec<String> {
        let answer = house.json(&format!("/api/members?{query}"));
        assert_eq!(answer["next"], Value::Null, "{query}");
        let rows = answer["rows"].as_array().unwrap().iter();
        rows.map(|row| {
            let levels = row["levels"].as_array().unwrap().iter();
            let levels: Vec<_> = levels.map(|level| level.as_str().unwrap_or("-")).collect();
            format!("{} {}", row["account"].as_str().unwrap(), levels.join(" "))
        })
        .collect()
    };
    for (query, expected) in [
        (
            "workspace=globex",
            vec![
                "gina@globex.example - - full",
                "hank@globex.example - - full",
                "globex-sync - - full",
            ],
        ),
        // Past due, so a grant of full comes to view.
        ("account=erin", vec!["erin@acme.example view view none"]),
        (
            "account=erin&product=visibility",
            vec!["erin@acme.example none view view none none none"],
        ),
        ("account=erin&columns=areas", vec!["erin@acme.example none none view none none"]),
        ("text=billing", vec!["dan@acme.example none none none"]),
        (
            "workspace=acme&level=view",
            vec![
                "erin@acme.example view view none",
                "<script>document.title=1 none none view",
                "svc-reporting view none none",
            ],
        ),
        ("workspace=closed", vec!["ida@closed.example - - none", "jim@closed.example - - none"]),
        ("account=mallory", vec!["mallory@acme.example none none none"]),
        ("account=frank", vec!["frank@acme.example none none none"]),
        ("workspace=ACM&account=bob", vec!["bob@acme.example full view full"]),
        ("account=nobody", vec![]),
    ] {
        let seen = rows(query);
        assert_eq!(seen, expected, "{query}");
    }
    let row = |query: &str| house.json(&format!("/api/members?{query}"))["rows"][0].clone();
    assert_eq!(row("account=mallory")["closed"], "account_suspended");
    assert_eq!(row("workspace=closed")["closed"], "workspace_suspended");
    assert_eq!(row("account=frank")["pending"], true);
    assert_eq!(row("account=alice")["bypass"], true);
    assert_eq!(row("account=svc-reporting")["partly"], serde_json::json!([0]));
    for wrong in ["level=most", "columns=all", "product=none", "after=x", "limit=501", "odd=1"] {
        let answer = house.look(&format!("/api/members?{wrong}"), "");
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[test]
fn lists_come_page_by_page_and_miss_nobody() {
    let house = House::new("");
    for (path, name) in [("/api/members", "account"), ("/api/keys", "id"), ("/api/routes", "name")]
    {
        let whole = house.json(&format!("{path}?limit=500"));
        let names = |answer: &Value| -> Vec<Value> {
            answer["rows"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
        };
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let answer = house.json(&format!("{path}?limit=2&after={after}"));
            assert!(names(&answer).len() <= 2);
            all.extend(names(&answer));
            match &answer["next"] {
                Value::Null => break,
                Value::String(next) => after.clone_from(next),
                next => after = next.to_string(),
            }
        }
        assert_eq!(all, names(&whole), "{path}");
    }
}

#[test]
fn keys_are_chosen_by_state_end_and_label() {
    let house = House::new("");
    let ids = |query: &str| -> Vec<String> {
        let answer = house.json(&format!("/api/keys?{query}"));
        let rows = answer["rows"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        (
            "state=active&workspace=acme",
            vec!["k_report", "k_deploy", "k_erin", "k_alice", "k_mallory"],
        ),
        ("days=30", vec!["k_report", "k_deploy"]),
        ("state=expired", vec!["k_old"]),
        ("state=revoked", vec!["k_lost"]),
        ("state=not_yet_valid", vec!["k_next"]),
        ("text=TRAIN", vec!["k_lost"]),
        ("text=export", vec!["k_old", "k_report"]),
        ("workspace=globex", vec!["k_sync"]),
        ("text=nobody%27s", vec![]),
    ] {
        assert_eq!(ids(query), expected, "{query}");
    }
    let counts = &house.json("/api/keys")["counts"];
    assert_eq!(counts.to_string(), r#"{"active":6,"expired":1,"not_yet_valid":1,"revoked":1}"#);
    let row = &house.json("/api/keys?text=k_report")["rows"][0];
    assert_eq!((&row["label"], &row["days_left"]), (&"nightly export".into(), &5.into()));
    let row = &house.json("/api/keys?text=k_sync")["rows"][0];
    assert_eq!(row["ceiling"]["level"], "view");
    // A file that is bad by now says nothing of what is in force; its labels cannot be had.
    fs::write(house.path().join("keys.jsonl"), "{}\n").unwrap();
    let answer = house.json("/api/keys?text=k_report");
    assert!(answer["labels"].is_string() && answer["rows"][0]["state"] == "active", "{answer}");
}

/// Asked of the process, and by the command of the same files.
#[test]
fn an_explanation_is_that_of_the_command() {
    let house = House::new("");
    for (method, path, key) in [
        ("GET", "/visibility/reports/1", "k_report"),
        ("DELETE", "/visibility/reports/1", "k_report"),
        ("POST", "/visibility/settings/general", "k_report"),
        ("POST", "/content/drafts", "k_erin"),
        ("GET", "/visibility/reports", "k_old"),
        ("GET", "/visibility/reports", "k_lost"),
        ("GET", "/visibility/reports", "k_next"),
        ("GET", "/vault/acme/records", "k_mallory"),
        ("GET", "/vault/globex/records", "k_alice"),
        ("POST", "/vault/globex/records", "k_sync"),
        ("PATCH", "/vault/acme/keys", "k_alice"),
        ("GET", "/nowhere", "k_alice"),
        ("GET", "/a//b", "k_alice"),
        ("DELETE", "/workspaces/acme/members/alice@acme.example", "k_erin"),
        ("GET", "/healthz", ""),
        ("GET", "/vault/acme", ""),
    ] {
        let who = if key.is_empty() { String::new() } else { format!("&key_id={key}") };
        let asked = format!("/api/explain?method={method}&host=api.acme.example&path={path}{who}");
        let mut seen = house.json(&asked)["explanation"].clone();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command.args(["explain", method, path, "--host", "api.acme.example", "--output", "json"]);
        command.current_dir(house.path()).args(["-c", "sidegate.toml"]);
        if !key.is_empty() {
            command.args(["--key-id", key]);
        }
        let output = command.output().unwrap();
        let mut expected: Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = seen.as_object_mut().unwrap().remove("steps").unwrap();
        assert!(!steps.as_array().unwrap().is_empty(), "{asked}");
        for answer in [&mut seen, &mut expected] {
            answer["at"] = Value::Null;
            // Which line of the key file it is, nobody keeps.
            if answer["key"].is_object() {
                answer["key"]["place"] = Value::Null;
            }
        }
        assert_eq!(seen, expected, "{asked}");
    }
}

/// An account needs no key to be asked about, and bad files do not change the answer.
#[test]
fn an_explanation_is_of_what_is_in_force() {
    let house = House::new("");
    let ask = |who: &str| {
        let path = format!("/api/explain?method=POST&host=a&path=/vault/acme/records&{who}");
        house.look(&path, "")
    };
    let decision = |who: &str| {
        let answer: Value = serde_json::from_str(&ask(who).body).unwrap();
        let answer = &answer["explanation"];
        format!(
            "{} {}",
            answer["decision"].as_str().unwrap(),
            answer["reason"].as_str().unwrap_or("")
        )
    };
    let both = |house: &str| {
        assert_eq!(decision("account=svc-deploy&workspace=acme"), "allow ", "{house}");
        assert_eq!(decision("account=svc-reporting&workspace=acme"), "deny no_access", "{house}");
        assert_eq!(decision("account=stranger&workspace=acme"), "deny not_a_member", "{house}");
        assert_eq!(
            decision("account=gina@globex.example&workspace=globex"),
            "deny wrong_workspace"
        );
        assert_eq!(decision(""), "deny key_missing", "{house}");
    };
    both("good files");
    fs::write(house.path().join("policy.toml"), "version = \n").unwrap();
    until("the files are refused", || {
        house.json("/api/overview")["last_reload"]["successful"] == false
    });
    both("bad files");
    for (who, wrong) in [
        ("key_id=k_none", "unknown key `k_none`"),
        ("account=a&workspace=acmee", "did you mean `acme`?"),
        ("account=a", "name both"),
        ("key_id=k&account=a&workspace=b", "name no account"),
        ("upgrade=h2c", "`upgrade` is one of `websocket`"),
    ] {
        let answer = ask(who);
        assert_eq!(answer.status, 400, "{who}");
        assert!(answer.body.contains(wrong), "{who}: {}", answer.body);
    }
}

#[test]
fn denials_are_counted_with_examples_that_name_no_path() {
    let house = House::new("");
    for _ in 0..3 {
        assert_eq!(house.request("POST", "/vault/globex/records/17", "sync"), 403);
    }
    assert_eq!(house.request("GET", "/vault/globex/records/17", "guessed"), 401);
    assert_eq!(house.request("GET", "/healthz", ""), 502);
    until("three denials", || {
        let rows = house.json("/api/denials")["rows"].clone();
        rows.as_array().unwrap().iter().any(|row| row["total"] == 3)
    });
    let rows = house.json("/api/denials")["rows"].clone();
    let reasons: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["reason"]).collect();
    assert_eq!(reasons, ["key_ceiling", "key_unknown"]);
    let row = &rows[0];
    assert_eq!(
        row["minutes"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).sum::<u64>(),
        3
    );
    let counted = row["examples"].as_array().unwrap().iter();
    assert_eq!(counted.map(|it| it["count"].as_u64().unwrap()).sum::<u64>(), 3, "{row}");
    let example = &row["examples"][0];
    for (field, expected) in [
        ("method", "POST"),
        ("template", "/vault/{workspace}/records"),
        ("route", "records"),
        ("account", "globex-sync"),
        ("key_id", "k_sync"),
        ("workspace", "globex"),
        ("scope", "vault/records"),
        ("needed", "full"),
        ("peer", "127.0.0.1"),
    ] {
        assert_eq!(example[field], expected, "{example}");
    }
}

#[test]
fn reloads_say_what_they_changed() {
    let house = House::new("");
    house.change(
        "product = \"vault\"\nrole = \"operator\"",
        "product = \"vault\"\nlevel = \"view\"",
    );
    until("the reload is compared", || house.json("/api/reloads")["rows"][0]["rows"].is_array());
    let row = &house.json("/api/reloads")["rows"][0];
    assert_eq!((&row["generation"], &row["left_out"]), (&2.into(), &0.into()));
    let words: Vec<_> =
        row["rows"].as_array().unwrap().iter().map(|it| it["words"].as_str().unwrap()).collect();
    assert!(
        words.iter().any(|it| it.contains("svc-deploy of acme: vault full → view")),
        "{words:?}"
    );
    assert!(row["rows"].as_array().unwrap().iter().any(|it| it["lost"] == true), "{row}");
}

/// Ten thousand members in two thousand workspaces: no answer grows with them.
#[test]
fn answers_stay_bounded_however_large_the_policy_is() {
    let mut policy =
        "version = 1\nareas = [\"general\"]\n[role.owner]\nbypass = true\n[role.member]\n\
                      [product.p]\npermissions = []\n"
            .to_owned();
    policy.push_str("[workspace.acme]\nenvironment = \"production\"\nmembers = { a = \"owner\", b = \"owner\", \"alice@acme.example\" = \"member\", svc-reporting = \"member\", svc-deploy = \"member\", \"erin@acme.example\" = \"member\", \"carol@acme.example\" = \"member\", \"mallory@acme.example\" = \"member\" }\nproduct.p.subscription = \"active\"\n");
    policy.push_str("[workspace.globex]\nenvironment = \"production\"\nmembers = { a = \"owner\", b = \"owner\", globex-sync = \"member\" }\n");
    policy.push_str("[product.vault]\npermissions = []\n");
    for number in 0..2000 {
        let second = if number < 200 { "member" } else { "owner" };
        policy.push_str(&format!(
            "[workspace.w{number}]\nenvironment = \"production\"\nmembers = {{ o{number} = \"owner\", \
             p{number} = \"{second}\", m{number} = \"member\", n{number} = \"member\", last{number} = \"member\" }}\n\
             product.p.subscription = \"active\"\n"
        ));
    }
    for number in 0..1000 {
        policy.push_str(&format!(
            "[[route]]\nprefix = \"/r{number}\"\nworkspace = \"w{number}\"\nproduct = \"p\"\nupstream = \"app\"\n"
        ));
    }
    let house = House::of(&policy, "");
    for path in QUESTIONS.iter().filter(|path| !path.contains("visibility")) {
        let length = house.look(path, "").body.len();
        assert!(length < 100_000, "{path}: {length} bytes");
    }
    for path in ["/api/members?limit=500", "/api/routes?limit=500", "/api/workspaces?limit=500"] {
        let answer = house.look(path, "");
        assert!(answer.body.len() < 300_000, "{path}: {} bytes", answer.body.len());
    }
    // The last of all is found, in as many answers as it takes.
    let mut after = String::new();
    let found = loop {
        let answer = house.json(&format!("/api/members?account=last1999&after={after}"));
        if let Some(row) = answer["rows"].as_array().unwrap().first() {
            break row.clone();
        }
        after = answer["next"].as_str().unwrap().to_owned();
    };
    assert_eq!(found["workspace"], "w1999");
    assert!(house.json("/api/overview")["warnings"].as_u64().unwrap() >= 200);
    assert_eq!(house.json("/api/overview")["policy"]["warnings"].as_array().unwrap().len(), 100);
}
