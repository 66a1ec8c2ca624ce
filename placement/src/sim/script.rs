//! Runs the scripts of `testscripts/`: commands build a simulated cluster, and the output shows each decision with
//! its reason. `status` shows nodes and ranges.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use goldenscript::{ArgumentConsumer, Command, Context};

use super::Sim;
use crate::policy::Policy;
use crate::repair::{outlook, shortages};
use crate::topology::{NodeId, RangeId, ReplicaId};
use crate::view::{Liveness, PendingChange, PendingTransfer, RangeView, ReplicaView};

/// Moves after which a script's cluster is taken to be restless.
const MOVES_MAX: usize = 1000;

type Answer = Result<String, Box<dyn Error>>;

struct Runner {
    sim: Sim,
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Answer {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            // node ID [LOCALITY] [disk=USED/TOTAL]: a live node joins.
            "node" => self.node(&mut args),
            // live|suspect|dead|drain ID: what is believed about the node changes.
            "live" => self.liveness(&mut args, Liveness::Live),
            "suspect" => self.liveness(&mut args, Liveness::Suspect),
            "dead" => self.liveness(&mut args, Liveness::Dead),
            "drain" => self.liveness(&mut args, Liveness::Draining),
            // unheard ID: it is registered, and has never reported.
            "unheard" => {
                self.sim.set_never_heard(node_id(args.next_pos())?);
                Ok(String::new())
            }
            // doubt ID: it says that its clock is wrong.
            "doubt" => {
                self.sim.set_clock_in_doubt(node_id(args.next_pos())?);
                Ok(String::new())
            }
            // create [COUNT] [replicas=N] [system=yes]: places new ranges by the rules.
            "create" => self.create(&mut args),
            // range ID NODE… [leader=NODE] [replicas=N] [learner=NODE] [damaged=NODE]: a range where the script wants it.
            "range" => self.range(&mut args),
            // pending RANGE NODE: a transfer to the node is under way.
            "pending" => self.pending(&mut args),
            // changing RANGE [add=NODE] [remove=NODE]: a change of replicas is under way.
            "changing" => self.changing(&mut args),
            // repair: all changes of replicas, one after the other. outlook: what becomes of each range.
            "repair" => self.repair(),
            "outlook" => Ok(self.outlook()),
            // step: the next transfer. settle: all of them.
            "step" => {
                Ok(self.sim.step().map_or("nothing to move\n".to_owned(), |transfer| format!("{transfer}\n")))
            }
            "settle" => self.settle(),
            // shortages: ranges short of replicas.
            "shortages" => Ok(lines(shortages(&self.sim.view()))),
            "status" => self.status(),
            name => return Err(format!("unknown command {name}").into()),
        };
        args.reject_next()?;
        output
    }
}

impl Runner {
    fn node(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let id = node_id(args.next_pos())?;
        let disk = args.take_key("disk");
        let mut tiers = Vec::new();
        while let Some((name, value)) = args.next_key() {
            tiers.push(format!("{name}={value}"));
        }
        self.sim.add_node(id, tiers.join(",").parse()?);
        if let Some((used, total)) = disk.and_then(|disk| disk.split_once('/')) {
            self.sim.set_disk(id, used.parse()?, total.parse()?);
        }
        Ok(String::new())
    }

    fn liveness(&mut self, args: &mut ArgumentConsumer<'_>, liveness: Liveness) -> Answer {
        self.sim.set_liveness(node_id(args.next_pos())?, liveness);
        Ok(String::new())
    }

    fn create(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let policy = match (args.take_key("replicas"), args.take_key("system")) {
            (_, Some(_)) => Policy::system(),
            (Some(replicas), None) => Policy::new(replicas.parse()?)?,
            (None, None) => Policy::default(),
        };
        let mut output = String::new();
        for _ in 0..args.next_pos().unwrap_or("1").parse::<usize>()? {
            let (id, decision) = self.sim.create_range(policy)?;
            writeln!(output, "{id} on {}, led by {}", join(&decision.replicas), decision.leader)?;
            for line in decision.to_string().lines() {
                writeln!(output, "  {line}")?;
            }
        }
        Ok(output)
    }

