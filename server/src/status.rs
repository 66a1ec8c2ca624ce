//! `quorate status` as text and as JSON: a verdict first, then nodes, then ranges in trouble, then what to do.

mod clocks;
pub mod ranges;
mod repair;

use std::fmt::Write as _;

use quorate_placement::topology::NodeId;
use quorate_placement::view::Liveness;
use quorate_raft_groups::cluster::status::{
    ChangeStatus, ClusterStatus, MemberStatus, NodeStatus, RangeStatus,
};
use quorate_sql::storage::key_text;
use serde_json::{Value, json};

/// Ranges in trouble that are listed; the rest is counted.
const RANGES_SHOWN_MAX: usize = 20;
/// Version of the JSON's shape.
const JSON_VERSION: u32 = 1;

pub use repair::describe as describe_change;

/// How the cluster is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All nodes live, all ranges with all replicas.
    Healthy,
    /// Everything can be read and written, but something is missing.
    Degraded,
    /// Some range has no quorum.
    Critical,
    /// The asked node cannot tell for the whole cluster.
    Unknown,
}

impl Verdict {
    /// The verdict on a status.
    pub fn of(status: &ClusterStatus) -> Self {
        let is_hurt = status.nodes.iter().any(|node| repair::is_missed(status, node))
            || !clocks::wrong(status).is_empty();
        match (&status.partial, status.without_quorum().count(), status.short_of_replicas().count()) {
            (Some(_), 0, _) => Self::Unknown,
            (_, 1.., _) => Self::Critical,
            (None, 0, 0) if !is_hurt => Self::Healthy,
            (None, 0, _) => Self::Degraded,
        }
    }

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The status for people, seen through the node at `host`.
pub fn render_text(status: &ClusterStatus, host: &str) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{}", headline(status));
    if let Some(partial) = &status.partial {
        let _ = writeln!(text, "  only what {} knows by itself: {partial}", status.told_by);
    }
    let _ = writeln!(text, "cluster {}, as told by {}\n", status.cluster_id, status.told_by);
    text.push_str(&nodes_table(&status.nodes));
    text.push_str(&clocks::lines(status));
    text.push_str(&ranges_in_trouble("ranges without quorum", status.without_quorum()));
    text.push_str(&ranges_in_trouble("ranges short of replicas", status.short_of_replicas()));
    text.push_str(&repair::moves(status));
    text.push_str(&next_steps(status, host));
    text
}

fn headline(status: &ClusterStatus) -> String {
    let down = status.nodes.iter().filter(|node| repair::is_missed(status, node)).count();
    let (lost, short) = (status.without_quorum().count(), status.short_of_replicas().count());
    let verdict = Verdict::of(status).word();
    let counts = format!("{down} of {} nodes down", status.nodes.len());
    let ranges = format!("{} ranges: {lost} without quorum, {short} short of replicas", status.ranges.len());
    format!("{verdict}  {counts} · {ranges}")
}

fn nodes_table(nodes: &[NodeStatus]) -> String {
    let mut rows = vec![
        ["node", "locality", "state", "leaders", "replicas", "disk", "last heard", "sql"].map(str::to_owned),
    ];
    rows.extend(nodes.iter().map(|node| {
        [
            node.record.node_id.to_string(),
            node.record.locality.to_string(),
            node.liveness.to_string(),
            node.leaders.to_string(),
            node.replicas.to_string(),
            disk(node),
            heard(node.heard_ms),
            node.record.sql_address.clone(),
        ]
    }));
    aligned(&rows)
}

/// Columns padded to their longest cell, two blanks between.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, " {}", cells.join("  ").trim_end());
    }
    text
}

fn disk(node: &NodeStatus) -> String {
    if node.disk_total_bytes == 0 {
        return "-".to_owned();
    }
    let percent = node.disk_used_bytes.saturating_mul(100) / node.disk_total_bytes;
    format!("{percent} % of {} GiB", node.disk_total_bytes >> 30)
}

fn heard(millis: Option<u64>) -> String {
    match millis {
        None => "never".to_owned(),
        Some(millis) if millis < 3_000 => "now".to_owned(),
        Some(millis) if millis < 120_000 => format!("{} s ago", millis / 1_000),
        Some(millis) => format!("{} min ago", millis / 60_000),
    }
}

fn ranges_in_trouble<'a>(title: &str, ranges: impl Iterator<Item = &'a RangeStatus>) -> String {
    let ranges: Vec<_> = ranges.collect();
    if ranges.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}:\n");
    for range in ranges.iter().take(RANGES_SHOWN_MAX) {
        let complaint = range.complaint.as_deref().map(|words| format!(" ({words})")).unwrap_or_default();
        let (have, miss) = (names(&range.replicas), names(&range.missing));
        let _ = writeln!(
            text,
            " {}  {}..{}  replicas {have}, missing {miss}{complaint}",
            range.range_id,
            start_of(range),
            end_of(range)
        );
        text.push_str(&repair::under(range));
    }
    if ranges.len() > RANGES_SHOWN_MAX {
        let _ = writeln!(text, " … and {} more", ranges.len() - RANGES_SHOWN_MAX);
    }
    text
}

