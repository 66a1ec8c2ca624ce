//! What `/ready` says of a member: by what the node knows already, so that the answer waits for nothing, neither for the
//! store nor for another node.
//!
//! The node reports to range 1's leaseholder each second; the answer proves that a majority of range 1's replicas is there
//! and reached. Its lease on the catalog alone would say so for ten seconds more.

use std::time::Duration;

use quorate_raft_groups::cluster::error::ClusterError;
use quorate_raft_groups::cluster::member::Member;

use crate::http::NotReady;

/// A member whose reports are not answered for this long is not ready. A lease of range 1 ends 0.7 s after its quorum was
/// lost, so that this is told within five seconds; an election and the report after it take less than three.
const METADATA_SILENCE_MAX: Duration = Duration::from_secs(4);

/// Whether a member is ready.
///
/// # Errors
/// Why not.
pub(super) fn of(member: &Member) -> Result<(), NotReady> {
    judge(member.serves(), member.metadata_silence())
}

fn judge(serves: Result<(), ClusterError>, silence: Duration) -> Result<(), NotReady> {
    match serves {
        Err(error) => {
            let advice = if matches!(error, ClusterError::Clock(_)) {
                "mend the time synchronisation of this machine; it goes on by itself then, see quorate status"
            } else {
                "it goes on by itself once range 1 answers; see quorate status"
            };
            Err(NotReady { reason: error.to_string(), advice: advice.to_owned() })
        }
        Ok(()) if silence > METADATA_SILENCE_MAX => Err(NotReady {
            reason: format!(
                "range 1, which holds the cluster's metadata, has no leaseholder that has answered this node for {} s: a \
                 majority of its replicas is away, or this node does not reach them",
                silence.as_secs()
            ),
            advice: "it goes on by itself once range 1 answers; see quorate status".to_owned(),
        }),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ready_is_who_serves_and_was_answered_lately() {
        assert_eq!(judge(Ok(()), seconds(0)), Ok(()));
        assert_eq!(judge(Ok(()), seconds(4)), Ok(()), "an election of range 1 is no reason yet");
        let silent = judge(Ok(()), seconds(5)).unwrap_err();
        assert!(silent.reason.contains("has answered this node for 5 s"), "{}", silent.reason);
        let unleased = judge(Err(ClusterError::CatalogLease("no lease".to_owned())), seconds(0)).unwrap_err();
        assert!(unleased.reason.contains("no lease") && unleased.advice.contains("range 1"), "{unleased:?}");
        let clock = judge(Err(ClusterError::Clock("210 ms behind n1's".to_owned())), seconds(0)).unwrap_err();
        assert!(
            clock.reason.contains("210 ms") && clock.advice.contains("time synchronisation"),
            "{clock:?}"
        );
    }
}
