//! One round of load on one proxy, and what it showed.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::Outcome;
use super::keys::Keys;
use super::peer::Proxy;
use super::site::Site;
use super::socket;
use super::workload::{Listen, Tool, Whose, Workload};

/// Between reloads.
const RELOAD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
    /// Share of its core that the proxy had.
    pub(crate) busy: f64,
    /// Microseconds until half, and 99 of 100, were answered; h2load does not say.
    pub(crate) median: f64,
    pub(crate) slow: f64,
}

/// What the load says of itself.
struct Said {
    requests: f64,
    seconds: f64,
    median: f64,
    slow: f64,
}

/// One round; within, why it is void.
pub(crate) fn measure(
    workload: &Workload,
    proxy: &Proxy,
    site: &Site,
    keys: &Keys,
    time: Duration,
) -> Outcome<Result<Measured, String>> {
    let words = match workload.tool {
        Tool::Wrk => wrk(workload, proxy, site, keys, time)?,
        Tool::H2load => h2load(workload, proxy, site, keys, time),
        Tool::Socket => {
            let own = std::env::current_exe()?.display().to_string();
            let asking = socket::asking(workload, proxy.port, key(workload, keys), time);
            [vec![own], asking].concat()
        }
    };
    let before = proxy.running.cpu()?;
    let output = thread::scope(|scope| {
        let (over, is_over) = channel::<()>();
        let reloading = scope.spawn(move || {
            let mut turn = 0;
            while proxy.setting.reloads
                && is_over.recv_timeout(RELOAD) == Err(RecvTimeoutError::Timeout)
            {
                proxy.reload(turn).map_err(|error| error.to_string())?;
                turn += 1;
            }
            Ok::<_, String>(())
        });
        let output = Command::new("taskset")
            .args(["-c", &site.cores.load])
            .args(&words)
            .stdin(Stdio::null())
            .output();
        drop(over);
        reloading.join().map_err(|_| "the thread that reloads has panicked")??;
        Ok::<_, Box<dyn Error + Send + Sync>>(output?)
    })?;
    let cpu = proxy.running.cpu()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Ok(Err(format!("{:?}: {}", workload.tool, said.trim())));
    }
    let said = match workload.tool {
        Tool::H2load => read_h2load(&text),
        Tool::Wrk | Tool::Socket => read_line(&text, workload),
    };
    Ok(said.and_then(|said| {
        if said.requests == 0.0 {
            return Err("no request was answered".into());
        }
        Ok(Measured {
            per_second: said.requests / said.seconds,
            cpu_micros: cpu * 1e6 / said.requests,
            busy: cpu / said.seconds,
            median: said.median,
            slow: said.slow,
        })
    }))
}

fn key<'k>(workload: &Workload, keys: &'k Keys) -> &'k str {
    match workload.whose {
        Whose::Viewer | Whose::Anybody => keys.viewer(),
        Whose::Writer => keys.writer(),
        Whose::Nobody => &keys.nobody,
    }
}

fn url(workload: &Workload, proxy: &Proxy) -> String {
    let scheme = if proxy.setting.listen == Listen::Tls { "https" } else { "http" };
    format!("{scheme}://127.0.0.1:{}{}", proxy.port, workload.path.replace('*', "0"))
}

fn wrk(
    workload: &Workload,
    proxy: &Proxy,
    site: &Site,
    keys: &Keys,
    time: Duration,
) -> Outcome<Vec<String>> {
    let script = site.path().join("load.lua");
    let Workload { method, body, connections, .. } = workload;
    let mut text = format!(
        "wrk.method = \"{method}\"\nwrk.headers[\"Host\"] = \"bench\"\n\
         wrk.headers[\"X-API-Key\"] = \"{}\"\n",
        key(workload, keys)
    );
    if *body > 0 {
        text += &format!("wrk.body = string.rep(\"x\", {body})\n");
    }
    if workload.closes {
        text += "wrk.headers[\"Connection\"] = \"close\"\n";
    }
    if workload.whose == Whose::Anybody || workload.path.contains('*') {
        text += &random(workload, proxy, &site.keys_folder(&proxy.setting), keys);
    }
    text += DONE;
    fs::write(&script, text)?;
    // wrk knows whole seconds only, but stops at once when it is asked to: asked before it has read its
    // script, it would wait for all of them.
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let mut words = Vec::new();
    if time.subsec_nanos() > 0 {
        let time = time.as_secs_f64().to_string();
        words.extend(["timeout", "--preserve-status", "--signal=INT", &time].map(str::to_owned));
    }
    words.extend([
        "wrk".into(),
        format!("-t{}", site.cores.load_threads),
        format!("-c{connections}"),
        format!("-d{whole}s"),
        "--timeout=10s".into(),
        format!("-s{}", script.display()),
        url(workload, proxy),
    ]);
    Ok(words)
}

