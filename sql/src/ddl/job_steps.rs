//! What a job does next: events in, one effect out.
//!
//! ```text
//!                      ┌──────── name taken, refused, rolled back, taken over by another ───────┐
//!                      │                                                                          ▼
//! CREATE  begin ─▶ MakeRange ─ range made ─▶ publish ─ published ─▶ Settle ─ settled ─▶ Done     DropRanges ─▶ Undone
//! DROP    begin ─▶ Settle ─ settled ─▶ DropRanges ─ dropped ─▶ Done
//! KEY     begin ─▶ MakeRange ─ range made ─▶ hold writers ─ held ─▶ CopyRows ─ settled ─▶ copy rows
//!            ─ copied ─▶ publish ─ published ─▶ Settle ─ settled ─▶ DropReplaced ─ dropped ─▶ Done
//! ```
//!
//! Pure. Invariants: a table is published only after its range was made in the same epoch; ranges of a table that was
//! published go only after every node knows that it is gone; rows are copied only after every node knows that nobody writes
//! any; a replaced driver has no effect but to stop.

use super::job::{JobKind, JobOrigin, JobStep};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// Whoever began the job drives it.
    Begin,
    /// Somebody has taken it over from another driver.
    TakenOver,
    /// The range is there.
    RangeMade,
    /// What was to be done cannot be: no range can be placed, the name is taken, the user has rolled back.
    Refused(String),
    /// Writers of the table before wait, and the row says so.
    Held,
    /// All rows of the table before are copied.
    Copied,
    /// The table is in the catalog, and the row says so.
    Published,
    /// Every node knows.
    Settled,
    /// The ranges are gone.
    RangesDropped,
    /// The row says what the effect asked for.
    Turned,
    /// The row is gone, or somebody else's.
    Replaced,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEffect {
    /// Make the range.
    MakeRange,
    /// Publish the table, and let the row say [`JobStep::Settle`], in one transaction.
    Publish,
    /// Let writers of the table before wait, and let the row say [`JobStep::CopyRows`], in one transaction.
    HoldWriters,
    /// Nothing here: whoever began the job copies the rows.
    AwaitCopy,
    /// Nothing here: the user's transaction publishes.
    AwaitCommit,
    /// Wait until every node knows.
    Settle,
    /// Remove the ranges.
    DropRanges,
    /// Remove the ranges of the table before.
    DropReplaced,
    /// Let the row say so.
    Turn(JobStep),
    /// It is over, as was asked.
    Done,
    /// It is over, as if it had never been, for this reason.
    Undone(String),
    /// It is another's.
    Stop,
}

/// A job as its driver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobMachine {
    kind: JobKind,
    origin: JobOrigin,
    step: JobStep,
    reason: Option<String>,
}

impl JobMachine {
    /// A job at this step; `reason` is why it is being undone, where it is.
    pub fn new(kind: JobKind, origin: JobOrigin, step: JobStep, reason: Option<String>) -> Self {
        Self { kind, origin, step, reason }
    }

    /// Where it stands.
    pub fn step(&self) -> JobStep {
        self.step
    }

    /// Why it is being undone.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What an event leads to.
    pub fn on(&mut self, event: JobEvent) -> JobEffect {
        match event {
            JobEvent::Begin => self.next(),
            // Nobody was told that the table is there, and nobody waits for it.
            JobEvent::TakenOver if matches!(self.step, JobStep::MakeRange | JobStep::CopyRows) => {
                self.undo("its node was lost before the table was published".to_owned())
            }
            JobEvent::TakenOver => self.next(),
            JobEvent::RangeMade if self.kind == JobKind::AddPrimaryKey => JobEffect::HoldWriters,
            JobEvent::RangeMade => match self.origin {
                JobOrigin::Statement => JobEffect::Publish,
                JobOrigin::Transaction => JobEffect::AwaitCommit,
            },
            JobEvent::Held => {
                self.step = JobStep::CopyRows;
                self.next()
            }
            JobEvent::Copied => JobEffect::Publish,
            JobEvent::Refused(reason) => self.undo(reason),
            JobEvent::Published => {
                self.step = JobStep::Settle;
                self.next()
            }
            JobEvent::Settled if self.step == JobStep::CopyRows => JobEffect::AwaitCopy,
            JobEvent::Settled => match self.kind {
                JobKind::CreateTable => self.turn(JobStep::Done),
                JobKind::DropTable => self.turn(JobStep::DropRanges),
                JobKind::AddPrimaryKey => self.turn(JobStep::DropReplaced),
            },
            JobEvent::RangesDropped => match (self.kind, self.step) {
                (JobKind::DropTable, _) | (_, JobStep::DropReplaced) => self.turn(JobStep::Done),
                (JobKind::CreateTable | JobKind::AddPrimaryKey, _) => self.turn(JobStep::Undone),
            },
            JobEvent::Turned => self.next(),
            JobEvent::Replaced => JobEffect::Stop,
        }
    }

    fn undo(&mut self, reason: String) -> JobEffect {
        self.reason = Some(reason);
        self.turn(JobStep::DropRanges)
    }

    fn turn(&mut self, step: JobStep) -> JobEffect {
        self.step = step;
        JobEffect::Turn(step)
    }

    fn next(&self) -> JobEffect {
        match self.step {
            JobStep::MakeRange => JobEffect::MakeRange,
            JobStep::CopyRows | JobStep::Settle => JobEffect::Settle,
            JobStep::DropRanges => JobEffect::DropRanges,
            JobStep::DropReplaced => JobEffect::DropReplaced,
            JobStep::Done => JobEffect::Done,
            JobStep::Undone => JobEffect::Undone(self.reason.clone().unwrap_or_default()),
        }
    }
}
