//! Raft messages of other replicas, on their way to the group: the promise of the lease decides which may reach it.

use std::sync::atomic::Ordering;

use super::Serving;
use super::clockwork::Nobody;
use crate::lease::following::Mark;
use crate::lease::{Effect, Event};
use crate::raft::RaftGroup;
use crate::raft_message::{MessageBody, RaftMessage, RaftReply, Refusal};

/// What a message that may reach the group is there.
enum Admitted {
    /// An append, or a heartbeat; its mark says whether it will show whom this replica follows.
    Append(Option<Mark>),
    /// It may change this replica's vote.
    Vote,
    /// It changes nothing.
    Question,
}

impl Serving {
    /// Handles a message of another replica. Up to the group's own queue everything happens within the first poll, so
    /// that messages keep their order.
    pub async fn handle(&self, message: RaftMessage) -> RaftReply {
        if message.to_replica != self.replica_id {
            return RaftReply::Refused(Refusal::UnknownReplica);
        }
        let Some(group) = self.machine.group() else { return RaftReply::Refused(Refusal::Stopped) };
        self.await_end_lease(&group, &message).await;
        let leader = message.vote();
        let Some(admitted) = self.admit(&group, &message) else {
            return RaftReply::Refused(Refusal::Promised);
        };
        let reply = group.handle(message).await;
        match admitted {
            Admitted::Append(mark) if reply.is_success() => {
                self.note(Event::AcknowledgementLeaves { leader, mark });
            }
            Admitted::Vote => self.note(Event::Asked),
            Admitted::Append(_) | Admitted::Question => {}
        }
        reply
    }

    /// Whether the message may reach the group, and as what. An append's promise is recorded here already: a vote that
    /// comes in while it is written to the disk must find it.
    fn admit(&self, group: &RaftGroup, message: &RaftMessage) -> Option<Admitted> {
        let admitted = match &message.body {
            MessageBody::Append(request) => {
                self.note_end_lease(request);
                let known = group.stored_vote().map_or(0, |vote| vote.term);
                let mark = (message.term() >= known).then(|| self.append_arrives(message.term()));
                return Some(Admitted::Append(mark.flatten()));
            }
            // Whoever shall lead votes for itself at once.
            MessageBody::Transfer(request) if request.to == self.replica_id => Admitted::Vote,
            MessageBody::Transfer(_) => return Some(Admitted::Question),
            MessageBody::PreVote(_) => Admitted::Question,
            MessageBody::Vote(_) => Admitted::Vote,
        };
        let pre = matches!(admitted, Admitted::Question);
        let event = Event::VoteArrived { pre, hand_over: self.hand_over(group) };
        let effect = self.step_lease(event, &self.members(group));
        (effect == Some(Effect::Admit)).then_some(admitted)
    }

    fn append_arrives(&self, term: u64) -> Option<Mark> {
        let mut lease = self.lease.lock();
        self.due_hint.store(0, Ordering::Relaxed);
        // It asks for nothing.
        let _ = lease.step(self.shared.now(), Event::AppendArrived { term }, &Nobody);
        lease.mark()
    }
}
