//! Where the listeners come from: their addresses, systemd, or the sidegate that is followed.

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener};

use super::handover::{self, Offer, Shares, Taken, Taking};
use super::inherit::Inherited;
use super::serve::Failure;
use crate::admin;
use crate::config::Config;
use crate::proxy::{Address, Listeners};

/// Where listeners are to come from.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    inherited: Inherited,
    take_over: bool,
}

/// Listeners that stand.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) data: Listeners,
    pub(super) operators: TcpListener,
    /// To who follows this process, if anybody may.
    pub(super) offer: Option<Offer>,
    /// The process that this one follows.
    pub(super) taking: Option<Taking>,
}

impl Sockets {
    /// Of `serve`.
    pub(super) fn of_process(take_over: bool) -> Result<Self, Failure> {
        let inherited = Inherited::from_environment().map_err(Failure::Broke)?;
        if take_over && (inherited.data.is_some() || inherited.admin.is_some()) {
            let message = "`--take-over` has nothing to take: systemd holds the sockets already";
            return Err(Failure::Usage(message.to_owned()));
        }
        Ok(Self { inherited, take_over })
    }

    /// Whether `config` allows what is asked for.
    pub(super) fn suits(&self, config: &Config) -> Result<(), Failure> {
        if self.take_over && config.handover.is_none() {
            let message = "`--take-over` needs a place to ask at: add `[handover]` with \
                           `socket = \"/run/sidegate/handover.sock\"` to the settings";
            return Err(Failure::Usage(message.to_owned()));
        }
        Ok(())
    }

    /// Opens the listeners, or takes them.
    pub(super) fn open(self, config: &Config) -> Result<Opened, Failure> {
        let asked = config.handover.as_ref().filter(|_| self.take_over);
        let taken = asked.map(|path| {
            handover::ask(path).map_err(|error| {
                let path = path.display();
                Failure::Broke(format!("cannot take over by {path}: {error}"))
            })
        });
        match taken.transpose()?.flatten() {
            Some(taken) => follow(taken, config),
            None => begin(self.inherited, config),
        }
    }
}

fn begin(inherited: Inherited, config: &Config) -> Result<Opened, Failure> {
    let operators = operators(inherited.admin, config)?;
    let data = match inherited.data {
        Some(socket) => Listeners::activated(&config.proxy, socket).map_err(|error| {
            Failure::Broke(format!("the socket of systemd for clients cannot be used: {error}"))
        })?,
        None => {
            bind(config).map_err(|error| taken("[listen] address", &config.proxy.listen, &error))?
        }
    };
    let place = config.handover.as_ref();
    let offer = place.map(|path| {
        let shares = Shares { data: data.again()?, admin: operators.try_clone()? };
        Offer::new(path, shares)
    });
    let offer = offer.transpose().map_err(|error| no_offer(config, &error))?;
    Ok(Opened { data, operators, offer, taking: None })
}

fn follow(sockets: Taken, config: &Config) -> Result<Opened, Failure> {
    let Taken { data, admin, handover, taking } = sockets;
    let is_asked_for = |address: SocketAddr| {
        let listen = config.admin.listen;
        address.ip() == listen.ip() && (listen.port() == 0 || address.port() == listen.port())
    };
    let admin = Some(admin).filter(|it| it.local_addr().is_ok_and(is_asked_for));
    let operators = operators(admin, config)?;
    let data = Listeners::follow(&config.proxy, data)
        .and_then(|followed| followed.map_or_else(|| bind(config), Ok))
        .map_err(|error| taken("[listen] address", &config.proxy.listen, &error))?;
    let offer = config.handover.as_ref().map(|path| {
        let shares = Shares { data: data.again()?, admin: operators.try_clone()? };
        Offer::again(path, handover, shares)
    });
    let offer = offer.transpose().map_err(|error| no_offer(config, &error))?;
    Ok(Opened { data, operators, offer, taking: Some(taking) })
}

fn bind(config: &Config) -> io::Result<Listeners> {
    alone(&config.proxy.listen)?;
    Listeners::bind(&config.proxy)
}

fn operators(given: Option<TcpListener>, config: &Config) -> Result<TcpListener, Failure> {
    let listener = match given {
        Some(listener) => listener.set_nonblocking(true).map(|()| listener),
        None => admin::bind(&config.admin),
    };
    listener.map_err(|error| taken("[admin] address", &config.admin.listen, &error))
}

fn no_offer(config: &Config, error: &io::Error) -> Failure {
    match &config.handover {
        Some(path) => taken("[handover] socket", &path.display(), error),
        None => Failure::Broke(error.to_string()),
    }
}

/// Fails where somebody listens on `address`. The workers' listeners share their port, and the system
/// would let another sidegate in, too: each would then judge a part of the requests by its own policy.
fn alone(address: &Address) -> io::Result<()> {
    address.ip().map_or(Ok(()), |address| TcpListener::bind(address).map(drop))
}

fn taken(field: &str, address: &dyn Display, error: &io::Error) -> Failure {
    let way_out = match error.kind() {
        io::ErrorKind::AddrInUse => "another process has it: end that one, or change",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are the system's, and folders have their owners: change"
        }
        _ => "change",
    };
    Failure::Broke(format!("cannot listen on {address}: {error} — {way_out} `{field}`"))
}
