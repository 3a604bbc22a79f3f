//! `sidegate status`: asks the operator's plane of a running process, and says what it answered.
//!
//! It is the health check of the container image, too: it needs no other program, and ends within
//! three seconds. A wrong `sidegate.toml` says nothing of a process that runs, so a health check
//! should give `--admin`.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::plane::{self, ask};
use super::{Exit, Output};
use crate::admin::{Failing, Status, Upstream};
use crate::{clock, config};

/// From the first connection attempt to the last byte.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where the operator's plane is if nobody says otherwise.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// Ask a running sidegate how it is: exits 0 if it is ready, 1 if it is not or cannot be reached
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StatusArgs {
    /// The settings that say where it listens for operators
    /// [default: config/sidegate.toml, then /etc/sidegate/sidegate.toml]
    #[arg(short, long, value_name = "FILE", conflicts_with = "admin")]
    config: Option<PathBuf>,
    /// Where it listens for operators
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Only whether it takes requests
    #[arg(long)]
    ready: bool,
    /// For people or for scripts
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Fine only if it is ready.
pub(super) fn run(args: &StatusArgs) -> Exit {
    let address = match address(args) {
        Ok(address) => address,
        Err(problems) => {
            eprintln!("{problems}\n`--admin ADDR` asks without settings");
            return Exit::Invalid;
        }
    };
    let due = clock::instant() + PATIENCE;
    match report(args, address, due, &mut io::stdout().lock()) {
        Ok(true) => Exit::Fine,
        Ok(false) => Exit::Broke,
        Err(problem) => {
            eprintln!("{address}: {problem}");
            Exit::Broke
        }
    }
}

fn address(args: &StatusArgs) -> Result<SocketAddr, String> {
    if let Some(address) = args.admin {
        return Ok(address);
    }
    let path = config::locate(args.config.as_deref());
    if args.config.is_none() && !path.exists() {
        return Ok(ADMIN);
    }
    Ok(plane::address(&config::read(&path).map_err(|report| report.to_string())?))
}

/// Prints what the process says of itself, and returns whether it is ready.
fn report(
    args: &StatusArgs,
    address: SocketAddr,
    due: Instant,
    out: &mut impl Write,
) -> Result<bool, String> {
    if args.ready {
        let (code, body) = ask(address, "GET", "/readyz", due)?;
        let (stage, note) = body.split_once('\n').unwrap_or((&body, ""));
        let note = note.trim_end();
        if !["starting", "ready", "draining"].contains(&stage) {
            return Err(format!("this is not sidegate: it answered /readyz with status {code}"));
        }
        let ready = code == 200 && stage == "ready";
        let said = match args.output {
            Output::Text if note.is_empty() => writeln!(out, "{stage}"),
            Output::Text => writeln!(out, "{stage}: {note}"),
            Output::Json if note.is_empty() => {
                writeln!(out, "{}", json!({ "ready": ready, "stage": stage }))
            }
            Output::Json => {
                writeln!(out, "{}", json!({ "ready": ready, "stage": stage, "note": note }))
            }
        };
        return said.map(|()| ready).map_err(|error| error.to_string());
    }
    let (code, body) = ask(address, "GET", "/status", due)?;
    let status: Status = serde_json::from_str(&body)
        .ok()
        .filter(|_| code == 200)
        .ok_or_else(|| format!("this is not sidegate: it answered /status with status {code}"))?;
    let said = match args.output {
        Output::Text => print(&status, out),
        Output::Json => writeln!(out, "{}", body.trim_end()),
    };
    said.map(|()| status.ready).map_err(|error| error.to_string())
}

fn print(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let Status { version, stage, generation, policy, last_reload, .. } = status;
    writeln!(out, "sidegate {version}: {stage}, up {}", duration(status.uptime_seconds))?;
    writeln!(
        out,
        "policy: generation {} since {}, {}, {}, {}",
        generation.number,
        generation.since,
        counted(policy.workspaces, "workspace"),
        counted(policy.routes, "route"),
        counted(policy.keys, "key"),
    )?;
    for warning in &policy.warnings {
        writeln!(out, "  warning: {warning}")?;
    }
    for change in &status.changes {
        writeln!(out, "  generation {} at {}: {}", change.generation, change.at, change.summary)?;
    }
    for upstream in &status.upstreams {
        print_trouble(upstream, out)?;
    }
    if let Some(kept) = &last_reload.last_good {
        writeln!(out, "what is in force is the last good copy on disk, kept {kept}")?;
    }
    let Some(failing) = &last_reload.failing else {
        return writeln!(out, "last reload: fine, {}", last_reload.succeeded_at);
    };
    let Failing { since, at, waiting, .. } = failing;
    let since = match waiting {
        None => format!("the files are bad since {since}"),
        Some(_) => format!("a change waits for somebody's consent since {since}"),
    };
    let number = generation.number;
    writeln!(out, "last reload: failed {at}, {since}; generation {number} stays in force")?;
    failing.problems.iter().try_for_each(|problem| writeln!(out, "  {problem}"))
}

/// Of what is well, nothing is said.
fn print_trouble(upstream: &Upstream, out: &mut impl Write) -> io::Result<()> {
    let Upstream { name, url, addresses, healthy, ejected } = upstream;
    let mut troubles = Vec::new();
    if *addresses == 0 {
        troubles.push("no address is known".to_owned());
    }
    if let Some(healthy) = healthy.filter(|healthy| healthy < addresses) {
        troubles.push(format!("{healthy} of {addresses} healthy"));
    }
    if *ejected > 0 {
        troubles.push(format!("left out by {ejected} of the workers"));
    }
    if troubles.is_empty() {
        return Ok(());
    }
    writeln!(out, "upstream {name}: {url}: {}", troubles.join(", "))
}

fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn duration(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const GOOD: &str = r#"{"version":"0.1.0","started":"2026-11-20T10:00:00Z",
        "uptime_seconds":90061,"stage":"ready","ready":true,
        "generation":{"number":7,"since":"2026-11-20T18:30:00Z"},
        "policy":{"workspaces":1,"routes":12,"keys":40,"warnings":[]},
        "last_reload":{"successful":true,"succeeded_at":"2026-11-20T18:30:00Z","successes":7,
        "failures":0,"failing":null}}"#;

    fn http(code: u16, body: &str) -> String {
        format!("HTTP/1.1 {code} Some Words\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// What comes of asking somebody who answers with `answer`, then closes if `close`.
    fn asked(
        ready: bool,
        output: Output,
        answer: &str,
        close: bool,
    ) -> (Result<bool, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = answer.to_owned();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            if !close {
                // Ends when the other side has lost its patience.
                _ = stream.read(&mut request);
            }
            String::from_utf8_lossy(&request[..read]).lines().next().unwrap().to_owned()
        });
        let args = StatusArgs { config: None, admin: Some(address), ready, output };
        let mut out = Vec::new();
        let patience = if close { PATIENCE } else { Duration::from_millis(300) };
        let result = report(&args, address, clock::instant() + patience, &mut out);
        let line = server.join().unwrap();
        let path = if ready { "/readyz" } else { "/status" };
        assert_eq!(line, format!("GET {path} HTTP/1.1"));
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn readiness() {
        let stranger = Err("this is not sidegate: it answered /readyz with status 200".to_owned());
        let torn = Err("this is not sidegate: its answer is not whole HTTP".to_owned());
        let whole = http(200, "ready\n");
        for (output, answer, expected, printed) in [
            (Output::Text, whole.as_str(), Ok(true), "ready\n"),
            (Output::Json, &whole, Ok(true), "{\"ready\":true,\"stage\":\"ready\"}\n"),
            (Output::Text, &http(200, "ready\na note\n"), Ok(true), "ready: a note\n"),
            (
                Output::Json,
                &http(200, "ready\na note\n"),
                Ok(true),
                "{\"note\":\"a note\",\"ready\":true,\"stage\":\"ready\"}\n",
            ),
            (Output::Text, &http(503, "draining\n"), Ok(false), "draining\n"),
            (
                Output::Json,
                &http(503, "starting\n"),
                Ok(false),
                "{\"ready\":false,\"stage\":\"starting\"}\n",
            ),
            (Output::Text, &http(200, "<html>"), stranger, ""),
            (Output::Text, whole.trim_end(), torn.clone(), ""),
            (Output::Text, "SSH-2.0\r\n", torn.clone(), ""),
            (Output::Text, "", torn, ""),
        ] {
            assert_eq!(
                asked(true, output, answer, true),
                (expected, printed.to_owned()),
                "{answer}"
            );
        }
    }

    #[test]
    fn status_for_people() {
        let (result, printed) = asked(false, Output::Text, &http(200, GOOD), true);
        assert_eq!(result, Ok(true));
        let expected = "sidegate 0.1.0: ready, up 1 d 1 h\n\
             policy: generation 7 since 2026-11-20T18:30:00Z, 1 workspace, 12 routes, 40 keys\n\
             last reload: fine, 2026-11-20T18:30:00Z\n";
        assert_eq!(printed, expected);

        let change = r#","changes":[{"generation":7,"at":"A","duration_ms":1.5,
            "summary":"keys: 1 revoked (1 lost)","keys":C,"members":C,"routes":C}]}"#;
        let counts = r#"{"came":0,"went":0,"revoked":0,"changed":0,"gained":0,"lost":0}"#;
        let changed = format!("{}{}", GOOD.strip_suffix('}').unwrap(), change.replace('C', counts));
        let (_, printed) = asked(false, Output::Text, &http(200, &changed), true);
        assert!(printed.contains("\n  generation 7 at A: keys: 1 revoked (1 lost)\n"), "{printed}");

        let failing = r#""failing":{"since":"A","at":"B","problems":["policy.toml:1:2: no"]}"#;
        let bad = GOOD
            .replace(r#""failing":null"#, failing)
            .replace(r#""warnings":[]"#, r#""warnings":["one owner"]"#)
            .replace(r#""ready":true"#, r#""ready":false"#);
        let waits = bad
            .replace(r#"policy.toml:1:2: no"]}"#, r#"too much"],"waiting":"1f"},"last_good":"K""#);
        let (_, printed) = asked(false, Output::Text, &http(200, &waits), true);
        let expected = "what is in force is the last good copy on disk, kept K\n\
             last reload: failed B, a change waits for somebody's consent since A; \
             generation 7 stays in force\n  too much\n";
        assert!(printed.ends_with(expected), "{printed}");
        let up = r#","upstreams":[
            {"name":"a","url":"http://a","addresses":0,"healthy":null,"ejected":0},
            {"name":"b","url":"unix:/b","addresses":2,"healthy":1,"ejected":3},
            {"name":"b","url":"http://c","addresses":1,"healthy":1,"ejected":0}]}"#;
        let bad = format!("{}{up}", bad.strip_suffix('}').unwrap());
        let (result, printed) = asked(false, Output::Text, &http(200, &bad), true);
        assert_eq!(result, Ok(false));
        let expected = "  warning: one owner\n\
             upstream a: http://a: no address is known\n\
             upstream b: unix:/b: 1 of 2 healthy, left out by 3 of the workers\n\
             last reload: failed B, the files are bad since A; generation 7 stays in force\n  \
             policy.toml:1:2: no\n";
        assert!(printed.ends_with(expected), "{printed}");
    }

    #[test]
    fn status_for_scripts_is_what_was_said() {
        let (result, printed) = asked(false, Output::Json, &http(200, GOOD), true);
        assert_eq!((result, printed), (Ok(true), format!("{GOOD}\n")));
        let stranger = "this is not sidegate: it answered /status with status 404";
        let (result, _) = asked(false, Output::Json, &http(404, GOOD), true);
        assert_eq!(result, Err(stranger.to_owned()));
    }

    #[test]
    fn who_says_nothing_is_not_waited_for() {
        for said in ["", "HTTP/1.1 200 OK\r\n"] {
            let (result, _) = asked(true, Output::Text, said, false);
            assert_eq!(result, Err("no answer in time".to_owned()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = ask(address, "GET", "/readyz", clock::instant() + PATIENCE);
        assert_eq!(refused, Err("nothing listens there — is it running?".to_owned()));
    }

    #[test]
    fn durations() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_061, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
