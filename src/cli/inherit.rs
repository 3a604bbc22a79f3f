//! Sockets that systemd opened before this process began (`sd_listen_fds(3)`).

use std::env;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;

/// What the operators' socket is called (`FileDescriptorName=`).
const ADMIN: &str = "admin";

/// The sockets that are meant for this process.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// Where clients connect.
    pub(super) data: Option<OwnedFd>,
    /// Where operators do.
    pub(super) admin: Option<TcpListener>,
}

impl Inherited {
    /// To be called once, before there is another thread.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(super) fn from_environment() -> Result<Self, String> {
        // Without it they are somebody else's, who has left the variables behind.
        if env::var_os("LISTEN_PID").is_none() {
            return Ok(Self::default());
        }
        let names = env::var_os("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.to_string_lossy();
        let mut given = ListenFd::from_env();
        let mut inherited = Self::default();
        let names = names.split(':').chain(std::iter::repeat(""));
        for (number, name) in (0..given.len()).zip(names) {
            inherited.add(&mut given, number, name)?;
        }
        Ok(inherited)
    }

    fn add(&mut self, given: &mut ListenFd, number: usize, name: &str) -> Result<(), String> {
        let tcp = given.take_tcp_listener(number);
        if name == ADMIN {
            let problem = || "the socket `admin` is not TCP's: operators connect by TCP".to_owned();
            let socket = tcp.ok().flatten().ok_or_else(problem)?;
            return match self.admin.replace(socket) {
                None => Ok(()),
                Some(_) => {
                    Err("there are two sockets `admin`: operators connect to one".to_owned())
                }
            };
        }
        let socket = match tcp {
            Ok(socket) => socket.map(OwnedFd::from),
            Err(_) => given
                .take_unix_listener(number)
                .map_err(|_| format!("the socket `{name}` is neither TCP's nor a Unix socket"))?
                .map(OwnedFd::from),
        };
        match socket.and_then(|socket| self.data.replace(socket)) {
            None => Ok(()),
            Some(_) => Err(format!(
                "`{name}` is a second socket for clients — that of the operators is called `{ADMIN}`"
            )),
        }
    }
}
