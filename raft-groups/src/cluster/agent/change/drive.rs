//! Carries the steps of changes out, for the ranges that are led here, and tidies up what a lost leader left behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::{ChangeStep, CreateError, Goal, ReplicaChange, Seen};
use crate::cluster::agent::Agent;
use crate::cluster::identify::found_at;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};
use crate::cluster::status::{ChangeStatus, millis};
use crate::descriptor::RangeDescriptor;
use crate::limits::SUSPECT_AFTER;
use crate::local_ranges::{LedRange, ReplicaProgress};

/// Pause before the range is looked at again where nothing could be done.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the next leader is asked to go on with a change.
const SUCCESSOR_ASKED_MAX: usize = 30;
/// How often a learner is asked how far it is: each answer is a sync on its disk.
const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// Longest wait for another node's answer: a synced write, and a queue before it.
const NODE_TIMEOUT: Duration = Duration::from_secs(4);
/// How often ranges led here are searched for what a lost leader left behind.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a learner may be nobody's before it is removed: whoever decided on it may ask again.
const LEARNER_ABANDONED: Duration = Duration::from_secs(20);
/// How long it is told that a change has failed.
const FAILURE_TOLD: Duration = Duration::from_secs(60);

/// The changes that this node drives.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Changes {
    running: BTreeMap<RangeId, Running>,
    /// Learners that nobody drives, since when.
    abandoned: BTreeMap<RangeId, Duration>,
}

#[derive(Debug)]
struct Running {
    change: ReplicaChange,
    since: Duration,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Ended {
    at: Duration,
    failure: Option<String>,
}

impl Changes {
    fn is_running(&self, range_id: RangeId) -> bool {
        self.running_goal(range_id).is_some()
    }

    /// What the change that runs wants.
    fn running_goal(&self, range_id: RangeId) -> Option<Goal> {
        let running = self.running.get(&range_id).filter(|running| running.ended.is_none())?;
        Some(running.change.goal())
    }

    /// What is under way, and what failed a moment ago.
    pub fn told(&mut self, now: Duration) -> Vec<ChangeStatus> {
        self.running.retain(|_, running| match &running.ended {
            Some(Ended { at, failure: Some(_) }) => now.saturating_sub(*at) < FAILURE_TOLD,
            Some(Ended { failure: None, .. }) => false,
            None => true,
        });
        self.running.iter().map(|(range_id, running)| told(*range_id, running, now)).collect()
    }
}

fn told(range_id: RangeId, running: &Running, now: Duration) -> ChangeStatus {
    let goal = running.change.goal();
    let (progress, copying_since) = running.change.progress().unwrap_or((ReplicaProgress::default(), now));
    ChangeStatus {
        range_id,
        add: goal.add,
        remove: goal.remove,
        stage: running.change.stage().to_string(),
        elapsed_ms: millis(now.saturating_sub(running.since)),
        bytes: progress.bytes,
        bytes_expected: progress.bytes_expected,
        copying_ms: millis(now.saturating_sub(copying_since)),
        failure: running.ended.as_ref().and_then(|ended| ended.failure.clone()),
    }
}

impl Agent {
    /// Begins a change of a range that is led here; it goes on by itself.
    pub fn begin_change(self: &Arc<Self>, range_id: RangeId, goal: Goal) -> ClusterAnswer {
        let Some(led) = self.calls.ranges.led_range(range_id) else {
            let leader = self.calls.ranges.status(range_id).and_then(|status| status.leader_node);
            return ClusterAnswer::NotLeader {
                leader: leader.filter(|leader| *leader != self.calls.node_id()),
            };
        };
        // Asked again by somebody whose answer was lost.
        let running = self.changes.lock().running_goal(range_id);
        if running.is_some_and(|running| (running.add, running.remove) == (goal.add, goal.remove)) {
            return ClusterAnswer::Done;
        }
        if led.descriptor.generation != goal.generation {
            return ClusterAnswer::Unavailable(format!(
                "{range_id} has changed meanwhile: this was decided on generation {}, it is {}",
                goal.generation, led.descriptor.generation
            ));
        }
        if !self.enter_change(range_id, goal) {
            return ClusterAnswer::Unavailable(format!("another change of {range_id} is under way"));
        }
        self.tasks.spawn(Arc::clone(self).drive_change(range_id));
        ClusterAnswer::Done
    }

    /// Takes note of a change, unless another one of the range runs.
    fn enter_change(&self, range_id: RangeId, goal: Goal) -> bool {
        let now = self.calls.boottime();
        let mut changes = self.changes.lock();
        if changes.is_running(range_id) {
            return false;
        }
        let change = ReplicaChange::new(range_id, goal, now);
        changes.running.insert(range_id, Running { change, since: now, ended: None });
        true
    }

