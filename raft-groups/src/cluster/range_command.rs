//! `quorate range move | split | transfer-leader`: what a person asks of a range, through any member.
//!
//! A move is checked and begun here, and goes on by itself on the range's leader: the asker looks at the status until it
//! is done. Every refusal says where to look next.

use std::time::Duration;

use quorate_engine::kv::{Key, Span};
use quorate_placement::repair::tier_lost;
use quorate_placement::topology::{NodeId, RangeId};

use super::bootstrap_message::BootstrapAnswer;
use super::calls::Calls;
use super::directory::Directory;
use super::leader::Leader;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use crate::client::call::CallError;
use crate::descriptor::RangeDescriptor;

/// How often a move is tried again whose range has changed since the directory was read.
const ATTEMPTS_MAX: usize = 20;
/// Pause between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for the node that is to take a replica.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for one node to split a range: counting its bytes, its requests, a quorum.
const SPLIT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a hand-over.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeCommand {
    /// Put a replica on another node.
    Move {
        /// The range.
        range_id: RangeId,
        /// The node that has a replica.
        from: NodeId,
        /// The node that is to have it.
        to: NodeId,
        /// Also where two replicas then stand in one zone, or another tier.
        share_tier: bool,
    },
    /// Make two ranges of it.
    Split {
        /// The range.
        range_id: RangeId,
        /// First key of the right side; in the middle of the bytes where none is given.
        at: Option<Key>,
    },
    /// Let another replica lead.
    TransferLeader {
        /// The range.
        range_id: RangeId,
        /// The node that is to lead.
        to: NodeId,
    },
}

/// Where a person looks after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookAt {
    /// The list of ranges: there is none of this id.
    Ranges,
    /// The range.
    Range,
    /// The status of the cluster: a node is unknown, or does not answer.
    Status,
}

/// A refusal.
struct No {
    reason: String,
    look_at: LookAt,
}

fn no(look_at: LookAt, reason: String) -> No {
    No { reason, look_at }
}

impl Member {
    /// Does what is asked of a range, or begins it.
    pub async fn run_range_command(&self, command: RangeCommand) -> BootstrapAnswer {
        let (calls, directory, leader) = (self.calls.as_ref(), self.directory.as_ref(), self.leader.as_ref());
        ByHand { calls, directory, leader }.run(command).await
    }
}

/// What a person asks of a range, carried out through the directory, the range's leader and its nodes.
struct ByHand<'a> {
    calls: &'a Calls,
    directory: &'a Directory,
    leader: &'a Leader,
}

