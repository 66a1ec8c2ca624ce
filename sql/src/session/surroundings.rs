//! [`Surroundings`]: what a statement asks, and changes, besides rows: its session's settings and sequences, and the system
//! catalogs.

use std::sync::Arc;

use quorate_engine::kv::Transaction;

use super::SessionOptions;
use super::functions::SessionFunctions;
use super::variables::Variables;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::ddl::staged_sequences::StagedSequences;
use crate::exec::context::{ExecContext, Limits};
use crate::exec::profile::Profile;
use crate::expr::eval::EvalContext;
use crate::node::SqlNode;
use crate::sequences::drawing::Drawing;
use crate::sequences::memory::SequenceMemory;
use crate::system::state::SystemState;
use crate::types::Datum;

/// Parts of a session, beside its transaction.
#[derive(Clone, Copy)]
pub(crate) struct SessionParts<'a> {
    pub variables: &'a Variables,
    pub sequences: &'a SequenceMemory,
    pub options: &'a SessionOptions,
}

/// The surroundings of one statement.
pub(crate) struct Surroundings<'a> {
    node: &'a SqlNode,
    drawing: Drawing<'a>,
    system: SystemState<'a>,
    /// The session's settings.
    pub functions: SessionFunctions<'a>,
}

impl<'a> Surroundings<'a> {
    /// Of a statement that commits alone, or reads in a transaction that has not changed the catalog.
    pub fn new(node: &'a SqlNode, parts: SessionParts<'a>, is_read_only: bool) -> Self {
        Self {
            node,
            drawing: Drawing::new(node, parts.sequences, is_read_only),
            system: SystemState {
                node,
                catalog: None,
                variables: parts.variables,
                user: &parts.options.user,
                database: &parts.options.database,
                read_only: is_read_only,
            },
            functions: SessionFunctions::new(parts.variables, is_read_only),
        }
    }

    /// The same within a transaction, with its catalog, and with what it has changed of sequences.
    pub fn within(self, catalog: &'a Arc<CatalogSnapshot>, staged: Option<Arc<StagedSequences>>) -> Self {
        Self {
            drawing: self.drawing.within(Arc::clone(catalog), staged),
            system: SystemState { catalog: Some(catalog), ..self.system },
            ..self
        }
    }

    /// What expressions are computed with.
    pub fn eval<'b>(&'b self, parameters: &'b [Datum], now_micros: i64) -> EvalContext<'b> {
        EvalContext {
            parameters,
            now_micros,
            sequences: Some(&self.drawing),
            objects: Some(&self.system),
            session: Some(&self.functions),
        }
    }

    /// A statement that begins to run.
    pub fn begin<'b>(
        &'b self,
        transaction: &'b mut dyn Transaction,
        limits: &'b Limits,
        eval: EvalContext<'b>,
        is_autocommit: bool,
    ) -> ExecContext<'b> {
        let as_of = transaction.start_statement();
        ExecContext {
            node: self.node,
            transaction,
            as_of,
            limits,
            eval,
            drawing: &self.drawing,
            system: &self.system,
            is_autocommit,
            profile: Profile::default(),
            own_rows: None,
        }
    }
}