    async fn drive_change(self: Arc<Self>, range_id: RangeId) {
        let failure = loop {
            let seen = self.calls.ranges.led_range(range_id).map(|led| seen(&led, &self.silent_of(range_id)));
            let now = self.calls.boottime();
            let Some(step) = self.with_change(range_id, |change| change.next(now, seen.as_ref())) else {
                return;
            };
            let committed = seen.as_ref().map_or(0, |seen| seen.members.committed);
            match self.carry_out(range_id, step, committed).await {
                None => {}
                Some(ChangeStep::Failed(reason)) => break Some(reason),
                Some(_) => break None,
            }
        };
        match &failure {
            None => tracing::info!(range = %range_id, "a change of replicas is done"),
            Some(reason) => tracing::warn!(range = %range_id, reason, "a change of replicas ended early"),
        }
        let at = self.calls.boottime();
        if let Some(running) = self.changes.lock().running.get_mut(&range_id) {
            running.ended = Some(Ended { at, failure });
        }
        // Whoever decides on the next change must not wait for the next report.
        self.report_once().await;
    }

    /// Does what a step says; the last one is given back.
    async fn carry_out(
        self: &Arc<Self>,
        range_id: RangeId,
        step: ChangeStep,
        committed: u64,
    ) -> Option<ChangeStep> {
        match step {
            ChangeStep::Members { on, change } => {
                tracing::info!(range = %range_id, ?change, "members change");
                let result = self.calls.ranges.change_members(range_id, on, change).await;
                let is_made = result.is_ok();
                let now = self.calls.boottime();
                let last = self.with_change(range_id, |change| change.changed(now, result)).flatten();
                if !is_made {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                last
            }
            ChangeStep::Create { node, replica } => {
                self.create_learner_on(node, range_id, replica).await;
                None
            }
            ChangeStep::Ask { node, replica } => {
                self.ask_progress(node, range_id, replica, committed).await;
                None
            }
            ChangeStep::HandOver { to } => Some(self.hand_over_change(range_id, to).await),
            ChangeStep::Collect { node } => {
                self.tell_collect(node, range_id).await;
                None
            }
            ChangeStep::Pause => {
                tokio::time::sleep(LOOK_AGAIN).await;
                None
            }
            ChangeStep::Done | ChangeStep::Failed(_) => Some(step),
        }
    }

    async fn create_learner_on(&self, node: NodeId, range_id: RangeId, replica: ReplicaId) {
        let Some(led) = self.calls.ranges.led_range(range_id) else { return };
        let request = ClusterRequest::CreateLearner { descriptor: led.descriptor };
        let result = match self.calls.ask_node(node, &request, NODE_TIMEOUT).await {
            Ok(ClusterAnswer::Done) => Ok(()),
            Ok(ClusterAnswer::Refused(reason)) => Err(CreateError::Refused(reason)),
            Ok(_) | Err(_) => Err(CreateError::NotNow),
        };
        let is_there = result.is_ok();
        let now = self.calls.boottime();
        self.with_change(range_id, |change| change.created(now, replica, result));
        if !is_there {
            self.look_for_target(range_id, node).await;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Gives a change up whose new node is silent and known not to come back as it was.
    async fn look_for_target(&self, range_id: RangeId, node: NodeId) {
        if self.calls.rpc.last_heard(node).is_some_and(|silence| silence < SUSPECT_AFTER) {
            return;
        }
        let lost = match self.directory.registry.get(node) {
            None => Some(format!("{node} is no member any more")),
            Some(record) => found_at(self.bootstrap.as_ref(), &record).await.absence(),
        };
        if let Some(reason) = lost {
            let now = self.calls.boottime();
            self.with_change(range_id, |change| change.target_lost(now, &reason));
        }
    }

    async fn ask_progress(&self, node: NodeId, range_id: RangeId, replica_id: ReplicaId, committed: u64) {
        let request = ClusterRequest::Progress { range_id, replica_id };
        let progress = match self.calls.ask_node(node, &request, NODE_TIMEOUT).await {
            Ok(ClusterAnswer::Progress(progress)) => progress,
            Ok(_) | Err(_) => None,
        };
        if progress.is_none() {
            self.look_for_target(range_id, node).await;
        }
        let now = self.calls.boottime();
        let is_near = self.with_change(range_id, |change| {
            change.reported(now, committed, progress);
            change.is_caught_up
        });
        if is_near != Some(true) {
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    }

    /// The leader itself is to leave: another one leads, and is asked for the same.
    async fn hand_over_change(&self, range_id: RangeId, to: NodeId) -> ChangeStep {
        if let Err(error) = self.calls.ranges.end_lease_and_transfer(range_id, to).await {
            return ChangeStep::Failed(format!("its leader could not hand over to {to}: {error}"));
        }
        let Some(goal) = self.with_change(range_id, |change| change.goal()) else { return ChangeStep::Done };
        let (mut asked, mut last) = (to, String::new());
        // What was decided holds for the range as it was left, and for no later one.
        let generation = self.calls.ranges.status(range_id).map_or(0, |status| status.descriptor.generation);
        // Whoever was handed the lease leads only once its first entry is applied.
        for _ in 0..SUCCESSOR_ASKED_MAX {
            let Goal { add, remove, .. } = goal;
            let request = ClusterRequest::ChangeReplicas { range_id, generation, add, remove };
            match self.calls.ask_node(asked, &request, NODE_TIMEOUT).await {
                Ok(ClusterAnswer::Done) => return ChangeStep::Done,
                Ok(ClusterAnswer::NotLeader { leader }) => {
                    last = format!("{asked} does not lead it");
                    // Not back to this node: it is about to leave.
                    asked = leader.filter(|leader| *leader != self.calls.node_id()).unwrap_or(to);
                }
                Ok(other) => last = format!("{asked}: {}", other.complaint()),
                Err(error) => last = format!("{asked}: {error}"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        ChangeStep::Failed(format!("its lease was handed over, and nobody went on: {last}"))
    }

    async fn tell_collect(&self, node: NodeId, range_id: RangeId) {
        let Some(status) = self.calls.ranges.status(range_id) else { return };
        let request = ClusterRequest::Collect { descriptor: RangeDescriptor::clone(&status.descriptor) };
        let answer = self.calls.ask_node(node, &request, NODE_TIMEOUT).await;
        if let Ok(ClusterAnswer::Unavailable(reason)) = answer {
            tracing::debug!(%node, range = %range_id, reason, "a removed replica is not collected yet");
            tokio::time::sleep(LOOK_AGAIN).await;
            return;
        }
        // Whoever does not answer finds out when it looks at the directory.
        let now = self.calls.boottime();
        self.with_change(range_id, |change| change.collected(now));
    }

    fn with_change<R>(&self, range_id: RangeId, work: impl FnOnce(&mut ReplicaChange) -> R) -> Option<R> {
        let mut changes = self.changes.lock();
        changes.running.get_mut(&range_id).map(|running| work(&mut running.change))
    }

    /// Nodes of peers that do not answer the range's leader here.
    fn silent_of(&self, range_id: RangeId) -> Vec<NodeId> {
        let status = self.calls.ranges.status(range_id);
        status.map_or_else(Vec::new, |status| status.silent_peers.iter().map(|peer| peer.node_id).collect())
    }

    /// Finishes joint configurations and removes learners that a lost leader left behind.
    pub async fn tidy_members_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TIDY_INTERVAL).await;
            let led = self.calls.ranges.statuses().into_iter().filter(|status| status.has_lease);
            for range_id in led.map(|status| status.descriptor.range_id).collect::<Vec<_>>() {
                self.tidy_members(range_id);
            }
        }
    }

    fn tidy_members(self: &Arc<Self>, range_id: RangeId) {
        if self.changes.lock().is_running(range_id) {
            self.changes.lock().abandoned.remove(&range_id);
            return;
        }
        let Some(led) = self.calls.ranges.led_range(range_id).filter(|led| led.members.is_committed) else {
            return;
        };
        let membership = &led.members.membership;
        let is_joint = membership.voters.len() > 1;
        let votes = |id: &ReplicaId| membership.voters.iter().any(|voters| voters.contains(id));
        let learner = membership.nodes.iter().find(|(id, _)| !votes(id)).map(|(_, node)| *node);
        let now = self.calls.boottime();
        let remove = match learner {
            None => {
                self.changes.lock().abandoned.remove(&range_id);
                None
            }
            Some(node) => {
                let since = *self.changes.lock().abandoned.entry(range_id).or_insert(now);
                (now.saturating_sub(since) >= LEARNER_ABANDONED).then_some(node)
            }
        };
        if !is_joint && remove.is_none() {
            return;
        }
        let goal = Goal { generation: led.descriptor.generation, add: None, remove };
        tracing::info!(range = %range_id, is_joint, ?remove, "members left behind are tidied up");
        let _ = self.begin_change(range_id, goal);
    }
}

fn seen(led: &LedRange, silent: &[NodeId]) -> Seen {
    let nodes = led.members.membership.nodes.iter();
    Seen {
        generation: led.descriptor.generation,
        next_replica_id: led.descriptor.next_replica_id,
        me: led.replica_id,
        members: led.members.clone(),
        silent: nodes.filter(|(_, node)| silent.contains(node)).map(|(id, _)| *id).collect(),
    }
}