impl ByHand<'_> {
    async fn run(&self, command: RangeCommand) -> BootstrapAnswer {
        let done = match command {
            RangeCommand::Move { range_id, from, to, share_tier } => {
                self.begin_move(range_id, from, to, share_tier).await
            }
            RangeCommand::Split { range_id, at } => self.split_by_hand(range_id, at).await,
            RangeCommand::TransferLeader { range_id, to } => self.transfer_by_hand(range_id, to).await,
        };
        match done {
            Ok(text) => BootstrapAnswer::RangeDone(text),
            Err(No { reason, look_at }) => BootstrapAnswer::RangeRefused { reason, look_at },
        }
    }

    async fn begin_move(
        &self,
        range_id: RangeId,
        from: NodeId,
        to: NodeId,
        share_tier: bool,
    ) -> Result<String, No> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let descriptor = self.described(range_id).await?;
            self.check_known(from).await?;
            self.check_known(to).await?;
            self.check_move(&descriptor, from, to)?;
            self.check_answers(to, range_id).await?;
            if !share_tier {
                self.check_spread(&descriptor, from, to)?;
            }
            let answer = self.leader.ask_to_change(&descriptor, Some(to), Some(from)).await;
            if answer == ClusterAnswer::Done {
                return Ok(format!("{range_id} moves from {from} to {to}"));
            }
            last = answer.complaint();
            if let ClusterAnswer::Refused(reason) = answer {
                return Err(no(LookAt::Range, reason));
            }
            tokio::time::sleep(ATTEMPT_PAUSE).await;
        }
        Err(no(LookAt::Range, format!("the move of {range_id} could not begin: {last}; nothing was changed")))
    }

    /// The range as the directory has it, or as its replica here knows better.
    async fn described(&self, range_id: RangeId) -> Result<RangeDescriptor, No> {
        let everything = Span::prefix(Key::default());
        let listed = self.directory.read(&everything).await;
        let listed =
            listed.map_err(|error| no(LookAt::Status, format!("the ranges cannot be read: {error}")))?;
        let listed = listed.into_iter().find(|descriptor| descriptor.range_id == range_id);
        let here = self.calls.ranges.status(range_id).filter(|status| status.descriptor.is_known());
        let here = here.map(|status| RangeDescriptor::clone(&status.descriptor));
        let newest = listed.into_iter().chain(here);
        newest
            .max_by_key(|descriptor| descriptor.generation)
            .ok_or_else(|| no(LookAt::Ranges, format!("there is no range {range_id}")))
    }

    fn check_move(&self, descriptor: &RangeDescriptor, from: NodeId, to: NodeId) -> Result<(), No> {
        let range_id = descriptor.range_id;
        if from == to {
            return Err(no(LookAt::Range, format!("{range_id} would move from {from} to itself")));
        }
        if descriptor.voters().all(|replica| replica.node_id != from) {
            return Err(no(LookAt::Range, format!("{range_id} has no replica on {from} to move")));
        }
        if descriptor.voters().any(|replica| replica.node_id == to) {
            return Err(no(LookAt::Range, format!("{range_id} has a replica on {to} already")));
        }
        Ok(())
    }

    /// A node that takes a replica has to answer now: anything does as an answer.
    async fn check_answers(&self, to: NodeId, range_id: RangeId) -> Result<(), No> {
        match self.calls.ask_node(to, &ClusterRequest::Describe { range_id }, ANSWER_TIMEOUT).await {
            Ok(_) => Ok(()),
            Err(_) => Err(no(LookAt::Status, format!("{to} does not answer: it cannot take a replica"))),
        }
    }

    async fn check_known(&self, node: NodeId) -> Result<(), No> {
        if self.directory.registry.get(node).is_none() {
            // It may have joined a moment ago.
            let refreshed = self.directory.refresh().await;
            refreshed.map_err(|error| no(LookAt::Status, format!("the nodes cannot be read: {error}")))?;
        }
        match self.directory.registry.get(node) {
            Some(_) => Ok(()),
            None => Err(no(LookAt::Status, format!("there is no node {node}"))),
        }
    }

    /// Replicas stand apart: a move must not bring two of them into one zone.
    fn check_spread(&self, descriptor: &RangeDescriptor, from: NodeId, to: NodeId) -> Result<(), No> {
        let locality = |node: NodeId| self.directory.registry.get(node).map(|record| record.locality);
        let stays = descriptor.voters().map(|replica| replica.node_id).filter(|node| *node != from);
        let stays: Vec<_> = stays.filter_map(locality).collect();
        let (Some(from_at), Some(to_at)) = (locality(from), locality(to)) else { return Ok(()) };
        match tier_lost(&stays, &from_at, &to_at) {
            None => Ok(()),
            Some(tier) => Err(no(
                LookAt::Status,
                format!(
                    "{} would have more replicas in {tier} than now: losing it would cost more; choose a node \
                     elsewhere, or repeat with --share-tier",
                    descriptor.range_id
                ),
            )),
        }
    }

    async fn transfer_by_hand(&self, range_id: RangeId, to: NodeId) -> Result<String, No> {
        let descriptor = self.described(range_id).await?;
        self.check_known(to).await?;
        if descriptor.voters().all(|replica| replica.node_id != to) {
            let reason = format!("{range_id} has no replica on {to} that could lead");
            return Err(no(LookAt::Range, reason));
        }
        let mut reasons = Vec::new();
        for node in self.likely_leaders(&descriptor) {
            let request = ClusterRequest::TransferLease { range_id, to };
            match self.calls.ask_node(node, &request, TRANSFER_TIMEOUT).await {
                Ok(ClusterAnswer::Done) => return Ok(format!("{to} leads {range_id}")),
                Ok(other) => reasons.push(format!("{node}: {}", other.complaint())),
                Err(error) => reasons.push(format!("{node}: {error}")),
            }
        }
        Err(no(LookAt::Range, format!("{to} does not lead {range_id}: {}", reasons.join("; "))))
    }

    /// Nodes that may lead a range, the likeliest first.
    fn likely_leaders(&self, descriptor: &RangeDescriptor) -> Vec<NodeId> {
        let likeliest = self.leader.leader_of(descriptor);
        let mut nodes: Vec<_> = descriptor.voters().map(|replica| replica.node_id).collect();
        nodes.sort_by_key(|node| Some(*node) != likeliest);
        nodes
    }

    /// Splits a range; the left side keeps its id. Both sides serve when this returns, or soon after; the directory
    /// follows by itself.
    async fn split_by_hand(&self, range_id: RangeId, at: Option<Key>) -> Result<String, No> {
        let descriptor = self.described(range_id).await?;
        let mut reasons = Vec::new();
        for node in self.likely_leaders(&descriptor) {
            let request = ClusterRequest::SplitRange { range_id, at: at.clone() };
            match self.calls.ask_node(node, &request, SPLIT_TIMEOUT).await {
                Ok(ClusterAnswer::Range(right)) => {
                    let text =
                        format!("{range_id} is split: {} begins at {}", right.range_id, right.span.start);
                    self.calls.router.learn(*right);
                    return Ok(text);
                }
                Ok(ClusterAnswer::Refused(reason)) => return Err(no(LookAt::Range, reason)),
                Ok(other) => reasons.push(format!("{node}: {}", other.complaint())),
                Err(error @ CallError::NotDone(_)) => reasons.push(format!("{node}: {error}")),
                // Another one, asked now, might split what this one has split already.
                Err(error @ CallError::NoAnswer(_)) => {
                    reasons.push(format!("{node}: {error}"));
                    break;
                }
            }
        }
        let reasons = reasons.join("; ");
        let reason = format!("no split of {range_id} is confirmed; look before you ask again: {reasons}");
        Err(no(LookAt::Range, reason))
    }
}