    fn range(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let id = RangeId(args.next_pos().ok_or("which range?")?.parse()?);
        let nodes = std::iter::from_fn(|| args.next_pos()).map(|node| node_id(Some(node)));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let node = |name: Option<&str>| name.map(|node| node_id(Some(node))).transpose();
        let (leader, learner) = (node(args.take_key("leader"))?, node(args.take_key("learner"))?);
        let damaged = node(args.take_key("damaged"))?;
        let policy = args
            .take_key("replicas")
            .map_or(Ok(Policy::default()), |n| Ok::<_, Box<dyn Error>>(Policy::new(n.parse()?)?))?;
        let replicas = (1..).zip(nodes).map(|(id, node)| ReplicaView { id: ReplicaId(id), node }).collect();
        let (learners, damaged) = (learner.into_iter().collect(), damaged.into_iter().collect());
        self.sim.put_range(RangeView { id, replicas, learners, damaged, leader, size_bytes: 0, policy });
        Ok(String::new())
    }

    fn pending(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let range = RangeId(args.next_pos().ok_or("which range?")?.parse()?);
        self.sim.put_pending(PendingTransfer { range, to: node_id(args.next_pos())? });
        Ok(String::new())
    }

    fn changing(&mut self, args: &mut ArgumentConsumer<'_>) -> Answer {
        let range = RangeId(args.next_pos().ok_or("which range?")?.parse()?);
        let node = |name: Option<&str>| name.map(|node| node_id(Some(node))).transpose();
        let (add, remove) = (node(args.take_key("add"))?, node(args.take_key("remove"))?);
        self.sim.put_change(PendingChange { range, add, remove });
        Ok(String::new())
    }

    fn repair(&mut self) -> Answer {
        let changes = self
            .sim
            .repair(MOVES_MAX)
            .map_err(|changes| format!("still changing after {}", changes.len()))?;
        Ok(format!("{}{} changes\n", lines(&changes), changes.len()))
    }

    fn outlook(&self) -> String {
        let view = self.sim.view();
        lines(view.ranges().map(|range| format!("{} {}", range.id, outlook(&view, range, 1))))
    }

    fn settle(&mut self) -> Answer {
        let moves =
            self.sim.settle(MOVES_MAX).map_err(|moves| format!("still moving after {}", moves.len()))?;
        Ok(format!("{}settled after {} moves\n", lines(&moves), moves.len()))
    }

    fn status(&self) -> Answer {
        let view = self.sim.view();
        let mut output = String::new();
        for node in view.nodes() {
            let load = view.load(node.id);
            let (id, liveness) = (node.id, node.liveness);
            writeln!(
                output,
                "{id} {} {liveness}: {} replicas, {} leaders",
                node.locality, load.replicas, load.leaders
            )?;
        }
        for range in view.ranges() {
            let nodes: Vec<NodeId> = range.replicas.iter().map(|replica| replica.node).collect();
            let leader = range.leader.map_or("nobody".to_owned(), |leader| leader.to_string());
            writeln!(output, "{} on {}, led by {leader}", range.id, join(&nodes))?;
        }
        Ok(output)
    }
}

fn node_id(text: Option<&str>) -> Result<NodeId, Box<dyn Error>> {
    Ok(NodeId(text.ok_or("which node?")?.parse()?))
}

fn join(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(",")
}

fn lines(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string() + "\n").collect()
}

/// Runs every script of one folder, and fails where there is none.
fn run_folder(area: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts").join(area);
    let mut scripts: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", folder.display());
    for script in scripts {
        goldenscript::run(&mut Runner { sim: Sim::new(1) }, &script).unwrap();
    }
}

#[test]
fn scripts_new_range() {
    run_folder("new_range");
}

#[test]
fn scripts_leaders() {
    run_folder("leaders");
}

#[test]
fn scripts_repair() {
    run_folder("repair");
}
