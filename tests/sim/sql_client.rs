//! Clients of SQL: tables of a few names come and go, alone and within transactions; rows are written and read.
//!
//! A client runs in the process of its node, over a session of its own, and dies with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_sql::cancel::CancelToken;
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::node::SqlNode;
use quorate_sql::plan::node::OutputColumn;
use quorate_sql::session::{ResultSink, Session, SessionOptions};
use quorate_sql::types::{Datum, Row};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::coverage::Point;
use crate::network::MachineId;
use crate::sql_history::{PLACE, SqlKind, SqlOutcome};
use crate::workload::{Running, Workload};

/// Names of tables that come and go.
const NAMES: u64 = 4;
/// The number that the history has for the sequence: no table's.
const SEQUENCE: u64 = 80;
/// The table that begins without a key: no other has this number. Each row is written once.
const KEYED: u64 = 82;
/// Keys of its rows are smaller.
const KEYS: u64 = 1 << 30;
/// So many of its newest rows are looked for.
const LOOKED_FOR: usize = 12;
/// Rows of each.
const ROWS: u64 = 3;
/// Longest pause between two statements.
const THINK_MAX_MS: u64 = 500;
/// Longest time for which a transaction with a new table stays open.
const OPEN_MAX_MS: u64 = 1_500;

/// A client of one node.
pub struct SqlClient {
    /// What it shares with others.
    pub workload: Workload,
    /// Where its node runs.
    pub machine: MachineId,
    /// SQL of that node.
    pub node: Arc<SqlNode>,
    /// What it does next.
    pub rng: StdRng,
}

/// Keeps the first number that comes.
#[derive(Default)]
struct OneNumber(Option<u64>);

