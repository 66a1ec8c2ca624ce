//! Cuts spans at the bounds of ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::kv::{KvError, Span};
use quorate_engine::kv_reads::ReadSpan;
use quorate_placement::topology::RangeId;

use crate::client::budget::QuorumBudget;
use crate::client::router::Router;
use crate::descriptor::RangeDescriptor;

/// Something that is said of a span, and so of each part of it.
pub(super) trait Spanned: Sized {
    /// The span.
    fn span(&self) -> &Span;
    /// The same of another span.
    fn with_span(&self, span: Span) -> Self;
}

impl Spanned for Span {
    fn span(&self) -> &Span {
        self
    }

    fn with_span(&self, span: Span) -> Self {
        span
    }
}

impl Spanned for ReadSpan {
    fn span(&self) -> &Span {
        &self.span
    }

    fn with_span(&self, span: Span) -> Self {
        Self::with_span(self, span)
    }
}

/// The parts of some spans that lie in one range.
pub(super) type Part<S> = (Arc<RangeDescriptor>, Vec<S>);

/// Cuts spans at the bounds of ranges, as far as they are known here; keys that no range holds are left out.
pub(super) async fn by_range<S: Spanned>(
    router: &Router,
    spans: Vec<S>,
    budget: &mut QuorumBudget,
) -> Result<Vec<Part<S>>, KvError> {
    let mut parts: BTreeMap<RangeId, Part<S>> = BTreeMap::new();
    for whole in spans {
        let mut rest = Some(whole.span().clone());
        while let Some(span) = rest.take().filter(|span| !span.is_empty()) {
            let Some(range) = router.range_from(&span.start, budget).await? else { break };
            let Some(here) = range.span.intersection(&span) else { break };
            assert!(span.covers(&here), "a part lies in the span that is cut");
            rest = super::read::behind(&span, &here);
            let part = whole.with_span(here);
            parts.entry(range.range_id).or_insert_with(|| (range, Vec::new())).1.push(part);
        }
    }
    Ok(parts.into_values().collect())
}
