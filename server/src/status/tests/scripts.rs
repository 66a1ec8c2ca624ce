//! Scripts: a cluster, and what `quorate status` prints of it.

use std::error::Error;

use goldenscript::{ArgumentConsumer, Context};

use quorate_placement::topology::ReplicaId;
use quorate_raft_groups::cluster::status::MemberStatus;

use super::*;

/// Three nodes, told by the first; the status begins with all of them well and one range. Commands:
///
/// - `node n2 [state=missing|dead|unreachable|unheard|awaited] [heard_by=n3] [heard=12000] [disk=97] [p99=300] [longest=900]
///   [running=2000] [clocks=n1:180,n3:181] [offset=-180] [doubt="…"] [absence="…"] [damaged=000012.sst]` changes a node: percent, milliseconds,
/// - `range r3 [missing=n2,n3] [leaderless=4000] [damaged=n2] [outlook="…"]` adds a range,
/// - `partial "…"`: the leaseholder of range 1 does not answer,
/// - `status`, `verdict` (with the exit code), `ls` print.
struct Runner(ClusterStatus);

fn number<T: std::str::FromStr<Err: Error + 'static>>(
    args: &mut ArgumentConsumer<'_>,
    key: &str,
) -> Result<Option<T>, Box<dyn Error>> {
    Ok(args.take_key(key).map(str::parse).transpose()?)
}

fn id(text: &str) -> NodeId {
    NodeId(text.trim_start_matches(['n', 'r']).parse().expect("an id"))
}

fn ids(text: Option<&str>) -> Vec<NodeId> {
    text.unwrap_or_default().split(',').filter(|text| !text.is_empty()).map(id).collect()
}

fn clocks(text: &str) -> Vec<PeerClock> {
    let clock = |part: &str| {
        let (node, ahead) = part.split_once(':').expect("n1:180");
        PeerClock { node_id: id(node), ahead_ms: ahead.parse().expect("milliseconds") }
    };
    text.split(',').map(clock).collect()
}

fn set_state(node: &mut NodeStatus, state: &str, heard_by: Option<NodeId>) {
    (node.liveness, node.presence) = match state {
        "missing" => (Liveness::Suspect, Presence::Missing),
        "dead" => (Liveness::Dead, Presence::Missing),
        "unreachable" => (Liveness::Suspect, Presence::Unreachable { heard_by }),
        "unheard" => (Liveness::Suspect, Presence::Unheard { is_awaited: false }),
        "awaited" => (Liveness::Live, Presence::Unheard { is_awaited: true }),
        other => panic!("no such state: {other}"),
    };
    node.heard_ms = match node.presence {
        Presence::Unheard { .. } => None,
        Presence::Reports | Presence::Missing | Presence::Unreachable { .. } => Some(12_000),
    };
}

impl Runner {
    fn change(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        let wanted = id(args.next_pos().ok_or("node")?);
        let known = self.0.nodes.iter_mut().find(|node| node.record.node_id == wanted);
        let node = known.ok_or("no such node")?;
        let heard_by = args.take_key("heard_by").map(id);
        if let Some(state) = args.take_key("state") {
            set_state(node, state, heard_by);
        }
        node.heard_ms = number(args, "heard")?.or(node.heard_ms);
        if let Some(percent) = number::<u64>(args, "disk")? {
            node.disk_used_bytes = node.disk_total_bytes / 100 * percent;
        }
        node.syncs.p99_ms = number(args, "p99")?.unwrap_or(node.syncs.p99_ms);
        node.syncs.longest_ms = number(args, "longest")?.unwrap_or(node.syncs.longest_ms);
        node.syncs.running_ms = number(args, "running")?.unwrap_or(node.syncs.running_ms);
        node.clocks = args.take_key("clocks").map(clocks).unwrap_or_default();
        node.clock_offset_ms = number(args, "offset")?.or(node.clock_offset_ms);
        node.clock_doubt = args.take_key("doubt").map(str::to_owned);
        node.absence = args.take_key("absence").map(str::to_owned);
        let files = args.take_key("damaged").unwrap_or_default();
        node.damaged_files = files.split(',').filter(|file| !file.is_empty()).map(str::to_owned).collect();
        Ok(())
    }

    fn add(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        let mut range = range(id(args.next_pos().ok_or("range")?).0, &[]);
        range.missing = ids(args.take_key("missing"));
        range.leaderless_ms = number(args, "leaderless")?;
        range.leader = range.leader.filter(|_| range.leaderless_ms.is_none());
        range.outlook = args.take_key("outlook").map(str::to_owned);
        let damaged = ids(args.take_key("damaged"));
        range.members = range
            .replicas
            .iter()
            .map(|node| MemberStatus {
                replica_id: ReplicaId(node.0),
                node_id: *node,
                is_voter: true,
                applied: Some(7),
                damage: damaged.contains(node).then(|| "000012.sst: block checksum mismatch".to_owned()),
            })
            .collect();
        self.0.ranges.push(range);
        Ok(())
    }
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(&mut self, command: &goldenscript::Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let mut out = String::new();
        match command.name.as_str() {
            "node" => self.change(&mut args)?,
            "range" => self.add(&mut args)?,
            "partial" => self.0.partial = args.next_pos().map(str::to_owned),
            "status" => out = render_text(&self.0, "127.0.0.1:7001"),
            "verdict" => {
                out = format!("{}, exit {}\n", Verdict::of(&self.0).word(), u8::from(!is_healthy(&self.0)));
            }
            "ls" => out = ranges::list(&self.0),
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_next()?;
        Ok(out)
    }
}

#[test]
fn status_scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/status");
    quorate_engine::testing::script::run_folder(folder, || Runner(status(&[], vec![range(2, &[])])));
}
