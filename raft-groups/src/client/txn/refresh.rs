//! Is all that a transaction has read the same at a later time? Asked of all ranges at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{KvError, Span};
use quorate_placement::topology::RangeId;
use uuid::Uuid;

use crate::api::{RangeError, Rank, Request, Response};
use crate::client::budget::QuorumBudget;
use crate::client::router::{Router, SendError, read_error, unexpected};
use crate::descriptor::RangeDescriptor;

/// Ranges that one transaction asks at the same time.
pub(super) const RANGES_AT_ONCE_MAX: usize = 16;

/// A question to all ranges that hold keys of these spans.
#[derive(Clone)]
pub(super) struct Refresh {
    /// What was read.
    pub spans: Vec<Span>,
    /// When it was read.
    pub after: Timestamp,
    /// When it shall have been read.
    pub upto: Timestamp,
    /// The transaction, where it has laid intents.
    pub own: Option<Uuid>,
    /// Its rank, then.
    pub rank: Option<Rank>,
}

/// The parts of some spans that lie in one range.
pub(super) type Part = (Arc<RangeDescriptor>, Vec<Span>);

/// Cuts spans at the bounds of ranges, as far as they are known here; keys that no range holds are left out.
pub(super) async fn by_range(
    router: &Router,
    spans: Vec<Span>,
    budget: &mut QuorumBudget,
) -> Result<Vec<Part>, KvError> {
    let mut parts: BTreeMap<RangeId, Part> = BTreeMap::new();
    for span in spans {
        let mut rest = Some(span);
        while let Some(span) = rest.take().filter(|span| !span.is_empty()) {
            let Some(range) = router.range_from(&span.start, budget).await? else { break };
            let Some(here) = range.span.intersection(&span) else { break };
            rest = super::read::behind(&span, &here);
            parts.entry(range.range_id).or_insert_with(|| (range, Vec::new())).1.push(here);
        }
    }
    Ok(parts.into_values().collect())
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

/// Asks one range; what it no longer holds comes back.
async fn ask(
    router: &Router,
    refresh: &Refresh,
    (range, spans): Part,
    mut budget: QuorumBudget,
) -> (Result<Vec<Span>, KvError>, QuorumBudget) {
    let Refresh { after, upto, own, rank, .. } = *refresh;
    let start = spans.first().map(|span| span.start.clone()).unwrap_or_default();
    let request = Request::Refresh { spans: spans.clone(), after, upto, own };
    let answer = match router.send_as(&range, request, &mut budget, rank).await {
        Ok(Response::Refreshed) => Ok(Vec::new()),
        Ok(_) => Err(unexpected("another answer than to a refresh")),
        Err(SendError::Stale) => Ok(spans),
        Err(SendError::Answered(RangeError::Conflict { key, timestamp })) => {
            let reason = format!("it was read at {after} and written by another transaction at {timestamp}");
            Err(KvError::Retry { key, reason })
        }
        Err(error) => Err(read_error(error, &start)),
    };
    (answer, budget)
}
