//! `quorate range ls` and `describe` as text.

use std::fmt::Write as _;

use quorate_raft_groups::cluster::status::{ClusterStatus, RangeStatus};

use super::repair::under;
use super::{aligned, end_of, start_of};

/// All ranges, a line each.
pub fn list(status: &ClusterStatus) -> String {
    let mut rows = vec![["range", "start", "end", "leader", "replicas", "size"].map(str::to_owned)];
    rows.extend(status.ranges.iter().map(|range| {
        [
            range.range_id.to_string(),
            start_of(range),
            end_of(range),
            range.leader.map_or("-".to_owned(), |node| node.to_string()),
            super::findings::names_with_damage(range),
            size(range.size_bytes),
        ]
    }));
    aligned(&rows)
}

fn leader_of(range: &RangeStatus) -> String {
    range.leader.map_or("nobody".to_owned(), |node| node.to_string())
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// One range with its replicas.
pub fn describe(range: &RangeStatus) -> String {
    let mut text = format!(
        "{}  {}..{}\n  generation {}, {}, led by {}\n  split keys lie from 0x{} to 0x{}\n",
        range.range_id,
        start_of(range),
        end_of(range),
        range.generation,
        size(range.size_bytes),
        leader_of(range),
        hex(range.span.start.as_ref()),
        hex(range.span.end.as_ref()),
    );
    let mut rows = vec![["replica", "node", "role", "applied", "state"].map(str::to_owned)];
    rows.extend(range.members.iter().map(|member| {
        let is_missing = range.missing.contains(&member.node_id);
        [
            member.replica_id.to_string(),
            member.node_id.to_string(),
            if member.is_voter { "voter" } else { "learner" }.to_owned(),
            member.applied.map_or("-".to_owned(), |applied| applied.to_string()),
            match (is_missing, &member.damage) {
                (true, _) => "missing".to_owned(),
                (false, Some(detail)) => format!("damaged: {detail}"),
                (false, None) => "there".to_owned(),
            },
        ]
    }));
    text += &aligned(&rows);
    text += &under(range).map(|words| format!("      {words}\n")).unwrap_or_default();
    if let Some(complaint) = &range.complaint {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  its leader says: {complaint}");
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
