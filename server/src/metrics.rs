//! Metrics of the process: the recorder, the help texts of the names of this crate, and the page that `/metrics` shows.
//!
//! Other crates count through the facade and describe their own names; a process has one recorder, however many nodes
//! it runs.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Open SQL sessions.
pub const WIRE_CONNECTIONS: &str = "quorate_wire_connections";
/// Connections refused because there were too many.
pub const WIRE_REFUSED: &str = "quorate_wire_refused_total";
/// Statements (texts of the simple protocol, portals of the extended one) that were run.
pub const WIRE_STATEMENTS: &str = "quorate_wire_statements_total";
/// How long they took.
pub const WIRE_STATEMENT_TIME: &str = "quorate_wire_statement_seconds";
/// Errors that clients were told, by SQLSTATE.
pub const WIRE_ERRORS: &str = "quorate_wire_errors_total";

/// Upper bounds of the buckets of all `_seconds`: from a read in memory to the longest wait for a quorum.
const SECONDS_BUCKETS: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// How often samples are folded into their buckets where nobody asks for the page.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The recorder of the process, once it is installed.
static PAGE: OnceLock<Result<MetricsPage, MetricsError>> = OnceLock::new();

/// Why there are no metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metrics are not recorded: {0}")]
pub struct MetricsError(String);

/// What `/metrics` shows.
#[derive(Clone, Debug)]
pub struct MetricsPage {
    handle: PrometheusHandle,
}

impl MetricsPage {
    /// The page in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds samples into their buckets; to be called every [`UPKEEP_INTERVAL`].
    pub fn keep_up(&self) {
        self.handle.run_upkeep();
    }
}

/// Installs the process's recorder, once, and returns its page.
///
/// # Errors
/// Another recorder was installed by someone else.
pub fn install() -> Result<MetricsPage, MetricsError> {
    PAGE.get_or_init(|| build().map_err(|error| MetricsError(error.to_string()))).clone()
}

fn build() -> Result<MetricsPage, BuildError> {
    let builder = PrometheusBuilder::new();
    let seconds = metrics_exporter_prometheus::Matcher::Suffix("_seconds".to_owned());
    let handle = builder.set_buckets_for_metric(seconds, SECONDS_BUCKETS)?.install_recorder()?;
    describe();
    Ok(MetricsPage { handle })
}

/// Help and unit of each name of this crate.
fn describe() {
    describe_gauge!(WIRE_CONNECTIONS, Unit::Count, "Open SQL sessions");
    describe_counter!(WIRE_REFUSED, Unit::Count, "SQL connections refused because there were too many");
    describe_counter!(WIRE_STATEMENTS, Unit::Count, "SQL statements run, by protocol");
    describe_histogram!(
        WIRE_STATEMENT_TIME,
        Unit::Seconds,
        "How long SQL statements took, sending rows included"
    );
    describe_counter!(WIRE_ERRORS, Unit::Count, "Errors that SQL clients were told, by SQLSTATE");
}

/// Counts a session as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(());

impl OpenConnection {
    /// A session has begun.
    pub fn begin() -> Self {
        gauge!(WIRE_CONNECTIONS).increment(1.0);
        Self(())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!(WIRE_CONNECTIONS).decrement(1.0);
    }
}

/// Which protocol a statement came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementProtocol {
    /// A text.
    Simple,
    /// A portal.
    Extended,
}

/// Counts a statement, and measures it to its end.
#[derive(Debug)]
pub struct StatementTimer(Instant);

impl StatementTimer {
    /// A statement has begun.
    #[expect(clippy::disallowed_methods, reason = "measures what users wait for")]
    pub fn begin(protocol: StatementProtocol) -> Self {
        let protocol = match protocol {
            StatementProtocol::Simple => "simple",
            StatementProtocol::Extended => "extended",
        };
        counter!(WIRE_STATEMENTS, "protocol" => protocol).increment(1);
        Self(Instant::now())
    }
}

impl Drop for StatementTimer {
    fn drop(&mut self) {
        histogram!(WIRE_STATEMENT_TIME).record(self.0.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_page_has_help_and_buckets() {
        let page = install().unwrap();
        let open = OpenConnection::begin();
        drop(StatementTimer::begin(StatementProtocol::Simple));
        counter!(WIRE_ERRORS, "sqlstate" => "42601").increment(1);
        page.keep_up();
        let text = page.render();
        for line in [
            "# HELP quorate_wire_connections Open SQL sessions",
            "# TYPE quorate_wire_statements_total counter",
            "quorate_wire_statement_seconds_bucket{le=\"0.001\"}",
            "quorate_wire_errors_total{sqlstate=\"42601\"}",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        drop(open);
        assert!(install().is_ok(), "a second node of the process finds the same recorder");
    }
}
