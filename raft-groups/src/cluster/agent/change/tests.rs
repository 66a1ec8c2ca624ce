//! Runs the scripts of `testscripts/replica_change`: a range of replicas on nodes, and one change of it. `next` shows the
//! next step; `done` carries it out on the range as if all went well; the other answers are given by name.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use goldenscript::{ArgumentConsumer, Command, Context};
use quorate_engine::testing::script::run_folder;

use super::*;
use crate::log_position::LogPosition;
use crate::membership::GroupMembership;

type Answer = Result<String, Box<dyn Error>>;

struct Runner {
    now: Duration,
    seen: Option<Seen>,
    change: ReplicaChange,
    step: Option<ChangeStep>,
}

impl Runner {
    fn new() -> Self {
        let goal = Goal { generation: 1, add: None, remove: None };
        let change = ReplicaChange::new(RangeId(7), goal, Duration::ZERO);
        Self { now: Duration::ZERO, seen: None, change, step: None }
    }

    fn begin(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let node = |text: Option<&str>| text.map(|text| text.parse().map(NodeId)).transpose();
        let generation = args.take_key("generation").unwrap_or("1").parse()?;
        let goal =
            Goal { generation, add: node(args.take_key("add"))?, remove: node(args.take_key("remove"))? };
        self.change = ReplicaChange::new(RangeId(7), goal, self.now);
        Ok(String::new())
    }

    /// Replica 1 stands on node 1, and so on.
    fn range(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let ids = |text: &str| -> Result<BTreeSet<ReplicaId>, Box<dyn Error>> {
            Ok(text.split('/').map(|id| id.parse().map(ReplicaId)).collect::<Result<_, _>>()?)
        };
        let mut voters = vec![ids(args.take_key("voters").ok_or("voters?")?)?];
        voters.extend(args.take_key("joint").map(ids).transpose()?);
        let learners = args.take_key("learners").map(ids).transpose()?.unwrap_or_default();
        let silent = args.take_key("silent").map(ids).transpose()?.unwrap_or_default();
        let number = |text: Option<&str>, default: u64| text.map_or(Ok(default), str::parse);
        let me = ReplicaId(number(args.take_key("me"), 1)?);
        let generation = number(args.take_key("generation"), 1)?;
        let committed = number(args.take_key("committed"), 1_000)?;
        let is_committed = args.take_key("pending").is_none();
        let members = voters.iter().flatten().chain(&learners).copied();
        let nodes: BTreeMap<_, _> = members.map(|id| (id, NodeId(id.0))).collect();
        let highest = nodes.keys().next_back().map_or(0, |id| id.0);
        let next_replica_id = ReplicaId(number(args.take_key("next"), highest + 1)?);
        let stamp = MembersStamp { term: 5, position: Some(LogPosition { term: 5, index: 900 }) };
        let membership = Arc::new(GroupMembership { voters, nodes });
        let members = LedMembers { stamp, membership, is_committed, committed };
        self.seen = Some(Seen { generation, next_replica_id, me, members, silent });
        Ok(String::new())
    }

    fn next(&mut self) -> Answer {
        let step = self.change.next(self.now, self.seen.as_ref());
        let text = if let ChangeStep::Members { change, .. } = &step {
            format!("members: {change:?}")
        } else {
            format!("{step:?}")
        };
        self.step = Some(step);
        Ok(format!("{}: {text}\n", self.change.stage()))
    }

