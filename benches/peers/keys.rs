//! The keys, the same in every run, and the files in which each proxy has them.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use sidegate::policy::key::{BASE62, KeyDigest, RANDOM_CHARACTERS, checksum};

pub(crate) const ACCOUNTS: usize = 100;
/// What is sent as nobody's.
const STRANGERS: u64 = 2;

pub(crate) struct Keys {
    pub(crate) texts: Vec<String>,
    pub(crate) nobody: String,
}

impl Keys {
    pub(crate) fn new(count: usize) -> Self {
        let nobody = text(&mut fastrand::Rng::with_seed(STRANGERS));
        let mut random = fastrand::Rng::with_seed(1);
        Self { texts: (0..count).map(|_| text(&mut random)).collect(), nobody }
    }

    pub(crate) fn viewer(&self) -> &str {
        self.texts.first().map_or("", |text| text)
    }

    pub(crate) fn writer(&self) -> &str {
        self.texts.get(1).map_or("", |text| text)
    }

    /// Envoy's, in YAML as JSON is.
    pub(crate) fn credentials(&self) -> String {
        let key = |(number, text): (usize, &String)| {
            let account = number % ACCOUNTS;
            json!({ "key": text, "client": format!("{}:app{account}:k_{number}", level(account)) })
        };
        json!(self.texts.iter().enumerate().map(key).collect::<Vec<_>>()).to_string()
    }

    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let file = |name: &str, line: &dyn Fn(usize, &str) -> String| {
            let path = folder.join(name);
            let mut file = io::BufWriter::new(fs::File::create(&path)?);
            for (number, text) in self.texts.iter().enumerate() {
                file.write_all(line(number, text).as_bytes())?;
            }
            file.flush()?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
        };
        let level = |number: usize| level(number % ACCOUNTS);
        let account = |number: usize| number % ACCOUNTS;
        file("texts", &|_, text| text.to_owned())?;
        file("nginx.levels", &|number, text| format!("\"{text}\" {};\n", level(number)))?;
        file("nginx.accounts", &|number, text| format!("\"{text}\" app{};\n", account(number)))?;
        file("nginx.ids", &|number, text| format!("\"{text}\" k_{number};\n"))?;
        file("haproxy.keys", &|number, text| {
            format!("{text} {}:app{}:k_{number}\n", level(number), account(number))
        })?;
        file("keys.jsonl", &|number, text| {
            let record = json!({
                "id": format!("k_{number}"), "hash": KeyDigest::blake3(text).to_string(),
                "workspace": "bench", "account": format!("app{}", account(number)),
                "environment": "production", "label": "bench", "created": "2026-01-01T00:00:00Z",
                "not_before": null, "expires": null, "revoked": null, "ceiling": null,
            });
            format!("{record}\n")
        })
    }
}

/// What an account holds; that of the first key views.
pub(crate) fn level(account: usize) -> &'static str {
    if account.is_multiple_of(2) { "view" } else { "full" }
}

fn text(random: &mut fastrand::Rng) -> String {
    let mut text = String::from("sg_production_");
    text.extend((0..RANDOM_CHARACTERS).filter_map(|_| random.choice(BASE62)).map(|c| *c as char));
    text.push('_');
    let sum = checksum(&text);
    text.extend(sum.map(char::from));
    text
}
