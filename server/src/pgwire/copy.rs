//! COPY FROM STDIN: data messages are fed to the copy as they come; the client is held back by its socket meanwhile.
//!
//! After an error the client may still be sending. What comes then is thrown away where messages are dispatched (simple
//! protocol) or up to the next Sync (extended), as PostgreSQL does.

use pgwire::messages::PgWireFrontendMessage;
use quorate_sql::cancel::CancelToken;
use quorate_sql::copy::CopyIn;
use quorate_sql::error::SqlError;

use super::connection::{Connection, End, Failure};
use super::frame::violation;
use super::reply;
use super::shape::{self, ShapeError};

/// What came next.
enum Step {
    Message(PgWireFrontendMessage),
    /// The user, or the node, breaks it off.
    Cancelled(SqlError),
    /// The client has left or broken the protocol.
    Ended(End),
}

impl Connection {
    /// Runs a copy to its end; returns the command tag.
    pub(super) async fn copy_in(&mut self, mut copy: CopyIn, token: &CancelToken) -> Result<String, Failure> {
        self.out.push(&reply::copy_in(copy.columns.len()))?;
        self.out.flush().await?;
        loop {
            match self.copy_step(token).await {
                Step::Message(PgWireFrontendMessage::CopyData(data)) => {
                    copy.feed(&mut self.session, &data.data).await?;
                }
                Step::Message(PgWireFrontendMessage::CopyDone(_)) => {
                    return Ok(copy.finish(&mut self.session).await?);
                }
                Step::Message(PgWireFrontendMessage::CopyFail(fail)) => {
                    return Err(copy.abort(&mut self.session, &fail.message).await.into());
                }
                // Drivers pipeline these behind the message that began the copy.
                Step::Message(PgWireFrontendMessage::Flush(_) | PgWireFrontendMessage::Sync(_)) => {}
                Step::Message(_) => {
                    let reason = "unexpected message type during COPY from stdin";
                    copy.abort(&mut self.session, reason).await;
                    return Err(End::Fatal(violation(reason)).into());
                }
                Step::Cancelled(error) => {
                    copy.abort(&mut self.session, "it was cancelled").await;
                    return Err(error.into());
                }
                Step::Ended(end) => {
                    copy.abort(&mut self.session, "the client is gone").await;
                    return Err(end.into());
                }
            }
        }
    }

    async fn copy_step(&mut self, token: &CancelToken) -> Step {
        let frame = tokio::select! {
            frame = self.reader.message() => frame,
            reason = token.cancelled() => return Step::Cancelled(reason.error()),
        };
        match frame.map(shape::decode) {
            Ok(Ok(message)) => Step::Message(message),
            Ok(Err(ShapeError::Malformed(error) | ShapeError::NotUtf8(error))) => {
                Step::Ended(End::Fatal(error))
            }
            Err(error) => Step::Ended(error.into()),
        }
    }
}
