//! `quorate node remove`: a node that is gone for good, or never was, is struck off the registry.
//!
//! Range 1's leaseholder decides. A node that reports stays: it is to be stopped first. One that is silent counts as dead
//! from the first request on, for as long as somebody keeps asking, so that its replicas are replaced at once; it goes
//! when none is left, and the answers until then say what is waited for. Where a range has no quorum without it, or no
//! other node can take its place, it is needed, and stays. What remains is a row that says that it was removed: it must
//! not come back with what it remembers.

use quorate_engine::kv::{Key, Span};
use quorate_placement::repair::{Outlook, outlook};
use quorate_placement::topology::{NodeId, RangeId};
use quorate_placement::view::{Liveness, View};

use super::Leader;
use crate::cluster::admin_format::RemovedNode;
use crate::cluster::error::ClusterError;
use crate::cluster::message::ClusterAnswer;

/// Ranges that are named in an answer; of others the number is told.
const RANGES_TOLD_MAX: usize = 5;

/// What becomes of a wish to remove a node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Not as things are; nothing was done.
    No(String),
    /// Its replicas are being replaced, or the leaseholder does not know enough yet.
    Waits(String),
    /// Nothing names it any more.
    Goes,
}

impl Leader {
    /// As range 1's leaseholder: judges, and removes.
    pub async fn lead_remove_node(&self, node: NodeId) -> ClusterAnswer {
        if !self.calls.is_leader() {
            return self.calls.not_leader();
        }
        // No range is placed on it meanwhile.
        let _one_at_a_time = self.directory_lock.lock().await;
        match self.judge_and_remove(node).await {
            Ok(Verdict::Goes) => ClusterAnswer::Done,
            Ok(Verdict::Waits(waits_for)) => ClusterAnswer::Unavailable(waits_for),
            Ok(Verdict::No(reason)) => ClusterAnswer::Refused(reason),
            Err(error) => ClusterAnswer::Unavailable(format!("range 1 answers: {error}")),
        }
    }

    async fn judge_and_remove(&self, node: NodeId) -> Result<Verdict, ClusterError> {
        self.directory.refresh().await?;
        let Some(record) = self.directory.registry.get(node) else {
            let reason = if self.directory.registry.is_removed(node) {
                "was removed before"
            } else {
                "does not exist"
            };
            return Ok(Verdict::No(format!("{node} {reason}; nothing was done")));
        };
        let directory = self.directory.read(&Span::prefix(Key::default())).await?;
        let heard = self.with_board(|board, now| {
            let is_live = board.has_heard(node) && board.liveness(node, now.boot) == Liveness::Live;
            if board.has_listened(now.boot) && !is_live {
                board.leaves(node, now.boot);
            }
            (board.has_listened(now.boot), is_live)
        });
        match heard {
            Some((_, true)) => {
                let reason = format!("{node} runs, at {}; nothing was done. Stop it first", record.address);
                return Ok(Verdict::No(reason));
            }
            Some((true, false)) => {}
            Some((false, false)) | None => {
                let waits_for = "range 1's leaseholder to hear which nodes run";
                return Ok(Verdict::Waits(waits_for.to_owned()));
            }
        }
        let Some(view) = self.view(&directory) else {
            return Ok(Verdict::Waits("range 1 went to another leaseholder".to_owned()));
        };
        let verdict = judge(&view, node);
        if matches!(verdict, Verdict::No(_)) {
            self.with_board(|board, _| board.stays(node));
        }
        if verdict == Verdict::Goes {
            self.directory
                .strike(node, RemovedNode { store_id: record.store_id, at: self.calls.moment().wall })
                .await?;
            self.directory.registry.forget([node]);
            tracing::info!(%node, address = record.address, "a node was removed");
        }
        Ok(verdict)
    }
}

