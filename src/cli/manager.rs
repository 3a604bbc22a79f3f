//! What a service manager is told (`sd_notify(3)`), where there is one that listens.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What an end may take beyond what it was given: a load that is under way, the rest of the log.
const SPARE: Duration = Duration::from_secs(5);

/// Who started this process, and wants to know how it does.
#[derive(Debug, Default)]
pub(super) struct Manager {
    notify: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names.
    ///
    /// # Errors
    ///
    /// When it cannot be spoken to: it would wait for this process in vain.
    pub(super) fn from_environment() -> io::Result<Self> {
        let notify = env::var_os("NOTIFY_SOCKET").map(|name| {
            let address = match name.as_bytes().split_first() {
                Some((b'@', name)) => SocketAddr::from_abstract_name(name),
                Some((b'/', _)) => SocketAddr::from_pathname(&name),
                _ => Err(io::ErrorKind::Unsupported.into()),
            };
            Ok::<_, io::Error>((UnixDatagram::unbound()?, address?))
        });
        let number = |name| number(env::var_os(name)?);
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|it| is_ours && *it > 0);
        Ok(Self { notify: notify.transpose()?, watchdog: watchdog.map(Duration::from_micros) })
    }

    /// How often it wants to hear that this process turns: twice as often as it has to.
    pub(super) fn watches(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.notify.is_some()).map(|whole| whole / 2)
    }

    /// Requests are served, by what is in force.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The files are being looked at; [`ready`](Self::ready) follows.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=looking at the files"));
    }

    /// It ends, within this time.
    pub(super) fn stopping(&self, within: Duration, status: &str) {
        let micros = within.saturating_add(SPARE).as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS={status}"));
    }

    /// It turns.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, what: &str) {
        let Some((socket, address)) = &self.notify else { return };
        if let Err(error) = socket.send_to_addr(what.as_bytes(), address) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

fn number(text: OsString) -> Option<u64> {
    text.to_str()?.parse().ok()
}

#[cfg(test)]
impl Manager {
    /// One that listens at `address`.
    fn at(address: SocketAddr, watchdog: Option<Duration>) -> Self {
        Self { notify: Some((UnixDatagram::unbound().unwrap(), address)), watchdog }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ears = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_pathname(&path).unwrap();
        let manager = Manager::at(address, Some(Duration::from_secs(3)));
        assert_eq!(manager.watches(), Some(Duration::from_millis(1500)));
        let mut heard = [0; 256];
        let mut hear = |say: &dyn Fn(&Manager)| {
            say(&manager);
            let length = ears.recv(&mut heard).unwrap();
            String::from_utf8(heard[..length].to_vec()).unwrap()
        };
        assert_eq!(hear(&|it| it.ready("well")), "READY=1\nSTATUS=well");
        assert_eq!(hear(&|it| it.alive()), "WATCHDOG=1");
        let stopping = hear(&|it| it.stopping(Duration::from_secs(30), "draining"));
        assert_eq!(stopping, "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\nSTATUS=draining");
        let reloading = hear(&|it| it.reloading());
        let micros: Vec<u64> = reloading
            .lines()
            .filter_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse().ok())
            .collect();
        assert!(reloading.starts_with("RELOADING=1\n") && micros[0] > 0, "{reloading}");
    }

    #[test]
    fn without_one_nothing_is_told() {
        let manager = Manager { notify: None, watchdog: Some(Duration::from_secs(1)) };
        assert_eq!(manager.watches(), None);
        manager.alive();
    }
}
