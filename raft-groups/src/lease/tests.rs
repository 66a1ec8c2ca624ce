//! Runs the scripts of `testscripts/lease`: one replica (p1), its events by hand, its effects and state as output.
//!
//! Times are milliseconds. `open`, `fresh` and `born` begin; `at` moves the time; `run` ticks every 10 ms and prints what is
//! done; the other commands are the events of [`Event`] by name; `lease`, `promise` and `breaker` print state.

use std::error::Error;

use goldenscript::{Command, Context};
use quorate_engine::kv::{Key, Span};
use quorate_engine::testing::script::run_folder;
use quorate_placement::topology::{NodeId, RangeId};

use super::breaker::{Missing, explain, tripped};
use super::timing::LAN;
use super::*;

const MILLI: u64 = 1_000;

/// A uniform configuration of voters.
struct Majority(Vec<ReplicaId>);

impl Quorum for Majority {
    fn newest(&self, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        let mut reached: Vec<_> = self.0.iter().map(|&voter| stamps(voter)).collect();
        reached.sort_unstable_by(|a, b| b.cmp(a));
        reached[self.0.len() / 2]
    }

    fn is_single_voter(&self) -> bool {
        self.0 == [ReplicaId(1)]
    }
}

struct Runner {
    now: u64,
    quorum: Majority,
    state: LeaseState,
    /// Taken by `mark`, used by `acknowledge`.
    mark: Option<Mark>,
}

impl Runner {
    fn new() -> Self {
        let state = LeaseState::opened(ReplicaId(1), LAN, 7, 0);
        Self { now: 0, quorum: Majority(voters(3)), state, mark: None }
    }

    fn step(&mut self, event: Event) -> String {
        match self.state.step(self.now, event, &self.quorum) {
            Some(effect) => format!("{}: {effect:?}\n", millis(self.now)),
            None => String::new(),
        }
    }

    fn run(&mut self, until: u64, can_stand: bool) -> String {
        let mut output = String::new();
        while self.now < until {
            self.now += 10 * MILLI;
            output += &self.step(Event::Tick { can_stand, hand_over: None });
        }
        output
    }

    fn lease(&self) -> String {
        match self.state.lease_until(self.now, &self.quorum) {
            Some(until) if self.now < until => format!("serves until {}\n", millis(until)),
            Some(until) => format!("lease over since {}\n", millis(until)),
            None => "no lease\n".to_owned(),
        }
    }

    fn breaker(&self, proposal: Option<u64>) -> String {
        let Some(trip) = tripped(&LAN, self.now, self.state.evidence(self.now, &self.quorum), proposal)
        else {
            return "closed\n".to_owned();
        };
        let missing = [
            Missing {
                replica_id: ReplicaId(2),
                node_id: NodeId(2),
                silent: Some(std::time::Duration::from_micros(self.now)),
            },
            Missing { replica_id: ReplicaId(3), node_id: NodeId(5), silent: None },
        ];
        let span = Span::new(Key::from(&b"a"[..]), Key::default());
        explain(RangeId(4), &span, trip, &missing) + "\n"
    }
}

/// p2 leads each term.
fn leader(term: u64) -> VoteState {
    VoteState { term, candidate: ReplicaId(2), is_committed: true }
}

fn voters(count: u64) -> Vec<ReplicaId> {
    (1..=count).map(ReplicaId).collect()
}

fn millis(micros: u64) -> String {
    format!("{}", micros / MILLI)
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let mut number = |key: &str| args.take_key(key).map(str::parse::<u64>).transpose();
        let term = number("term")?.unwrap_or(1);
        let hand_over = number("hand_over")?.map(|term| HandOver { term });
        let by = ReplicaId(number("by")?.unwrap_or(2));
        let sent_at = number("sent")?.unwrap_or(0) * MILLI;
        let until = number("until")?.unwrap_or(0) * MILLI;
        let count = number("voters")?.unwrap_or(3);
        let proposal = number("proposal")?.map(|at| at * MILLI);
        let seed = number("seed")?.unwrap_or(7);
        let opened_at = number("opened")?.unwrap_or(0) * MILLI;
        let word = args.next_pos();
        args.reject_next()?;
        Ok(match command.name.as_str() {
            "open" => {
                self.quorum = Majority(voters(count));
                self.state = LeaseState::opened(ReplicaId(1), LAN, seed, self.now);
                String::new()
            }
            "fresh" => {
                self.quorum = Majority(voters(count));
                self.state = LeaseState::fresh(ReplicaId(1), LAN, seed, self.now);
                String::new()
            }
            "born" => {
                self.quorum = Majority(voters(count));
                self.state = LeaseState::born(ReplicaId(1), LAN, seed, (opened_at, self.now));
                String::new()
            }
            "at" => {
                self.now = word.ok_or("at MILLIS")?.parse::<u64>()? * MILLI;
                String::new()
            }
            "run" => self.run(until, word != Some("learner")),
            "tick" => self.step(Event::Tick { can_stand: true, hand_over }),
            "append" => self.step(Event::AppendArrived { term }),
            "acknowledge" => {
                let event = Event::AcknowledgementLeaves { leader: leader(term), mark: self.mark };
                self.step(event)
            }
            "mark" => {
                self.mark = self.state.mark();
                format!("{}\n", if self.mark.is_some() { "marked" } else { "in doubt" })
            }
            "beat" => self.step(Event::BeatArrived { leader: leader(term) }),
            "asked" => self.step(Event::Asked),
            "vote" => self.step(Event::VoteArrived { pre: word == Some("pre"), hand_over }),
            "sent" => self.step(Event::Sent),
            "acknowledged" => self.step(Event::Acknowledged { by, term, sent_at }),
            "taken" => self.step(Event::TakenBeside { by, term, sent_at }),
            "beside" => format!("{}\n", self.state.may_beat_beside(self.now, &self.quorum)),
            "elected" => self.step(Event::Elected { term }),
            "deposed" => self.step(Event::Deposed),
            "blank" => self.step(Event::BlankApplied { term }),
            "handing_over" => self.step(Event::HandingOver),
            "campaign" => self.step(Event::Campaign),
            "lease" => self.lease(),
            "promise" => match self.state.promise_until() {
                Some(until) => format!("until {}\n", millis(until)),
                None => "none\n".to_owned(),
            },
            "breaker" => self.breaker(proposal),
            other => return Err(format!("no command {other}").into()),
        })
    }
}

#[test]
fn scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/lease"), Runner::new);
}
