//! What is remembered between two runs of a statement: after the first, what of its plan is the same for all parameters.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::build::plan;
use super::template::Template;
use crate::bind::BoundDml;
use crate::error::SqlError;
use crate::expr::eval::EvalContext;
use crate::plan::node::Plan;
use crate::types::DataType;

/// A bound statement's memory. Most statements run once, and cost nothing here.
#[derive(Debug)]
pub struct PlanMemory {
    parameter_types: Vec<DataType>,
    has_run: AtomicBool,
    /// `None` for a statement that has to be planned each time.
    template: OnceLock<Option<Template>>,
}

impl PlanMemory {
    /// Of a statement that was not run.
    pub fn new(parameter_types: Vec<DataType>) -> Self {
        Self { parameter_types, has_run: AtomicBool::new(false), template: OnceLock::new() }
    }

    /// The template of a statement that runs again.
    fn template(&self, statement: &BoundDml) -> Option<&Template> {
        if !self.has_run.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.template.get_or_init(|| Template::of(statement, &self.parameter_types)).as_ref()
    }
}

/// A statement that is to be planned, with its memory if it may run again.
#[derive(Clone, Copy)]
pub struct Unplanned<'a> {
    /// The statement.
    pub statement: &'a BoundDml,
    /// Belongs to this very statement.
    pub memory: Option<&'a PlanMemory>,
    /// It calls functions that change the session, so that nothing of the session is known before it runs.
    pub changes_session: bool,
}

impl Unplanned<'_> {
    /// Its plan for these parameters.
    ///
    /// # Errors
    /// As [`plan`].
    pub fn plan(&self, context: &EvalContext<'_>) -> Result<Plan, SqlError> {
        let known = EvalContext { session: context.session.filter(|_| !self.changes_session), ..*context };
        let template = self.memory.and_then(|memory| memory.template(self.statement));
        match template.and_then(|template| template.fill(&known)) {
            Some(plan) => Ok(plan),
            None => plan(self.statement, &known),
        }
    }
}
