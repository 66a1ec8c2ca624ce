//! From replica to replica until one answers: the way is decided by [`Route`], and what is met on it is learnt.

use std::time::Duration;

use quorate_placement::topology::NodeId;

use super::SendError;
use super::back_pressure::BackPressure;
use super::counts::Counters;
use super::fate::{Doubt, Fate, Verdict};
use super::known::KnownRanges;
use super::transport::{Attempt, Outgoing};
use crate::api::{RangeError, RangeRequest, Response};
use crate::client::budget::QuorumBudget;
use crate::client::route::{Failure, Route, RouteStep};
use crate::descriptor::RangeDescriptor;
use crate::telling::shown;

/// A shorter wait than this is no news to whoever is told that it was in vain.
const WAIT_TOLD: Duration = Duration::from_secs(1);

/// Replicas, in the order in which they are best asked.
pub(super) struct Walk {
    /// The layer below.
    pub pressure: BackPressure,
    /// Where ranges lie.
    pub known: KnownRanges,
    /// What was answered.
    pub counters: Counters,
}

/// A request on its way, and to which range.
struct Asked<'a> {
    descriptor: &'a RangeDescriptor,
    message: &'a RangeRequest,
    fate: Fate,
}

impl Walk {
    /// Sends a message, and returns the first answer that its sender can use. What was waited is taken from the budget.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(
        &self,
        descriptor: &RangeDescriptor,
        message: &RangeRequest,
        budget: &mut QuorumBudget,
    ) -> Result<Response, SendError> {
        let mut doubt = Doubt::default();
        let asked = Asked { descriptor, message, fate: Fate::of(message) };
        let answer = self.go(&asked, budget, &mut doubt).await;
        doubt.end(message.range_id, answer)
    }

    async fn go(
        &self,
        asked: &Asked<'_>,
        budget: &mut QuorumBudget,
        doubt: &mut Doubt,
    ) -> Result<Response, SendError> {
        let transport = &self.pressure.transport;
        let mut route = Route::new(asked.descriptor, self.leaseholder_hint(asked.descriptor), transport.node);
        let mut outgoing = Outgoing::new(asked.message);
        loop {
            let mut begun = transport.boottime();
            match route.next_step() {
                RouteStep::Ask(node) => {
                    let attempt = self.pressure.attempt(node, &mut outgoing, budget.left()).await;
                    let (attempt, held) = attempt;
                    // Waiting for a split is no waiting for a quorum.
                    begun += held;
                    match self.judge(node, asked, attempt) {
                        Verdict::Done(done) => {
                            if matches!(done, Err(SendError::Lost { .. })) {
                                self.spend(budget, begun);
                            }
                            return done;
                        }
                        Verdict::Perhaps(failure) => {
                            doubt.note(node, &failure);
                            route.failed(node, failure);
                        }
                        Verdict::Next(failure) => route.failed(node, failure),
                    }
                }
                RouteStep::Pause { round } => self.rest(round, budget).await,
                RouteStep::Stale => {
                    self.known.forget(asked.descriptor);
                    self.rest(1, budget).await;
                    self.spend(budget, begun);
                    let is_over = budget.is_spent();
                    return Err(if is_over { unavailable(asked, &route, budget) } else { SendError::Stale });
                }
                RouteStep::GiveUp => return Err(unavailable(asked, &route, budget)),
            }
            self.spend(budget, begun);
            if budget.is_spent() {
                return Err(unavailable(asked, &route, budget));
            }
        }
    }

    async fn rest(&self, round: u32, budget: &QuorumBudget) {
        tokio::time::sleep(self.pressure.pause(round).min(budget.left())).await;
    }

    fn spend(&self, budget: &mut QuorumBudget, begun: Duration) {
        budget.spend(self.pressure.transport.boottime().saturating_sub(begun));
    }

    fn leaseholder_hint(&self, descriptor: &RangeDescriptor) -> Option<NodeId> {
        match self.pressure.transport.ranges.leader_node(descriptor.range_id) {
            Some(leader) => leader,
            None => self.known.leaseholder(descriptor),
        }
    }

    fn judge(&self, node: NodeId, asked: &Asked<'_>, attempt: Attempt) -> Verdict {
        match attempt {
            Attempt::NotDone(detail) => Verdict::Next(Failure::Unreachable(detail)),
            Attempt::NoAnswer(detail) => {
                asked.fate.unanswered(asked.message.range_id, node, Failure::Unreachable(detail))
            }
            Attempt::Answered(Ok(response)) => {
                self.count(node, asked);
                self.known.set_leaseholder(asked.descriptor, node);
                Verdict::Done(Ok(response))
            }
            Attempt::Answered(Err(error)) => self.judge_error(node, asked, error),
        }
    }

    fn judge_error(&self, node: NodeId, asked: &Asked<'_>, error: RangeError) -> Verdict {
        match error {
            RangeError::NotLeaseholder { leaseholder, .. } => {
                Verdict::Next(Failure::NotLeaseholder(leaseholder.filter(|hint| *hint != node)))
            }
            RangeError::Mismatch { known, .. } => self.judge_mismatch(asked, known),
            RangeError::Unavailable { detail, .. } => Verdict::Next(Failure::Unavailable(detail)),
            RangeError::Ambiguous { detail, .. } if asked.fate != Fate::Repeatable => {
                asked.fate.unanswered(asked.message.range_id, node, Failure::Unavailable(detail))
            }
            answer @ (RangeError::Ambiguous { .. }
            | RangeError::Uncertain { .. }
            | RangeError::Conflict { .. }
            | RangeError::Locked { .. }
            | RangeError::TooMuchRead
            | RangeError::ConditionFailed { .. }
            | RangeError::PastDeadline { .. }
            | RangeError::Busy { .. }
            | RangeError::Program(_)
            | RangeError::TooOld
            | RangeError::Refused(_)
            | RangeError::Storage(_)
            | RangeError::Damaged(_)) => {
                self.count(node, asked);
                Verdict::Done(Err(SendError::Answered(answer)))
            }
        }
    }

    /// A replica does not hold the keys, and says what it knows of where they are.
    fn judge_mismatch(&self, asked: &Asked<'_>, known: Vec<RangeDescriptor>) -> Verdict {
        let mut learnt = false;
        for known in known.into_iter().filter(|known| known.span.overlaps(&asked.descriptor.span)) {
            // Somebody else may have learnt it in the meantime: then this request's sender has to look again, too.
            learnt |= known.generation > asked.descriptor.generation;
            learnt |= self.known.learn(known);
        }
        if learnt { Verdict::Done(Err(SendError::Stale)) } else { Verdict::Next(Failure::Mismatch) }
    }

    fn count(&self, node: NodeId, asked: &Asked<'_>) {
        self.counters.count(asked.message, node == self.pressure.transport.node);
    }
}

fn unavailable(asked: &Asked<'_>, route: &Route, budget: &QuorumBudget) -> SendError {
    let waited = budget.full().saturating_sub(budget.left());
    let missing: Vec<String> = route.missing().iter().map(NodeId::to_string).collect();
    let advice = if missing.is_empty() {
        "repeat the statement in a few seconds".to_owned()
    } else {
        format!("start {} again, then repeat the statement", missing.join(", "))
    };
    let within = if waited < WAIT_TOLD { String::new() } else { format!(" within {}", shown(waited)) };
    let detail = format!("no replica could serve it{within}: {}; {advice}", route.describe());
    SendError::Unavailable { range_id: asked.message.range_id, detail }
}
