//! Right sides of splits that are applied and whose replicas do not run yet.
//!
//! Apply puts them here once they are on the disk, and the store takes them out one after the other. Nothing is lost
//! with the process: the next start opens what is on the disk. There are never more than the node has replicas.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_placement::topology::{RangeId, ReplicaId};
use tokio::sync::Notify;

use crate::applied_state::AppliedState;
use crate::descriptor::RangeDescriptor;

/// A right side that waits for its start.
#[derive(Clone, Debug)]
pub struct Newborn {
    /// What it is.
    pub state: AppliedState,
    /// This node's replica.
    pub replica_id: ReplicaId,
    /// Whether it is to lead.
    pub first_leader: FirstLeader,
}

/// What a newborn has to do with its group's first leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLeader {
    /// It leads the granted term at once.
    Granted,
    /// The term was granted to it, but it may have led that before a restart: it stands for the next one.
    Campaigns,
    /// Another one was chosen.
    Another,
}

/// Those that wait.
#[derive(Debug, Default)]
pub struct Nursery {
    waiting: Mutex<BTreeMap<RangeId, Newborn>>,
    /// Told when one comes.
    pub came: Notify,
}

impl Nursery {
    /// Takes newborns in.
    pub fn put(&self, newborns: Vec<Newborn>) {
        if newborns.is_empty() {
            return;
        }
        let known = |newborn: &Newborn| newborn.state.descriptor.is_known();
        assert!(newborns.iter().all(known), "the right side of a split knows its keys");
        let mut waiting = self.waiting.lock();
        waiting.extend(newborns.into_iter().map(|newborn| (newborn.state.descriptor.range_id, newborn)));
        drop(waiting);
        self.came.notify_one();
    }

    /// The first one.
    pub fn first(&self) -> Option<Newborn> {
        self.waiting.lock().values().next().cloned()
    }

    /// Whether a newborn leads the granted term; that is said once.
    pub fn take_grant(&self, range_id: RangeId) -> bool {
        let mut waiting = self.waiting.lock();
        let Some(newborn) = waiting.get_mut(&range_id) else { return false };
        let is_granted = newborn.first_leader == FirstLeader::Granted;
        if is_granted {
            newborn.first_leader = FirstLeader::Campaigns;
        }
        is_granted
    }

    /// Whether a range waits here.
    pub fn has(&self, range_id: RangeId) -> bool {
        self.waiting.lock().contains_key(&range_id)
    }

    /// A range has started, or never will.
    pub fn remove(&self, range_id: RangeId) {
        self.waiting.lock().remove(&range_id);
    }

    /// Descriptors of all that wait.
    pub fn descriptors(&self) -> Vec<Arc<RangeDescriptor>> {
        self.waiting.lock().values().map(|newborn| Arc::clone(&newborn.state.descriptor)).collect()
    }
}
