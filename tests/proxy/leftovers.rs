//! What a refused request leaves on its connection is never a request.

use crate::rig::{GET, NOBODY, READER, Rig, WRITER};

/// Bodies that are requests themselves: the lines of their framing, and what is sent.
fn bodies() -> Vec<(String, String)> {
    let (short, long) = (GET.to_owned(), GET.repeat(200));
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let length = |length: usize| format!("Content-Length: {length}\r\n");
    let chunked = || "Transfer-Encoding: chunked\r\n".to_owned();
    vec![
        (length(short.len()), short.clone()),
        (length(long.len()), long.clone()),
        (length(short.len() + 1), short.clone()),
        (length(1 << 29), long.clone()),
        (length(short.len()) + "Expect: 100-continue\r\n", short.clone()),
        (chunked(), chunk(&short) + "0\r\n\r\n"),
        (chunked(), chunk(&long) + "0\r\n\r\n"),
        (chunked(), chunk(&long)),
        (chunked(), format!("{:x}\r\n{short}", 1 << 29)),
        (chunked(), format!("zz\r\n{short}")),
        (chunked(), format!("0\r\n{short}")),
        (chunked() + "Expect: 100-continue\r\n", chunk(&short) + "0\r\n\r\n"),
    ]
}

fn leave_nothing(rig: &mut Rig, refusals: &[(&str, &str)], among: &[u16]) {
    for (line, fields) in refusals {
        for (framing, body) in bodies() {
            for late in [false, true] {
                let what = format!("{line} {fields:?} {framing:?} late: {late}");
                let head = format!("{line} HTTP/1.1\r\n{fields}{framing}\r\n");
                let mut client = rig.client();
                client.send(if late { head } else { format!("{head}{body}") });
                let answer = client.message(line.starts_with("HEAD")).unwrap();
                assert!(among.contains(&answer.status()), "{what}: {answer:?}");
                if late {
                    // It may be closed by now.
                    let _ = client.try_send(&body);
                }
                let _ = client.try_half_close();
                let (said, _reset) = client.rest();
                assert_eq!(String::from_utf8_lossy(&said), "", "{what}");
                assert_eq!(rig.upstream.waiting(), 0, "{what}");
            }
        }
    }
}

#[test]
fn a_refused_request_leaves_nothing() {
    let mut rig = Rig::new("");
    let unknown = "Host: localhost\r\nX-API-Key: nobody\r\n";
    let two = format!("{WRITER}Authorization: Bearer key-reader\r\n");
    let named = format!("{WRITER}Connection: X-Sidegate-Account\r\n");
    let refusals = [
        ("POST /app", NOBODY),
        ("POST /app", unknown),
        ("POST /app", READER),
        ("POST /nowhere", WRITER),
        ("POST /late", WRITER),
        ("POST /absent", WRITER),
        ("POST /app/../late", WRITER),
        ("POST /app//", NOBODY),
        ("POST app", WRITER),
        ("POST *", WRITER),
        ("POST /app", "X-API-Key: key-writer\r\n"),
        ("POST /app", &two),
        ("POST /app", &named),
        ("TRACE /app", WRITER),
        ("CONNECT localhost:80", WRITER),
        ("HEAD /nowhere", WRITER),
        ("GET /nowhere", WRITER),
    ];
    leave_nothing(&mut rig, &refusals, &[400, 401, 403, 404, 405]);
}

#[test]
fn a_target_that_is_too_long_leaves_nothing() {
    let mut rig = Rig::new("limits.target_bytes = 10\n");
    leave_nothing(&mut rig, &[("POST /app?0123456789", WRITER)], &[414]);
}

#[test]
fn a_request_that_nobody_answers_leaves_nothing() {
    let mut rig = Rig::new("limits.requests = 1\n");
    let (_client, _peer) = rig.asked();
    leave_nothing(&mut rig, &[("POST /app", WRITER), ("GET /app", WRITER)], &[503]);
}

#[test]
fn a_body_that_is_too_large_leaves_nothing() {
    let mut rig = Rig::new("limits.body_bytes = 10\n");
    for (framing, body) in bodies() {
        let mut client = rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}{framing}\r\n{body}"));
        // Where the body was let through in part, the client may be waited for.
        let _ = client.try_half_close();
        let (said, _reset) = client.rest();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.matches("HTTP/1.1 4").count() <= 1, "{framing:?}: {said}");
        assert!(!said.contains("HTTP/1.1 2"), "{framing:?}: {said}");
        if rig.upstream.waiting() > 0 {
            let seen = rig.upstream.next().message(false);
            assert!(seen.is_err(), "{framing:?}: {seen:?}");
        }
        assert_eq!(rig.upstream.waiting(), 0, "{framing:?}");
    }
}
