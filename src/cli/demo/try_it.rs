//! Sends the demo's requests and holds what came against what was said.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::requests::{Keys, Request};

/// For one exchange. Nothing here is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends every request and prints a row for each. `true` if all came out as said.
pub(super) fn all(
    requests: &[Request<'_>],
    address: SocketAddr,
    admin: SocketAddr,
    keys: &Keys,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut well = true;
    let mut echoed = None;
    writeln!(out, "{:<34} {:<45} {:>6}  reason", "what", "request", "status")?;
    for request in requests {
        let before = denials(admin)?;
        let answer = exchange(address, &request.bytes(address))?;
        let status = answer.get(9..12).and_then(|code| code.parse::<u16>().ok()).unwrap_or(0);
        // The client is told little: the reason is what the metrics counted.
        let reason = counted_since(&before, &denials(admin)?);
        let as_said = status == request.status && reason == request.reason;
        well &= as_said;
        let line = format!("{} {}", request.method, request.target);
        write!(out, "{:<34} {line:<45} {status:>6}  {reason}", request.about)?;
        match as_said {
            true => writeln!(out)?,
            false => writeln!(out, "   (said: {} {})", request.status, request.reason)?,
        }
        if echoed.is_none() && status == 200 {
            echoed = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        }
    }
    let echoed = echoed.unwrap_or_default();
    writeln!(out, "\nwhat the upstream received of the first request:\n")?;
    echoed.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    let leaked =
        [&keys.full, &keys.view, &keys.other].into_iter().any(|key| echoed.contains(key.expose()));
    let identified = ["account: report-bot", "workspace: acme", "product: vault", "level: view"]
        .into_iter()
        .all(|said| echoed.contains(&format!("x-sidegate-{said}\n")));
    writeln!(
        out,
        "\nidentity is {}, the credential {}",
        if identified { "there" } else { "MISSING" },
        if leaked { "LEAKED" } else { "is not" }
    )?;
    writeln!(out, "{}", if well && identified && !leaked { "all as said" } else { "NOT as said" })?;
    out.flush()?;
    Ok(well && identified && !leaked)
}

fn exchange(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// How often each reason was counted.
fn denials(admin: SocketAddr) -> io::Result<BTreeMap<String, u64>> {
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    let answer = exchange(admin, &request)?;
    let mut counts = BTreeMap::new();
    for line in answer.lines().filter(|line| line.starts_with("sidegate_denials_total{")) {
        let reason = line.split_once("reason=\"").and_then(|(_, rest)| rest.split_once('"'));
        let count = line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok());
        if let Some(((reason, _), count)) = reason.zip(count) {
            *counts.entry(reason.to_owned()).or_default() += count;
        }
    }
    Ok(counts)
}

fn counted_since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let more = |(reason, count): &(&String, &u64)| before.get(*reason).unwrap_or(&0) < *count;
    let reasons: Vec<&str> = after.iter().filter(more).map(|(reason, _)| reason.as_str()).collect();
    if reasons.is_empty() { "allowed".to_owned() } else { reasons.join("+") }
}
