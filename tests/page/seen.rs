//! What an operator does on the page, in a real browser.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::browser::{Browser, ENTER, SPACE, TAB};
use crate::harness::Running;
use crate::house::House;

const VIEWS: [&str; 7] = ["overview", "denials", "members", "keys", "routes", "explain", "reloads"];

/// Where `.ci/run` puts axe-core, and pictures go.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// With something to see in every view.
fn furnished(lines: &str) -> House {
    let house = House::new(lines);
    for (method, target, key) in [
        ("POST", "/vault/globex/records/1", "sync"),
        ("GET", "/vault/acme/records/2", "mallory"),
        ("GET", "/vault/acme/records/3", "guessed"),
        ("GET", "/vault/acme/keys/4", ""),
        ("GET", "/vault/acme/records/5", "old"),
        ("GET", "/vault/globex/records/6", "alice"),
        ("PATCH", "/vault/acme/keys/7", "alice"),
        ("GET", "/nowhere", "alice"),
    ] {
        for _ in 0..3 {
            house.request(method, target, key);
        }
    }
    house.change("role = \"operator\"", "level = \"view\"");
    house.change("level = \"view\"", "role = \"operator\"");
    house
}

fn opened(house: &House, browser: &Browser, view: &str) {
    browser.open(&format!("{}#/{view}", house.url()));
    browser.until(view, || {
        let heading = browser.text("h1").unwrap_or_default().to_lowercase();
        let reads = browser.text(".view [role=status]").is_some_and(|it| it.contains("Looking"));
        heading == view
            && !reads
            && browser.text("#now").is_some_and(|it| it.contains("generation"))
    });
}

