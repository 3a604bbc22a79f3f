//! A proxy that skips its work is not measured: before a workload, it has to apply the rules and to
//! answer as the workload expects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::Outcome;
use super::keys::Keys;
use super::peer::{Peer, Proxy};
use super::site::Site;
use super::workload::{Listen, Tool, Whose, Workload};

const PATIENCE: Duration = Duration::from_secs(10);

/// Method, key, body bytes; what is to come back.
type Case<'c> = (&'c str, Option<&'c str>, usize, u16, Option<usize>);

pub(crate) fn prove(workload: &Workload, proxy: &Proxy, site: &Site, keys: &Keys) -> Outcome<()> {
    // Its own client looks at each message; nobody else is answered there.
    let is_socket = workload.tool == Tool::Socket;
    if is_socket && proxy.peer == Peer::Relay {
        return Ok(());
    }
    let path = if is_socket { "/".to_owned() } else { workload.path.replace('*', "0") };
    let key = match workload.whose {
        Whose::Viewer | Whose::Anybody => keys.viewer(),
        Whose::Writer => keys.writer(),
        Whose::Nobody => &keys.nobody,
    };
    let answer = (workload.status < 400 && !is_socket).then_some(workload.answer);
    let mut cases: Vec<Case<'_>> =
        vec![(workload.method, Some(key), workload.body, workload.status, answer)];
    if proxy.peer != Peer::Relay {
        let last = keys.texts.len().checked_sub(2).and_then(|at| keys.texts.get(at..));
        let [viewer, writer] = last.ok_or("too few keys")? else { return Err("keys".into()) };
        cases.extend([
            ("GET", None, 0, 401, None),
            ("GET", Some("sg_production_unknown"), 0, 401, None),
            ("GET", Some(&*keys.nobody), 0, 401, None),
            ("GET", Some(viewer), 0, 200, None),
            ("DELETE", Some(viewer), 0, 403, None),
            ("POST", Some(viewer), 10, 403, None),
            ("GET", Some(writer), 0, 200, None),
        ]);
    }
    for (method, key, body, status, answer) in cases {
        let (said, length) = ask(proxy, site, method, &path, key, body)?;
        if said != status || answer.is_some_and(|answer| answer != length) {
            return Err(format!(
                "{method} {path} with {key:?}: {said} and {length} bytes, not {status} and {answer:?}"
            )
            .into());
        }
    }
    Ok(())
}

/// Status and body length of one request on a connection of its own.
fn ask(
    proxy: &Proxy,
    site: &Site,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: usize,
) -> Outcome<(u16, usize)> {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let credential = key.map_or(String::new(), |key| format!("X-API-Key: {key}\r\n"));
    let length = match method {
        "POST" => format!("Content-Length: {body}\r\n"),
        _ => String::new(),
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{length}{credential}\r\n"
    );
    let request = [head.into_bytes(), vec![b'x'; body]].concat();
    let answer = match proxy.setting.listen {
        Listen::Plain => exchange(stream, &request),
        Listen::Tls => {
            let name = ServerName::try_from("localhost")?;
            let client = ClientConnection::new(Arc::clone(&site.client), name)?;
            exchange(StreamOwned::new(client, stream), &request)
        }
    }?;
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").ok_or("no head")?;
    let (head, rest) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    Ok((head.split(' ').nth(1).ok_or("no status line")?.parse()?, rest.len()))
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Outcome<Vec<u8>> {
    // A refusal may come, and the end with it, before all of a body is taken.
    let sent = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    match answer.is_empty() {
        true => Err(format!("no answer: {sent:?} {read:?}").into()),
        false => Ok(answer),
    }
}
