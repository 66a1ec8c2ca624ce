//! Changes of a span since a moment, range by range, as of the transaction's timestamp.

use quorate_engine::kv::{ChangesPage, ChangesRequest, KvError, Span};

use super::DistributedTransaction;
use super::read::behind;
use crate::api::{Request, Response};
use crate::client::router::unexpected;

impl DistributedTransaction {
    /// One page, which covers at most one range.
    pub(super) async fn read_changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError> {
        if request.span.is_empty() {
            return Ok(ChangesPage::default());
        }
        loop {
            let start = &request.span.start;
            let range = self.shared.router.range_of(start, &mut self.budget).await?;
            let Some(here) = range.span.intersection(&request.span) else {
                return Err(KvError::NoRange { key: start.clone() });
            };
            let part = ChangesRequest { span: here, ..request.clone() };
            let question = |read| Request::Changes { changes: part.clone(), read };
            let mut page = match self.ask(&range, question, start).await? {
                // Its descriptor proved stale.
                None => continue,
                Some(Response::Changes(page)) => page,
                Some(_) => return Err(unexpected("another answer than changes")),
            };
            let visited = page.resume.as_ref().map_or(&part.span.end, |rest| &rest.start);
            self.reads.add(Span::new(part.span.start.clone(), visited.clone()), None);
            page.resume = match page.resume {
                Some(rest) => Some(Span::new(rest.start, request.span.end)),
                None => behind(&request.span, &part.span),
            };
            return Ok(page);
        }
    }
}
