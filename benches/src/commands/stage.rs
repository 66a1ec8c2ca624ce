//! What every command does before and after its own part: folder, machine, floor, systems; report.

use std::path::Path;

use tempfile::TempDir;

use crate::cli::Common;
use crate::driver::{self, Load, Measurement, Worker};
use crate::error::BenchError;
use crate::floor::Floor;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::report::{Files, Limit, Report, Row};
use crate::systems::System;
use crate::systems::embedded::Embedded;
use crate::systems::quorate::{QuorateCluster, find_binary};
use crate::systems::sql::SqlSystem;

/// Bytes of a value where a command has no flag for it.
pub const VALUE_BYTES: usize = 256;

/// Everything of a run. Systems are dropped before their folder.
pub struct Stage {
    /// The systems, ours first.
    pub systems: Vec<System>,
    /// Where the run stands.
    pub progress: Progress,
    /// What was found.
    pub report: Report,
    floor: Option<Floor>,
    load: Load,
    files: Files,
    folder: TempDir,
}

/// What one part of a run is about.
pub struct Part<'a> {
    /// Which system.
    pub system: &'static str,
    /// What is done, in the report and on the terminal.
    pub op: &'a str,
    /// Names of the kinds of operations.
    pub kinds: &'a [&'a str],
    /// The machine's limit for it.
    pub limit: Option<Limit>,
}

/// `quorate-bench floor`.
///
/// # Errors
/// As [`Stage::prepare`].
pub async fn floor(common: &Common) -> Result<bool, BenchError> {
    Stage::prepare(common, VALUE_BYTES).await?.finish()
}

fn make_folder(parent: &Path) -> Result<TempDir, BenchError> {
    let what = format!("making a folder in {}", parent.display());
    tempfile::Builder::new().prefix("quorate-bench-").tempdir_in(parent).map_err(BenchError::io(what))
}

impl Stage {
    /// Looks at the machine and measures the floor; no system runs yet.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub async fn prepare(common: &Common, value_bytes: usize) -> Result<Self, BenchError> {
        let folder = make_folder(&common.dir)?;
        let (progress, mut report) = (Progress::on_terminal(), Report::default());
        let machine = Machine::look(folder.path()).await?;
        progress.say(format!("machine: {} × {}", machine.cores, machine.processor));
        for warning in machine.warnings() {
            progress.say(format!("warning: {warning}"));
        }
        let mut floor = None;
        if !common.no_floor {
            progress.begin("floor");
            let measured = tokio::task::block_in_place(|| Floor::measure(folder.path(), value_bytes))?;
            measured.rows().into_iter().for_each(|row| report.add(row));
            floor = Some(measured);
        }
        Ok(Self {
            systems: Vec::new(),
            progress,
            report,
            floor,
            load: common.load(),
            files: common.files(),
            folder,
        })
    }

    /// Starts ours and the peers.
    ///
    /// # Errors
    /// One does not start.
    pub async fn start(common: &Common, value_bytes: usize) -> Result<Self, BenchError> {
        // A program that is missing is told before anything is measured.
        common.peer.iter().try_for_each(|peer| peer.check_installed())?;
        let binary = if common.target.is_empty() && !common.embedded {
            Some(find_binary(common.binary.as_deref())?)
        } else {
            None
        };
        let mut stage = Self::prepare(common, value_bytes).await?;
        let folder = stage.folder.path().to_owned();
        stage.progress.begin("starting");
        let own = match binary {
            Some(binary) => System::Quorate(QuorateCluster::start(binary, &folder).await?),
            None if common.embedded => System::Embedded(Embedded::start(&folder).await?),
            None => System::Target(SqlSystem::new("target", common.target.clone())),
        };
        stage.systems.push(own);
        for peer in &common.peer {
            stage.systems.push(peer.start(&folder).await?);
        }
        for system in &stage.systems {
            for line in system.description() {
                stage.progress.say(line);
            }
        }
        Ok(stage)
    }

    /// The floor, unless it was left out.
    pub fn floor(&self) -> Option<&Floor> {
        self.floor.as_ref()
    }

    /// Lets the workers work, and reports it. Operations that failed make the run a failure.
    ///
    /// # Errors
    /// A client did not end.
    pub async fn measure(&mut self, part: Part<'_>, workers: Vec<Box<dyn Worker>>) -> Result<(), BenchError> {
        let Part { system, op, kinds, limit } = part;
        let clients = workers.len();
        self.progress.begin(format!("{system} {op}, {clients} clients"));
        let measured = driver::run(self.load, workers, kinds.len(), &self.progress).await?;
        self.note_errors(&format!("{system} {op} with {clients} clients"), &measured);
        let row = Row::new(system, op, clients, &crate::latency::Latencies::default(), 1.0);
        self.report.add_measurement(&Row { rate: self.load.rate, limit, ..row }, kinds, measured);
        self.systems.iter_mut().try_for_each(System::check)
    }

    fn note_errors(&mut self, what: &str, measured: &Measurement) {
        let errors = &measured.errors;
        if errors.count > 0 {
            let words = errors.first.join("\n  ");
            self.report.fail(format!("{what}: {} operations failed, the first:\n  {words}", errors.count));
        }
        if measured.latencies.iter().all(|latencies| latencies.count() == 0) {
            self.report.fail(format!("{what}: no operation succeeded"));
        }
    }

    /// Prints and writes the report; whether the run was good.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(self) -> Result<bool, BenchError> {
        self.progress.end();
        self.report.finish(&self.files)?;
        Ok(self.report.is_good())
    }
}

/// A system's SQL.
///
/// # Errors
/// It has none.
pub fn sql_of(system: &System) -> Result<&SqlSystem, BenchError> {
    system.sql().ok_or_else(|| BenchError::Usage(format!("{} has no SQL", system.name())))
}