/// Judges by what the ranges say of a silent node, which counts as dead in the view.
fn judge(view: &View, node: NodeId) -> Verdict {
    let holds: Vec<_> =
        view.ranges().filter(|range| range.is_on(node) || range.learners.contains(&node)).collect();
    let lost: Vec<RangeId> =
        holds.iter().filter(|range| !view.has_quorum(range)).map(|range| range.id).collect();
    if !lost.is_empty() {
        return Verdict::No(format!(
            "{} no majority without {node}; nothing was done. Start {node} or their other nodes again",
            told(&lost, "has", "have")
        ));
    }
    let outlooks: Vec<_> = holds.iter().map(|range| (range.id, outlook(view, range, 0))).collect();
    let stuck = |(_, outlook): &&(RangeId, Outlook)| matches!(outlook, Outlook::NoNode(_));
    if let Some((range, outlook)) = outlooks.iter().find(stuck) {
        return Verdict::No(format!(
            "the replica of {range} on {node} cannot be replaced: {outlook}; nothing was done. Start another node first"
        ));
    }
    let Some((first, outlook)) = outlooks.first() else { return Verdict::Goes };
    let ids: Vec<RangeId> = holds.iter().map(|range| range.id).collect();
    let waits = match outlook {
        Outlook::Whole => "its replica is tidied up".to_owned(),
        other @ (Outlook::UnderWay
        | Outlook::Next(_)
        | Outlook::NoQuorum
        | Outlook::NoneSound(_)
        | Outlook::Waits(_)
        | Outlook::Queued(_)
        | Outlook::NoNode(_)) => other.to_string(),
    };
    Verdict::Waits(format!(
        "{} replicas on {node}; {}: {waits}",
        told(&ids, "still has", "still have"),
        first
    ))
}

fn told(ranges: &[RangeId], one: &str, many: &str) -> String {
    let names: Vec<String> = ranges.iter().take(RANGES_TOLD_MAX).map(RangeId::to_string).collect();
    let rest = match ranges.len().saturating_sub(RANGES_TOLD_MAX) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("{}{rest} {}", names.join(", "), if ranges.len() == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use quorate_placement::policy::Policy;
    use quorate_placement::topology::{Locality, ReplicaId};
    use quorate_placement::view::{NodeView, RangeView, ReplicaView};

    use super::*;

    fn view(nodes: [Liveness; 4], ranges: &[(u64, &[u64])]) -> View {
        let nodes = nodes.into_iter().zip(1..);
        let nodes = nodes
            .map(|(liveness, id)| NodeView { liveness, ..NodeView::live(NodeId(id), Locality::default()) });
        let replica = |node: &u64| ReplicaView { id: ReplicaId(*node), node: NodeId(*node) };
        let range = |(id, on): &(u64, &[u64])| RangeView {
            id: RangeId(*id),
            replicas: on.iter().map(replica).collect(),
            damaged: Vec::new(),
            learners: Vec::new(),
            leader: None,
            size_bytes: 0,
            policy: Policy::default(),
        };
        View::new(nodes.collect(), ranges.iter().map(range).collect(), Vec::new())
    }

    #[test]
    fn removal_waits_for_replicas_and_is_refused_where_they_are_needed() {
        use Liveness::{Dead, Live};
        let node = NodeId(4);
        let free = view([Live, Live, Live, Dead], &[(1, &[1, 2, 3])]);
        assert_eq!(judge(&free, node), Verdict::Goes);
        let holds = view([Live, Live, Live, Dead], &[(1, &[1, 2, 3]), (7, &[1, 2, 4])]);
        let Verdict::Waits(text) = judge(&holds, node) else { panic!("it goes") };
        assert!(text.contains("r7 still has replicas on n4; r7: next: r7 from n4 to n3"), "{text}");
        let needed = view([Live, Live, Dead, Dead], &[(1, &[1, 2, 3]), (7, &[1, 3, 4]), (8, &[2, 3, 4])]);
        let Verdict::No(text) = judge(&needed, node) else { panic!("not refused") };
        assert!(text.contains("r7, r8 have no majority without n4"), "{text}");
        let alone = view([Live, Live, Dead, Dead], &[(7, &[1, 2, 4])]);
        let Verdict::No(text) = judge(&alone, node) else { panic!("nobody can take its replica") };
        assert!(text.contains("r7 on n4 cannot be replaced: no node can take a replica"), "{text}");
    }
}
