//! [`Recorder`]: a sink that keeps everything, for tests to look at.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{SqlError, SqlState};
use crate::plan::node::OutputColumn;
use crate::session::ResultSink;
use crate::types::{Datum, Row, text};

/// What a statement sent.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Columns of the result, where it has rows.
    pub columns: Option<Vec<OutputColumn>>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Sizes of the batches in which they came.
    pub batches: Vec<usize>,
    /// Data of COPY TO.
    pub data: Vec<u8>,
    /// Columns of COPY TO.
    pub copy_columns: Option<usize>,
    /// Severity and message of each notice.
    pub notices: Vec<(String, String)>,
}

impl Recorder {
    /// The rows as PostgreSQL's text, columns between tabs, NULL as `NULL`.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let cell = |(datum, column): (&Datum, &OutputColumn)| {
            text::to_text(datum, &column.data_type).unwrap_or_else(|| "NULL".to_owned())
        };
        self.rows.iter().map(|row| row.iter().zip(columns).map(cell).collect::<Vec<_>>().join("\t")).collect()
    }
}

#[async_trait]
impl ResultSink for Recorder {
    async fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), SqlError> {
        self.columns = Some(columns.to_vec());
        Ok(())
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), SqlError> {
        self.batches.push(rows.len());
        self.rows.extend(rows);
        Ok(())
    }

    async fn copy_out(&mut self, column_count: usize) -> Result<(), SqlError> {
        self.copy_columns = Some(column_count);
        Ok(())
    }

    async fn copy_data(&mut self, lines: Vec<Bytes>) -> Result<(), SqlError> {
        self.data.extend(lines.iter().flatten());
        Ok(())
    }

    fn notice(&mut self, severity: &str, state: SqlState, message: String) {
        self.notices.push((format!("{severity} {}", state.code()), message));
    }
}
