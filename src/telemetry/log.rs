//! Sets up the log: one event a line to standard output, never in a worker's way.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Format, Level, Settings};

/// Events that wait to be written, at most; more are dropped and counted.
const BUFFERED_EVENTS: usize = 16_384;

/// Keeps the log's writer alive: what is buffered is written when this is dropped.
#[derive(Debug)]
pub struct LogGuard {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
}

impl LogGuard {
    /// Events dropped since the start because the log's reader was too slow.
    pub fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Installs the process's log.
///
/// # Errors
///
/// When one is installed already.
pub fn install(settings: &Settings) -> io::Result<LogGuard> {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(BUFFERED_EVENTS)
        .lossy(true)
        .thread_name("sidegate-log")
        .finish(io::stdout());
    let dropped = writer.error_counter();
    let filter = match settings.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Ours alone: at `debug`, libraries tell of requests what must not be told.
    let ours = Targets::new().with_target("sidegate", filter);
    let log = tracing_subscriber::fmt().with_writer(writer).with_max_level(filter);
    let installed = match settings.format {
        Format::Json => log.json().with_current_span(false).finish().with(ours).try_init(),
        Format::Text => log.with_ansi(false).finish().with(ours).try_init(),
    };
    installed.map_err(io::Error::other)?;
    Ok(LogGuard { _writer: guard, dropped })
}
