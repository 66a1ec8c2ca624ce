//! Scripts of the board: who is live, who relies on which catalog.

use super::*;

/// Times are seconds since the board's start. Commands: `report n2 t=1 [catalog=3] [leads=r2]`, `confirm n2 version=3`,
/// `require 3`, `relying 3 t=1`, `liveness t=1`, `listened t=1`, `placed r2 n1 t=1`, `entered r2 t=1`, `lack r2`, `leader r2 t=1`, `begun r2 t=1`, `changes t=1`,
/// `change r2 t=1`, `dead_after 30`, `presence t=1`, `told r2 t=1` (for people), `answers n2 yes`; a report may carry
/// `changing=r2`, `failed=r3` and `hears=n2:300` (milliseconds ago).
struct Runner {
    board: Board,
}

fn moment(seconds: u64) -> Moment {
    let boot = Duration::from_secs(1_000 + seconds);
    Moment { wall: Timestamp::from_micros((50_000 + seconds) * 1_000_000), boot }
}

fn node(text: &str) -> NodeId {
    NodeId(text.trim_start_matches('n').parse().expect("node"))
}

fn range(text: &str) -> RangeId {
    RangeId(text.trim_start_matches('r').parse().expect("range"))
}

impl Runner {
    /// Commands about what people are told.
    fn for_people(
        &mut self,
        name: &str,
        first: &str,
        args: &mut goldenscript::ArgumentConsumer<'_>,
        now: Moment,
    ) -> Result<String, Box<dyn std::error::Error>> {
        Ok(match name {
            "told" => format!(
                "{:?} leaderless for {:?}",
                self.board.told_leader(range(first), now.boot),
                self.board.leaderless(range(first), now.boot)
            ),
            "presence" => [1, 2, 3]
                .map(NodeId)
                .map(|node| format!("{node} {:?}; ", self.board.presence(node, now.boot)))
                .concat(),
            "answers" => {
                self.board.set_answers(node(first), args.next_pos().is_some_and(|word| word == "yes"));
                String::new()
            }
            other => return Err(format!("unknown command {other}").into()),
        })
    }
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(
        &mut self,
        command: &goldenscript::Command,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn std::error::Error>> {
        use crate::client::script_args::parse;
        let mut args = command.consume_args();
        let now = moment(parse(&mut args, "t")?.unwrap_or(0));
        let first = args.next_pos().unwrap_or_default().to_owned();
        let nodes = [1, 2, 3].map(NodeId);
        let out = match command.name.as_str() {
            "report" => report(&mut self.board, &mut args, node(&first), now)?,
            "confirm" => {
                self.board.confirm(node(&first), parse(&mut args, "version")?.ok_or("version")?);
                String::new()
            }
            "require" => {
                self.board.require(first.parse()?);
                String::new()
            }
            "relying" => {
                let offset = Duration::from_millis(250);
                format!("{:?}", self.board.relying_on_older(first.parse()?, &nodes, now.wall, offset))
            }
            "liveness" => nodes
                .iter()
                .map(|node| format!("{node} {} ", self.board.liveness(*node, now.boot)))
                .collect::<String>(),
            "listened" => self.board.has_listened(now.boot).to_string(),
            "placed" => {
                self.board.placed(range(&first), node(args.next_pos().ok_or("node")?), now.boot);
                String::new()
            }
            "entered" => {
                self.board.entered(range(&first), now.boot);
                String::new()
            }
            "lack" => {
                let lacking = nodes.iter().filter(|node| self.board.lacks(**node, range(&first)));
                format!("{:?}", lacking.map(ToString::to_string).collect::<Vec<_>>())
            }
            "begun" => {
                let change = PendingChange { range: range(&first), add: Some(NodeId(9)), remove: None };
                self.board.begun(change, now.boot);
                String::new()
            }
            "changes" => {
                let changes = self.board.pending_changes(now.boot).into_iter();
                let changes = changes.map(|change| format!("{} to {:?} ", change.range, change.add));
                changes.collect::<String>() + "."
            }
            "change" => {
                let change = self.board.change_of(range(&first), now.boot);
                format!("{:?}", change.map(|change| (&change.stage, &change.failure)))
            }
            "dead_after" => {
                self.board.set_dead_after(Duration::from_secs(first.parse()?));
                String::new()
            }
            "leader" => format!("{:?}", self.board.leader(range(&first), now.boot)),
            other => self.for_people(other, &first, &mut args, now)?,
        };
        args.reject_next()?;
        Ok(if out.is_empty() { out } else { format!("{}\n", out.trim_end()) })
    }
}

/// A node reports.
fn report(
    board: &mut Board,
    args: &mut goldenscript::ArgumentConsumer<'_>,
    from: NodeId,
    now: Moment,
) -> Result<String, Box<dyn std::error::Error>> {
    use crate::client::script_args::parse;
    let leads = parse::<String>(args, "leads")?;
    let replicas = leads.iter().map(|text| crate::cluster::message::ReplicaReport {
        range_id: range(text),
        replica_id: quorate_placement::topology::ReplicaId(1),
        applied: 11,
        has_lease: true,
        leader: Some(from),
        size_bytes: 0,
        complaint: None,
        damage: None,
    });
    let hears = parse::<String>(args, "hears")?.unwrap_or_default();
    let peers = hears.split(',').filter_map(|peer| peer.split_once(':'));
    let peers = peers.map(|(peer, silence)| crate::cluster::message::PeerReport {
        node_id: node(peer),
        silence_ms: silence.parse().expect("milliseconds"),
        clock_ahead_ms: None,
    });
    let changing = parse::<String>(args, "changing")?;
    let failed = parse::<String>(args, "failed")?;
    let changes = changing.iter().map(|text| (text, None));
    let changes = changes.chain(failed.iter().map(|text| (text, Some("no".to_owned()))));
    let report = NodeReport {
        catalog_version: parse(args, "catalog")?,
        disk_used_bytes: 0,
        disk_total_bytes: 0,
        system_generation: 1,
        replicas: replicas.collect(),
        changes: changes.map(|(text, failure)| change(range(text), failure)).collect(),
        syncs: crate::cluster::status::DiskSyncs::default(),
        peers: peers.collect(),
        clock_doubt: None,
        damaged_files: Vec::new(),
    };
    let until = board.report(from, report, now);
    let seconds = until.map(|until| until.micros() / 1_000_000 - 50_000);
    Ok(seconds.map_or("no lease".to_owned(), |seconds| format!("lease until {seconds}")))
}

fn board() -> Board {
    Board::new(moment(0), Duration::from_secs(300))
}

fn change(range_id: RangeId, failure: Option<String>) -> ChangeStatus {
    ChangeStatus {
        range_id,
        add: Some(NodeId(4)),
        remove: Some(NodeId(2)),
        stage: "copying".to_owned(),
        elapsed_ms: 1_000,
        bytes: 0,
        bytes_expected: 0,
        copying_ms: 0,
        failure,
    }
}

#[test]
fn board_scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/cluster/board");
    quorate_engine::testing::script::run_folder(folder, || Runner { board: board() });
}
