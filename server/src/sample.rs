//! The sample of nycflights13 that the demo loads: compiled in, created and copied through SQL as a user would.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::GzDecoder;
use quorate_sql::cancel::CancelToken;
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::node::SqlNode;
use quorate_sql::plan::node::OutputColumn;
use quorate_sql::session::{Completion, ResultSink, Session, SessionOptions, Statement};
use quorate_sql::types::Row;

/// The five tables.
const SCHEMA: &str = include_str!("../sample/schema.sql");
/// Tables with their rows: gzipped CSV with a header, missing values are NA.
const TABLES: [(&str, &[u8]); 5] = [
    ("airlines", include_bytes!("../sample/airlines.csv.gz")),
    ("airports", include_bytes!("../sample/airports.csv.gz")),
    ("planes", include_bytes!("../sample/planes.csv.gz")),
    ("weather", include_bytes!("../sample/weather.csv.gz")),
    ("flights", include_bytes!("../sample/flights.csv.gz")),
];
/// Bytes of CSV handed over at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Why the sample was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// SQL refused something.
    #[error("loading {table}: {source}")]
    Sql {
        /// What was loaded.
        table: &'static str,
        /// The error.
        source: SqlError,
    },
    /// The compiled-in file is damaged.
    #[error("the sample of {table} cannot be unpacked: {source}")]
    Unpack {
        /// Which.
        table: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// Creates the tables and copies their rows.
///
/// # Errors
/// The first that occurs; what was loaded until then stays.
pub async fn load(sql: &Arc<SqlNode>) -> Result<(), SampleError> {
    let options = SessionOptions {
        user: "root".to_owned(),
        database: "quorate".to_owned(),
        ..SessionOptions::default()
    };
    let mut session = sql.session(options);
    let schema_error = |source| SampleError::Sql { table: "the schema", source };
    for statement in session.parse(SCHEMA).map_err(schema_error)? {
        run(&mut session, &statement).await.map_err(schema_error)?;
    }
    for (table, packed) in TABLES {
        copy(&mut session, table, packed).await?;
    }
    Ok(())
}

/// Runs one statement; its rows are nobody's.
async fn run(session: &mut Session, statement: &Statement) -> Result<Completion, SqlError> {
    let prepared = session.prepare(statement, &[]).await?;
    session.run(&prepared, &[], &CancelToken::new(), &mut Discard).await
}

async fn copy(session: &mut Session, table: &'static str, packed: &[u8]) -> Result<(), SampleError> {
    let sql_error = |source| SampleError::Sql { table, source };
    let text = format!("COPY {table} FROM STDIN WITH (FORMAT csv, HEADER true, NULL 'NA')");
    let statements = session.parse(&text).map_err(sql_error)?;
    let Some(statement) = statements.first() else { return Ok(()) };
    let Completion::CopyIn(mut copy) = run(session, statement).await.map_err(sql_error)? else {
        return Ok(());
    };
    let mut unpacked = GzDecoder::new(packed);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = unpacked.read(&mut chunk).map_err(|source| SampleError::Unpack { table, source })?;
        let Some(data) = chunk.get(..read).filter(|data| !data.is_empty()) else { break };
        copy.feed(session, data).await.map_err(sql_error)?;
    }
    copy.finish(session).await.map_err(sql_error)?;
    Ok(())
}

/// Takes rows and forgets them.
struct Discard;

#[async_trait]
impl ResultSink for Discard {
    async fn columns(&mut self, _columns: &[OutputColumn]) -> Result<(), SqlError> {
        Ok(())
    }

    async fn rows(&mut self, _rows: Vec<Row>) -> Result<(), SqlError> {
        Ok(())
    }

    async fn copy_out(&mut self, _column_count: usize) -> Result<(), SqlError> {
        Ok(())
    }

    async fn copy_data(&mut self, _lines: Vec<Bytes>) -> Result<(), SqlError> {
        Ok(())
    }

    fn notice(&mut self, _severity: &str, _state: SqlState, _message: String) {}
}
