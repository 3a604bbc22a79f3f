//! What attacks and mere numbers of connections cost sidegate, HAProxy and nginx.
//!
//! `cargo bench --bench attack -- [slow] [floods] [memory] [--seconds 5] [--smoke] [--sidegate FILE]`
//!
//! - `slow`: 200 clients that ask every 50 ms, without and with 5,000 others beside them that send a
//!   head byte by byte and come again when they are cut. The latency of the 200.
//! - `floods`: 50 clients of HTTP/2 that flood sidegate and come again, one kind after another; its
//!   memory and CPU meanwhile, and the latency of 20 others.
//! - `memory`: bytes for each of 10,000 idle connections, plain, of TLS and of HTTP/2, and of 1,000
//!   downloads that go on slowly.
//!
//! Without a name, all three. Each proxy has the first core to itself, one worker, and ten seconds for
//! a head. Memory is that of all of a proxy's processes, what they share by halves (PSS). Loopback only.

mod calm;
mod floods;
mod memory;
#[expect(dead_code, reason = "shared with a bench that needs more of it")]
#[path = "../peers/process.rs"]
mod process;
mod site;
mod slow;

use std::error::Error;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs};

use site::Site;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    // `cargo test --benches` starts benches, too: there is nothing to measure then.
    if !env::args().any(|argument| argument == "--bench") {
        println!("attack: measures under `cargo bench` only");
        return ExitCode::SUCCESS;
    }
    match Options::read(env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("attack: {failed}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    parts: Vec<String>,
    has_files: bool,
    seconds: u64,
    scale: usize,
    settle: Duration,
    sidegate: PathBuf,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let sidegate = env!("CARGO_BIN_EXE_sidegate").into();
        let (parts, has_files) = (Vec::new(), false);
        let settle = memory::SETTLE;
        let mut options = Self { parts, has_files, seconds: 5, scale: 1, settle, sidegate };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{name}` needs a value"));
            match name.as_str() {
                "--bench" => {}
                "--has-files" => options.has_files = true,
                // A hundredth of the clients, for a second, and of the time to settle.
                "--smoke" => {
                    (options.seconds, options.scale, options.settle) =
                        (1, 100, memory::SETTLE / 100);
                }
                "--seconds" => options.seconds = value()?.parse()?,
                "--sidegate" => options.sidegate = fs::canonicalize(value()?)?,
                "slow" | "floods" | "memory" => options.parts.push(name),
                _ => return Err(format!("unknown option `{name}`").into()),
            }
        }
        Ok(options)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|it| it == part)
    }
}

fn run(options: &Options) -> Outcome<()> {
    if !options.has_files {
        return Err(with_files().into());
    }
    let time = Duration::from_secs(options.seconds);
    if options.has("slow") {
        slow::run(&Site::start(&options.sidegate)?, 5000 / options.scale, time)?;
    }
    if options.has("floods") {
        floods::run(&Site::start(&options.sidegate)?, time)?;
    }
    if options.has("memory") {
        let (idle, downloads) = (10_000 / options.scale, 1000 / options.scale);
        memory::run(&options.sidegate, idle, downloads, options.settle)?;
    }
    Ok(())
}

/// Begins again, with as many open files as this user may have.
fn with_files() -> std::io::Error {
    let raise = "ulimit -n \"$(ulimit -Hn)\" && exec \"$@\"";
    Command::new("sh").args(["-c", raise, "sh"]).args(env::args()).arg("--has-files").exec()
}
