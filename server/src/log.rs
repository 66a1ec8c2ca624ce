//! The log on stderr: lines as tracing writes them, but trouble that repeats is told once and then counted.
//!
//! A warning or an error is the same as an earlier one if it comes from the same place of the code, with the same message, and
//! tells of the same range, node or address; how its other fields differ (the error's words) does not matter. See [`quorate_raft_groups::telling`].

use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_raft_groups::telling::{Tell, Tellings};
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// What is logged where `QUORATE_LOG` says nothing else: trouble, and that it is over. openraft warns of each message to a
/// node that is away, several times a second for each range.
const LOG_DEFAULT: &str = "warn,openraft=error,quorate_raft_groups::cluster::watching=info";
/// Fields that tell of what a line speaks.
const SUBJECTS: [&str; 9] =
    ["message", "range", "range_id", "node", "from", "to", "address", "replica", "table"];

/// Starts the log; `QUORATE_LOG` selects what is written.
pub fn start() {
    let filter = EnvFilter::try_from_env("QUORATE_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let started = Instant::now();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(Counted::new(Format::default(), move || started.elapsed()))
        .init();
}

/// Writes events, without repeats.
struct Counted<F> {
    inner: F,
    /// Time since some start.
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    tellings: Mutex<Tellings<String>>,
}

impl<F> Counted<F> {
    fn new(inner: F, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { inner, now: Box::new(now), tellings: Mutex::default() }
    }

    /// How to tell an event; `None` where it is only counted.
    fn tell(&self, event: &Event<'_>) -> Option<Tell> {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN {
            return Some(Tell::Begins);
        }
        let mut subject = Subject::default();
        event.record(&mut subject);
        let place = format!("{}:{:?}", metadata.target(), metadata.line());
        self.tellings.lock().trouble(format!("{place}{}", subject.text), (self.now)())
    }
}

impl<S, N, F> FormatEvent<S, N> for Counted<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.tell(event) {
            None => Ok(()),
            Some(Tell::Begins) => self.inner.format_event(context, writer, event),
            Some(again @ Tell::GoesOn { .. }) => {
                let mut line = String::new();
                self.inner.format_event(context, Writer::new(&mut line), event)?;
                writeln!(writer, "{}{again}", line.trim_end())
            }
        }
    }
}

/// Of what an event speaks.
#[derive(Default)]
struct Subject {
    text: String,
}

impl Visit for Subject {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if SUBJECTS.contains(&field.name()) {
            self.text.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn repeats_are_counted_for_each_range_apart() {
        let lines = Lines::default();
        let tenths = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&tenths);
        let written = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || written.clone())
            .with_ansi(false)
            .without_time()
            .event_format(Counted::new(Format::default().without_time().with_target(false), move || {
                Duration::from_millis(100 * read.load(Ordering::Relaxed))
            }))
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        for tenth in 0..700_u64 {
            for range in ["r7", "r8"] {
                tracing::warn!(%range, error = tenth, "no quorum");
            }
            tracing::info!("all of these");
            tenths.fetch_add(1, Ordering::Relaxed);
        }
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let warnings: Vec<_> = text.lines().filter(|line| line.contains("no quorum")).collect();
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings[0].contains("r7") && warnings[1].contains("r8"), "{warnings:?}");
        assert!(warnings[2].ends_with("(601 times in 1 min 0 s)"), "{warnings:?}");
        assert_eq!(text.lines().count() - warnings.len(), 700, "what is no trouble is not counted");
    }
}
