//! What an upstream of HTTP/1.1 does with a connection, step by step.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::wire::Wire;

/// One step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Reads the head of a request.
    Head,
    /// Reads a whole request.
    Whole,
    /// Writes this.
    Say(&'static str),
    /// The same for what is no text.
    Bytes(&'static [u8]),
    /// Writes this for as long as somebody takes it.
    Repeat(&'static str),
    /// Closes.
    Close,
    /// Closes with a reset.
    Reset,
    /// Closes, or resets where `true`, and notes when the other side's kernel knows.
    Leave(bool),
    /// Does nothing more, and keeps the connection.
    Freeze,
    /// Answers one request as it should.
    Behave,
}

use Step::{Behave, Bytes, Close, Freeze, Head, Leave, Repeat, Reset, Say, Whole};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream that does with each connection what it is told to by then.
pub(crate) struct Scripted {
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    steps: Mutex<Vec<Step>>,
    frozen: Mutex<Vec<Wire>>,
    heads: AtomicUsize,
    posts: AtomicUsize,
    left: AtomicUsize,
}

impl Scripted {
    pub(crate) fn start(steps: &[Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State { steps: Mutex::new(steps.to_vec()), ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                let (wire, steps) =
                    (Wire::new(stream.unwrap()), state.steps.lock().unwrap().clone());
                thread::spawn(move || {
                    if let Some(wire) = state.play(wire, &steps) {
                        state.frozen.lock().unwrap().push(wire);
                    }
                });
            }
        });
        Self { url, state }
    }

    /// Does this with the connections to come.
    pub(crate) fn set(&self, steps: &[Step]) {
        *self.state.steps.lock().unwrap() = steps.to_vec();
    }

    /// Heads that a [`Step::Head`] has read.
    pub(crate) fn heads(&self) -> usize {
        self.state.heads.load(Ordering::SeqCst)
    }

    /// Connections that [`Step::Leave`] has left.
    pub(crate) fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }

    /// Requests with a body that were whole.
    pub(crate) fn posts(&self) -> usize {
        self.state.posts.load(Ordering::SeqCst)
    }
}

impl State {
    /// Until the end, the script's or the connection's. What is to stay open is given back.
    fn play(&self, mut wire: Wire, steps: &[Step]) -> Option<Wire> {
        for step in steps {
            let is_done = match *step {
                Head => {
                    let is_there = wire.message(true).is_ok();
                    self.heads.fetch_add(usize::from(is_there), Ordering::SeqCst);
                    is_there
                }
                Whole => self.has_request(&mut wire),
                Say(text) => wire.try_send(text).is_ok(),
                Bytes(bytes) => wire.try_send(bytes).is_ok(),
                Repeat(text) => {
                    let many = text.repeat(1000);
                    while wire.try_send(&many).is_ok() {}
                    false
                }
                Close => false,
                Reset => {
                    wire.reset();
                    return None;
                }
                Leave(reset) => {
                    wire.close(reset);
                    self.left.fetch_add(1, Ordering::SeqCst);
                    return None;
                }
                Freeze => return Some(wire),
                Behave => {
                    let last = OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                    self.has_request(&mut wire) && wire.try_send(last).is_ok()
                }
            };
            if !is_done {
                break;
            }
        }
        None
    }

    fn has_request(&self, wire: &mut Wire) -> bool {
        let request = wire.message(false);
        let is_post = request.as_ref().is_ok_and(|it| it.first.starts_with("POST "));
        self.posts.fetch_add(usize::from(is_post), Ordering::SeqCst);
        request.is_ok()
    }
}
