//! The simple protocol: one text of any number of statements, answered one after the other.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::EmptyQueryResponse;
use quorate_sql::cancel::CancelToken;
use quorate_sql::session::{Completion, TextRun};

use super::connection::{Connection, End, Failure};
use super::reply;
use super::sink::WireSink;
use crate::metrics::{StatementProtocol, StatementTimer};

impl Connection {
    /// Runs a text; an error ends it, and the session goes on.
    pub(super) async fn simple_query(&mut self, text: &str) -> Result<(), End> {
        self.end_ahead();
        // As in PostgreSQL: a simple query takes the place of what has no name.
        self.session.close_statement("");
        self.named.close_portal("");
        self.session.close_cursor("");
        let timer = StatementTimer::begin(StatementProtocol::Simple);
        let token = self.slot.begin();
        let result = self.run_text(text, &token).await;
        self.slot.end();
        drop(timer);
        match result {
            Ok(()) => {}
            Err(Failure::Statement(error)) => self.report(&error).await?,
            Err(Failure::Connection(end)) => return Err(end),
        }
        self.after_statement();
        self.end_cycle().await
    }

    async fn run_text(&mut self, text: &str, token: &CancelToken) -> Result<(), Failure> {
        let mut run = self.session.begin_text(text).await?;
        while self.run_next(&mut run, token).await? {}
        Ok(())
    }

    /// Runs one statement of a text; false behind the last.
    async fn run_next(&mut self, run: &mut TextRun, token: &CancelToken) -> Result<bool, Failure> {
        let mut sink = WireSink::simple(&mut self.out);
        let Some(completion) = Box::pin(run.next(&mut self.session, token, &mut sink)).await? else {
            return Ok(false);
        };
        sink.finish()?;
        match completion {
            Completion::Tag(tag) => {
                self.after_statement();
                self.out.push(&reply::complete(tag))?;
            }
            Completion::Empty => {
                self.out.push(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?;
            }
            Completion::CopyIn(copy) => {
                let tag = self.copy_in(*copy, token).await?;
                self.out.push(&reply::complete(tag))?;
            }
        }
        self.out.flush_if_large().await?;
        Ok(true)
    }
}
