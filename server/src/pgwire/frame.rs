//! Frames: one message's bytes from the socket, its length checked before its body is read.
//!
//! A frame is a type byte, a length (which counts itself) and a body; the first packets of a connection have no type.
//!
//! ```text
//!  head ──┬─ unknown type, impossible length ──────────────▶ violation: the framing is lost, the connection ends
//!         ├─ to be skipped, too long, no memory for it ────▶ its bytes are thrown away as they come; the next frame
//!         └─ memory taken ─ body ──────────────────────────▶ the message
//! ```
//!
//! Invariant: no more than a message's length and one read is buffered; of a large message nothing stays behind.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use quorate_sql::error::{SqlError, SqlState};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::memory::{MessageMemory, Reservation};
use crate::limits::{
    CLIENT_FRAME_MAX_BYTES, CLIENT_MESSAGE_MAX_BYTES, RATE_LEAST_BYTES, SMALL_MESSAGE_MAX_BYTES,
    STARTUP_MAX_BYTES,
};

/// Bytes asked of the socket at once, and longest message that takes no memory from the budget: each connection has a
/// buffer of this size.
const READ_BYTES: usize = 64 << 10;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

const _: () = assert!(SMALL_MESSAGE_MAX_BYTES < READ_BYTES && READ_BYTES < CLIENT_MESSAGE_MAX_BYTES);

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

/// What came.
#[derive(Debug)]
pub enum Frame {
    /// A message with its type and length.
    Whole {
        /// All its bytes.
        bytes: BytesMut,
        /// What a large one has taken of the budget, to be given back when nothing of it is kept.
        memory: Option<Reservation>,
    },
    /// One that was thrown away.
    Refused {
        /// Its type.
        kind: u8,
        /// Why.
        error: SqlError,
    },
}

/// The first bytes of a frame, checked.
#[derive(Clone, Copy, Debug)]
struct Head {
    kind: u8,
    /// Bytes of the whole frame.
    bytes: usize,
    /// Bytes beyond which it is refused.
    bytes_max: usize,
}

