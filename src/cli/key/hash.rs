//! `sidegate key hash`

use std::io::{self, Read};

use clap::Args;
use zeroize::Zeroizing;

use crate::keystore::ApiKey;
use crate::policy::key::{KeyDigest, LONGEST_KEY, Pepper};

use super::list::write_json;
use super::outcome::Failure;
use super::{CommonArgs, Output, Terminal};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidegate key hash < key.txt
  printf %s \"$KEY\" | sidegate key hash --sha256")]
pub(super) struct HashArgs {
    /// SHA-256, as other systems store keys
    #[arg(long, conflicts_with = "keyed")]
    sha256: bool,
    /// BLAKE3 under the configured pepper
    #[arg(long)]
    keyed: bool,
}

pub(super) fn run(
    args: &HashArgs,
    common: &CommonArgs,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let pepper = match args.keyed {
        true => Some(pepper(common)?),
        false => None,
    };
    let key = read_key(terminal.input)?;
    let hash: KeyDigest = match args.sha256 {
        true => key.sha256(),
        false => key.digest(pepper.as_ref()),
    };
    match common.output {
        Output::Json => {
            write_json(&serde_json::json!({ "hash": hash.to_string() }), terminal.out)?;
        }
        Output::Text => writeln!(terminal.out, "{hash}")?,
    }
    Ok(())
}

fn pepper(common: &CommonArgs) -> Result<Pepper, Failure> {
    common.pepper(&common.read_config()?)?.ok_or_else(|| {
        let message = "no pepper is configured — `pepper = \"FILE\"` in sidegate.toml names one";
        Failure::Invalid(message.into())
    })
}

fn read_key(input: &mut dyn Read) -> Result<ApiKey, Failure> {
    let key = ApiKey::parse(read_text(input)?);
    key.map_err(|why| Failure::Usage(format!("standard input: {why}")))
}

/// One line, whether it can be a key or not; at most a little more than a key can have.
pub(in crate::cli) fn read_text(input: &mut dyn Read) -> Result<Zeroizing<String>, Failure> {
    let most = LONGEST_KEY + "\r\n".len() + 1;
    // Room for all of it at once: a buffer that grows leaves copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * most));
    let read = input.take(most as u64).read_to_end(&mut bytes);
    read.map_err(|error: io::Error| Failure::Broke(format!("cannot read the key: {error}")))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).unwrap_or("\u{fffd}");
    Ok(Zeroizing::new(text.to_owned()))
}
