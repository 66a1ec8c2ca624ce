//! `quorate status` as text and as JSON: a verdict first, then nodes, then ranges in trouble, then what to do.

mod findings;
pub mod ranges;
mod repair;

use std::fmt::Write as _;

use quorate_placement::topology::NodeId;
use quorate_placement::view::Liveness;
use quorate_raft_groups::clock_guard::CLOCK_TRUSTED_MAX_MS;
use quorate_raft_groups::cluster::status::{
    ChangeStatus, ClusterStatus, MemberStatus, NodeStatus, PeerClock, Presence, RangeStatus,
};
use quorate_sql::storage::key_text;
use serde_json::{Value, json};

/// Version of the JSON's shape.
const JSON_VERSION: u32 = 1;

use findings::{Finding, Severity, clocks_summary, presence_word};
pub use repair::describe as describe_change;

/// How the cluster is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All nodes live, all ranges led and with all replicas, disks with room and quick.
    Healthy,
    /// Everything can be read and written, but something is missing or slow.
    Degraded,
    /// Some range cannot be read or written, or a node is about to stop.
    Critical,
    /// The asked node cannot tell for the whole cluster, or not yet.
    Unknown,
}

impl Verdict {
    /// The verdict on a status.
    pub fn of(status: &ClusterStatus) -> Self {
        Self::by(status, &findings::all(status))
    }

    /// The verdict on a status of which all that is wrong is found.
    fn by(status: &ClusterStatus, findings: &[Finding]) -> Self {
        let worst = findings.iter().map(|finding| finding.severity).max();
        match (worst, &status.partial) {
            (Some(Severity::Critical), _) => Self::Critical,
            (_, Some(_)) | (Some(Severity::Unsure), None) => Self::Unknown,
            (Some(Severity::Degraded), None) => Self::Degraded,
            (Some(Severity::Warning) | None, None) => Self::Healthy,
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
    let findings = findings::all(status);
    let mut text = format!("{}\n", headline(status, Verdict::by(status, &findings)));
    if let Some(partial) = &status.partial {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  only what {} knows by itself: {partial}", status.told_by);
    }
    let _ = writeln!(text, "cluster {}, as told by {}\n", status.cluster_id, status.told_by);
    text += &nodes_table(&status.nodes);
    text += &clocks_summary(status);
    for Finding { title, lines, .. } in &findings {
        let _ = writeln!(text, "\n{title}:");
        lines.iter().for_each(|line| text += &format!(" {line}\n"));
    }
    text += &repair::moves(status);
    text += &next_steps(status, &findings, host);
    text
}

fn headline(status: &ClusterStatus, verdict: Verdict) -> String {
    let missed = || status.nodes.iter().filter(|node| repair::is_missed(status, node));
    let unreachable = missed().filter(|node| matches!(node.presence, Presence::Unreachable { .. })).count();
    let down = missed().count() - unreachable;
    let (lost, short) = (status.without_quorum().count(), status.short_of_replicas().count());
    let mut counts = format!("{down} of {} nodes down", status.nodes.len());
    if unreachable > 0 {
        counts += &format!(", {unreachable} unreachable");
    }
    let mut ranges =
        format!("{} ranges: {lost} without quorum, {short} short of replicas", status.ranges.len());
    let leaderless = status.leaderless().count();
    if leaderless > 0 {
        ranges += &format!(", {leaderless} led by nobody");
    }
    format!("{}  {counts} · {ranges}", verdict.word())
}

fn nodes_table(nodes: &[NodeStatus]) -> String {
    let mut rows = vec![
        ["node", "locality", "state", "leaders", "replicas", "disk", "last heard", "sql"].map(str::to_owned),
    ];
    rows.extend(nodes.iter().map(|node| {
        [
            node.record.node_id.to_string(),
            node.record.locality.to_string(),
            presence_word(node).to_owned(),
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
fn next_steps(status: &ClusterStatus, findings: &[Finding], host: &str) -> String {
    let mut steps: Vec<String> = findings.iter().flat_map(|finding| finding.steps.clone()).collect();
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
    let findings = findings::all(status);
    json!({
        "version": JSON_VERSION,
        "verdict": Verdict::by(status, &findings).word(),
        "cluster_id": status.cluster_id.to_string(),
        "told_by": status.told_by.0,
        "partial": status.partial,
        "nodes": status.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "ranges": status.ranges.iter().map(range_json).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind,
        "severity": finding.severity.word(),
        "title": finding.title,
        "lines": finding.lines,
        "do": finding.steps,
    })
}

fn node_json(node: &NodeStatus) -> Value {
    let clock = |clock: &PeerClock| json!({"node": clock.node_id.0, "ahead_ms": clock.ahead_ms});
    json!({
        "id": node.record.node_id.0,
        "locality": node.record.locality.to_string(),
        "state": presence_word(node),
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
        "sync_p99_ms": node.syncs.p99_ms,
        "sync_longest_ms": node.syncs.longest_ms,
        "sync_running_ms": node.syncs.running_ms,
        "clocks": node.clocks.iter().map(clock).collect::<Vec<_>>(),
        "clock_allowed_ms": CLOCK_TRUSTED_MAX_MS,
        "clock_doubt": node.clock_doubt,
        "damaged_files": node.damaged_files,
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
        "leaderless_ms": range.leaderless_ms,
    })
}

fn member_json(member: &MemberStatus) -> Value {
    json!({
        "replica_id": member.replica_id.0,
        "node": member.node_id.0,
        "role": if member.is_voter { "voter" } else { "learner" },
        "applied": member.applied,
        "damage": member.damage,
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
