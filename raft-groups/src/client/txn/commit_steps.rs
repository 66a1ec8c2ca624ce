//! What a coordinator does about the answer to a commit, or about none: a pure state machine.
//!
//! ```text
//! Send ──committed──────────────────────────────▶ Done
//!  │ ──stale descriptor──▶ Send (same id: nothing was proposed)
//!  │ ──a range's own no──▶ Done
//!  └─ lost ──▶ AskRecord ──committed──▶ Done
//!                │  ──aborted──▶ Send again, under a new id: the old one can never commit any more
//!                │  ──no answer, budget left──▶ AskRecord
//!                └─ unknown, or budget spent──▶ Done: ambiguous
//! ```
//!
//! Invariant: while the fate of an id is not known, its writes are not sent again under any id.

use quorate_engine::hlc::Timestamp;

use crate::api::{RangeError, TransactionOutcome};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The range committed.
    Committed(Timestamp),
    /// The range answered with an error of its own: nothing was done.
    Answered(RangeError),
    /// The commit was not proposed, since its range has moved.
    Stale,
    /// Perhaps it was proposed.
    Lost(String),
    /// What the record says.
    Record(TransactionOutcome),
    /// The record could not be asked for.
    NoRecord(String),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send the commit, under the id it has.
    Send,
    /// Send it under a new id.
    SendUnderNewId,
    /// Ask for the record of the current id.
    AskRecord,
    /// The end.
    Done(CommitEnd),
}

/// How the coordinator's work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitEnd {
    /// Committed.
    Committed(Timestamp),
    /// Nothing was done, and this is why.
    Refused(RangeError),
    /// Nothing was done, and nobody could do it.
    Unavailable(String),
    /// Nobody knows.
    Ambiguous(String),
}

/// The steps of one commit.
#[derive(Clone, Debug, Default)]
pub struct CommitSteps {
    /// Why the last commit's fate is unknown, while it is.
    lost: Option<String>,
}

impl CommitSteps {
    /// Decides; `budget_spent` forbids everything that would wait.
    pub fn step(&mut self, event: Event, budget_spent: bool) -> Effect {
        match event {
            Event::Committed(timestamp) => Effect::Done(CommitEnd::Committed(timestamp)),
            Event::Answered(error) => Effect::Done(CommitEnd::Refused(error)),
            Event::Stale if budget_spent => {
                Effect::Done(CommitEnd::Unavailable("its keys moved from range to range".to_owned()))
            }
            Event::Stale => {
                assert!(self.lost.is_none(), "what may have been proposed is not sent again");
                Effect::Send
            }
            Event::Lost(detail) => self.ask(detail, budget_spent),
            Event::Record(TransactionOutcome::Committed(timestamp)) => {
                Effect::Done(CommitEnd::Committed(timestamp))
            }
            Event::Record(TransactionOutcome::Aborted) => self.never_committed(budget_spent),
            Event::Record(TransactionOutcome::Unknown) => {
                self.ambiguous("the record is too old to tell".to_owned())
            }
            Event::NoRecord(detail) if budget_spent => self.ambiguous(detail),
            Event::NoRecord(_) => Effect::AskRecord,
        }
    }

    fn ask(&mut self, detail: String, budget_spent: bool) -> Effect {
        if budget_spent {
            return Effect::Done(CommitEnd::Ambiguous(detail));
        }
        self.lost = Some(detail);
        Effect::AskRecord
    }

    fn never_committed(&mut self, budget_spent: bool) -> Effect {
        assert!(self.lost.is_some(), "a record is asked for only where an answer was lost");
        let lost = self.lost.take().unwrap_or_default();
        if budget_spent {
            return Effect::Done(CommitEnd::Unavailable(lost));
        }
        Effect::SendUnderNewId
    }

    fn ambiguous(&self, detail: String) -> Effect {
        let lost = self.lost.as_deref().unwrap_or("its answer was lost");
        Effect::Done(CommitEnd::Ambiguous(format!("{lost}; then the record was asked: {detail}")))
    }
}

#[cfg(test)]
mod tests {
    use quorate_engine::kv::Key;
    use quorate_placement::topology::RangeId;

    use super::*;
    use crate::client::script_args::parse;

    /// Commands: an event with `[spent]`: `committed T`, `conflict KEY`, `stale`, `unavailable TEXT`, `lost TEXT`,
    /// `record committed T|aborted|unknown`, `no_record TEXT`; `new` starts over.
    #[derive(Default)]
    struct Runner {
        steps: CommitSteps,
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse().expect("microseconds"))
    }

    impl goldenscript::Runner for Runner {
        type Command = goldenscript::Command;

        fn run(
            &mut self,
            command: &goldenscript::Command,
            _context: &goldenscript::Context,
        ) -> Result<String, Box<dyn std::error::Error>> {
            if command.name == "new" {
                self.steps = CommitSteps::default();
                return Ok(String::new());
            }
            let mut args = command.consume_args();
            let spent = parse(&mut args, "spent")?.unwrap_or(false);
            let first = args.next_pos().map(str::to_owned).unwrap_or_default();
            let second = args.next_pos().map(str::to_owned).unwrap_or_default();
            args.reject_next()?;
            let event = match (command.name.as_str(), first.as_str()) {
                ("committed", at) => Event::Committed(time(at)),
                ("conflict", key) => Event::Answered(RangeError::Conflict {
                    key: Key::from(key.as_bytes()),
                    timestamp: time("7"),
                }),
                ("stale", _) => Event::Stale,
                ("unavailable", detail) => Event::Answered(RangeError::Unavailable {
                    range_id: RangeId(2),
                    detail: detail.to_owned(),
                }),
                ("lost", detail) => Event::Lost(detail.to_owned()),
                ("record", "committed") => Event::Record(TransactionOutcome::Committed(time(&second))),
                ("record", "aborted") => Event::Record(TransactionOutcome::Aborted),
                ("record", "unknown") => Event::Record(TransactionOutcome::Unknown),
                ("no_record", detail) => Event::NoRecord(detail.to_owned()),
                (other, _) => return Err(format!("unknown event {other}").into()),
            };
            Ok(format!("{:?}\n", self.steps.step(event, spent)))
        }
    }

    #[test]
    fn commit_steps_scripts() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/txn/commit");
        quorate_engine::testing::script::run_folder(folder, Runner::default);
    }
}
