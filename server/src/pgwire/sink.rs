//! Where a statement's rows go: encoded and sent as they come, or held for a portal whose client asked for a few.

use std::collections::VecDeque;
use std::io;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::plan::node::OutputColumn;
use quorate_sql::session::ResultSink;
use quorate_sql::types::{DataType, Datum, Row};
use tokio::io::AsyncWrite;

use super::out::Out;
use super::reply;
use super::types::Formats;
use super::values;
use crate::limits::PORTAL_HELD_MAX_BYTES;

/// Rows that a portal holds, encoded.
#[derive(Debug, Default)]
pub struct HeldRows {
    rows: VecDeque<Bytes>,
    bytes: usize,
    columns: i16,
}

impl HeldRows {
    /// The next row, and the number of its columns.
    pub fn next(&mut self) -> Option<(Bytes, i16)> {
        let row = self.rows.pop_front()?;
        self.bytes = self.bytes.saturating_sub(row.len());
        Some((row, self.columns))
    }

    fn push(&mut self, row: Bytes) -> Result<(), SqlError> {
        self.bytes = self.bytes.saturating_add(row.len());
        if self.bytes > PORTAL_HELD_MAX_BYTES {
            let limit = PORTAL_HELD_MAX_BYTES >> 20;
            let message = format!("the rows left for later fetches are beyond the limit of {limit} MiB");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                .with_hint("Fetch all rows at once, or add LIMIT to the statement."));
        }
        self.rows.push_back(row);
        Ok(())
    }
}

/// The sink of one statement.
pub struct WireSink<'a, W> {
    out: &'a mut Out<W>,
    formats: Formats,
    describes: bool,
    rows_max: Option<u64>,
    types: Vec<DataType>,
    encoded: BytesMut,
    sent: u64,
    held: HeldRows,
    copies_out: bool,
}

/// What a statement has left in its sink.
#[derive(Debug)]
pub struct SinkEnd {
    /// Rows sent.
    pub sent: u64,
    /// Rows held for later.
    pub held: HeldRows,
    /// Whether the client has reached the number of rows it asked for.
    pub limited: bool,
}

impl<'a, W: AsyncWrite + Unpin + Send> WireSink<'a, W> {
    /// For the simple protocol: text, with a description before the rows.
    pub fn simple(out: &'a mut Out<W>) -> Self {
        Self::new(out, Formats::TEXT, true, None)
    }

    /// For a portal: its formats, at most so many rows now; the client has asked for the description before.
    pub fn portal(out: &'a mut Out<W>, formats: Formats, rows_max: Option<u64>) -> Self {
        Self::new(out, formats, false, rows_max)
    }

    fn new(out: &'a mut Out<W>, formats: Formats, describes: bool, rows_max: Option<u64>) -> Self {
        Self {
            out,
            formats,
            describes,
            rows_max,
            types: Vec::new(),
            encoded: BytesMut::new(),
            sent: 0,
            held: HeldRows::default(),
            copies_out: false,
        }
    }

    /// The statement has ended well.
    ///
    /// # Errors
    /// The end of a COPY cannot be encoded.
    pub fn finish(self) -> io::Result<SinkEnd> {
        if self.copies_out {
            self.out.push(&PgWireBackendMessage::CopyDone(CopyDone::new()))?;
        }
        let limited = self.rows_max.is_some_and(|max| self.sent >= max);
        Ok(SinkEnd { sent: self.sent, held: self.held, limited })
    }

    fn encode(&mut self, row: &[Datum]) -> Result<Bytes, SqlError> {
        for (position, (datum, data_type)) in row.iter().zip(&self.types).enumerate() {
            values::put(&mut self.encoded, datum, data_type, self.formats.of(position))?;
        }
        Ok(self.encoded.split().freeze())
    }

    fn row(&mut self, row: &[Datum]) -> Result<(), SqlError> {
        let encoded = self.encode(row)?;
        if self.rows_max.is_some_and(|max| self.sent >= max) {
            return self.held.push(encoded);
        }
        self.sent += 1;
        self.out.push_row(encoded, self.held.columns).map_err(gone)
    }
}

/// The client cannot be told anything any more; the statement ends like a cancelled one.
fn gone(error: io::Error) -> SqlError {
    SqlError::new(SqlState::QueryCanceled, format!("the client is gone: {error}"))
}

#[async_trait]
impl<W: AsyncWrite + Unpin + Send> ResultSink for WireSink<'_, W> {
    async fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), SqlError> {
        self.types = columns.iter().map(|column| column.data_type).collect();
        self.held.columns = i16::try_from(columns.len())
            .map_err(|_| SqlError::new(SqlState::ProgramLimitExceeded, "a result has too many columns"))?;
        if self.describes {
            self.out.push(&reply::row_description(columns, &self.formats)).map_err(gone)?;
        }
        Ok(())
    }

    fn use_binary(&mut self) {
        // A portal has the formats that its Bind has chosen.
        if self.describes {
            self.formats = Formats::BINARY;
        }
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), SqlError> {
        for row in &rows {
            self.row(row)?;
        }
        self.out.flush_if_large().await.map_err(gone)
    }

    async fn copy_out(&mut self, column_count: usize) -> Result<(), SqlError> {
        self.copies_out = true;
        self.out.push(&reply::copy_out(column_count)).map_err(gone)
    }

    async fn copy_data(&mut self, lines: Vec<Bytes>) -> Result<(), SqlError> {
        for line in lines {
            self.out.push(&PgWireBackendMessage::CopyData(CopyData::new(line))).map_err(gone)?;
        }
        self.out.flush_if_large().await.map_err(gone)
    }

    fn notice(&mut self, severity: &str, state: SqlState, message: String) {
        // A client that is gone is noticed by the next row or answer.
        let _ = self.out.push(&reply::notice(severity, state, &message));
    }
}