#[async_trait]
impl ResultSink for OneNumber {
    async fn columns(&mut self, _columns: &[OutputColumn]) -> Result<(), SqlError> {
        Ok(())
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), SqlError> {
        if let Some(Datum::Int(number)) = rows.first().and_then(|row| row.first()) {
            self.0 = u64::try_from(*number).ok();
        }
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

/// Runs a text; the first number of its rows.
pub async fn run_text(session: &mut Session, text: &str) -> Result<Option<u64>, SqlError> {
    let (cancel, mut sink) = (CancelToken::new(), OneNumber::default());
    let mut run = session.begin_text(text).await?;
    while run.next(session, &cancel, &mut sink).await?.is_some() {}
    Ok(sink.0)
}

impl SqlClient {
    /// Runs until the clients shall end.
    pub async fn run(mut self) {
        self.workload.running.fetch_add(1, Ordering::Relaxed);
        let _running = Running(Arc::clone(&self.workload.running));
        let mut session = self.node.session(SessionOptions::default());
        while !self.workload.stop.load(Ordering::Relaxed) {
            let think = self.rng.random_range(0..=THINK_MAX_MS);
            tokio::time::sleep(Duration::from_millis(think)).await;
            self.once(&mut session).await;
        }
        session.close().await;
    }

    async fn once(&mut self, session: &mut Session) {
        if self.rng.random_ratio(1, 5) {
            return self.write_keyed(session).await;
        }
        let table = self.rng.random_range(0..NAMES);
        let row = self.rng.random_range(0..ROWS);
        let kind = match self.rng.random_range(0..100) {
            0..18 => SqlKind::Create,
            18..28 => SqlKind::Drop,
            28..38 => return self.write_twins(session, table, row).await,
            38..50 => return self.write_behind_savepoint(session, table, row).await,
            50..54 => SqlKind::Truncate,
            54..66 => SqlKind::Write { row },
            66..78 => SqlKind::Next,
            78..81 => SqlKind::SetTo,
            _ => SqlKind::Read { row },
        };
        let of = if matches!(kind, SqlKind::Next | SqlKind::SetTo) { SEQUENCE } else { table };
        let id = self.workload.sql.invoke(self.machine, of, kind);
        let result = match kind {
            SqlKind::Create if self.rng.random_ratio(1, 2) => self.create_within(session, table).await,
            SqlKind::Create => run_text(session, &create(table)).await,
            SqlKind::Drop => run_text(session, &format!("DROP TABLE s{table}")).await,
            SqlKind::Truncate => run_text(session, &format!("TRUNCATE s{table}")).await,
            SqlKind::Write { row } => run_text(session, &upsert((table, id), row)).await,
            SqlKind::Read { row } => run_text(session, &read(table, row)).await,
            SqlKind::Next => self.next_value(session).await,
            SqlKind::SetTo => run_text(session, &format!("SELECT setval('q', {})", id * PLACE)).await,
            SqlKind::AddKey => Ok(None),
        };
        self.answer(id, kind, result);
    }

    /// A statement about the table that is given its key while others write to it.
    async fn write_keyed(&mut self, session: &mut Session) {
        let kind = match self.rng.random_range(0..100) {
            0..20 => SqlKind::Create,
            20..24 => SqlKind::Drop,
            24..36 => SqlKind::AddKey,
            36..72 => SqlKind::Write { row: self.rng.random_range(0..KEYS) },
            _ => match self.newest_keyed() {
                Some(row) => SqlKind::Read { row },
                None => return,
            },
        };
        let id = self.workload.sql.invoke(self.machine, KEYED, kind);
        let text = match kind {
            SqlKind::Create => format!("CREATE TABLE s{KEYED} (k INT, v BIGINT)"),
            SqlKind::Drop => format!("DROP TABLE s{KEYED}"),
            SqlKind::AddKey => format!("ALTER TABLE s{KEYED} ADD PRIMARY KEY (k)"),
            SqlKind::Write { row } => format!("INSERT INTO s{KEYED} VALUES ({row}, {id})"),
            SqlKind::Read { row } => read(KEYED, row),
            SqlKind::Truncate | SqlKind::Next | SqlKind::SetTo => return,
        };
        let result = run_text(session, &text).await;
        self.answer(id, kind, result);
    }

    /// One of the newest rows of that table.
    fn newest_keyed(&mut self) -> Option<u64> {
        let rows: Vec<u64> = self.workload.sql.with(|ops| {
            let written = ops.iter().rev().filter_map(|op| {
                let SqlKind::Write { row } = op.kind else { return None };
                (op.table == KEYED).then_some(row)
            });
            written.take(LOOKED_FOR).collect()
        });
        let at = self.rng.random_range(0..LOOKED_FOR);
        rows.get(at % rows.len().max(1)).copied()
    }

    /// Writes a row of two tables as one.
    async fn write_twins(&mut self, session: &mut Session, table: u64, row: u64) {
        let tables = [table, (table + self.rng.random_range(1..NAMES)) % NAMES];
        let twins = self.workload.sql.invoke_twins(self.machine, tables, row);
        let texts: Vec<String> = tables.into_iter().zip(twins).map(|twin| upsert(twin, row)).collect();
        let result = within(session, &texts).await;
        for (at, id) in twins.into_iter().enumerate() {
            let own = match &result {
                Ok(()) => Ok(None),
                // It was undone with the other, which says nothing of its table.
                Err((Some(failed), _)) if *failed != at => {
                    Err(SqlError::new(SqlState::QueryCanceled, "the other statement failed"))
                }
                Err((_, error)) => Err(error.clone()),
            };
            self.answer(id, SqlKind::Write { row }, own);
        }
        if result.is_ok() {
            self.workload.coverage.hit(Point::SqlTwinsWritten);
        }
    }

    /// The next value of the sequence, which is made where it is not there yet.
    async fn next_value(&self, session: &mut Session) -> Result<Option<u64>, SqlError> {
        let next = "SELECT nextval('q')";
        match run_text(session, next).await {
            Err(error) if error.state == SqlState::UndefinedTable => {
                run_text(session, "CREATE SEQUENCE IF NOT EXISTS q").await?;
                run_text(session, next).await
            }
            result => result,
        }
    }

    /// Reads a row and writes another one behind a savepoint, goes back to it, and writes the row that it has read.
    async fn write_behind_savepoint(&mut self, session: &mut Session, table: u64, row: u64) {
        let other = (row + 1) % ROWS;
        let undone = self.workload.sql.invoke(self.machine, table, SqlKind::Write { row: other });
        // Whatever becomes of its transaction.
        let gone_back = SqlError::new(SqlState::QueryCanceled, "it goes back to a savepoint");
        self.answer(undone, SqlKind::Write { row: other }, Err(gone_back));
        let kept = self.workload.sql.invoke(self.machine, table, SqlKind::Write { row });
        let mut texts = vec!["SAVEPOINT a".to_owned(), read(table, row), upsert((table, undone), other)];
        // What brings a client back to its savepoint more often than its own will.
        if self.rng.random_ratio(1, 2) {
            texts.push("SELECT 1 / 0".to_owned());
        }
        let result = self.go_back_and_write(session, &texts, (table, row, kept)).await;
        if result.is_ok() {
            self.workload.coverage.hit(Point::SqlWentBack);
        }
        self.answer(kept, SqlKind::Write { row }, result.map(|()| None));
    }

    /// Runs these statements, of which the last may fail on purpose, goes back to the savepoint and writes.
    async fn go_back_and_write(
        &mut self,
        session: &mut Session,
        texts: &[String],
        (table, row, kept): (u64, u64, u64),
    ) -> Result<(), SqlError> {
        let open = self.rng.random_range(0..=OPEN_MAX_MS / 3);
        run_text(session, "BEGIN").await?;
        let done = async {
            for (at, text) in texts.iter().enumerate() {
                match run_text(session, text).await {
                    Ok(found) if at == 1 => self.workload.sql.note_read(kept, found),
                    Ok(_) => {}
                    Err(error) if error.state == SqlState::DivisionByZero => {}
                    Err(error) => return Err(error),
                }
            }
            tokio::time::sleep(Duration::from_millis(open)).await;
            run_text(session, "ROLLBACK TO a").await?;
            // Whole, so that it reads nothing: what was read before has to do.
            run_text(session, &replace((table, kept), row)).await
        };
        if let Err(error) = done.await {
            run_text(session, "ROLLBACK").await?;
            return Err(error);
        }
        run_text(session, "COMMIT").await.map(|_| ())
    }

    fn answer(&self, id: u64, kind: SqlKind, result: Result<Option<u64>, SqlError>) {
        let (outcome, told) = match result {
            Ok(found) => {
                match kind {
                    SqlKind::Create => self.workload.coverage.hit(Point::TableCreated),
                    SqlKind::Drop => self.workload.coverage.hit(Point::TableDropped),
                    SqlKind::Truncate => self.workload.coverage.hit(Point::TableTruncated),
                    SqlKind::Write { .. } => self.workload.coverage.hit(Point::SqlRowWritten),
                    SqlKind::Read { .. } => {}
                    SqlKind::Next => self.workload.coverage.hit(Point::SequenceDrawn),
                    SqlKind::SetTo => self.workload.coverage.hit(Point::SequenceSet),
                    SqlKind::AddKey => self.workload.coverage.hit(Point::TableKeyed),
                }
                (SqlOutcome::Done(found), String::new())
            }
            Err(error) => (outcome_of(&error), error.to_string()),
        };
        self.workload.sql.answer(id, outcome, &told);
    }

    /// A table of a transaction that stays open for a while; now and then it is rolled back, or back to before it was made.
    async fn create_within(&mut self, session: &mut Session, table: u64) -> Result<Option<u64>, SqlError> {
        let open = self.rng.random_range(0..=OPEN_MAX_MS);
        let commits = self.rng.random_ratio(2, 3);
        let goes_back = self.rng.random_ratio(1, 2);
        run_text(session, "BEGIN").await?;
        run_text(session, "SAVEPOINT a").await?;
        let made = run_text(session, &create(table)).await;
        if made.is_ok() {
            tokio::time::sleep(Duration::from_millis(open)).await;
        }
        let ended = if commits && made.is_ok() {
            run_text(session, "COMMIT").await
        } else if goes_back && made.is_ok() {
            run_text(session, "ROLLBACK TO a").await?;
            run_text(session, "COMMIT").await
        } else {
            run_text(session, "ROLLBACK").await
        };
        made?;
        ended?;
        if commits { Ok(None) } else { Err(SqlError::new(SqlState::QueryCanceled, "it was rolled back")) }
    }
}

/// Runs statements as one transaction; the number of the one that failed, if it was not BEGIN or COMMIT.
async fn within(session: &mut Session, texts: &[String]) -> Result<(), (Option<usize>, SqlError)> {
    let neither = |error| (None, error);
    run_text(session, "BEGIN").await.map_err(neither)?;
    for (at, text) in texts.iter().enumerate() {
        if let Err(error) = run_text(session, text).await {
            run_text(session, "ROLLBACK").await.map_err(neither)?;
            return Err((Some(at), error));
        }
    }
    run_text(session, "COMMIT").await.map_err(neither).map(|_| ())
}

fn upsert((table, id): (u64, u64), row: u64) -> String {
    format!("INSERT INTO s{table} VALUES ({row}, {id}) ON CONFLICT (k) DO UPDATE SET v = {id}")
}

/// The same of a whole row.
pub fn replace((table, id): (u64, u64), row: u64) -> String {
    format!("INSERT INTO s{table} VALUES ({row}, {id}) ON CONFLICT (k) DO UPDATE SET v = excluded.v")
}

/// SELECT of a row.
pub fn read(table: u64, row: u64) -> String {
    format!("SELECT v FROM s{table} WHERE k = {row}")
}

/// CREATE TABLE of a name.
pub fn create(table: u64) -> String {
    format!("CREATE TABLE s{table} (k INT PRIMARY KEY, v BIGINT)")
}

/// SQLSTATEs of statements that surely have done nothing: every other may be of a change that was made and not seen through.
const NOTHING_DONE: [SqlState; 5] = [
    SqlState::UndefinedTable,
    SqlState::DuplicateTable,
    SqlState::QueryCanceled,
    SqlState::SerializationFailure,
    SqlState::CannotConnectNow,
];

/// What is known after an error.
pub fn outcome_of(error: &SqlError) -> SqlOutcome {
    if NOTHING_DONE.contains(&error.state) {
        return SqlOutcome::Failed(error.state.code());
    }
    SqlOutcome::Unknown
}
