//! What an answer that was lost leaves open: some requests are simply sent again, a commit's fate must be asked for.

use quorate_placement::topology::{NodeId, RangeId};

use super::SendError;
use crate::api::{RangeRequest, Request, Response};
use crate::client::route::Failure;

/// What a request may have done where nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing that its repetition does not do as well.
    Repeatable,
    /// It decides by a record alone: it may be repeated, but without an answer nobody knows.
    Decides,
    /// A commit that would lay its data twice: it is never sent again before its record was asked.
    Commits,
}

/// What the sender learns from an attempt.
pub(super) enum Verdict {
    /// It ends here.
    Done(Result<Response, SendError>),
    /// Another replica is asked.
    Next(Failure),
    /// It may have been done; asking again does no harm, and tells.
    Perhaps(Failure),
}

impl Fate {
    /// That of a request.
    pub fn of(message: &RangeRequest) -> Self {
        match &message.request {
            Request::Commit(_) => Self::Commits,
            Request::Transact(step) if step.decides() => Self::Decides,
            Request::Transact(_)
            | Request::Get { .. }
            | Request::Scan { .. }
            | Request::Changes { .. }
            | Request::Refresh { .. }
            | Request::QueryTransaction { .. } => Self::Repeatable,
        }
    }

    /// A node may have worked on it, and does not say what came of it; `failure` says why.
    pub fn unanswered(self, range_id: RangeId, node: NodeId, failure: Failure) -> Verdict {
        match self {
            Self::Repeatable => Verdict::Next(failure),
            Self::Decides => Verdict::Perhaps(failure),
            Self::Commits => {
                let detail = format!("{node}: {}", failure.detail());
                Verdict::Done(Err(SendError::Lost { range_id, detail }))
            }
        }
    }
}

/// What was perhaps done on the way to the end of a request.
#[derive(Default)]
pub(super) struct Doubt(Option<String>);

impl Doubt {
    /// A node may have decided.
    pub fn note(&mut self, node: NodeId, failure: &Failure) {
        self.0 = Some(format!("{node}: {}", failure.detail()));
    }

    /// How it ends: where a decision may have been taken, an error is no answer to whether it was.
    pub fn end(self, range_id: RangeId, answer: Result<Response, SendError>) -> Result<Response, SendError> {
        match (answer, self.0) {
            (Err(_), Some(detail)) => Err(SendError::Lost { range_id, detail }),
            (answer, _) => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: RangeId = RangeId(7);

    fn failure() -> Failure {
        Failure::Unreachable("no answer".to_owned())
    }

    #[test]
    fn only_a_commit_ends_where_its_answer_is_lost() {
        assert!(matches!(Fate::Repeatable.unanswered(RANGE, NodeId(2), failure()), Verdict::Next(_)));
        assert!(matches!(Fate::Decides.unanswered(RANGE, NodeId(2), failure()), Verdict::Perhaps(_)));
        let Verdict::Done(Err(SendError::Lost { range_id, detail })) =
            Fate::Commits.unanswered(RANGE, NodeId(2), failure())
        else {
            panic!("a commit is not sent again");
        };
        assert_eq!((range_id, detail.as_str()), (RANGE, "n2: no answer"));
    }

    #[test]
    fn doubt_turns_errors_into_lost_answers_and_nothing_else() {
        let doubtful = || {
            let mut doubt = Doubt::default();
            doubt.note(NodeId(2), &Failure::Unavailable("left".to_owned()));
            doubt
        };
        let lost = SendError::Lost { range_id: RANGE, detail: "n2: left".to_owned() };
        assert_eq!(doubtful().end(RANGE, Err(SendError::Stale)), Err(lost));
        assert_eq!(doubtful().end(RANGE, Ok(Response::Settled)), Ok(Response::Settled));
        assert_eq!(Doubt::default().end(RANGE, Err(SendError::Stale)), Err(SendError::Stale));
    }
}