#[test]
#[ignore = "needs Chromium and its driver; .ci/run installs them"]
fn the_matrix_is_filtered() {
    let (house, browser) = (House::new(""), Browser::start());
    opened(&house, &browser, "members");
    let rows = || browser.texts(".matrix tbody tr");
    browser.until("every member", || rows().len() == 15);
    browser.write("input[name=workspace]", "globex");
    browser.until("members of globex", || rows().len() == 3);
    assert!(rows().iter().all(|row| row.contains("globex")), "{:?}", rows());
    browser.write("input[name=workspace]", "acme");
    browser.run(
        "const it = document.querySelector('[name=level]'); it.value = 'view'; \
                 it.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    browser.until("who views", || rows().len() == 3 && rows().iter().all(|it| it.contains("View")));
    assert!(rows().iter().all(|row| !row.contains("Full")), "{:?}", rows());
    browser.run(
        "const it = document.querySelector('[name=product]'); it.value = 'visibility'; \
                 it.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    browser.until("columns of the product", || {
        browser.texts(".matrix thead th").iter().any(|it| it.contains("SETTINGS_MEMBERS"))
    });
    // What is shown has an address of its own, and the name of a member is a text.
    let address = browser.run("return location.hash").as_str().unwrap().to_owned();
    assert!(address.contains("workspace=acme") && address.contains("level=view"), "{address}");
    browser.open(&format!("{}#/members?account=%3Cscript", house.url()));
    browser.run("location.reload()");
    browser.until("a hostile name", || {
        rows() == [rows().first().cloned().unwrap_or_default()]
            && rows().iter().any(|it| it.contains("<script>document.title=1"))
    });
    assert_eq!(browser.run("return document.title"), "Members · sidegate");
    opened(&house, &browser, "keys");
    browser.until("a hostile label", || {
        browser.texts("tbody td").iter().any(|it| it.contains("<script>window.owned"))
    });
    assert_eq!(browser.run("return window.owned ?? 'nobody'"), "nobody");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium and its driver; .ci/run installs them"]
fn a_request_is_explained_and_a_denial_appears() {
    let (house, browser) = (House::new(""), Browser::start());
    opened(&house, &browser, "explain");
    browser.write("input[name=method]", "POST");
    browser.write("input[name=host]", "api.acme.example");
    browser.write("input[name=path]", "/visibility/settings/general");
    browser.write("input[name=account]", "svc-reporting");
    browser.write("input[name=workspace]", "acme");
    browser.press(&[ENTER]);
    browser.until("a decision", || {
        browser
            .text(".decision")
            .is_some_and(|it| it.contains("Denied") && it.contains("no_access"))
    });
    assert!(browser.focused().starts_with("h2 "), "{}", browser.focused());
    let steps = browser.texts(".steps li");
    assert!(steps.iter().any(|it| it.contains("settings (policy.toml:")), "{steps:?}");
    browser.write("input[name=account]", "carol@acme.example");
    browser.click("button.main");
    browser.until("another decision", || {
        browser.text(".decision").is_some_and(|it| it.contains("Allowed"))
    });

    opened(&house, &browser, "denials");
    assert!(browser.text("main").unwrap().contains("Nothing was refused"));
    assert_eq!(house.request("POST", "/vault/globex/records/17", "sync"), 403);
    browser.until("the denial", || {
        let rows = browser.texts("section[aria-labelledby=recent] tbody tr");
        rows.iter().any(|row| row.contains("key_ceiling") && row.contains("globex-sync"))
    });
    browser.until("it is said", || {
        browser.run("return document.querySelector('#told').textContent")
            == "1 new denial, the last key_ceiling"
    });
    assert!(!browser.text("body").unwrap().contains("/17"));
    // From the denial to its reason.
    browser.click("section[aria-labelledby=recent] tbody a[href^='#/explain']");
    browser.until("why", || browser.text(".decision").is_some_and(|it| it.contains("key_ceiling")));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium and its driver; .ci/run installs them"]
fn a_keyboard_is_enough() {
    let (house, browser) = (House::new(""), Browser::start());
    opened(&house, &browser, "overview");
    browser.press(&[TAB]);
    assert_eq!(browser.focused(), "a skip");
    browser.press(&[ENTER]);
    assert_eq!(browser.focused(), "main main");
    browser.run("document.activeElement.blur(); window.getSelection().removeAllRanges()");
    opened(&house, &browser, "overview");
    browser.run("document.querySelector('.mark a').focus()");
    browser.press(&[TAB]);
    let mut order = vec![browser.focused()];
    for _ in 1..VIEWS.len() {
        browser.press(&[TAB]);
        order.push(browser.focused());
    }
    let expected = ["Overview", "Denials", "Members", "Keys", "Routes", "Explain", "Reloads"];
    assert_eq!(order, expected.map(|it| format!("a {it}")));
    browser.run("document.querySelector('a[href=\"#/members\"]').focus()");
    browser.press(&[ENTER]);
    browser.until("the view", || browser.text("h1").as_deref() == Some("Members"));
    assert_eq!(browser.focused(), "h1 title");
    browser.press(&[TAB, "g", "l", "o", "b", "e", "x"]);
    browser.until("members of globex", || browser.texts(".matrix tbody tr").len() == 3);
    assert_eq!(browser.focused(), "input workspace", "a filter keeps the focus");
    browser.press(&[TAB, TAB, "\u{e014}"]);
    browser.until("areas", || browser.texts(".matrix thead th").contains(&"billing".to_owned()));
    // A list that scrolls sideways can be reached, and so scrolled.
    browser.run("document.querySelector('.scroll').focus()");
    assert!(browser.focused().starts_with("div "));
    opened(&house, &browser, "explain");
    browser.run("document.querySelector('[name=who]:checked').focus()");
    browser.press(&["\u{e015}", "\u{e015}", SPACE]);
    assert_eq!(browser.run("return document.querySelector('[name=who]:checked').value"), "nobody");
}

/// The page outlives the process, says so, and goes on.
#[test]
#[ignore = "needs Chromium and its driver; .ci/run installs them"]
fn a_restart_is_seen_and_survived() {
    let (mut house, browser) = (House::new(""), Browser::start());
    opened(&house, &browser, "overview");
    house.gate.running.signal("TERM");
    browser.until("disconnected", || {
        browser.text("#lost").is_some_and(|it| it.contains("Disconnected"))
    });
    let (program, arguments) = (env!("CARGO_BIN_EXE_sidegate"), ["serve", "-c", "sidegate.toml"]);
    house.gate.running = Running::start(program, &arguments, house.folder.path(), "sidegate");
    browser.until("connected", || {
        browser.run("return document.querySelector('#lost').hidden") == true
    });
    house.change("role = \"operator\"", "level = \"view\"");
    browser.until("the new generation", || {
        browser.text("#now").is_some_and(|it| it.contains("generation 2"))
    });
    opened(&house, &browser, "reloads");
    browser.until("its change", || {
        browser
            .text(".reloads")
            .is_some_and(|it| it.contains("svc-deploy of acme: vault full → view"))
    });
    fs::write(house.path().join("policy.toml"), "version = 1\nodd = 2\n").unwrap();
    browser.until("why the files are refused", || {
        browser.text(".banner.bad").is_some_and(|it| it.contains("unknown field `odd`"))
            || browser.texts(".banner.bad").iter().any(|it| it.contains("odd"))
    });
}

#[test]
#[ignore = "needs Chromium and its driver; .ci/run installs them"]
fn a_browser_gives_the_token() {
    let (house, browser) = (House::new("admin.token = \"admin.token\""), Browser::start());
    let url = house.url().replace("http://", &format!("http://me:{}@", crate::house::TOKEN));
    browser.open(&url);
    browser.until("the page", || browser.text("#now").is_some_and(|it| it.contains("generation")));
    assert!(!browser.run("return document.cookie").as_str().unwrap().contains('='));
}

/// Axe-core finds nothing serious in any view, in light and dark, wide and narrow.
#[test]
#[ignore = "needs Chromium, its driver and axe-core; .ci/run installs them"]
fn nobody_is_left_out() {
    let axe = place("axe/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    let (house, browser) = (furnished(""), Browser::start());
    let mut findings = Vec::new();
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look_like(width, 844, width < 500, scheme);
        for view in VIEWS {
            opened(&house, &browser, view);
            if view == "explain" {
                let asked =
                    "method=POST&host=a&path=/vault/acme/keys&account=svc-reporting&workspace=acme";
                browser.open(&format!("{}#/explain?{asked}", house.url()));
                browser.until("why", || browser.text(".decision").is_some());
            }
            browser.run(&axe);
            let found = browser.run_until_called(
                "const done = arguments[arguments.length - 1]; \
                 axe.run(document).then((it) => done(it.violations), (error) => done(String(error)))",
            );
            let Value::Array(violations) = found else { panic!("{found}") };
            findings.extend(violations.iter().map(|it| {
                let nodes = it["nodes"].as_array().unwrap().iter().take(3);
                let nodes: Vec<_> = nodes.map(|it| it["html"].to_string()).collect();
                let (impact, id) = (it["impact"].as_str().unwrap(), &it["id"]);
                (impact.to_owned(), format!("{view} {width} {scheme}: {impact} {id}: {nodes:?}"))
            }));
        }
    }
    let (serious, rest): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|(impact, _)| impact == "serious" || impact == "critical");
    println!("axe-core: {} serious or critical, {} others", serious.len(), rest.len());
    rest.iter().for_each(|(_, finding)| println!("{finding}"));
    assert!(serious.is_empty(), "{serious:#?}");
}

/// Pictures of every view, to be looked at.
#[test]
#[ignore = "needs Chromium and its driver; .ci/run installs them"]
fn pictures_are_taken() {
    let folder = place("pictures");
    fs::create_dir_all(&folder).unwrap();
    let (house, browser) = (furnished(""), Browser::start());
    for (width, height, scheme) in
        [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]
    {
        browser.look_like(width, height, width < 500, scheme);
        for view in VIEWS {
            opened(&house, &browser, view);
            if view == "explain" {
                let asked = "method=POST&host=api.acme.example&path=/content/drafts/1&account=erin@acme.example&workspace=acme";
                browser.open(&format!("{}#/explain?{asked}", house.url()));
                browser.until("why", || browser.text(".decision").is_some());
            }
            // A page wider than its window is one that nobody can read on a phone.
            let wide = browser.run("return document.documentElement.scrollWidth - innerWidth");
            assert!(wide.as_i64().unwrap() <= 0, "{view} at {width}: {wide} pixels too wide");
            let picture = folder.join(format!("{view}-{width}-{scheme}.png"));
            browser.picture(&picture, false);
            assert!(fs::metadata(&picture).unwrap().len() > 5_000);
        }
    }
}
