//! [`Job`]: a change of the catalog that is under way, as its row says.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Span, keyspace};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// `CREATE TABLE`.
    CreateTable,
    /// `DROP TABLE`.
    DropTable,
    /// `ALTER TABLE … ADD PRIMARY KEY`: a table with the key takes the place of one without.
    AddPrimaryKey,
}

impl JobKind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateTable => "CREATE TABLE",
            Self::DropTable => "DROP TABLE",
            Self::AddPrimaryKey => "ADD PRIMARY KEY",
        }
    }
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStep {
    /// The table's range is made; then the table is published, or the writers of the one before are held.
    MakeRange,
    /// Writers of the table before are held; its rows are copied, and the table takes its place.
    CopyRows,
    /// It is waited until every node knows.
    Settle,
    /// The table's ranges are removed.
    DropRanges,
    /// The ranges of the table before are removed.
    DropReplaced,
    /// Nothing: it is over, as was asked.
    Done,
    /// Nothing: it is over, and as if it had never been.
    Undone,
}

impl JobStep {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::MakeRange => "make range",
            Self::CopyRows => "copy rows",
            Self::Settle => "settle",
            Self::DropRanges => "drop ranges",
            Self::DropReplaced => "drop ranges of before",
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }

    /// Whether the job is over.
    pub fn is_over(self) -> bool {
        match self {
            Self::Done | Self::Undone => true,
            Self::MakeRange | Self::CopyRows | Self::Settle | Self::DropRanges | Self::DropReplaced => false,
        }
    }
}

/// Who publishes what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOrigin {
    /// The job itself.
    Statement,
    /// A user's transaction, by its COMMIT.
    Transaction,
}

/// Who drives a job. Its epoch stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The node.
    pub node_id: u64,
    /// Which of its starts.
    pub incarnation: u64,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Never used again.
    pub id: u64,
    /// Raised each time that it changes hands.
    pub epoch: u64,
    /// What is done next.
    pub step: JobStep,
    /// What it does.
    pub kind: JobKind,
    /// Who publishes.
    pub origin: JobOrigin,
    /// Who drives it.
    pub claim: Claim,
    /// The table's id.
    pub table_id: u64,
    /// The id of the table whose place it takes, of [`JobKind::AddPrimaryKey`].
    pub replaces: Option<u64>,
    /// Its name.
    pub name: String,
    /// When it began.
    pub created: Timestamp,
    /// When its row was written last.
    pub updated: Timestamp,
    /// How often somebody gave it up for the time being.
    pub attempts: u64,
    /// Why it was undone, or given up last.
    pub error: Option<String>,
}

impl Job {
    /// All keys of its table.
    pub fn span(&self) -> Span {
        keyspace::table_span(self.table_id)
    }

    /// All keys of the table whose place it takes.
    pub fn replaced_span(&self) -> Option<Span> {
        self.replaces.map(keyspace::table_span)
    }
}

/// A node's sign of life: the claims of this start hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverSign {
    /// Which of its starts.
    pub incarnation: u64,
    /// When it was given.
    pub at: Timestamp,
}
