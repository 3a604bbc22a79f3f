//! What is made known of a load.

use super::*;

/// A sink for log lines.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_is_counted_each_time_and_logged_once() {
    let first = || compile(Draft::default()).unwrap();
    let current = Current::new(first(), None, clock::now());
    let sink = Sink::default();
    let writer = sink.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let refused = |text: &str| News::Refused(vec![format!("policy.toml:1:1: {text}")]);
    tracing::subscriber::with_default(log.finish(), || {
        let sources = Sources { policy: PathBuf::new(), keys: PathBuf::new(), others: Vec::new() };
        let seen = sources.look().fingerprint;
        let guard = Guard { rules: <_>::default(), sources, consents: <_>::default() };
        let mut publisher =
            Publisher::new(Arc::clone(&current), Vec::new(), None, Vec::new(), guard, None);
        let loaded = Loaded {
            snapshot: first(),
            tls: None,
            trusts: Vec::new(),
            certificates: Arc::default(),
            report: Report::default(),
        };
        for news in [
            News::Waiting,
            refused("one"),
            refused("one"),
            refused("two"),
            News::Loaded(Candidate { loaded, seen }, SHORT),
            News::Told,
            refused("one"),
        ] {
            publisher.publish(news);
        }
    });
    let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let told = |text: &str| log.matches(text).count();
    assert_eq!(told("policy refused, generation 1 stays in force"), 2, "{log}");
    assert_eq!(told("policy refused, generation 2 stays in force"), 1, "{log}");
    assert_eq!((told("policy.toml:1:1: one"), told("policy.toml:1:1: two")), (2, 1), "{log}");
    assert_eq!(told("policy reloaded generation=2 keys=0 routes=0 duration_ms=30"), 1, "{log}");
    let status = current.status();
    assert_eq!((status.successes, status.failures), (2, 4));
    assert_eq!(status.failing.unwrap().problems, ["policy.toml:1:1: one"]);
}
