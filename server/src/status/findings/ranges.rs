//! Ranges that cannot be read and written, and those that have lost some replicas.

use quorate_raft_groups::cluster::status::{ClusterStatus, RangeStatus};

use super::super::{end_of, names, repair, start_of};
use super::{Finding, Severity, host_of};

/// Ranges in trouble that are listed; the rest is counted.
const RANGES_SHOWN_MAX: usize = 20;

/// Ranges whose replicas are away, too many of them.
pub(super) fn without_quorum(status: &ClusterStatus) -> Option<Finding> {
    let lines = lines(status.without_quorum(), missing)?;
    Some(Finding {
        kind: "ranges_without_quorum",
        severity: Severity::Critical,
        title: "ranges without quorum".to_owned(),
        lines,
        steps: Vec::new(),
    })
}

/// Ranges that have their replicas, and nobody leads them: nothing of theirs can be read or written.
pub(super) fn leaderless(status: &ClusterStatus) -> Option<Finding> {
    let led = |range: &RangeStatus| {
        let seconds = range.leaderless_ms.unwrap_or_default() / 1_000;
        format!("replicas {}, led by nobody for {seconds} s", names(&range.replicas))
    };
    let lines = lines(status.leaderless(), led)?;
    let first = status.leaderless().next()?;
    Some(Finding {
        kind: "ranges_without_leader",
        severity: Severity::Critical,
        title: "ranges that nobody leads".to_owned(),
        lines,
        steps: vec![format!(
            "ask again in some seconds, an election takes two; then look at the logs of {}: quorate range describe {} \
             --host {}",
            names(&first.replicas),
            first.range_id,
            host_of(status)
        )],
    })
}

/// Ranges that work with fewer replicas than they should have.
pub(super) fn short_of_replicas(status: &ClusterStatus) -> Option<Finding> {
    let lines = lines(status.short_of_replicas(), missing)?;
    Some(Finding {
        kind: "ranges_short_of_replicas",
        severity: Severity::Degraded,
        title: "ranges short of replicas".to_owned(),
        lines,
        steps: Vec::new(),
    })
}

fn missing(range: &RangeStatus) -> String {
    let complaint = range.complaint.as_deref().map(|words| format!(" ({words})")).unwrap_or_default();
    format!("replicas {}, missing {}{complaint}", names(&range.replicas), names(&range.missing))
}

/// A line or two for each range; `None` where there is none.
fn lines<'a>(
    ranges: impl Iterator<Item = &'a RangeStatus>,
    tell: impl Fn(&RangeStatus) -> String,
) -> Option<Vec<String>> {
    let ranges: Vec<_> = ranges.collect();
    let mut lines = Vec::new();
    for range in ranges.iter().take(RANGES_SHOWN_MAX) {
        let span = format!("{}..{}", start_of(range), end_of(range));
        lines.push(format!("{}  {span}  {}", range.range_id, tell(range)));
        lines.extend(repair::under(range).map(|words| format!("     {words}")));
    }
    if ranges.len() > RANGES_SHOWN_MAX {
        lines.push(format!("… and {} more", ranges.len() - RANGES_SHOWN_MAX));
    }
    (!lines.is_empty()).then_some(lines)
}
