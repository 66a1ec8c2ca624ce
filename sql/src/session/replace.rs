//! A table that takes the place of another within a transaction, for TRUNCATE and ALTER TABLE: it has another id, and the
//! sequences of the one before.

use std::sync::Arc;

use super::transaction::{OpenTransaction, not_begun};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::sequence::{Place, SequenceDescriptor};
use crate::catalog::view::CatalogView;
use crate::ddl::ids;
use crate::error::{SqlError, SqlState};
use crate::node::SqlNode;

/// The sequences of a table that is going to be replaced.
pub(super) struct OwnedSequences {
    sequences: Vec<Arc<SequenceDescriptor>>,
    /// Others take their places, which begin anew.
    restarts: bool,
}

impl OwnedSequences {
    /// Those of a table; where they begin anew, no other table may take values of them.
    pub(super) fn of(
        catalog: &dyn CatalogView,
        table: &TableDescriptor,
        restarts: bool,
    ) -> Result<Self, SqlError> {
        let sequences = catalog.sequences_of(table.id);
        let is_shared = |sequence: &Arc<SequenceDescriptor>| {
            catalog.users_of(sequence.id).iter().any(|(user, _)| user.id != table.id)
        };
        if restarts && sequences.iter().any(is_shared) {
            return Err(SqlError::unsupported("RESTART IDENTITY of a sequence that another table uses"));
        }
        Ok(Self { sequences, restarts })
    }
}

impl OpenTransaction {
    /// Empties a table: one of the same shape without rows takes its place, for the transaction alone until it commits.
    ///
    /// # Errors
    /// As [`OpenTransaction::drop_table`].
    pub(super) async fn truncate_table(
        &mut self,
        node: &SqlNode,
        table: &Arc<TableDescriptor>,
        owned: &OwnedSequences,
    ) -> Result<(), SqlError> {
        self.replace_table(node, (table, table.as_ref().clone()), owned).await.map(|_| ())
    }

    /// Puts an empty table into the place of another, and gives it.
    ///
    /// # Errors
    /// As [`OpenTransaction::drop_table`].
    pub(super) async fn replace_table(
        &mut self,
        node: &SqlNode,
        (table, mut made): (&Arc<TableDescriptor>, TableDescriptor),
        owned: &OwnedSequences,
    ) -> Result<Arc<TableDescriptor>, SqlError> {
        let mut anew = Vec::new();
        if owned.restarts {
            for sequence in &owned.sequences {
                let id = ids::take_table_id(node).await?;
                anew.push(SequenceDescriptor { id, ..begun_anew(sequence) });
                let (from, to) = (sequence.id, id);
                for column in &mut made.columns {
                    column.default = column.default.take().map(|default| default.with_sequence(from, to));
                }
            }
        }
        self.drop_table(node, table).await?;
        self.create_table(node, made, &[]).await?;
        let Some(made) = self.staged.newest() else {
            return Err(SqlError::new(SqlState::InternalError, "a table was not made"));
        };
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        let staged = self.staged.sequences_mut();
        for (at, sequence) in owned.sequences.iter().enumerate() {
            match anew.get(at) {
                None => staged.hand_over(kv.as_mut(), sequence, made.id).await?,
                Some(other) => {
                    staged.drop(kv.as_mut(), sequence).await?;
                    let owner = other.owner.map(|owner| owner.of_table(made.id));
                    staged.create(kv.as_mut(), SequenceDescriptor { owner, ..other.clone() }).await?;
                }
            }
        }
        Ok(made)
    }
}

/// A new sequence like one that there is, at its start.
fn begun_anew(sequence: &SequenceDescriptor) -> SequenceDescriptor {
    let origin = Place { value: sequence.start, is_called: false };
    SequenceDescriptor { version: 0, epoch: 0, origin, ..sequence.clone() }
}