/// Reads frames. Dropping the future of a read loses nothing: what has come stays in the buffer.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    buffer: BytesMut,
    progress_max: Duration,
    memory: Arc<MessageMemory>,
    /// What the message that is being read has taken, and until when it must be there.
    reserved: Option<(Reservation, Instant)>,
    /// Bytes of a message that are still to be thrown away.
    unwanted: usize,
    /// That message, where its sender is told.
    refused: Option<(u8, SqlError)>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader of this source; the rest of a begun message may stay away for `progress_max`.
    pub fn new(source: R, progress_max: Duration, memory: Arc<MessageMemory>) -> Self {
        Self {
            source,
            buffer: BytesMut::new(),
            progress_max,
            memory,
            reserved: None,
            unwanted: 0,
            refused: None,
        }
    }

    /// The next message; waits without limit for its first byte, not for the others. Those whose types `skips` names are
    /// thrown away unread.
    ///
    /// # Errors
    /// The end of the connection, an unknown type, a length that cannot be.
    pub async fn message(&mut self, skips: impl Fn(u8) -> bool) -> Result<Frame, FrameError> {
        loop {
            self.throw_away().await?;
            if let Some((kind, error)) = self.refused.take() {
                return Ok(Frame::Refused { kind, error });
            }
            let Some(head) = self.head()? else {
                self.fill().await?;
                continue;
            };
            if skips(head.kind) {
                self.unwanted = head.bytes;
            } else if head.bytes - 1 > head.bytes_max {
                self.refuse(head, too_long(head));
            } else if head.bytes > READ_BYTES && self.reserved.is_none() {
                self.reserve_for(head).await;
            } else if let Some(bytes) = self.take(head.bytes) {
                let memory = self.reserved.take().map(|(memory, _)| memory);
                return Ok(Frame::Whole { bytes, memory });
            } else {
                self.fill().await?;
            }
        }
    }

    /// Messages that have come whole and wait to be taken, each with its type and length.
    pub fn waiting(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = if self.unwanted == 0 { self.buffer.as_ref() } else { &[] };
        std::iter::from_fn(move || {
            let length = rest.get(1..)?.first_chunk::<LENGTH_BYTES>()?;
            let bytes = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_add(1)?;
            let (frame, behind) = rest.split_at_checked(bytes).filter(|_| bytes > LENGTH_BYTES)?;
            rest = behind;
            Some(frame)
        })
    }

    /// Takes more of the budget that this reader takes its memory from.
    ///
    /// # Errors
    /// As [`MessageMemory::reserve`].
    pub async fn reserve_more(&self, bytes: usize) -> Result<Reservation, SqlError> {
        self.memory.reserve(bytes).await
    }

    /// The next packet of a connection that has not started: without a type.
    ///
    /// # Errors
    /// As [`FrameReader::message`].
    pub async fn startup_packet(&mut self) -> Result<BytesMut, FrameError> {
        loop {
            if let Some(length) = self.length(0)? {
                if length > STARTUP_MAX_BYTES {
                    return Err(FrameError::Violation(impossible(length, STARTUP_MAX_BYTES)));
                }
                if let Some(packet) = self.take(length) {
                    return Ok(packet);
                }
            }
            self.fill().await?;
        }
    }

    /// Reads and throws away, until the client closes or the limits are reached: a client that is still sending would
    /// otherwise be reset before it has read the error that ended its connection.
    pub async fn discard(&mut self, bytes_max: usize, time_max: Duration) {
        self.reserved = None;
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

    /// Type and length of the frame at the head of the buffer, once they are there; the type is checked before.
    fn head(&self) -> Result<Option<Head>, FrameError> {
        let Some(kind) = self.buffer.first().copied() else { return Ok(None) };
        let bytes_max = message_max(kind).ok_or_else(|| FrameError::Violation(unknown_type(kind)))?;
        let Some(length) = self.length(1)? else { return Ok(None) };
        if length > CLIENT_FRAME_MAX_BYTES {
            return Err(FrameError::Violation(impossible(length, CLIENT_FRAME_MAX_BYTES)));
        }
        Ok(Some(Head { kind, bytes: length + 1, bytes_max }))
    }

    fn length(&self, offset: usize) -> Result<Option<usize>, FrameError> {
        let length = self.buffer.get(offset..).and_then(|bytes| bytes.first_chunk::<LENGTH_BYTES>());
        let Some(length) = length.map(|bytes| u32::from_be_bytes(*bytes)) else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < LENGTH_BYTES {
            return Err(FrameError::Violation(violation(format!("invalid message length {length}"))));
        }
        Ok(Some(length))
    }

    /// Takes memory for a large message, or refuses it.
    async fn reserve_for(&mut self, head: Head) {
        match self.memory.reserve(head.bytes).await {
            Ok(memory) => {
                let seconds = u64::try_from(head.bytes / RATE_LEAST_BYTES).unwrap_or(u64::MAX);
                let time = self.progress_max.saturating_add(Duration::from_secs(seconds));
                self.buffer.reserve(head.bytes - self.buffer.len().min(head.bytes));
                self.reserved = Some((memory, Instant::now() + time));
            }
            Err(error) => self.refuse(head, error),
        }
    }

    fn refuse(&mut self, head: Head, error: SqlError) {
        self.unwanted = head.bytes;
        self.refused = Some((head.kind, error));
    }

    /// The frame at the head of the buffer, once it is whole.
    fn take(&mut self, bytes: usize) -> Option<BytesMut> {
        if self.buffer.len() < bytes {
            return None;
        }
        let frame = self.buffer.split_to(bytes);
        if bytes > READ_BYTES {
            // What follows would keep the memory of the large message.
            self.buffer = BytesMut::from(self.buffer.as_ref());
        }
        Some(frame)
    }

    /// Throws away what is not wanted, as it comes.
    async fn throw_away(&mut self) -> Result<(), FrameError> {
        while self.unwanted > 0 {
            if self.buffer.is_empty() {
                self.fill_begun().await?;
            }
            let bytes = self.unwanted.min(self.buffer.len());
            self.buffer.advance(bytes);
            self.unwanted -= bytes;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), FrameError> {
        if !self.buffer.is_empty() {
            return self.fill_begun().await;
        }
        self.buffer.reserve(READ_BYTES);
        came(self.source.read_buf(&mut self.buffer).await)
    }

    /// Reads more of a message that has begun.
    async fn fill_begun(&mut self) -> Result<(), FrameError> {
        self.buffer.reserve(READ_BYTES);
        let mut deadline = Instant::now() + self.progress_max;
        if let Some((_, whole)) = &self.reserved {
            deadline = deadline.min(*whole);
        }
        let read = timeout_at(deadline, self.source.read_buf(&mut self.buffer)).await;
        let late = |_| FrameError::Violation(violation("the rest of a message did not come in time"));
        came(read.map_err(late)?)
    }
}

fn came(read: io::Result<usize>) -> Result<(), FrameError> {
    match read {
        Ok(0) => Err(FrameError::Closed),
        Ok(_) => Ok(()),
        Err(error) => Err(FrameError::Io(error)),
    }
}

/// Longest message of this type, length included; `None` for types that no client sends.
fn message_max(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'F' | b'd' => Some(CLIENT_MESSAGE_MAX_BYTES),
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

fn impossible(length: usize, max: usize) -> SqlError {
    violation(format!("a message of {length} bytes is beyond the limit of {max} bytes"))
}

fn too_long(head: Head) -> SqlError {
    let message =
        format!("a message of {} bytes is beyond the limit of {} bytes", head.bytes - 1, head.bytes_max);
    SqlError::new(SqlState::ProgramLimitExceeded, message)
        .with_hint("Send statements in parts; COPY takes data of any size.")
}

#[cfg(test)]
mod tests;
