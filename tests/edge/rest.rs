//! Connections that rest, where what is there cannot be looked at without reading it.

use std::io::{Read as _, Write as _};

use crate::rig::{GET, OK};
use crate::secure::Secure;

#[test]
fn a_connection_of_tls_that_rested_goes_on() {
    let mut secure = Secure::new("timeouts.header = \"2500ms\"\n");
    let port = secure.rig.gate.port;
    let mut connection = secure.client().connect(port, "localhost").unwrap();
    let mut peer = None;
    for count in [1, 2, 1] {
        connection.0.write_all(GET.repeat(count).as_bytes()).unwrap();
        for _request in 0..count {
            let peer = peer.get_or_insert_with(|| secure.rig.upstream.next());
            peer.message(false).unwrap();
            peer.send(OK);
            assert!(connection.through("ok").unwrap().starts_with("HTTP/1.1 200 "));
        }
        // It lasts as long as a head may take.
        let mut slow = secure.client().connect(port, "localhost").unwrap();
        slow.0.write_all(b"GET /app HTTP/1.1\r\nHo").unwrap();
        assert!(slow.through("}").unwrap().starts_with("HTTP/1.1 408 "));
    }
    secure.rig.gate.running.send("TERM");
    assert_eq!(connection.0.read(&mut [0]).unwrap(), 0);
    assert_eq!(secure.rig.upstream.waiting(), 0);
}