    /// The step goes well.
    fn done(&mut self) -> Answer {
        match self.step.take().ok_or("no step")? {
            ChangeStep::Members { on, change } => {
                let seen = self.seen.as_mut().ok_or("no range")?;
                assert_eq!(on, seen.members.stamp);
                let after = change.apply(&seen.members.membership)?;
                let highest = after.nodes.keys().next_back().map_or(0, |id| id.0);
                seen.next_replica_id = seen.next_replica_id.max(ReplicaId(highest + 1));
                seen.members.membership = Arc::new(after);
                seen.generation += 1;
                assert_eq!(self.change.changed(self.now, Ok(())), None);
            }
            ChangeStep::Create { replica, .. } => self.change.created(self.now, replica, Ok(())),
            ChangeStep::Collect { .. } => self.change.collected(self.now),
            other @ (ChangeStep::Ask { .. }
            | ChangeStep::HandOver { .. }
            | ChangeStep::Pause
            | ChangeStep::Done
            | ChangeStep::Failed(_)) => return Err(format!("{other:?} has an answer of its own").into()),
        }
        self.next()
    }

    /// All goes well until a step needs an answer of its own.
    fn rest(&mut self) -> Answer {
        let mut output = String::new();
        while let Some(ChangeStep::Members { .. } | ChangeStep::Create { .. } | ChangeStep::Collect { .. }) =
            &self.step
        {
            output += &self.done()?;
        }
        Ok(output)
    }

    fn report(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let committed = self.seen.as_ref().map_or(0, |seen| seen.members.committed);
        let mut number = |key| args.take_key(key).map_or(Ok(0), str::parse);
        let progress =
            Progress { applied: number("applied")?, bytes: number("bytes")?, bytes_expected: number("of")? };
        self.change.reported(self.now, committed, Some(progress));
        self.next()
    }

    fn describe(&self) -> Answer {
        let Some(seen) = &self.seen else { return Ok("nothing is led here\n".to_owned()) };
        let mut text = format!("generation {}:", seen.generation);
        for (id, node) in &seen.members.membership.nodes {
            write!(text, " {id} on {node}{}", if seen.votes(*id) { "" } else { " (learner)" })?;
        }
        writeln!(text, "; next {}", seen.next_replica_id)?;
        Ok(text)
    }

    fn refused(&mut self, how: &str) -> Answer {
        let error = match how {
            "stale" => ChangeError::Stale("another leads".to_owned()),
            "not_now" => ChangeError::NotNow("no quorum".to_owned()),
            "undecided" => ChangeError::Undecided("no answer".to_owned()),
            _ => ChangeError::Refused("it makes no sense".to_owned()),
        };
        match self.change.changed(self.now, Err(error)) {
            Some(step) => Ok(format!("{step:?}\n")),
            None => self.next(),
        }
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Answer {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            // begin [add=NODE] [remove=NODE] [generation=N]: what is wanted.
            "begin" => self.begin(&mut args),
            // range voters=IDS [joint=IDS] [learners=IDS] [silent=IDS] [me=ID] [generation=N] [committed=INDEX]
            // [pending=yes] [next=ID]: the range as its leader sees it.
            "range" => self.range(&mut args),
            "not_led" => {
                self.seen = None;
                Ok(String::new())
            }
            "next" => self.next(),
            "done" => self.done(),
            "rest" => self.rest(),
            "report" => self.report(&mut args),
            "silence" => {
                self.change.reported(self.now, 0, None);
                self.next()
            }
            "stale" | "not_now" | "undecided" | "refused" => self.refused(&command.name),
            "create_refused" => {
                let error = CreateError::Refused("its tombstone stands".to_owned());
                self.change.created(self.now, ReplicaId(0), Err(error));
                self.next()
            }
            "create_not_now" => {
                self.change.created(self.now, ReplicaId(0), Err(CreateError::NotNow));
                self.next()
            }
            "target_lost" => {
                self.change.target_lost(self.now, "another store answers there");
                self.next()
            }
            // wait SECONDS
            "wait" => {
                let seconds = args.next_pos().ok_or("how long?")?.parse()?;
                self.now += Duration::from_secs(seconds);
                Ok(String::new())
            }
            "members" => self.describe(),
            name => return Err(format!("unknown command {name}").into()),
        };
        args.reject_next()?;
        output
    }
}

#[test]
fn scripts_replica_change() {
    run_folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts/replica_change"), Runner::new);
}
