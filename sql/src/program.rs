//! Scan programs: what a range does with the rows of a scan before it sends anything.

use std::sync::Arc;

use quorate_engine::kv::{ProgramError, ScanEvaluator, ScanProgram, ScanRun};

/// The evaluator that `server` injects into the ranges and the coordinator.
pub fn scan_evaluator() -> Arc<dyn ScanEvaluator> {
    Arc::new(Evaluator)
}

struct Evaluator;

impl ScanEvaluator for Evaluator {
    fn start(&self, _program: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        Err(ProgramError { sqlstate: "0A000".to_owned(), message: "scan programs are not supported yet".to_owned() })
    }
}
