//! Changes of a range's replicas, as its leader makes them.

use std::task::Poll;
use std::time::Duration;

use super::Serving;
use crate::raft::{ChangeError, MemberChange, MembersStamp};

/// How long an entry that changes members may take until it is applied here: afterwards the range is looked at anew.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

impl Serving {
    /// Changes the members by one entry; nothing is enqueued behind an EndLease.
    pub(crate) async fn change_members(
        &self,
        on: MembersStamp,
        change: MemberChange,
    ) -> Result<(), ChangeError> {
        let group =
            self.machine.group().ok_or_else(|| ChangeError::Stale("its Raft task is down".to_owned()))?;
        group.wake().await;
        let mut changing = Box::pin(group.change_members(on, change, CHANGE_TIMEOUT));
        let first = {
            let _enqueued = self.enqueue_lock.read().await;
            if self.lease.lock().is_handing_over() {
                return Err(ChangeError::Stale("its leader is handing over".to_owned()));
            }
            // The first poll gives the entry its place.
            futures::poll!(changing.as_mut())
        };
        match first {
            Poll::Ready(result) => result,
            Poll::Pending => changing.await,
        }
    }
}
