//! Is all that a transaction has read the same at a later time? Asked of all ranges at once.

use futures::StreamExt;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::KvError;
use quorate_engine::kv_reads::ReadSpan;
use uuid::Uuid;

use super::by_range::{Part, by_range};
use crate::api::{RangeError, Rank, Request, Response};
use crate::client::budget::QuorumBudget;
use crate::client::router::{Router, SendError, read_error, unexpected};
use crate::limits::RANGES_AT_ONCE_MAX;

/// A question to all ranges that hold keys of these spans.
#[derive(Clone)]
pub(super) struct Refresh {
    /// What was read.
    pub spans: Vec<ReadSpan>,
    /// When it was read.
    pub after: Timestamp,
    /// When it shall have been read.
    pub upto: Timestamp,
    /// The transaction, where it has laid intents.
    pub own: Option<Uuid>,
    /// Its rank, then.
    pub rank: Option<Rank>,
}

/// Asks all ranges.
///
/// # Errors
/// [`KvError::Retry`] where something has changed, and the errors of reads.
pub(super) async fn refresh(
    router: &Router,
    refresh: &Refresh,
    budget: &mut QuorumBudget,
) -> Result<(), KvError> {
    let mut spans = refresh.spans.clone();
    while !spans.is_empty() {
        let parts = by_range(router, std::mem::take(&mut spans), budget).await?;
        let full = *budget;
        let asked = parts.into_iter().map(|part| ask(router, refresh, part, full));
        let mut answers = futures::stream::iter(asked).buffer_unordered(RANGES_AT_ONCE_MAX);
        while let Some((answer, left)) = answers.next().await {
            budget.limit_to(left);
            spans.extend(answer?);
        }
    }
    Ok(())
}

/// Asks one range, page after page; what it no longer holds comes back.
async fn ask(
    router: &Router,
    refresh: &Refresh,
    (range, mut spans): Part<ReadSpan>,
    mut budget: QuorumBudget,
) -> (Result<Vec<ReadSpan>, KvError>, QuorumBudget) {
    let Refresh { after, upto, own, rank, .. } = *refresh;
    while let Some(first) = spans.first() {
        let start = first.span.start.clone();
        let request = Request::Refresh { spans: spans.clone(), after, upto, own };
        spans = match router.send_as(&range, request, &mut budget, rank).await {
            Ok(Response::Refreshed { left }) => left,
            Ok(_) => return (Err(unexpected("another answer than to a refresh")), budget),
            Err(SendError::Stale) => return (Ok(spans), budget),
            Err(SendError::Answered(RangeError::Conflict { key, timestamp })) => {
                let reason =
                    format!("it was read at {after} and written by another transaction at {timestamp}");
                return (Err(KvError::Retry { key, reason }), budget);
            }
            Err(error) => return (Err(read_error(error, &start)), budget),
        };
    }
    (Ok(Vec::new()), budget)
}
