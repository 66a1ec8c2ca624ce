//! What `quorate status` says of clocks that are too far apart: whose machine has to be mended.

use std::fmt::Write as _;

use quorate_placement::topology::NodeId;
use quorate_raft_groups::clock_guard::CLOCK_TRUSTED_MAX_MS;
use quorate_raft_groups::cluster::status::ClusterStatus;

/// Nodes whose clocks are wrong, with how far they are ahead of the others: where most are off against the teller's
/// clock, that one is.
pub(super) fn wrong(status: &ClusterStatus) -> Vec<(NodeId, i64)> {
    let others = status.nodes.iter().filter(|node| node.record.node_id != status.told_by);
    let measured: Vec<_> =
        others.filter_map(|node| Some((node.record.node_id, node.clock_offset_ms?))).collect();
    let is_off = |(_, offset): &&(NodeId, i64)| offset.unsigned_abs() > CLOCK_TRUSTED_MAX_MS;
    let off: Vec<_> = measured.iter().filter(is_off).copied().collect();
    match off.first() {
        Some((_, offset)) if off.len() * 2 > measured.len() => vec![(status.told_by, -offset)],
        Some(_) | None => off,
    }
}

/// The lines about them.
pub(super) fn lines(status: &ClusterStatus) -> String {
    let wrong = wrong(status);
    if wrong.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nclocks more than {CLOCK_TRUSTED_MAX_MS} ms from the others; these nodes serve no clients:\n"
    );
    for (node, ahead) in wrong {
        let side = if ahead > 0 { "ahead" } else { "behind" };
        // Writing into a string cannot fail.
        let _ = writeln!(text, " {node}  {} ms {side}", ahead.unsigned_abs());
    }
    text
}

/// What to do about them.
pub(super) fn steps(status: &ClusterStatus) -> impl Iterator<Item = String> {
    wrong(status).into_iter().map(|(node, _)| {
        format!("mend the time synchronisation of {node}'s machine; it serves again by itself then")
    })
}
