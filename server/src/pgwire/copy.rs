//! COPY FROM STDIN: data messages are fed to the copy as they come; the client is held back by its socket meanwhile.
//!
//! After an error the client may still be sending. What comes then is thrown away where messages are dispatched (simple
//! protocol) or up to the next Sync (extended), as PostgreSQL does.

use pgwire::messages::PgWireFrontendMessage as M;
use quorate_sql::cancel::CancelToken;
use quorate_sql::copy::CopyIn;
use quorate_sql::error::SqlError;

use super::connection::{Connection, End, Failure, Message};
use super::frame::violation;
use super::reply;

/// What came next.
enum CopyEvent {
    /// A message, with the memory that a large one has taken.
    Message(Message),
    /// A message that cannot be read, or was thrown away.
    Bad(SqlError),
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
            let message = match self.next_copy_event(token).await {
                CopyEvent::Message(message) => message,
                CopyEvent::Bad(error) => {
                    copy.abort(&mut self.session, &error.message).await;
                    return Err(error.into());
                }
                CopyEvent::Cancelled(error) => {
                    copy.abort(&mut self.session, "it was cancelled").await;
                    return Err(error.into());
                }
                CopyEvent::Ended(end) => {
                    copy.abort(&mut self.session, "the client is gone").await;
                    return Err(end.into());
                }
            };
            match &message.message {
                M::CopyData(data) => copy.feed(&mut self.session, &data.data).await?,
                M::CopyDone(_) => return Ok(copy.finish(&mut self.session).await?),
                M::CopyFail(fail) => {
                    return Err(copy.abort(&mut self.session, &fail.message).await.into());
                }
                // Drivers pipeline these behind the message that began the copy.
                M::Flush(_) | M::Sync(_) => {}
                // Whatever else ends the copy, and is answered for itself.
                M::Query(_)
                | M::Parse(_)
                | M::Bind(_)
                | M::Describe(_)
                | M::Execute(_)
                | M::Close(_)
                | M::Terminate(_)
                | M::PasswordMessageFamily(_)
                | M::SslNegotiation(_)
                | M::Startup(_)
                | M::CancelRequest(_)
                | M::PortalSuspended(_) => {
                    self.put_back = Some(message);
                    let reason = "unexpected message type during COPY from stdin";
                    copy.abort(&mut self.session, reason).await;
                    return Err(violation(reason).into());
                }
            }
        }
    }

    async fn next_copy_event(&mut self, token: &CancelToken) -> CopyEvent {
        let frame = tokio::select! {
            frame = self.reader.message(|_| false) => frame,
            reason = token.cancelled() => return CopyEvent::Cancelled(reason.error()),
        };
        match frame.map(Message::decode) {
            Ok(Ok(message)) => CopyEvent::Message(message),
            Ok(Err((_, error))) => CopyEvent::Bad(error),
            Err(error) => CopyEvent::Ended(error.into()),
        }
    }
}
