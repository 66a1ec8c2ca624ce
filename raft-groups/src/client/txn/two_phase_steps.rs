//! What a coordinator does to commit over several ranges: a pure state machine (design.md section 7).
//!
//! ```text
//! LayAnchor ──laid──▶ LayRest ──laid──▶ Refresh ──unchanged──▶ Decide ──the record says──▶ Done
//!     │                  │                 │                    │  ▲
//!     └───── failed ─────┴─────────────────┴── a range's no ────┤  └─ lost: the same question again
//!                               ▼                               └──── lost, budget spent ──▶ Done: ambiguous
//!                             Abort ──▶ Done
//! at any time: the record says that others have aborted it ──▶ Done
//! ```
//!
//! Invariants: the commit timestamp is at or above that of every intent, and nothing is decided before all intents are
//! there and all that was read is unchanged up to it; once a commit may have been decided, it is never aborted.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::KvError;
use quorate_engine::mvcc::intent::TransactionEnd;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// All intents of the step are there; the commit comes at or after this timestamp.
    Laid(Timestamp),
    /// All that was read is unchanged.
    Refreshed,
    /// What the record says, to a decision or to a heartbeat.
    Ended(TransactionEnd),
    /// The step failed: the transaction shall not commit. `is_clean` where it left nothing behind.
    Failed {
        /// Why.
        error: KvError,
        /// Whether surely no intent and no record was written by the step.
        is_clean: bool,
    },
    /// The decision was sent, and no answer came.
    Lost(String),
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Lay the first intents, with the record.
    LayAnchor,
    /// Lay all other intents.
    LayRest,
    /// Make sure that nothing that was read has changed up to the commit timestamp.
    Refresh {
        /// The commit timestamp.
        upto: Timestamp,
    },
    /// Write the record that commits.
    Decide {
        /// The commit timestamp.
        at: Timestamp,
    },
    /// Write the record that aborts, as well as it goes, and end with this error.
    Abort(KvError),
    /// The end.
    Done(End),
}

/// How the coordinator's work ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Committed.
    Committed {
        /// The attempt that the record names.
        attempt: u32,
        /// The commit timestamp.
        timestamp: Timestamp,
    },
    /// Somebody else aborted it: an older transaction that waited for it, or one that took it for dead.
    AbortedByOthers,
    /// Nothing was written.
    Failed(KvError),
    /// Nobody knows.
    Ambiguous(String),
}

/// What there is to do besides the first intents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether keys were read.
    pub has_reads: bool,
    /// The commit timestamp must lie below it: the catalog's lease.
    pub deadline: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Anchoring,
    Laying,
    Refreshing,
    Deciding,
}

/// The steps of one commit.
#[derive(Clone, Debug)]
pub struct TwoPhaseSteps {
    plan: Plan,
    phase: Phase,
    /// Newest timestamp of any intent.
    timestamp: Timestamp,
    /// Why a decision's fate is not known, while it is not.
    lost: Option<String>,
}

impl TwoPhaseSteps {
    /// The first step.
    pub fn new(plan: Plan) -> (Self, Effect) {
        let steps = Self { plan, phase: Phase::Anchoring, timestamp: Timestamp::MIN, lost: None };
        (steps, Effect::LayAnchor)
    }

    /// Decides; `budget_spent` forbids everything that would wait longer.
    pub fn step(&mut self, event: Event, budget_spent: bool) -> Effect {
        match event {
            Event::Laid(timestamp) => {
                assert!(self.phase != Phase::Deciding, "no intent is laid behind the decision");
                self.timestamp = self.timestamp.max(timestamp);
                self.go_on()
            }
            Event::Refreshed => self.decide(),
            Event::Ended(TransactionEnd::Committed { attempt, timestamp }) => {
                Effect::Done(End::Committed { attempt, timestamp })
            }
            Event::Ended(TransactionEnd::Aborted) => Effect::Done(End::AbortedByOthers),
            Event::Failed { error, is_clean } => self.fail(error, is_clean),
            Event::Lost(detail) if budget_spent => Effect::Done(End::Ambiguous(detail)),
            Event::Lost(detail) => {
                self.lost = Some(detail);
                self.decide()
            }
        }
    }

    fn go_on(&mut self) -> Effect {
        match self.phase {
            Phase::Anchoring => {
                self.phase = Phase::Laying;
                Effect::LayRest
            }
            Phase::Laying if self.plan.deadline.is_some_and(|deadline| self.timestamp >= deadline) => {
                self.decide()
            }
            Phase::Laying if self.plan.has_reads => {
                self.phase = Phase::Refreshing;
                Effect::Refresh { upto: self.timestamp }
            }
            Phase::Laying | Phase::Refreshing | Phase::Deciding => self.decide(),
        }
    }

    fn decide(&mut self) -> Effect {
        assert!(self.phase != Phase::Anchoring, "nothing is decided before all intents are there");
        let is_again = self.lost.is_none() || self.phase == Phase::Deciding;
        assert!(is_again, "what may have been decided is only asked again");
        self.phase = Phase::Deciding;
        Effect::Decide { at: self.timestamp }
    }

    fn fail(&self, error: KvError, is_clean: bool) -> Effect {
        match (&self.lost, self.phase) {
            // An earlier decision may stand, or may yet arrive.
            (Some(lost), _) => {
                Effect::Done(End::Ambiguous(format!("{lost}; then it was asked again: {error}")))
            }
            (None, Phase::Anchoring) if is_clean => Effect::Done(End::Failed(error)),
            (None, Phase::Anchoring | Phase::Laying | Phase::Refreshing | Phase::Deciding) => {
                Effect::Abort(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_engine::kv::Key;

    use super::*;
    use crate::client::script_args::parse;

    /// Commands: `new [reads] [deadline=T]` starts over; events with `[spent=true]`: `laid T`, `refreshed`,
    /// `record committed T|aborted`, `failed [clean]`, `lost TEXT`.
    struct Runner {
        steps: TwoPhaseSteps,
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
            let mut args = command.consume_args();
            let spent = parse(&mut args, "spent")?.unwrap_or(false);
            let deadline = args.take_key("deadline").map(time);
            let first = args.next_pos().map(str::to_owned).unwrap_or_default();
            let second = args.next_pos().map(str::to_owned).unwrap_or_default();
            args.reject_next()?;
            let event = match (command.name.as_str(), first.as_str()) {
                ("new", reads) => {
                    let (steps, effect) = TwoPhaseSteps::new(Plan { has_reads: reads == "reads", deadline });
                    self.steps = steps;
                    return Ok(format!("{effect:?}\n"));
                }
                ("laid", at) => Event::Laid(time(at)),
                ("refreshed", _) => Event::Refreshed,
                ("record", "committed") => {
                    Event::Ended(TransactionEnd::Committed { attempt: 1, timestamp: time(&second) })
                }
                ("record", "aborted") => Event::Ended(TransactionEnd::Aborted),
                ("failed", clean) => {
                    let error = KvError::ConditionFailed { key: Key::from(b"k".as_slice()) };
                    Event::Failed { error, is_clean: clean == "clean" }
                }
                ("lost", detail) => Event::Lost(detail.to_owned()),
                (other, _) => return Err(format!("unknown event {other}").into()),
            };
            Ok(format!("{:?}\n", self.steps.step(event, spent)))
        }
    }

    #[test]
    fn two_phase_steps_scripts() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/txn/two_phase");
        let plan = Plan { has_reads: false, deadline: None };
        let runner = || Runner { steps: TwoPhaseSteps::new(plan).0 };
        quorate_engine::testing::script::run_folder(folder, runner);
    }
}
