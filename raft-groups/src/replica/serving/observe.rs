//! What the machine tells: its Raft task of sends, acknowledgements and leadership, its apply of what requests wait for.

use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::ReplicaId;

use super::Serving;
use super::clockwork::Nobody;
use crate::lease::Event;
use crate::raft::LeaseObserver;
use crate::replica::machine::{Listener, MachineEvent};

impl LeaseObserver for Serving {
    fn sent_now(&self) -> u64 {
        let now = self.shared.now();
        let _ = self.lease.lock().step(now, Event::Sent, &Nobody);
        now
    }

    fn may_send(&self) -> bool {
        !self.lease.lock().is_paused()
    }

    fn acknowledged(&self, by: ReplicaId, term: u64, sent_at: u64) {
        self.note(Event::Acknowledged { by, term, sent_at });
    }

    fn leadership(&self, term: u64, leader: Option<ReplicaId>) {
        if leader != Some(self.replica_id) {
            self.note(Event::Deposed);
            return;
        }
        // Whatever the leader before has served lies below this clock: its lease ended before the votes were given.
        let elected_at = self.hybrid_now();
        self.cache.lock().raise_low_water(elected_at);
        tracing::info!(range = %self.range_id, replica = %self.replica_id, term, "elected");
        self.note(Event::Elected { term });
    }

    fn met_damage(&self, detail: &str) {
        // The store's upkeep sees to the rest: this is called from within the Raft task.
        self.mark_damaged(detail);
    }
}

impl Listener for Serving {
    fn tell(&self, event: MachineEvent) {
        match event {
            MachineEvent::ReadBefore { upto } => self.cache.lock().raise_low_water(upto),
            MachineEvent::DescriptorChanged => self.changed.notify_waiters(),
            MachineEvent::BlankApplied { term } => self.note(Event::BlankApplied { term }),
            MachineEvent::TaskEnded => self.note(Event::Deposed),
        }
    }
}

impl Serving {
    /// Hybrid time. Where its bound is late, what it would be: no timestamp is given out from here, and those that are
    /// come after it.
    fn hybrid_now(&self) -> Timestamp {
        let clock = &self.shared.clock;
        clock.now().unwrap_or_else(|_| {
            let now = clock.peek();
            clock.forward_applied(now);
            now
        })
    }
}