/// First key of a range, for people: tables by their ids.
fn start_of(range: &RangeStatus) -> String {
    key_text::start_key(&range.span.start, |_| None)
}

/// First key after a range.
fn end_of(range: &RangeStatus) -> String {
    key_text::end_key(&range.span.end, |_| None)
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What to run next.
fn next_steps(status: &ClusterStatus, host: &str) -> String {
    let mut steps: Vec<String> = clocks::steps(status).collect();
    for node in status.nodes.iter().filter(|node| repair::is_missed(status, node)) {
        if let Some(absence) = &node.absence {
            steps
                .push(format!("{} at {} takes no part: {absence}", node.record.node_id, node.record.address));
            continue;
        }
        if let Some(step) = repair::instead_of(status, node) {
            steps.push(step);
        }
        let NodeStatus { record, .. } = node;
        let (id, address, locality) = (record.node_id, &record.address, &record.locality);
        steps.push(format!(
            "start {id} again on its data directory: quorate start --listen {address} --locality {locality} …"
        ));
    }
    if status.partial.is_some() {
        steps.push(format!("ask again once a majority of the nodes runs: quorate status --host {host}"));
    }
    if steps.is_empty() && !is_healthy(status) {
        steps.push(format!(
            "wait some seconds until all nodes have reported, and ask again: quorate status --host {host}"
        ));
    }
    let replaced = repair::replaced(status);
    if steps.is_empty() {
        return format!("{replaced}\nnothing to do\n");
    }
    steps.iter().fold(format!("{replaced}\nnext:\n"), |text, step| text + "  " + step + "\n")
}

/// The status for programs; the shape has a version.
pub fn render_json(status: &ClusterStatus) -> Value {
    json!({
        "version": JSON_VERSION,
        "verdict": Verdict::of(status).word(),
        "cluster_id": status.cluster_id.to_string(),
        "told_by": status.told_by.0,
        "partial": status.partial,
        "nodes": status.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "ranges": status.ranges.iter().map(range_json).collect::<Vec<_>>(),
    })
}

fn node_json(node: &NodeStatus) -> Value {
    json!({
        "id": node.record.node_id.0,
        "locality": node.record.locality.to_string(),
        "state": node.liveness.to_string(),
        "address": node.record.address,
        "sql_address": node.record.sql_address,
        "http_address": node.record.http_address,
        "leaders": node.leaders,
        "replicas": node.replicas,
        "disk_used_bytes": node.disk_used_bytes,
        "disk_total_bytes": node.disk_total_bytes,
        "heard_ms": node.heard_ms,
        "catalog_version": node.catalog_version,
        "clock_offset_ms": node.clock_offset_ms,
        "absence": node.absence,
    })
}

fn range_json(range: &RangeStatus) -> Value {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    json!({
        "id": range.range_id.0,
        "start_key": start_of(range),
        "end_key": end_of(range),
        "replicas": ids(&range.replicas),
        "missing": ids(&range.missing),
        "leader": range.leader.map(|node| node.0),
        "size_bytes": range.size_bytes,
        "complaint": range.complaint,
        "generation": range.generation,
        "members": range.members.iter().map(member_json).collect::<Vec<_>>(),
        "change": range.change.as_ref().map(change_json),
        "outlook": range.outlook,
    })
}

fn member_json(member: &MemberStatus) -> Value {
    json!({
        "replica_id": member.replica_id.0,
        "node": member.node_id.0,
        "role": if member.is_voter { "voter" } else { "learner" },
        "applied": member.applied,
    })
}

fn change_json(change: &ChangeStatus) -> Value {
    json!({
        "add": change.add.map(|node| node.0),
        "remove": change.remove.map(|node| node.0),
        "stage": change.stage,
        "elapsed_ms": change.elapsed_ms,
        "bytes": change.bytes,
        "bytes_expected": change.bytes_expected,
        "left_ms": change.left_ms(),
        "failure": change.failure,
    })
}

/// Whether all is well, for the exit code. A dead node that holds nothing any more is no harm.
pub fn is_healthy(status: &ClusterStatus) -> bool {
    let is_well = |node: &NodeStatus| match node.liveness {
        Liveness::Live => true,
        Liveness::Dead => !repair::is_missed(status, node),
        Liveness::Suspect | Liveness::Draining => false,
    };
    Verdict::of(status) == Verdict::Healthy && status.nodes.iter().all(is_well)
}

#[cfg(test)]
mod tests;
