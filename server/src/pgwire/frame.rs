//! Frames: one message's bytes from the socket, its length checked before its body is read.
//!
//! A frame is a type byte, a length (which counts itself) and a body; the first packets of a connection have no type.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use quorate_sql::error::{SqlError, SqlState};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Longest message that carries a statement, its parameters or data, in bytes (design.md section 12, "statement").
pub const MESSAGE_MAX_BYTES: usize = 16 << 20;
/// Longest message of other types, in bytes: they carry names. PostgreSQL's limit, which `pgwire` has too.
pub const SMALL_MESSAGE_MAX_BYTES: usize = 10_000;
/// Longest packet before the session starts, in bytes. PostgreSQL's limit, which `pgwire` has too.
pub const STARTUP_MAX_BYTES: usize = 10_000;
/// How long the rest of a begun message may stay away between two pieces of it, unless the options say otherwise.
pub const FRAME_PROGRESS_MAX: Duration = Duration::from_secs(60);
/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

const _: () =
    assert!(STARTUP_MAX_BYTES <= SMALL_MESSAGE_MAX_BYTES && SMALL_MESSAGE_MAX_BYTES < MESSAGE_MAX_BYTES);

/// Why no frame came.
#[derive(Debug)]
pub enum FrameError {
    /// The client closed the connection, between two messages or within one.
    Closed,
    /// The socket failed.
    Io(io::Error),
    /// The client breaks the protocol: it gets this error, and the connection ends.
    Violation(SqlError),
}

/// Reads frames. Dropping the future of a read loses nothing: what has come stays in the buffer.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    buffer: BytesMut,
    progress_max: Duration,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader of this source; the rest of a begun message may stay away for `progress_max`.
    pub fn new(source: R, progress_max: Duration) -> Self {
        Self { source, buffer: BytesMut::new(), progress_max }
    }

    /// The next message with its type and length; waits without limit for its first byte, not for the others.
    ///
    /// # Errors
    /// The end of the connection, an unknown type, a length that is not allowed.
    pub async fn message(&mut self) -> Result<BytesMut, FrameError> {
        loop {
            if let Some(kind) = self.buffer.first().copied() {
                let max = message_max(kind).ok_or_else(|| FrameError::Violation(unknown_type(kind)))?;
                if let Some(frame) = self.take_frame(1, max)? {
                    return Ok(frame);
                }
            }
            self.fill().await?;
        }
    }

    /// The next packet of a connection that has not started: without a type.
    ///
    /// # Errors
    /// As [`FrameReader::message`].
    pub async fn startup_packet(&mut self) -> Result<BytesMut, FrameError> {
        loop {
            if let Some(frame) = self.take_frame(0, STARTUP_MAX_BYTES)? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// Reads and throws away, until the client closes or the limits are reached: a client that is still sending would
    /// otherwise be reset before it has read the error that ended its connection.
    pub async fn discard(&mut self, bytes_max: usize, time_max: Duration) {
        self.buffer.clear();
        let drain = async {
            let mut left = bytes_max;
            while left > 0 {
                self.buffer.clear();
                self.buffer.reserve(READ_BYTES);
                match self.source.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(read) => left = left.saturating_sub(read),
                }
            }
        };
        // Beyond the time, the client has to do without the error.
        let _ = timeout(time_max, drain).await;
    }

    /// The frame at the head of the buffer, once it is whole; its length is checked as soon as it is there.
    fn take_frame(&mut self, offset: usize, max: usize) -> Result<Option<BytesMut>, FrameError> {
        let length = self.buffer.get(offset..).and_then(|bytes| bytes.first_chunk::<LENGTH_BYTES>());
        let Some(length) = length.map(|bytes| u32::from_be_bytes(*bytes)) else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < LENGTH_BYTES || length > max {
            return Err(FrameError::Violation(bad_length(length, max)));
        }
        let whole = offset + length;
        Ok((self.buffer.len() >= whole).then(|| self.buffer.split_to(whole)))
    }

    async fn fill(&mut self) -> Result<(), FrameError> {
        self.buffer.reserve(READ_BYTES);
        let begun = !self.buffer.is_empty();
        let read = self.source.read_buf(&mut self.buffer);
        let read = if begun {
            let late = |_| FrameError::Violation(violation("the rest of a message did not come in time"));
            timeout(self.progress_max, read).await.map_err(late)?
        } else {
            read.await
        };
        match read {
            Ok(0) => Err(FrameError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(FrameError::Io(error)),
        }
    }
}

/// Longest message of this type, length included; `None` for types that no client sends.
fn message_max(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'd' => Some(MESSAGE_MAX_BYTES),
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' => Some(SMALL_MESSAGE_MAX_BYTES),
        _ => None,
    }
}

/// A breach of the protocol.
pub fn violation(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::ProtocolViolation, message)
}

fn unknown_type(kind: u8) -> SqlError {
    violation(format!("invalid frontend message type {kind}"))
}

fn bad_length(length: usize, max: usize) -> SqlError {
    if length < LENGTH_BYTES {
        return violation(format!("invalid message length {length}"));
    }
    violation(format!("a message of {length} bytes is beyond the limit of {max} bytes"))
        .with_hint("Send statements in parts; COPY takes data of any size.")
}

#[cfg(test)]
mod tests;
