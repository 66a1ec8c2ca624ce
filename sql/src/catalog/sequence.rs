//! The descriptor of a sequence, and how far it is: what range 1 stores of both.
//!
//! ```text
//! descriptor  what was declared, and from where on it counts since its epoch began
//! position    how far it has given values out since then; nothing while the epoch has given out none
//! ```
//!
//! A version is a change of the descriptor, which takes away what nodes have taken and not given out yet. An epoch begins where
//! a change says from where on the sequence counts: RESTART and setval.

use quorate_engine::codec::check::{Broken, holds};

use crate::types::DataType;

/// A sequence, at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceDescriptor {
    /// Id, never reused, nor that of a table.
    pub id: u64,
    /// Name, folded as PostgreSQL folds it; no table has it.
    pub name: String,
    /// Raised by each change of this descriptor.
    pub version: u64,
    /// Raised by each change of [`SequenceDescriptor::origin`].
    pub epoch: u64,
    /// SMALLINT, INTEGER or BIGINT.
    pub data_type: DataType,
    /// What is added for the next value.
    pub increment: i64,
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
    /// Where RESTART goes to.
    pub start: i64,
    /// Values that are taken at once, at least.
    pub cache: i64,
    /// Begins anew at its end.
    pub cycles: bool,
    /// From where on it counts, since its epoch began.
    pub origin: Place,
    /// The column that it is dropped with.
    pub owner: Option<SequenceOwner>,
}

/// Where a sequence stands, as PostgreSQL's `last_value` and `is_called` say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// A value.
    pub value: i64,
    /// It was given out; else it is the next one.
    pub is_called: bool,
}

/// A column that a sequence belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceOwner {
    /// Its table.
    pub table_id: u64,
    /// Its id.
    pub column_id: u32,
    /// The sequence makes the values of an identity column, which cannot be without.
    pub is_identity: bool,
}

impl SequenceOwner {
    /// The same column of the table that took the place of its own.
    #[must_use]
    pub fn of_table(self, table_id: u64) -> Self {
        Self { table_id, ..self }
    }
}

/// How far a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencePosition {
    /// The descriptor's, when this was written.
    pub epoch: u64,
    /// The end of the last block that was taken.
    pub place: Place,
}

impl SequenceDescriptor {
    /// What holds of its fields among each other.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn validate(&self) -> Result<(), Broken> {
        let (least, greatest) = bounds_of(self.data_type);
        holds(!self.name.is_empty(), "a sequence has a name")?;
        holds(self.data_type.is_integer(), "a sequence gives integers")?;
        holds(self.increment != 0, "a sequence goes on")?;
        holds(self.cache > 0, "a sequence gives something")?;
        holds(self.min < self.max, "a sequence has room")?;
        holds(least <= self.min && self.max <= greatest, "a sequence gives values of its type")?;
        holds(self.min <= self.start && self.start <= self.max, "a sequence starts between its bounds")
    }

    /// The descriptor of before with another origin: its next version and epoch.
    #[must_use]
    pub fn restarted(&self, origin: Place) -> Self {
        Self { version: self.version + 1, epoch: self.epoch + 1, origin, ..self.clone() }
    }
}

impl SequencePosition {
    /// What holds of its fields among each other.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(self.epoch > 0, "a position belongs to an epoch")?;
        holds(self.place.is_called, "a position is behind values that were taken")
    }
}

/// The least and the greatest value of a type of integers.
pub fn bounds_of(data_type: DataType) -> (i64, i64) {
    if data_type == DataType::Int2 {
        (i16::MIN.into(), i16::MAX.into())
    } else if data_type == DataType::Int4 {
        (i32::MIN.into(), i32::MAX.into())
    } else {
        (i64::MIN, i64::MAX)
    }
}
