//! Whom to ask next: one request's way through the replicas of a range, as a pure state machine.
//!
//! A round asks each replica at most once, the supposed leaseholder first, and goes wherever a replica points. After a
//! round without an answer there is a pause; rounds go on until somebody answers, or the caller's budget is spent.

use std::fmt::Write as _;

use quorate_placement::topology::NodeId;

use crate::descriptor::RangeDescriptor;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteStep {
    /// Ask this node.
    Ask(NodeId),
    /// Everybody was asked: wait a little, the longer the more rounds there were, and call [`Route::next_step`] again.
    Pause {
        /// Rounds so far, from 1.
        round: u32,
    },
    /// Every replica that answered says that it does not hold these keys: look the range up again.
    Stale,
    /// Every replica that answered says that the range has no quorum: waiting longer leads nowhere.
    GiveUp,
}

/// Why a node did not serve the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It does not lead the range; perhaps it knows who does.
    NotLeaseholder(Option<NodeId>),
    /// It holds no replica that covers the keys, and knew nothing newer.
    Mismatch,
    /// It says that the range cannot reach its quorum.
    Unavailable(String),
    /// It was not reached, or did not answer.
    Unreachable(String),
}

/// Most nodes on the way: those of the descriptor and those that they name, twice as many as a range has replicas.
const STOPS_MAX: usize = 2 * quorate_placement::policy::REPLICAS_MAX;

#[derive(Clone, Debug)]
struct Stop {
    node: NodeId,
    asked: bool,
    failure: Option<Failure>,
}

impl Failure {
    /// What it says, for a person.
    pub fn detail(&self) -> &str {
        match self {
            Self::NotLeaseholder(_) => "follows",
            Self::Mismatch => "has no replica",
            Self::Unavailable(detail) | Self::Unreachable(detail) => detail,
        }
    }
}

/// One request's way.
#[derive(Clone, Debug)]
pub struct Route {
    stops: Vec<Stop>,
    /// Who is to be asked first, or next.
    hint: Option<NodeId>,
    round: u32,
}

impl Route {
    /// A way through the replicas of a range from the node `local`, with a hint at who leads.
    pub fn new(descriptor: &RangeDescriptor, hint: Option<NodeId>, local: NodeId) -> Self {
        let mut nodes = descriptor.nodes();
        // The local replica, asked first where nothing is known, costs no message and knows the leader.
        nodes.sort_by_key(|node| (*node != local, *node));
        let stops = nodes.into_iter().map(|node| Stop { node, asked: false, failure: None }).collect();
        Self { stops, hint, round: 1 }
    }

    /// Decides; after [`RouteStep::Ask`], either the node answers and the way ends, or [`Route::failed`] is told.
    pub fn next_step(&mut self) -> RouteStep {
        let hinted = self.hint;
        let unasked = self.stops.iter_mut().filter(|stop| !stop.asked);
        match unasked.min_by_key(|stop| Some(stop.node) != hinted) {
            Some(stop) => {
                stop.asked = true;
                RouteStep::Ask(stop.node)
            }
            None => self.end_round(),
        }
    }

    /// Tells that a node did not serve the request.
    pub fn failed(&mut self, node: NodeId, failure: Failure) {
        if let Failure::NotLeaseholder(Some(leaseholder)) = &failure {
            self.hint = Some(*leaseholder);
            // A replica that came since the descriptor was read: the keys are the same, so that nobody says "stale".
            if self.stops.iter().all(|stop| stop.node != *leaseholder) && self.stops.len() < STOPS_MAX {
                self.stops.push(Stop { node: *leaseholder, asked: false, failure: None });
            }
        }
        if let Some(stop) = self.stops.iter_mut().find(|stop| stop.node == node) {
            stop.failure = Some(failure);
        }
    }

    /// What every node said last, for a person.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for stop in &self.stops {
            let comma = if text.is_empty() { "" } else { ", " };
            let node = stop.node;
            let _ = match &stop.failure {
                None => write!(text, "{comma}{node} was not asked"),
                Some(Failure::NotLeaseholder(_)) => write!(text, "{comma}{node} follows"),
                Some(Failure::Mismatch) => write!(text, "{comma}{node} has no replica"),
                Some(Failure::Unavailable(detail)) => write!(text, "{comma}{node} says: {detail}"),
                Some(Failure::Unreachable(detail)) => write!(text, "{comma}{node} is missing ({detail})"),
            };
        }
        text
    }

    /// Nodes that were not reached.
    pub fn missing(&self) -> Vec<NodeId> {
        let missing = |stop: &&Stop| matches!(stop.failure, Some(Failure::Unreachable(_)));
        self.stops.iter().filter(missing).map(|stop| stop.node).collect()
    }

    fn end_round(&mut self) -> RouteStep {
        let answered = |stop: &&Stop| !matches!(stop.failure, Some(Failure::Unreachable(_)));
        let mut answers =
            self.stops.iter().filter(answered).filter_map(|stop| stop.failure.as_ref()).peekable();
        let any = answers.peek().is_some();
        let all_mismatch = any && answers.clone().all(|failure| *failure == Failure::Mismatch);
        let all_unavailable = any && answers.all(|failure| matches!(failure, Failure::Unavailable(_)));
        if all_mismatch || self.stops.is_empty() {
            return RouteStep::Stale;
        }
        if all_unavailable {
            return RouteStep::GiveUp;
        }
        for stop in &mut self.stops {
            stop.asked = false;
        }
        assert!(!self.stops.is_empty(), "a round without replicas is not repeated");
        let round = self.round;
        self.round += 1;
        RouteStep::Pause { round }
    }
}

#[cfg(test)]
mod tests;