/// Another key or route in each request.
fn random(workload: &Workload, proxy: &Proxy, folder: &Path, keys: &Keys) -> String {
    let (mut texts, mut field) = (String::new(), format!("\"{}\"", key(workload, keys)));
    if workload.whose == Whose::Anybody {
        let (count, length) = (keys.texts.len(), key(workload, keys).len());
        // Read by each of its threads: lines of one length.
        let file = folder.join("texts");
        texts = format!("local texts = io.open(\"{}\"):read(\"*a\")\n", file.display());
        field = format!("texts:sub(at + 1, at + {length})");
        texts +=
            &format!("local function any() return math.random(0, {count} - 1) * {length} end\n");
    }
    let path = match workload.path.split_once('*') {
        Some((before, after)) => {
            let last = proxy.setting.routes - 1;
            format!("\"{before}\" .. math.random(0, {last}) .. \"{after}\"")
        }
        None => format!("\"{}\"", workload.path),
    };
    let at = if texts.is_empty() { "" } else { "  local at = any()\n" };
    format!(
        "math.randomseed(os.time())\n{texts}function request()\n{at}  return \"{} \" .. {path} .. \
         \" HTTP/1.1\\r\\nHost: bench\\r\\nX-API-Key: \" .. {field} .. \"\\r\\n\\r\\n\"\nend\n",
        workload.method
    )
}

const DONE: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format("peers %d %d %d %d %d %d %d %d %d %d", summary.requests, summary.duration,
    summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

fn read_line(text: &str, workload: &Workload) -> Result<Said, String> {
    let line = text.lines().find_map(|line| line.strip_prefix("peers "));
    let line = line.ok_or_else(|| format!("nothing was counted: {text}"))?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [requests, micros, bytes, connect, read, write, status, timeout, median, slow] =
        numbers[..]
    else {
        return Err(format!("not understood: {line}"));
    };
    let errors = [connect, read, write, timeout];
    if errors.iter().any(|count| *count > 0.0) {
        return Err(format!("failed to connect, read, write, in time: {errors:?}"));
    }
    let expected = if workload.status < 400 { 0.0 } else { requests };
    if status != expected {
        return Err(format!("{status} of {requests} were answered 400 or more"));
    }
    // What began before the end may be in there without having been counted.
    if bytes < requests * workload.answer as f64 {
        return Err(format!("{bytes} bytes for {requests} answers"));
    }
    Ok(Said { requests, seconds: micros / 1e6, median, slow })
}

fn h2load(
    workload: &Workload,
    proxy: &Proxy,
    site: &Site,
    keys: &Keys,
    time: Duration,
) -> Vec<String> {
    // Over before it has all of its connections, it would never end.
    let time = time.max(Duration::from_secs(1));
    vec![
        "timeout".into(),
        (time.as_secs() + 30).to_string(),
        "h2load".into(),
        format!("-c{}", workload.connections),
        format!("-t{}", site.cores.load_threads),
        "-m8".into(),
        format!("--duration={}ms", time.as_millis()),
        format!("--header=x-api-key: {}", key(workload, keys)),
        url(workload, proxy),
    ]
}

fn read_h2load(text: &str) -> Result<Said, String> {
    let line = |start: &str| {
        text.lines().find(|line| line.starts_with(start)).ok_or(format!("no `{start}`: {text}"))
    };
    let number = |line: &str, unit: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.trim_end_matches(',') == unit);
        let word = at.and_then(|at| words.get(at.checked_sub(1)?));
        word.and_then(|word| word.parse::<f64>().ok()).ok_or(format!("no {unit} in `{line}`"))
    };
    let requests = line("requests: ")?;
    let succeeded = number(requests, "succeeded")?;
    let codes = number(line("status codes: ")?, "2xx")?;
    let wrong = number(requests, "failed")? + number(requests, "errored")?;
    if wrong > 0.0 || codes != succeeded {
        return Err(format!("{requests}; {codes} answers were 2xx"));
    }
    let per_second = number(line("finished in ")?, "req/s")?;
    Ok(Said { requests: succeeded, seconds: succeeded / per_second, median: 0.0, slow: 0.0 })
}
