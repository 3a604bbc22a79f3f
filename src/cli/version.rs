//! `sidegate version`: which sidegate this is, and what it was built as.

use std::env::consts;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{Exit, Output};

#[derive(Debug, Args)]
pub(super) struct VersionArgs {
    /// For people or for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What is known of the build, as scripts read it.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    /// Of `policy.toml` and of tests.
    policy_language: u8,
    /// The oldest compiler that builds it.
    rust_version: &'static str,
    architecture: &'static str,
    system: &'static str,
    /// `release`, or `debug` with its checks: slow.
    build: &'static str,
    features: Vec<&'static str>,
}

const VERSION: Version = Version {
    version: env!("CARGO_PKG_VERSION"),
    policy_language: 1,
    rust_version: env!("CARGO_PKG_RUST_VERSION"),
    architecture: consts::ARCH,
    system: consts::OS,
    build: if cfg!(debug_assertions) { "debug" } else { "release" },
    features: Vec::new(),
};

/// Prints it.
pub(super) fn run(args: &VersionArgs) -> Exit {
    super::printed(print(args, &mut io::stdout().lock()), &mut io::stderr().lock())
}

fn print(args: &VersionArgs, out: &mut impl Write) -> io::Result<Exit> {
    let mut features = vec!["http1", "http2", "tls-aws-lc-rs", "websocket"];
    if cfg!(target_feature = "crt-static") {
        features.push("static");
    }
    let version = Version { features, ..VERSION };
    match args.output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &version)?;
            writeln!(out)?;
        }
        Output::Text => {
            writeln!(out, "sidegate {}", version.version)?;
            writeln!(out, "policy language {}", version.policy_language)?;
            writeln!(
                out,
                "{} build for {} on {}: {}",
                version.build,
                version.system,
                version.architecture,
                version.features.join(", ")
            )?;
        }
    }
    out.flush()?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_scripts_are_told_the_same() {
        let told = |output| {
            let mut out = Vec::new();
            assert_eq!(print(&VersionArgs { output }, &mut out).unwrap(), Exit::Fine);
            String::from_utf8(out).unwrap()
        };
        let json: serde_json::Value = serde_json::from_str(&told(Output::Json)).unwrap();
        let text = told(Output::Text);
        assert_eq!(
            text.lines().next(),
            Some(&*format!("sidegate {}", json["version"].as_str().unwrap()))
        );
        for feature in json["features"].as_array().unwrap() {
            assert!(text.contains(feature.as_str().unwrap()), "{text}");
        }
    }
}
