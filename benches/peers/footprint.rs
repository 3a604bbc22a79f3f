//! What a proxy weighs: its binary, its start, and what keys and routes take of memory.

use std::fs;
use std::thread;
use std::time::Duration;

use sidegate::clock;

use super::Outcome;
use super::options::Options;
use super::peer::{Peer, Proxy};
use super::site::Site;
use super::workload::{ALL, Setting};

/// Until what was only needed to begin is given back.
const SETTLE: Duration = Duration::from_secs(3);
const PEERS: [Peer; 4] = [Peer::Nginx, Peer::Haproxy, Peer::Envoy, Peer::Sidegate];

pub(crate) fn run(site: &mut Site, options: &Options) -> Outcome<()> {
    let least = ALL.first().and_then(|workload| workload.settings.first());
    let least = Setting { keys: 1000, ..*least.ok_or("no setting")? };
    let scale = if options.is_smoke { 100 } else { 1 };
    let (keys, routes) = (1_000_000 / scale, 10_000 / scale);
    println!(
        "| proxy | binary, MB | ready after, ms | MiB at 1,000 keys | ready at {keys} keys, ms | \
         bytes a key | bytes a route, of {routes} |\n|---|---|---|---|---|---|---|"
    );
    for peer in PEERS.into_iter().filter(|peer| options.wants(peer.name())) {
        let size = match peer.program(options) {
            Ok(program) => size(&program)?,
            Err(missing) => {
                println!("{}: left out: {missing}", peer.name());
                continue;
            }
        };
        let mut weigh = |setting: Setting| weigh(peer, setting, site, options);
        let (ready, start) = weigh(least)?;
        let per = |more: u64, count: usize| (more as f64 - start as f64) / count as f64;
        // Envoy has its keys in its configuration.
        let of_keys = match peer {
            Peer::Envoy => String::from("| |"),
            _ => {
                let (ready, more) = weigh(Setting { keys, ..least })?;
                format!("| {:.0} | {:.0} |", ready * 1e3, per(more, keys - 1000))
            }
        };
        let of_routes = match peer {
            Peer::Envoy => String::new(),
            _ => format!("{:.0}", per(weigh(Setting { routes, ..least })?.1, routes)),
        };
        let start = start as f64 / f64::from(1 << 20);
        println!(
            "| {} | {:.1} | {:.0} | {start:.1} {of_keys} {of_routes} |",
            peer.name(),
            size as f64 / 1e6,
            ready * 1e3
        );
    }
    Ok(())
}

/// Of what is run in the end.
fn size(program: &std::path::Path) -> Outcome<u64> {
    let found = ["/usr/sbin", "/usr/bin"].iter().map(|folder| {
        let name = program.file_name().unwrap_or_default();
        std::path::Path::new(folder).join(name)
    });
    let mut all = std::iter::once(program.to_path_buf()).chain(found);
    let file = all.find(|path| path.is_absolute() && path.exists()).ok_or("no binary")?;
    Ok(fs::metadata(file)?.len())
}

/// Seconds from the start until it accepts connections, and bytes resident once it is at rest.
fn weigh(peer: Peer, setting: Setting, site: &mut Site, options: &Options) -> Outcome<(f64, u64)> {
    let keys = site.keys(&setting)?;
    let start = clock::instant();
    let proxy = Proxy::start(peer, setting, site, &keys, options)?;
    let ready = start.elapsed().as_secs_f64();
    if !options.is_smoke {
        thread::sleep(SETTLE);
    }
    Ok((ready, proxy.running.memory()?))
}
