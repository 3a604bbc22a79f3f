//! As much of curl as the day asks for, on machines that do not have it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::LazyLock;

use regex::Regex;

use crate::harness::PATIENCE;

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    let line = r#"^curl -si(?: -X ([A-Z]+))? -H "Authorization: Bearer \$([A-Z]+)" localhost:8080(/[^ ]*)$"#;
    Regex::new(line).unwrap()
});

/// What `curl -si` prints: the head, and the body.
pub(crate) fn curl(line: &str, port: u16, variables: &[(String, String)]) -> String {
    let words = LINE.captures(line).unwrap_or_else(|| panic!("not understood here: {line}"));
    let method = words.get(1).map_or("GET", |method| method.as_str());
    let (_, key) = variables.iter().find(|(name, _)| *name == words[2]).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{method} {} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\
         Authorization: Bearer {key}\r\n\r\n",
        &words[3]
    );
    stream.write_all(request.as_bytes()).unwrap();

    let mut read = Vec::new();
    loop {
        let mut more = [0; 4096];
        let length = stream.read(&mut more).unwrap();
        read.extend_from_slice(&more[..length]);
        let text = String::from_utf8_lossy(&read).replace("\r\n", "\n");
        if length == 0 || is_whole(&text) {
            return if text.ends_with('\n') { text } else { text + "\n" };
        }
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\n\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}
