//! Sequences, and columns that take their values from one.

use super::Name;
use crate::catalog::descriptor::Identity;
use crate::types::DataType;

/// A statement about sequences.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceStatement {
    /// `CREATE SEQUENCE`.
    Create {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// Its name.
        name: Name,
        /// What it is like.
        options: SequenceOptions,
    },
    /// `ALTER SEQUENCE`.
    Alter {
        /// `IF EXISTS`.
        if_exists: bool,
        /// Its name.
        name: Name,
        /// What changes.
        options: SequenceOptions,
    },
    /// `DROP SEQUENCE a, b`.
    Drop {
        /// `IF EXISTS`.
        if_exists: bool,
        /// The sequences.
        names: Vec<Name>,
        /// `CASCADE`.
        cascade: bool,
    },
}

/// What is said of a sequence; `None` where nothing is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceOptions {
    /// `AS type`.
    pub data_type: Option<DataType>,
    /// `INCREMENT [BY] n`.
    pub increment: Option<i64>,
    /// `MINVALUE n`; `NO MINVALUE` is `Some(None)`.
    pub min: Option<Option<i64>>,
    /// `MAXVALUE n`; `NO MAXVALUE` is `Some(None)`.
    pub max: Option<Option<i64>>,
    /// `START [WITH] n`.
    pub start: Option<i64>,
    /// `RESTART [[WITH] n]`; without a number `Some(None)`.
    pub restart: Option<Option<i64>>,
    /// `CACHE n`.
    pub cache: Option<i64>,
    /// `CYCLE`, `NO CYCLE`.
    pub cycles: Option<bool>,
    /// `OWNED BY t.c`; `OWNED BY NONE` is `Some(None)`.
    pub owner: Option<Option<ColumnName>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// The table.
    pub table: Name,
    /// Its column.
    pub column: Name,
}

/// Where a column of CREATE TABLE takes its values from.
#[derive(Clone, Debug, PartialEq)]
pub enum Generated {
    /// `SERIAL`, `BIGSERIAL`, `SMALLSERIAL`: a default.
    Serial,
    /// `GENERATED … AS IDENTITY (options)`.
    Identity(Identity, Box<SequenceOptions>),
}

/// `OVERRIDING … VALUE` of INSERT: what values given for identity columns mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    /// They are taken, also for those that are generated always.
    System,
    /// They are not looked at.
    User,
}
