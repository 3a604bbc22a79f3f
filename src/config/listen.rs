//! `[listen]` and `[admin]`: where clients and operators connect.

use std::net::SocketAddr;
use std::path::Path;

use super::fields::Fields;
use super::page::quoted;
use super::tls::{self, TlsFiles};
use crate::admin;
use crate::policy::{At, Host, Lint, Place, Problem};
use crate::proxy::Address;

/// What a Unix socket's address has room for.
pub(super) const LONGEST_SOCKET: usize = 107;
/// Its user and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Whether clients speak TLS, and with what, if that could be read.
pub(super) type Secured = Option<Option<TlsFiles>>;

/// What both tables say.
pub(super) struct Listeners {
    /// Where clients connect.
    pub(super) listen: Address,
    pub(super) tls: Secured,
    /// Where it says that connections begin with where they come from.
    pub(super) proxy_protocol: Option<Place>,
    /// Where operators connect, and who may look.
    pub(super) admin: admin::Settings,
}

/// Where clients connect and how, and where operators do.
pub(super) fn listeners(fields: &mut Fields<'_>, folder: &Path) -> Listeners {
    let whole = fields.place();
    let default = |ip: [u8; 4], port| At::new(SocketAddr::from((ip, port)), whole);
    let (mut tls, mut socket, mut proxy_protocol) = (None, None, None);
    let listen = address(fields, "listen", |table, unix| {
        tls = table.has("tls").then(|| table.table("tls").and_then(|it| tls::files(it, folder)));
        socket = unix.map(|unix| socket_at(table, &unix, folder));
        let wanted = table.choice("proxy_protocol", &[false, true], proxy_protocol_name);
        let place = table.place_of_field("proxy_protocol");
        proxy_protocol = wanted.unwrap_or_default().then_some(place);
        if let (Some(place), Some(Address::Abstract(_))) = (proxy_protocol, &socket) {
            let problem =
                Problem::error(place, "anybody here may connect to a socket without a file");
            table.report(problem.hint("write `unix:/PATH`: its `mode` says who may"));
        }
        if tls.is_some() && socket.is_some() {
            let problem = Problem::error(table.place_of_field("tls"), "TLS is for IP addresses");
            table.report(problem.hint("leave `tls` out: a Unix socket does not leave the machine"));
        }
    });
    let listen = listen.unwrap_or(default([0, 0, 0, 0], 8080));
    let (mut token, mut hosts) = (None, Vec::new());
    let admin = address(fields, "admin", |table, unix| {
        token = table.text("token").map(|file| folder.join(file.value));
        hosts = names(table);
        if let Some(unix) = unix {
            let message = format!("{} is a socket", quoted(&unix.value));
            let hint = "operators connect by TCP: write `127.0.0.1:9464`";
            table.report(Problem::error(unix.place, message).hint(hint));
        }
    });
    let admin = admin.unwrap_or(default([127, 0, 0, 1], 9464));
    if !admin.value.ip().to_canonical().is_loopback() {
        let message = format!("operators are listened for on `{}`", admin.value);
        let problem = Problem::warning(Lint::AdminReachable, admin.place, message);
        let hint = match token {
            None => "nobody is asked who they are: listen on 127.0.0.1",
            Some(_) => "only the page asks for the token: listen on 127.0.0.1",
        };
        fields.report(problem.hint(hint));
    }
    if let Some(socket) = socket {
        let admin = admin::Settings { listen: admin.value, token, hosts };
        return Listeners { listen: socket, tls, proxy_protocol, admin };
    }
    let (one, other) = (listen.value, admin.value);
    let met = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    if met && one.port() == other.port() && one.port() != 0 {
        let message = format!("`listen` and `admin` share port `{}`", one.port());
        let problem = Problem::error(admin.place.max(listen.place), message);
        fields.report(problem.hint("give each a port of its own"));
    }
    let admin = admin::Settings { listen: other, token, hosts };
    Listeners { listen: Address::Ip(one), tls, proxy_protocol, admin }
}

/// Names that the operators' page may be asked for by.
fn names(table: &mut Fields<'_>) -> Vec<String> {
    let listed = table.texts("hosts").unwrap_or_default();
    for name in &listed {
        let known = Host::parse(&name.value).is_some_and(|host| host.as_str() == name.value);
        if !known || name.value.starts_with('[') {
            let message = format!("{} is not a host's name", quoted(&name.value));
            let hint = "write it without a port and in lower case: `ops.acme.example`";
            table.report(Problem::error(name.place, message).hint(hint));
        }
    }
    listed.into_iter().map(|name| name.value).collect()
}

fn proxy_protocol_name(wanted: bool) -> &'static str {
    if wanted { "v2" } else { "off" }
}

/// The socket of `unix:PATH` or `unix:@NAME`.
fn socket_at(table: &mut Fields<'_>, written: &At<String>, folder: &Path) -> Address {
    let mode = table.text("mode").and_then(|mode| {
        let digits = Some(mode.value.as_str()).filter(|it| (3..=4).contains(&it.len()));
        let read = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
        if read.is_none_or(|read| read > 0o777) {
            let message = format!("{} is no mode of a file", quoted(&mode.value));
            table.report(Problem::error(mode.place, message).hint("write it in octal: `0660`"));
        }
        read
    });
    let rest = written.value.strip_prefix("unix:").unwrap_or_default();
    let name = rest.strip_prefix('@');
    let wrong = match name {
        Some("") | None if rest.len() < 2 => Some("has no path".to_owned()),
        // With the zero that begins or ends it.
        _ if rest.len() > LONGEST_SOCKET => {
            Some(format!("has a path longer than {LONGEST_SOCKET} bytes"))
        }
        Some(_) if mode.is_some() => Some("has no file that could have a mode".to_owned()),
        _ => None,
    };
    if let Some(wrong) = wrong {
        let message = format!("{} {wrong}", quoted(&written.value));
        let hint = "write `unix:/run/sidegate.sock` or `unix:@NAME`";
        table.report(Problem::error(written.place, message).hint(hint));
    }
    match name {
        Some(name) => Address::Abstract(name.to_owned()),
        None => Address::Unix(folder.join(rest), mode.unwrap_or(SOCKET_MODE)),
    }
}

/// `more` reads what else the table may say; it has the address where that is of a socket.
fn address(
    fields: &mut Fields<'_>,
    field: &'static str,
    more: impl FnOnce(&mut Fields<'_>, Option<At<String>>),
) -> Option<At<SocketAddr>> {
    let mut table = fields.table(field)?;
    table.describe(format!("`[{field}]`"));
    let written = table.text("address");
    let is_socket = |written: &At<String>| written.value.starts_with("unix:");
    let (unix, written) = match written {
        Some(written) if is_socket(&written) => (Some(written), None),
        written => (None, written),
    };
    let address = written.and_then(|written| match written.value.parse() {
        Ok(address) => Some(At::new(address, written.place)),
        Err(_) => {
            let message = format!("{} is not an address", quoted(&written.value));
            let problem = Problem::error(written.place, message);
            table.report(problem.hint("write an IP address and a port: `127.0.0.1:8080`"));
            None
        }
    });
    more(&mut table, unix);
    table.finish();
    address
}
