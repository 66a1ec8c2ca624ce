//! Resolves the intents of transactions that are over, behind their answers, and tells their records when all are gone.
//!
//! Bounded in number and time: what is left undone is done by whoever meets the intents, as the record says.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use quorate_engine::kv::{Key, KvError, Span};
use tokio::sync::Semaphore;

use super::by_range::{Part, by_range};

use super::settler::Settler;
use crate::api::{RecordId, Request, ResolveRequest, Response, Transact};
use crate::client::budget::QuorumBudget;
use crate::client::router::{Router, SendError, read_error, unexpected};
use crate::limits::{RANGES_AT_ONCE_MAX, RESOLUTIONS_AT_ONCE_MAX, RESOLUTIONS_QUEUED_MAX};
use crate::safeguard;

/// Rounds over ranges that cannot be reached, before the intents are left to whoever meets them.
const ROUNDS_MAX: u32 = 8;
/// Pause after the first round that left something undone; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// The background work of one node's coordinators.
pub(super) struct Resolver {
    queue: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    settler: Settler,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self {
            queue: Arc::new(Semaphore::new(RESOLUTIONS_QUEUED_MAX)),
            at_once: Arc::new(Semaphore::new(RESOLUTIONS_AT_ONCE_MAX)),
            settler: Settler::default(),
        }
    }

    /// Takes the intents of the transaction with a record at `anchor` in, if there is room.
    pub(super) fn enqueue(
        &self,
        router: &Arc<Router>,
        (request, anchor): (ResolveRequest, Key),
        wait: QuorumBudget,
    ) {
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else { return };
        let (at_once, router) = (Arc::clone(&self.at_once), Arc::clone(router));
        let (settler, record) = (self.settler.clone(), RecordId { transaction: request.transaction, anchor });
        tokio::spawn(async move {
            let _place = place;
            if resolve_in_rounds(&at_once, &router, request, wait).await {
                settler.note(&router, record, wait);
            }
        });
    }
}

/// Whether all intents are gone. Nobody has a turn while it pauses: those whose ranges cannot be reached keep no others waiting.
async fn resolve_in_rounds(
    at_once: &Semaphore,
    router: &Router,
    mut request: ResolveRequest,
    wait: QuorumBudget,
) -> bool {
    let mut pause = PAUSE_FIRST;
    for _ in 0..ROUNDS_MAX {
        let Ok(turn) = at_once.acquire().await else { return false };
        safeguard::reach("txn-before-resolve");
        let mut budget = wait;
        request.spans = match resolve_all(router, request.clone(), &mut budget).await {
            Ok(left) if left.is_empty() => return true,
            Ok(left) => left,
            Err(error) => {
                tracing::debug!(transaction = %request.transaction, %error, "intents not resolved yet");
                request.spans
            }
        };
        drop(turn);
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    false
}

/// What became of the intents in one range.
enum Resolved {
    /// The range does not hold these spans any more: they are looked for again.
    Moved(Vec<Span>),
    /// Resolved, but for those in these spans.
    But(Vec<Span>),
}

/// Resolves a transaction's intents wherever they lie; the spans that are left undone come back.
///
/// # Errors
/// The ranges could not be found.
pub(super) async fn resolve_all(
    router: &Router,
    request: ResolveRequest,
    budget: &mut QuorumBudget,
) -> Result<Vec<Span>, KvError> {
    let mut spans = request.spans.clone();
    let mut undone = Vec::new();
    while !spans.is_empty() {
        let parts = by_range(router, std::mem::take(&mut spans), budget).await?;
        let full = *budget;
        let resolved = parts.into_iter().map(|part| resolve_part(router, &request, part, full));
        let mut resolved = futures::stream::iter(resolved).buffer_unordered(RANGES_AT_ONCE_MAX);
        while let Some((part, spare)) = resolved.next().await {
            budget.limit_to(spare);
            match part {
                Resolved::Moved(moved) => spans.extend(moved),
                Resolved::But(left) => undone.extend(left),
            }
        }
    }
    Ok(undone)
}

/// Resolves the intents in one range, a command's worth at a time; what is left undone comes back.
async fn resolve_part(
    router: &Router,
    request: &ResolveRequest,
    (range, mut spans): Part<Span>,
    mut budget: QuorumBudget,
) -> (Resolved, QuorumBudget) {
    while !spans.is_empty() {
        let step = ResolveRequest { spans: spans.clone(), ..*request };
        match router.send(&range, Request::Transact(Transact::Resolve(step)), &mut budget).await {
            Ok(Response::Resolved { rest }) => spans = rest,
            Ok(_) => {
                let error = unexpected("another answer than to a resolution");
                tracing::warn!(%error, "intents not resolved");
                break;
            }
            Err(SendError::Stale) => return (Resolved::Moved(spans), budget),
            Err(error) => {
                let error = read_error(error, &range.span.start);
                tracing::debug!(%error, "intents not resolved yet");
                break;
            }
        }
    }
    (Resolved::But(spans), budget)
}
