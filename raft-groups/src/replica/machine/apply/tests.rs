//! Runs the scripts of `testscripts/split/apply`: entries applied one after the other to the state of one replica.
//!
//! `range START END` begins with a fresh range 7 on nodes 1 to 3; `size N`, `mark N` and `closed N` set its state, `old`
//! makes it one that knows no newest write. `write KEY gen=N at=N` applies a write, `delete_range START END gen=N` a removal, `end_lease N` a hand-over,
//! `split KEY gen=N left=N right=N read=N` a split, `members 1,2,3 [1,2]` a membership of these voters (two sets: joint).
//! Each prints its outcome and what is born; `state` prints the state. Times are microseconds.

use std::error::Error;

use goldenscript::{Command as ScriptCommand, Context};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc::key_format::{data_key, data_prefix};
use quorate_engine::store::Family;
use quorate_engine::testing::script::run_folder;
use quorate_placement::topology::{NodeId, RangeId};

use super::*;
use crate::command_format::SplitCommand;
use crate::descriptor::RangeDescriptor;
use crate::membership::GroupMembership;

struct Runner {
    state: AppliedState,
}

fn key(text: &str) -> Key {
    Key::from(text.as_bytes())
}

fn fresh(start: &str, end: &str) -> AppliedState {
    let nodes = [1, 2, 3].map(NodeId);
    AppliedState::fresh(RangeDescriptor::new(RangeId(7), Span::new(key(start), key(end)), &nodes))
}

fn print(state: &AppliedState) -> String {
    let descriptor = &state.descriptor;
    let text = |key: &Key| String::from_utf8_lossy(key.as_ref()).into_owned();
    let replicas: Vec<_> =
        descriptor.replicas.iter().map(|replica| replica.replica_id.0.to_string()).collect();
    format!(
        "{} [{}, {}) generation {} replicas {} next {}{} size {} written {} mark {} closed {}\n",
        descriptor.range_id,
        text(&descriptor.span.start),
        text(&descriptor.span.end),
        descriptor.generation,
        replicas.join(","),
        descriptor.next_replica_id.0,
        if state.is_joint { " joint" } else { "" },
        state.size_bytes,
        state.newest_write.map_or("unknown".to_owned(), |newest| newest.micros().to_string()),
        state.end_lease_mark.micros(),
        state.closed.micros(),
    )
}

impl Runner {
    fn apply(&mut self, (generation, at): (u64, u64), kind: CommandKind) -> String {
        let mut batch = Batch::new();
        let mut applying = Applying { state: self.state.clone(), batch: &mut batch, born: Vec::new() };
        let (closed, high_water) = (Timestamp::MIN, Timestamp::from_micros(at));
        let command = Command { term: 2, generation, closed, high_water, size_delta: 10, kind };
        let outcome = applying.command(command);
        let born: String = applying.born.iter().map(|born| format!("born {}", print(&born.state))).collect();
        self.state = applying.state;
        format!("{outcome:?}, {} changes\n{born}", batch.changes().len())
    }
}

fn write(name: &str) -> CommandKind {
    let mut batch = Batch::new();
    batch.put(Family::Data, data_key(&key(name), Timestamp::from_micros(1)), &b"v"[..]);
    CommandKind::Write(batch)
}

fn removal(start: &str, end: &str) -> CommandKind {
    let mut batch = Batch::new();
    batch.delete_range(Family::Data, data_prefix(&key(start)), data_prefix(&key(end)));
    CommandKind::Write(batch)
}

fn membership(sets: &[&str]) -> GroupMembership {
    let ids = |set: &&str| set.split(',').map(|id| ReplicaId(id.parse().unwrap())).collect();
    let voters: Vec<std::collections::BTreeSet<ReplicaId>> = sets.iter().map(ids).collect();
    let nodes = voters.iter().flatten().map(|&id| (id, NodeId(id.0))).collect();
    GroupMembership { voters, nodes }
}

impl goldenscript::Runner for Runner {
    type Command = ScriptCommand;

    fn run(&mut self, command: &ScriptCommand, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let number = |text: Option<&str>, default: u64| text.map_or(Ok(default), str::parse::<u64>);
        let generation = number(args.take_key("gen"), self.state.descriptor.generation)?;
        let (left, right) = (number(args.take_key("left"), 0)?, number(args.take_key("right"), 0)?);
        let read = number(args.take_key("read"), 0)?;
        let evaluated = (generation, number(args.take_key("at"), 0)?);
        let mut words = Vec::new();
        while let Some(word) = args.next_pos() {
            words.push(word);
        }
        args.reject_next()?;
        let first = words.first().copied().unwrap_or_default();
        let second = words.get(1).copied().unwrap_or_default();
        let micros = |text: &str| text.parse().map(Timestamp::from_micros);
        Ok(match command.name.as_str() {
            "range" => {
                self.state = fresh(first, second);
                String::new()
            }
            "size" => {
                self.state.size_bytes = first.parse()?;
                String::new()
            }
            "old" => {
                self.state.newest_write = None;
                String::new()
            }
            "mark" => {
                self.state.end_lease_mark = micros(first)?;
                String::new()
            }
            "closed" => {
                self.state.closed = micros(first)?;
                String::new()
            }
            "write" => self.apply(evaluated, write(first)),
            "delete_range" => self.apply(evaluated, removal(first, second)),
            "end_lease" => {
                let (read_high_water, closed) = (micros(first)?, Timestamp::MIN);
                self.apply(evaluated, CommandKind::EndLease { read_high_water, closed })
            }
            "split" => {
                let split = SplitCommand {
                    at: key(first),
                    right_id: RangeId(8),
                    leader: ReplicaId(2),
                    left_bytes: left,
                    right_bytes: right,
                    right_read: Timestamp::from_micros(read),
                    right_closed: Timestamp::MIN,
                };
                self.apply(evaluated, CommandKind::Split(split))
            }
            "members" => {
                self.state.apply_membership(&membership(&words));
                String::new()
            }
            "state" => print(&self.state),
            other => return Err(format!("no command {other}").into()),
        })
    }
}

#[test]
fn scripts() {
    let new = || Runner { state: fresh("a", "z") };
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/split/apply"), new);
}
