//! What goes to the client: messages are encoded into a buffer, which is sent when it is large or when it is time.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::MESSAGE_TYPE_BYTE_DATA_ROW;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Bytes at which the buffer is sent without being asked.
const FLUSH_BYTES: usize = 64 << 10;
/// How long a client may take no byte at all before its connection ends.
const CLIENT_STALL_MAX: Duration = Duration::from_secs(600);

/// Bytes of a row's message that its length counts besides its values: the length itself and the number of columns.
const ROW_HEAD_BYTES: usize = 6;

/// The sending half of a connection.
#[derive(Debug)]
pub struct Out<W> {
    sink: W,
    buffer: BytesMut,
    failed: bool,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    /// Sends to this sink.
    pub fn new(sink: W) -> Self {
        Self { sink, buffer: BytesMut::new(), failed: false }
    }

    /// Whether the client is gone.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Puts a message into the buffer.
    ///
    /// # Errors
    /// A message beyond the protocol's limits.
    pub fn push(&mut self, message: &PgWireBackendMessage) -> io::Result<()> {
        let length = self.buffer.len();
        message.encode(&mut self.buffer).map_err(|error| {
            // Nothing of a message that does not fit may reach the client.
            self.buffer.truncate(length);
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        })
    }

    /// Puts a row into the buffer: its values with their lengths.
    ///
    /// # Errors
    /// A row beyond what a message holds.
    pub fn push_row(&mut self, values: Bytes, columns: i16) -> io::Result<()> {
        let length = i32::try_from(values.len() + ROW_HEAD_BYTES)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a row does not fit a message"))?;
        self.buffer.put_u8(MESSAGE_TYPE_BYTE_DATA_ROW);
        self.buffer.put_i32(length);
        self.buffer.put_i16(columns);
        self.buffer.extend_from_slice(&values);
        Ok(())
    }

    /// Sends the buffer where it has become large.
    ///
    /// # Errors
    /// The client is gone, or takes nothing.
    pub async fn flush_if_large(&mut self) -> io::Result<()> {
        if self.buffer.len() >= FLUSH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Sends the buffer.
    ///
    /// # Errors
    /// As [`Out::flush_if_large`].
    pub async fn flush(&mut self) -> io::Result<()> {
        let result = self.write_all().await;
        self.failed |= result.is_err();
        result
    }

    async fn write_all(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        while !self.buffer.is_empty() {
            let stalled = |_| io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing");
            let written =
                timeout(CLIENT_STALL_MAX, self.sink.write_buf(&mut self.buffer)).await.map_err(stalled)??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.sink.flush().await
    }

    /// Sends bytes that are no message: the answer to a request for encryption.
    ///
    /// # Errors
    /// As [`Out::flush_if_large`].
    pub async fn raw_byte(&mut self, byte: u8) -> io::Result<()> {
        self.buffer.extend_from_slice(&[byte]);
        self.flush().await
    }

    /// Says that nothing more will come.
    pub async fn shut_down(&mut self) {
        // The client may be gone already, which is what is wanted.
        let _ = self.sink.shutdown().await;
    }
}
