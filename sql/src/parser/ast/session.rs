//! Statements about the session itself: cursors, prepared statements, modes of transactions, and what is taken without
//! effect.

use super::{Expr, Name, Statement};
use crate::types::DataType;

/// A statement about the session.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionStatement {
    /// `DECLARE c CURSOR FOR query`.
    Declare(Declare),
    /// `FETCH`, `MOVE`.
    Fetch(Fetch),
    /// `CLOSE c`, `CLOSE ALL` being `None`.
    Close {
        /// The cursor.
        name: Option<Name>,
    },
    /// `PREPARE s (types) AS statement`.
    Prepare(Prepare),
    /// `EXECUTE s (arguments)`.
    Execute(Execute),
    /// `UNLISTEN`: nothing can be listened to.
    Unlisten,
    /// `DISCARD PLANS`, `DISCARD TEMP`, `DISCARD SEQUENCES`.
    Discard(Discard),
    /// `SET TRANSACTION modes`, `SET SESSION CHARACTERISTICS AS TRANSACTION modes`.
    SetModes {
        /// For all transactions to come, not for the one that is open.
        of_session: bool,
        /// The modes.
        modes: Modes,
    },
    /// `SET ROLE NONE`, `RESET ROLE`, and the like with SESSION AUTHORIZATION: the user stays who it is.
    KeepRole {
        /// `RESET`.
        is_reset: bool,
    },
    /// `VACUUM`, `ANALYZE`, `CHECKPOINT`.
    Maintain {
        /// Which.
        what: Maintenance,
        /// Tables that it names, with columns.
        tables: Vec<(Name, Vec<Name>)>,
    },
    /// `LOCK TABLE … IN ACCESS SHARE MODE`.
    Lock {
        /// The tables.
        tables: Vec<Name>,
    },
}

/// `DECLARE c [BINARY] [[NO] SCROLL] CURSOR FOR query`.
#[derive(Clone, Debug, PartialEq)]
pub struct Declare {
    /// Its name.
    pub name: Name,
    /// `BINARY`: rows are fetched in the binary format.
    pub binary: bool,
    /// `SCROLL`: it can be read backward.
    pub scroll: bool,
    /// What yields its rows; a query.
    pub query: Box<Statement>,
}

/// `FETCH`, `MOVE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The cursor.
    pub name: Name,
    /// Where to, and how far.
    pub direction: Direction,
    /// `MOVE`: without the rows.
    pub is_move: bool,
}

/// Where a cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// So many rows forward, backward where it is negative; 0 is the row where it stands.
    By(i64),
    /// To the end.
    ToEnd,
    /// Back to the beginning.
    ToStart,
    /// To the row of this number, from 1; from the end where it is negative; 0 is before the first.
    Absolute(i64),
    /// To the row that lies so many further.
    Relative(i64),
}

/// `PREPARE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// Its name.
    pub name: Name,
    /// Types that it declares for its parameters; `None` where it leaves one open.
    pub types: Vec<Option<DataType>>,
    /// What is prepared: a query or a change of rows.
    pub statement: Box<Statement>,
    /// Bytes of its text, about.
    pub text_bytes: usize,
}

/// `EXECUTE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Execute {
    /// Name of the prepared statement.
    pub name: Name,
    /// Values of its parameters.
    pub arguments: Vec<Expr>,
}

/// What `DISCARD` throws away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// `PLANS`
    Plans,
    /// `TEMP`: there are no temporary tables.
    Temp,
    /// `SEQUENCES`: what the session knows of them.
    Sequences,
}

/// Modes of a transaction that a statement names. Levels of isolation are all served as the strictest, and no
/// transaction waits to be deferred, so that these two are only told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `ISOLATION LEVEL`.
    pub isolation: Option<&'static str>,
    /// `READ ONLY`, `READ WRITE`.
    pub read_only: Option<bool>,
    /// `[NOT] DEFERRABLE`.
    pub deferrable: Option<bool>,
}

/// Upkeep that Quorate does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// `VACUUM`
    Vacuum,
    /// `ANALYZE`
    Analyze,
    /// `CHECKPOINT`
    Checkpoint,
}

impl Maintenance {
    /// How it is written, which is its tag too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vacuum => "VACUUM",
            Self::Analyze => "ANALYZE",
            Self::Checkpoint => "CHECKPOINT",
        }
    }
}
