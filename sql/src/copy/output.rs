//! `COPY … TO STDOUT`: rows to lines.

use std::sync::Arc;

use bytes::Bytes;

use crate::bind::{BoundDml, BoundQuery};
use crate::error::SqlError;
use crate::exec::context::ExecError;
use crate::parser::ast::{CopyFormat, CopyOptions};
use crate::plan::node::OutputColumn;
use crate::planner::memory::Unplanned;
use crate::retry::Attempts;
use crate::session::dispatch::{Run, tag};
use crate::session::dml::Output;
use crate::session::{Completion, ResultSink, Session};
use crate::types::{Datum, text};

/// Bytes of lines that are sent at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Runs a `COPY … TO STDOUT`.
pub(crate) async fn copy_out(
    session: &mut Session,
    (query, options): (&BoundQuery, &CopyOptions),
    run: &Run<'_>,
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let mut lines =
        Lines { sink, options, columns: &query.columns, waiting: Waiting::default(), is_started: false };
    let query = BoundDml::Query(query.clone());
    let statement = Unplanned { statement: &query, memory: None, changes_session: run.changes_session };
    let count = run_query(session, statement, run, &mut lines).await?;
    lines.finish().await?;
    Ok(tag(format!("COPY {count}")))
}

/// Runs the query: in the open transaction, or alone and again while nothing was sent.
async fn run_query(
    session: &mut Session,
    query: Unplanned<'_>,
    run: &Run<'_>,
    lines: &mut Lines<'_>,
) -> Result<u64, SqlError> {
    if session.is_in_transaction() {
        return Ok(session.run_in_transaction(query, run, &mut Output::Lines(lines)).await?.count);
    }
    let node = Arc::clone(&session.node);
    let mut attempts = Attempts::new(&node);
    loop {
        match session.attempt(query, run.lease, run, &mut Output::Lines(lines)).await {
            Ok(done) => return Ok(done.count),
            Err(ExecError::Kv(error)) if !lines.is_started => attempts.after(error).await?,
            Err(error) => return Err(error.into_sql(&node.catalog.snapshot())),
        }
        // Forgets what was not sent: the query is run again.
        lines.waiting = Waiting::default();
    }
}

/// Makes lines of rows and sends them in chunks.
pub(crate) struct Lines<'a> {
    sink: &'a mut dyn ResultSink,
    options: &'a CopyOptions,
    columns: &'a [OutputColumn],
    waiting: Waiting,
    is_started: bool,
}

/// Lines that are not sent yet.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Waiting {
    fn put(&mut self, fields: impl ExactSizeIterator<Item = Option<String>>, options: &CopyOptions) {
        put_line(&mut self.bytes, fields, options);
        self.ends.push(self.bytes.len());
    }

    fn into_lines(self) -> Vec<Bytes> {
        let mut rest = Bytes::from(self.bytes);
        let mut begin = 0;
        let lines = self.ends.into_iter().map(|end| {
            let line = rest.split_to(end - begin);
            begin = end;
            line
        });
        lines.collect()
    }
}

impl Lines<'_> {
    /// Takes rows.
    pub(crate) async fn rows(&mut self, rows: &[Vec<Datum>]) -> Result<(), SqlError> {
        for row in rows {
            let fields =
                row.iter().zip(self.columns).map(|(datum, column)| text::to_text(datum, &column.data_type));
            self.waiting.put(fields, self.options);
            if self.waiting.bytes.len() >= CHUNK_BYTES {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Sends what is left.
    pub(crate) async fn finish(&mut self) -> Result<(), SqlError> {
        self.send().await
    }

    async fn send(&mut self) -> Result<(), SqlError> {
        let lines = std::mem::take(&mut self.waiting);
        if !std::mem::replace(&mut self.is_started, true) {
            self.sink.copy_out(self.columns.len()).await?;
            if self.options.header {
                let mut header = Waiting::default();
                header.put(self.columns.iter().map(|column| Some(column.name.clone())), self.options);
                self.sink.copy_data(header.into_lines()).await?;
            }
        }
        if lines.ends.is_empty() { Ok(()) } else { self.sink.copy_data(lines.into_lines()).await }
    }
}

/// Appends a line; `None` is NULL.
pub fn put_line(
    out: &mut Vec<u8>,
    fields: impl ExactSizeIterator<Item = Option<String>>,
    options: &CopyOptions,
) {
    let is_single = fields.len() == 1;
    for (position, field) in fields.enumerate() {
        if position > 0 {
            out.push(options.delimiter);
        }
        match (field, options.format) {
            (None, _) => out.extend_from_slice(options.null.as_bytes()),
            (Some(field), CopyFormat::Csv) => put_csv(out, field.as_bytes(), is_single, options),
            (Some(field), CopyFormat::Text) => put_text(out, field.as_bytes(), options.delimiter),
        }
    }
    out.push(b'\n');
}

fn put_csv(out: &mut Vec<u8>, field: &[u8], is_single: bool, options: &CopyOptions) {
    let is_special =
        |byte: &u8| *byte == options.delimiter || *byte == options.quote || matches!(byte, b'\n' | b'\r');
    let needs_quotes =
        field == options.null.as_bytes() || (is_single && field == br"\.") || field.iter().any(is_special);
    if !needs_quotes {
        out.extend_from_slice(field);
        return;
    }
    out.push(options.quote);
    for byte in field {
        if *byte == options.quote || *byte == options.escape {
            out.push(options.escape);
        }
        out.push(*byte);
    }
    out.push(options.quote);
}

fn put_text(out: &mut Vec<u8>, field: &[u8], delimiter: u8) {
    for byte in field {
        let escaped = match byte {
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            other if *other == delimiter => delimiter,
            other => {
                out.push(*other);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escaped]);
    }
}
