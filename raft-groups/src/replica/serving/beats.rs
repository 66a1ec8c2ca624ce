//! Heartbeats past the Raft tasks of both sides, those of many ranges in one message.
//!
//! ```text
//!   leader's tick ──▶ Beats ──▶ one message a node ──▶ the follower surely follows: promised, taken
//!        │                                │
//!        │    the group rests: not taken, or no answer: its Raft task sends heartbeats again
//!        └─── the group is busy: its Raft task sends heartbeats all the time
//! ```
//!
//! They are all that a group sends that rests: a store with hundreds of idle ranges does little else than this. Those of a
//! busy one keep its lease on a machine that has more to do than it can: they need nothing but the ticker and the lane for
//! leases of both nodes, which wait for nothing else (`tasks`).
//!
//! Invariants: a heartbeat is taken only by a replica that surely follows this very leader, and the promise is recorded before
//! the answer leaves. Where the group rests it is taken only by one that has its last entry on the disk and has applied it;
//! whatever is not taken is told again by the leader's Raft task, so that it learns of later terms, and of logs that differ.
//! A leader whose Raft task reaches no quorum any more sends none beside it for longer than `Timing::beside`.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use quorate_placement::topology::{NodeId, ReplicaId};

use super::Serving;
use super::clockwork::Nobody;
use crate::heartbeat::Beat;
use crate::lease::{Effect, Event};
use crate::limits::BEATS_MAX;
use crate::log_position::LogPosition;
use crate::raft::{LeaseObserver, RaftGroup};
use crate::rpc::{Rpc, Service};
use crate::transport::Lane;
use crate::wire::beats::{read_taken, write_beats};

/// Heartbeats of a store's leaders that are about to be sent.
#[derive(Default)]
pub struct Beats {
    by_node: BTreeMap<NodeId, Vec<Sent>>,
}

/// One that was stamped. Whoever waits for the answer keeps no store open.
struct Sent {
    serving: Weak<Serving>,
    group: Weak<RaftGroup>,
    beat: Beat,
    sent_at: u64,
}

impl Beats {
    /// Sends them all, and takes the answers as they come, for no longer than `timeout`.
    pub fn send(self, rpc: &Arc<Rpc>, timeout: Duration) {
        for (node, sent) in self.by_node {
            let mut left = sent.into_iter().peekable();
            while left.peek().is_some() {
                let part: Vec<_> = left.by_ref().take(BEATS_MAX).collect();
                tokio::spawn(send_to(node, part, Arc::clone(rpc), timeout));
            }
        }
    }
}

async fn send_to(node: NodeId, sent: Vec<Sent>, rpc: Arc<Rpc>, timeout: Duration) {
    let beats: Vec<Beat> = sent.iter().map(|sent| sent.beat).collect();
    let answer = rpc.call(Service::Heartbeat.at(node, Lane::Leases), write_beats(&beats), timeout).await;
    let taken = match answer {
        Ok(bytes) => read_taken(bytes).unwrap_or_else(|error| {
            tracing::warn!(%node, %error, "an answer to heartbeats was not read");
            Vec::new()
        }),
        Err(error) => {
            tracing::debug!(%node, %error, "heartbeats without an answer");
            Vec::new()
        }
    };
    let taken = taken.into_iter().chain(std::iter::repeat(false));
    for (Sent { serving, group, beat, sent_at }, is_taken) in sent.into_iter().zip(taken) {
        match (serving.upgrade(), group.upgrade()) {
            (Some(serving), Some(_)) if is_taken => serving.beat_taken(&beat, sent_at),
            // Each waits for its own Raft task.
            (Some(serving), Some(group)) if beat.last.is_some() => {
                serving.shared.blocking.tasks().ordinary(async move { group.stir().await });
            }
            (_, _) => {}
        }
    }
}

impl Serving {
    /// Stamps this leader's heartbeats to all its peers; `last` where its group rests.
    pub(super) fn add_beats(
        self: &Arc<Self>,
        (term, last): (u64, Option<LogPosition>),
        peers: impl Iterator<Item = (ReplicaId, NodeId)>,
        group: &Arc<RaftGroup>,
        beats: &mut Beats,
    ) {
        let sent_at = self.sent_now();
        for (to, node) in peers {
            let beat = Beat { range_id: self.range_id, from: self.replica_id, to, term, last };
            let (serving, group) = (Arc::downgrade(self), Arc::downgrade(group));
            beats.by_node.entry(node).or_default().push(Sent { serving, group, beat, sent_at });
        }
    }

    /// A peer took a heartbeat.
    fn beat_taken(&self, beat: &Beat, sent_at: u64) {
        let (by, term) = (beat.to, beat.term);
        self.note(match beat.last {
            Some(_) => Event::Acknowledged { by, term, sent_at },
            None => Event::TakenBeside { by, term, sent_at },
        });
    }

    /// Takes a leader's heartbeat, and promises what an acknowledgement promises; false where its Raft task has to see
    /// it.
    pub fn take_beat(&self, beat: &Beat) -> bool {
        let Some(group) = self.machine.group().filter(|_| beat.to == self.replica_id) else { return false };
        let leader = beat.leader();
        beat.last.is_none_or(|last| group.has_all_of(leader, last))
            && self.step_lease(Event::BeatArrived { leader }, &Nobody) == Some(Effect::Admit)
    }
}
