//! What a run has found: rows, printed as a table, written as JSON, drawn as SVG.

mod chart;
mod json;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::driver::{Errors, Measurement, Slot};
use crate::error::BenchError;
use crate::latency::Latencies;

/// Latencies as the report has them, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// The median.
    pub p50_us: f64,
    /// What one of a hundred exceeds.
    pub p99_us: f64,
    /// What one of a thousand exceeds.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl From<&Latencies> for Quantiles {
    fn from(latencies: &Latencies) -> Self {
        Self {
            p50_us: latencies.quantile_us(0.5),
            p99_us: latencies.quantile_us(0.99),
            p999_us: latencies.quantile_us(0.999),
            max_us: latencies.max_us(),
        }
    }
}

/// What a figure is compared with: a limit of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// Operations a second that the machine can do of it.
    pub per_second: f64,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which system.
    pub system: String,
    /// Which operation.
    pub op: String,
    /// Clients at once.
    pub clients: usize,
    /// Operations a second that were due, in an open loop.
    pub rate: Option<f64>,
    /// Operations a second that were done.
    pub ops_per_second: f64,
    /// How long they took.
    pub quantiles: Quantiles,
    /// Operations that were not acknowledged.
    pub errors: u64,
    /// Operations that were asked again because the system wanted it.
    pub retries: u64,
    /// The machine's limit for it.
    pub limit: Option<Limit>,
    /// Figures of another kind, with their units in their names.
    pub more: Vec<(&'static str, f64)>,
}

impl Row {
    /// A row of one kind of operation of a run.
    pub fn new(system: &str, op: &str, clients: usize, latencies: &Latencies, seconds: f64) -> Self {
        Self {
            system: system.to_owned(),
            op: op.to_owned(),
            clients,
            rate: None,
            ops_per_second: latencies.count() as f64 / seconds.max(f64::MIN_POSITIVE),
            quantiles: latencies.into(),
            errors: 0,
            retries: 0,
            limit: None,
            more: Vec::new(),
        }
    }

    /// Share of the machine's limit, where one is known.
    pub fn share(&self) -> Option<f64> {
        let limit = self.limit.as_ref().filter(|limit| limit.per_second > 0.0)?;
        Some(self.ops_per_second / limit.per_second)
    }
}

/// A moment at which something was done to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Since the beginning of the series.
    pub at: Duration,
    /// What.
    pub what: &'static str,
}

/// A line of the chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it shows.
    pub name: String,
    /// How it went.
    pub slots: Vec<Slot>,
    /// What was done meanwhile.
    pub marks: Vec<Mark>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    series: Vec<Series>,
    /// What failed, in words: any makes the run a failure.
    failures: Vec<String>,
}

/// Where a report goes besides the terminal.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// JSON.
    pub json: Option<PathBuf>,
    /// A chart.
    pub svg: Option<PathBuf>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds the kinds of operations of a run; `kinds` names them.
    pub fn add_measurement(&mut self, about: &Row, kinds: &[&str], measured: Measurement) {
        let Measurement { latencies, errors, slots, seconds } = measured;
        let mut errors = Some(errors);
        for (kind, latencies) in kinds.iter().zip(&latencies) {
            if latencies.count() == 0 && kinds.len() > 1 {
                continue;
            }
            let Errors { count, retries, .. } = errors.take().unwrap_or_default();
            let row = Row::new(&about.system, kind, about.clients, latencies, seconds);
            self.add(Row { rate: about.rate, limit: about.limit.clone(), errors: count, retries, ..row });
        }
        let name = format!("{} {} {}", about.system, about.op, about.clients);
        self.add_series(Series { name, slots, marks: Vec::new() });
    }

    /// Adds a line of the chart.
    pub fn add_series(&mut self, series: Series) {
        self.series.push(series);
    }

    /// Something is wrong: the run is a failure.
    pub fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    /// Whether nothing was wrong.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    /// All figures.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Prints the table on stdout and the failures on stderr, and writes the files.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(&self, files: &Files) -> Result<(), BenchError> {
        print!("{}", table::render(&self.rows));
        for failure in &self.failures {
            eprintln!("FAILED: {failure}");
        }
        if let Some(path) = &files.json {
            let text = json::render(&self.rows);
            std::fs::write(path, text).map_err(BenchError::io(format!("writing {}", path.display())))?;
        }
        if let Some(path) = &files.svg {
            let text = chart::render(&self.series, &self.rows)?;
            std::fs::write(path, text).map_err(BenchError::io(format!("writing {}", path.display())))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
