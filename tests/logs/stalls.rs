//! A log that nobody reads, that nobody can read any more, and one whose disk is full.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::harness::{Gate, until};
use crate::house::{EVERYTHING, Told, asked, gate, gate_in, refused};

const DROPPED: &str = "sidegate_log_events_dropped_total";
/// More than a pipe and the buffer take.
const MANY: usize = 2000;

fn small() -> String {
    format!("{EVERYTHING}log.buffer = 64\n")
}

/// Waits until every request is over: each is written, waits to be, or is counted.
fn settled(gate: &Gate, requests: usize) {
    let counted = || gate.metric("sidegate_requests_total", "");
    until("all requests to be over", || counted() >= requests as f64);
}

#[test]
fn a_reader_that_stalls_holds_up_no_request_and_gets_whole_lines_when_it_is_back() {
    let (mut output, into) = io::pipe().unwrap();
    let (mut gate, _folder) = gate(into, &small());
    // Nobody reads from here on.
    refused(&gate, MANY);
    let request = "POST /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\n\
                   Content-Length: 0\r\n\r\n";
    asked(&gate, MANY, request, "403");
    settled(&gate, 2 * MANY);
    assert!(gate.metric(DROPPED, "") > 0.0, "the pipe took all of it");

    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    // It goes on: what comes now is written again.
    let mut sent = 2 * MANY;
    until("the log to go on", || {
        let before = gate.metric(DROPPED, "");
        refused(&gate, 1);
        sent += 1;
        settled(&gate, sent);
        gate.metric(DROPPED, "") == before
    });
    let dropped = gate.metric(DROPPED, "") as u64;
    gate.running.signal("TERM");
    let told = Told::by(&reader.join().unwrap());
    assert_eq!(told.requests + dropped, sent as u64, "{told:?}");
    assert_eq!(told.missing, dropped, "and the log itself says how many");
}

#[test]
fn a_reader_that_is_gone_ends_nothing() {
    let (output, into) = io::pipe().unwrap();
    let (mut gate, _folder) = gate(into, &small());
    drop(output);
    refused(&gate, MANY);
    settled(&gate, MANY);
    assert!(gate.metric(DROPPED, "") >= (MANY - 200) as f64);
    gate.running.send("TERM");
    assert_eq!(gate.running.end(), Some(0), "it ends in time, and well");
}

#[test]
fn an_output_that_takes_nothing_ends_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (mut gate, _folder) = gate(full, &small());
    refused(&gate, MANY);
    settled(&gate, MANY);
    // Those that wait: as many as there are places, and what is in hand.
    assert!(gate.metric(DROPPED, "") >= (MANY - 200) as f64);
    gate.running.send("TERM");
    assert_eq!(gate.running.end(), Some(0));
}

/// A file system of 64 KiB, gone when this is dropped.
pub(crate) struct Small<'p>(&'p Path);

impl<'p> Small<'p> {
    pub(crate) fn mount(at: &'p Path) -> Self {
        let options = ["-t", "tmpfs", "-o", "size=64k", "none"];
        assert!(Command::new("mount").args(options).arg(at).status().unwrap().success());
        Self(at)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l".as_ref(), self.0.as_os_str()]).status();
    }
}

#[test]
#[ignore = "mounts a file system, which only root may"]
fn a_full_disk_holds_up_no_request_and_tears_no_line() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _small = Small::mount(disk.path());
    let (log, ballast) = (disk.path().join("log"), disk.path().join("ballast"));
    fs::write(&ballast, vec![0; 48 * 1024]).unwrap();
    let output = File::options().append(true).create(true).open(&log).unwrap();
    let mut gate = gate_in(folder.path(), output, &small());
    refused(&gate, MANY);
    settled(&gate, MANY);
    assert!(gate.metric(DROPPED, "") > 0.0, "the disk took all of it");
    let torn = fs::read(&log).unwrap();
    assert_eq!(torn.len(), 16 * 1024, "to its last byte");

    // Somebody makes room, not for all that is to come.
    fs::remove_file(&ballast).unwrap();
    until("the log to go on", || fs::metadata(&log).unwrap().len() > 20 * 1024);
    let dropped = gate.metric(DROPPED, "") as u64;
    gate.running.send("TERM");
    assert_eq!(gate.running.end(), Some(0));
    let text = fs::read_to_string(&log).unwrap();
    let told = Told::by(&text);
    assert_eq!(told.requests + dropped, MANY as u64, "{told:?}");
    assert_eq!(told.missing, dropped);
}
