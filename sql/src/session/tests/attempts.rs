//! Attempts, cancelling and parts, over a database that a test makes fail.

use std::collections::VecDeque;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Committed, Key, KvError, ScanPage, ScanRequest, Sequence, Transaction, Value};
use quorate_engine::testing::{HookedDatabase, Hooks};
use uuid::Uuid;

use super::*;
use crate::cancel::CancelReason;
use crate::error::SqlState;
use crate::kv_error::sql_error;
use crate::plan::node::OutputColumn;
use crate::types::Row;

/// What the next calls come to, instead of what they would.
#[derive(Default)]
pub(super) struct Script {
    pub(super) commits: VecDeque<KvError>,
    /// Errors of reads by key.
    reads: VecDeque<KvError>,
    /// Commits before those.
    let_through: usize,
    /// Whether a commit whose end is not known was done.
    is_answer_lost: bool,
    /// Errors of scan pages; `None` lets a page through.
    pub scans: VecDeque<Option<KvError>>,
    /// Scans never answer.
    is_stuck: bool,
    pub(super) commits_seen: usize,
    /// Keys that were read one by one.
    pub(super) keys_read: usize,
    /// Most keys of one request.
    pub(super) keys_at_once: usize,
    /// Bytes of the longest program that was sent.
    pub(super) program_bytes: usize,
    /// The next page of a scan comes when this is told.
    held_scan: Option<tokio::sync::oneshot::Receiver<()>>,
    /// What commits were to lie below.
    deadlines: Vec<Option<Timestamp>>,
    /// When the work of each transaction was said to have begun, and when the transaction did.
    pub ages: Vec<(Option<Timestamp>, Timestamp)>,
}

/// Makes a database do what its script says.
struct Scripted(Arc<Mutex<Script>>);

#[async_trait]
impl Hooks for Scripted {
    fn begun(&self, since: Option<Timestamp>, below: &dyn Transaction) {
        self.0.lock().ages.push((since, below.read_timestamp()));
    }

    async fn get_many(
        &self,
        below: &mut dyn Transaction,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        {
            let mut script = self.0.lock();
            script.keys_read += keys.len();
            script.keys_at_once = script.keys_at_once.max(keys.len());
            if let Some(error) = script.reads.pop_front() {
                return Err(error);
            }
        }
        below.get_many_as_of(keys, as_of).await
    }

    async fn scan(
        &self,
        below: &mut dyn Transaction,
        mut request: ScanRequest,
        as_of: Sequence,
    ) -> Result<ScanPage, KvError> {
        let next = {
            let mut script = self.0.lock();
            let bytes = request.program.as_ref().map_or(0, |program| program.0.len());
            script.program_bytes = script.program_bytes.max(bytes);
            if script.is_stuck { None } else { Some(script.scans.pop_front().flatten()) }
        };
        let held = self.0.lock().held_scan.take();
        if let Some(held) = held {
            let _ = held.await;
        }
        match next {
            None => std::future::pending().await,
            Some(Some(error)) => Err(error),
            Some(None) => {
                request.rows_max = request.rows_max.min(1_500);
                below.scan_as_of(request, as_of).await
            }
        }
    }

    async fn commit(
        &self,
        below: &mut dyn Transaction,
        deadline: Option<Timestamp>,
    ) -> Result<Committed, KvError> {
        let (next, is_done) = {
            let mut script = self.0.lock();
            script.commits_seen += 1;
            script.deadlines.push(deadline);
            let is_due = script.let_through == 0;
            script.let_through = script.let_through.saturating_sub(1);
            (if is_due { script.commits.pop_front() } else { None }, script.is_answer_lost)
        };
        match next {
            Some(error) if is_done && error.is_ambiguous() => {
                below.commit(deadline).await?;
                Err(error)
            }
            Some(error) => Err(error),
            None => below.commit(deadline).await,
        }
    }
}

pub(super) fn retry() -> KvError {
    KvError::Retry { key: Key::from(vec![2]), reason: "the test wants it".to_owned() }
}

/// A session with a table of this many rows, and what its database will do.
pub(super) async fn session_with_rows(count: usize) -> (Session, Arc<Mutex<Script>>, Arc<LocalCluster>) {
    let store = Arc::new(MemoryStore::new());
    let inner = LocalDatabase::new(store, Arc::new(HybridClock::system()), scan_evaluator());
    let script = Arc::new(Mutex::new(Script::default()));
    let database = HookedDatabase::new(Arc::new(inner), Arc::new(Scripted(script.clone())));
    let cluster = LocalCluster::new();
    let node = SqlNode::new(database, cluster.clone(), TestClock::new());
    let mut session = node.session(SessionOptions::default());
    sql(&mut session, "CREATE TABLE t (a INT PRIMARY KEY, b INT)").await.unwrap();
    let data: String = (0..count).map(|number| format!("{number},{}\n", number % 100)).collect();
    assert_eq!(
        copy(&mut session, "COPY t FROM STDIN (FORMAT csv)", &data, 4_096).await.unwrap(),
        format!("COPY {count}")
    );
    *script.lock() = Script::default();
    (session, script, cluster)
}

pub(super) async fn sql(session: &mut Session, text: &str) -> Result<Vec<String>, SqlError> {
    let mut recorder = Recorder::default();
    run_text(session, text, &mut recorder).await?;
    Ok(recorder.lines())
}

#[tokio::test]
async fn attempts_are_repeated_while_nothing_was_sent() {
    let (mut session, script, _) = session_with_rows(3).await;
    script.lock().commits = [retry(), retry()].into();
    sql(&mut session, "UPDATE t SET b = b + 1000").await.unwrap();
    assert_eq!(script.lock().commits_seen, 3);
    assert_eq!(
        sql(&mut session, "SELECT sum(b) FROM t").await.unwrap(),
        ["3003"],
        "the change was made once"
    );
    script.lock().scans = [Some(retry())].into();
    assert_eq!(sql(&mut session, "SELECT count(*) FROM t").await.unwrap(), ["3"]);
}

/// Whether each transaction but the first, of those begun, has the age of the first.
fn are_one_work(ages: &[(Option<Timestamp>, Timestamp)]) -> bool {
    let (first, rest) = ages.split_first().expect("something was begun");
    first.0.is_none() && rest.iter().all(|(since, _)| *since == Some(first.1))
}

/// Work that is tried again, by the session or by its client, is not the youngest each time.
#[tokio::test]
async fn attempts_keep_the_age_of_the_first() {
    let (mut session, script, _) = session_with_rows(3).await;
    script.lock().commits = [retry(), retry()].into();
    sql(&mut session, "UPDATE t SET b = b + 1").await.unwrap();
    let ages = std::mem::take(&mut script.lock().ages);
    assert!(ages.len() == 3 && are_one_work(&ages), "{ages:?}");

    // What was done is done: the next statement is as young as it is.
    script.lock().commits = [retry(), retry()].into();
    for _ in 0..2 {
        sql(&mut session, "BEGIN").await.unwrap();
        sql(&mut session, "UPDATE t SET b = b + 1").await.unwrap();
        let error = sql(&mut session, "COMMIT").await.unwrap_err();
        assert_eq!(error.state, SqlState::SerializationFailure);
    }
    // One that fails at once, and is ended by its client.
    script.lock().scans = [Some(retry())].into();
    sql(&mut session, "BEGIN").await.unwrap();
    sql(&mut session, "UPDATE t SET b = b + 1").await.unwrap_err();
    sql(&mut session, "ROLLBACK").await.unwrap();
    sql(&mut session, "BEGIN; UPDATE t SET b = b + 1; COMMIT").await.unwrap();
    let ages = std::mem::take(&mut script.lock().ages);
    assert!(ages.len() == 4 && are_one_work(&ages), "{ages:?}");

    // Who gives up, or fails for another reason, has nothing to try again.
    for end in ["ROLLBACK", "SELECT 1/0 FROM t"] {
        script.lock().scans = [Some(retry())].into();
        sql(&mut session, "BEGIN; UPDATE t SET b = b + 1").await.unwrap_err();
        sql(&mut session, "ROLLBACK").await.unwrap();
        sql(&mut session, "BEGIN; SELECT b FROM t").await.unwrap();
        let _ = sql(&mut session, end).await;
        let _ = sql(&mut session, "ROLLBACK").await;
        script.lock().ages.clear();
        sql(&mut session, "UPDATE t SET b = b + 1").await.unwrap();
        assert_eq!(script.lock().ages.iter().filter(|(since, _)| since.is_some()).count(), 0, "{end}");
    }
}

fn unknown() -> KvError {
    KvError::Ambiguous { transaction: Uuid::nil(), detail: "no answer for 4.5 s".to_owned() }
}

/// Range 1 did not answer: whether a table was made or dropped can be told, and need not be asked of the client.
#[tokio::test]
async fn attempts_at_the_catalog_find_out_what_they_did() {
    let (mut session, script, cluster) = session_with_rows(1).await;
    for is_answer_lost in [true, false] {
        // The first commit takes the table's id.
        for let_through in [0, 1] {
            let failing = Script {
                commits: [unknown(), retry()].into(),
                let_through,
                is_answer_lost,
                ..Script::default()
            };
            *script.lock() = failing;
            sql(&mut session, "CREATE TABLE n (a INT PRIMARY KEY)").await.unwrap();
            assert!(script.lock().commits.is_empty());
            sql(&mut session, "INSERT INTO n VALUES (1)").await.unwrap();
            *script.lock() =
                Script { commits: [retry(), unknown()].into(), is_answer_lost, ..Script::default() };
            sql(&mut session, "DROP TABLE n").await.unwrap();
            assert!(script.lock().commits.is_empty());
            assert_eq!(
                sql(&mut session, "SELECT * FROM n").await.unwrap_err().state,
                SqlState::UndefinedTable
            );
        }
    }
    assert_eq!(cluster.ranges_now(), 1, "that of the first table alone is left");
}

/// A range that is too busy, or between two leaders: nothing was done.
#[tokio::test]
async fn attempts_at_the_catalog_outlast_a_range_that_is_unavailable_for_a_while() {
    let (mut session, script, cluster) = session_with_rows(1).await;
    let unavailable = || KvError::Unavailable { range_id: 1, detail: "the test wants it".to_owned() };
    let some = || std::iter::repeat_with(unavailable).take(5).collect::<VecDeque<_>>();
    for let_through in [0, 1] {
        *script.lock() = Script { reads: some(), commits: some(), let_through, ..Script::default() };
        sql(&mut session, "CREATE TABLE n (a INT PRIMARY KEY)").await.unwrap();
        *script.lock() = Script { reads: some(), commits: some(), ..Script::default() };
        sql(&mut session, "DROP TABLE n").await.unwrap();
        assert!(script.lock().reads.is_empty() && script.lock().commits.is_empty(), "all was met");
    }
    assert_eq!(cluster.ranges_now(), 1, "that of the first table alone is left");
    // Not for ever.
    script.lock().reads = std::iter::repeat_with(unavailable).take(1_000).collect();
    let error = sql(&mut session, "CREATE TABLE n (a INT PRIMARY KEY)").await.unwrap_err();
    assert_eq!(error.state, sql_error(unavailable(), None).state);
    assert!(script.lock().reads.len() > 500, "it gave up in time");
}

#[tokio::test]
async fn attempts_at_the_catalog_end() {
    let (mut session, script, _) = session_with_rows(1).await;
    script.lock().commits = std::iter::repeat_with(unknown).take(1_000).collect();
    script.lock().let_through = 1;
    let error = sql(&mut session, "CREATE TABLE n (a INT PRIMARY KEY)").await.unwrap_err();
    assert_eq!(error.state, SqlState::StatementCompletionUnknown);
    script.lock().commits = std::iter::repeat_with(retry).take(1_000).collect();
    let error = sql(&mut session, "CREATE TABLE n (a INT PRIMARY KEY)").await.unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure);
    let tries = script.lock().commits_seen;
    assert!(tries > 50 && tries < 500, "{tries} within 40 s");
}

/// A table that may be there keeps its range, whatever a later attempt says.
#[tokio::test]
async fn attempts_at_the_catalog_that_may_have_made_a_table_leave_its_range() {
    let (mut session, script, cluster) = session_with_rows(1).await;
    let commits = std::iter::once(unknown()).chain(std::iter::repeat_with(retry).take(1_000));
    *script.lock() = Script { commits: commits.collect(), let_through: 1, ..Script::default() };
    let error = sql(&mut session, "CREATE TABLE n (a INT PRIMARY KEY)").await.unwrap_err();
    assert_eq!(error.state, SqlState::StatementCompletionUnknown);
    assert_eq!(cluster.ranges_now(), 2, "that of the table that may be there");
}

#[tokio::test]
async fn attempts_at_the_catalog_of_many_sessions_all_succeed() {
    let (first, _, _) = session_with_rows(1).await;
    let mut creating = Vec::new();
    for number in 0..20 {
        let mut session = first.node.session(SessionOptions::default());
        creating.push(tokio::spawn(async move {
            for table in 0..5 {
                let text = format!("CREATE TABLE t_{number}_{table} (a INT PRIMARY KEY)");
                sql(&mut session, &text).await.unwrap();
            }
        }));
    }
    for client in creating {
        client.await.unwrap();
    }
    assert_eq!(first.node.catalog.snapshot().tables().count(), 101);
}

/// A statement may run for longer than a lease lasts: it commits under the one that holds at its end.
#[tokio::test]
async fn attempts_commit_under_the_lease_of_their_end() {
    let (mut session, script, cluster) = session_with_rows(3).await;
    let first = cluster.leases();
    script.lock().commits = [retry()].into();
    sql(&mut session, "UPDATE t SET b = b + 1000").await.unwrap();
    assert_eq!(
        cluster.leases(),
        first + 6,
        "two around the binding, then one before and one behind each attempt"
    );
    let until = |number| Some(LocalCluster::lease_until(number));
    assert_eq!(script.lock().deadlines, [until(first + 3), until(first + 5)]);
}

/// A lease that was given while the statement ran may be for a newer catalog: where its tables are others there, it is
/// bound and run again.
#[tokio::test]
async fn attempts_whose_tables_change_meanwhile_are_bound_again() {
    let (mut session, script, cluster) = session_with_rows(3).await;
    let mut other = session.node.session(SessionOptions::default());
    // The first attempt waits for its only page while the table is made anew.
    let (hold, held) = tokio::sync::oneshot::channel();
    script.lock().held_scan = Some(held);
    let updating = tokio::spawn(async move { sql(&mut session, "UPDATE t SET b = b + 1000").await });
    while script.lock().held_scan.is_some() {
        tokio::task::yield_now().await;
    }
    for text in ["DROP TABLE t", "CREATE TABLE t (a INT PRIMARY KEY, b INT)", "INSERT INTO t VALUES (1, 5)"] {
        sql(&mut other, text).await.unwrap();
    }
    let before = cluster.leases();
    hold.send(()).unwrap();
    updating.await.unwrap().unwrap();
    assert!(cluster.leases() > before + 2, "there was a second attempt");
    assert_eq!(sql(&mut other, "SELECT a, b FROM t").await.unwrap(), ["1\t1005"]);
}

/// What ON CONFLICT leaves is the same with and without a read; only the statements that need one read.
#[tokio::test]
async fn attempts_of_upserts_read_only_what_they_need() {
    let (mut session, script, _) = session_with_rows(1).await;
    sql(&mut session, "CREATE TABLE w (a INT PRIMARY KEY, b INT NOT NULL, c INT DEFAULT 5)").await.unwrap();
    sql(&mut session, "CREATE TABLE n (a NUMERIC PRIMARY KEY, b INT)").await.unwrap();
    sql(&mut session, "INSERT INTO w VALUES (1, 1, 1)").await.unwrap();
    sql(&mut session, "INSERT INTO n VALUES (1.10, 1)").await.unwrap();
    let cases = [
        // Every column: nothing is read, whether the row is there or not, in a block or not.
        (
            "INSERT INTO w VALUES (1, 2, 3), (2, 2, 3) ON CONFLICT (a) DO UPDATE SET c = excluded.c, b = excluded.b",
            0,
        ),
        (
            "INSERT INTO w (a, b) VALUES (1, 7) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = excluded.c, a = excluded.a",
            0,
        ),
        (
            "BEGIN; INSERT INTO w VALUES (3, 1) ON CONFLICT (a) DO UPDATE SET c = excluded.c, b = excluded.b; COMMIT",
            0,
        ),
        // A column less, another column's value, an expression, a condition.
        ("INSERT INTO w VALUES (1, 8, 8) ON CONFLICT (a) DO UPDATE SET b = excluded.b", 1),
        ("INSERT INTO w VALUES (1, 9, 4) ON CONFLICT (a) DO UPDATE SET b = excluded.c, c = excluded.c", 1),
        ("INSERT INTO w VALUES (2, 9, 9) ON CONFLICT (a) DO UPDATE SET b = w.b, c = excluded.c", 1),
        (
            "INSERT INTO w VALUES (3, 9, 9) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = excluded.c WHERE w.b > 1",
            1,
        ),
        ("INSERT INTO w VALUES (3, 6, 6) ON CONFLICT (a) DO NOTHING", 1),
        // A numeric key keeps its digits, which are beside the key, unless they are set.
        ("INSERT INTO n VALUES (1.1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b", 1),
    ];
    for (text, wanted) in cases {
        script.lock().keys_read = 0;
        sql(&mut session, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(script.lock().keys_read, wanted, "{text}");
    }
    let rows = sql(&mut session, "SELECT * FROM w ORDER BY a").await.unwrap();
    assert_eq!(rows, ["1\t4\t4", "2\t2\t9", "3\t1\t5"]);
    assert_eq!(sql(&mut session, "SELECT * FROM n").await.unwrap(), ["1.10\t2"]);
    script.lock().keys_read = 0;
    sql(
        &mut session,
        "INSERT INTO n VALUES (1.1, 3) ON CONFLICT (a) DO UPDATE SET b = excluded.b, a = excluded.a",
    )
    .await
    .unwrap();
    assert_eq!(sql(&mut session, "SELECT * FROM n").await.unwrap(), ["1.1\t3"]);
    assert_eq!(script.lock().keys_read, 0);
    let twice = "INSERT INTO w VALUES (7, 1, 1), (7, 2, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = excluded.c";
    assert_eq!(sql(&mut session, twice).await.unwrap_err().state, SqlState::CardinalityViolation);
    let null =
        "INSERT INTO w VALUES (1, NULL, 1) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = excluded.c";
    assert_eq!(sql(&mut session, null).await.unwrap_err().state, SqlState::NotNullViolation);
    assert_eq!(sql(&mut session, "SELECT count(*) FROM w").await.unwrap(), ["3"]);
}

#[tokio::test]
async fn attempts_end() {
    let (mut session, script, _) = session_with_rows(1).await;
    script.lock().commits = std::iter::repeat_n(retry(), 100).collect();
    let error = sql(&mut session, "DELETE FROM t").await.unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure);
    assert_eq!(script.lock().commits_seen, usize::try_from(crate::limits::ATTEMPTS_MAX).unwrap());
}

#[tokio::test]
async fn attempts_are_not_repeated_in_a_block_or_after_an_unknown_commit() {
    let (mut session, script, _) = session_with_rows(1).await;
    script.lock().commits = [retry()].into();
    let error = sql(&mut session, "BEGIN; UPDATE t SET b = 7; COMMIT").await.unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure);
    assert_eq!(session.transaction_status(), TransactionStatus::Idle);
    let ambiguous = KvError::Ambiguous { transaction: Uuid::nil(), detail: "no answer for 4.5 s".to_owned() };
    script.lock().commits = [ambiguous].into();
    let error = sql(&mut session, "UPDATE t SET b = 7").await.unwrap_err();
    assert_eq!(error.state, SqlState::StatementCompletionUnknown);
    assert_eq!(script.lock().commits_seen, 2);
}

/// The range of a table goes when another has taken its place: who writes meanwhile is bound to that one.
#[tokio::test]
async fn statement_whose_table_was_replaced_meanwhile_is_bound_again() {
    let (mut session, script, _) = session_with_rows(1).await;
    let gone = || KvError::NoRange { key: Key::default() };
    script.lock().commits = [gone()].into();
    sql(&mut session, "UPDATE t SET b = 7").await.unwrap();
    assert_eq!(script.lock().commits_seen, 2);
    script.lock().commits = [gone()].into();
    let error = sql(&mut session, "BEGIN; UPDATE t SET b = 8; COMMIT").await.unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure, "{error}");
}

#[tokio::test]
async fn attempts_are_not_repeated_when_rows_were_sent() {
    let (mut session, script, _) = session_with_rows(3_000).await;
    script.lock().scans = [None, Some(retry())].into();
    let mut recorder = Recorder::default();
    let error = run_text(&mut session, "SELECT a FROM t", &mut recorder).await.unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure);
    assert_eq!(recorder.rows.len(), 1_000, "one full batch had left");
}

#[tokio::test]
async fn batches_for_the_client_are_bounded() {
    let (mut session, _, _) = session_with_rows(3_000).await;
    let mut recorder = Recorder::default();
    run_text(&mut session, "SELECT a FROM t", &mut recorder).await.unwrap();
    assert_eq!(recorder.batches, [1_000, 1_000, 1_000]);
}

/// What a statement writes lies ahead of its own scan, beyond the page that it has read.
#[tokio::test]
async fn statements_of_many_pages_do_not_see_their_own_writes() {
    let (mut session, script, _) = session_with_rows(4_000).await;
    sql(&mut session, "CREATE TABLE heap (v INT)").await.unwrap();
    sql(&mut session, "INSERT INTO heap SELECT a FROM t").await.unwrap();
    let cases = [
        ("INSERT INTO heap SELECT v FROM heap", "SELECT count(*) FROM heap", "8000"),
        ("BEGIN; INSERT INTO heap SELECT v FROM heap; COMMIT", "SELECT count(*) FROM heap", "16000"),
        ("INSERT INTO t SELECT a + 4000, 1 FROM t", "SELECT count(*) FROM t", "8000"),
        (
            "BEGIN; INSERT INTO t SELECT a + 8000, 1 FROM t WHERE a < 4000; INSERT INTO t SELECT a + 12000, 1 FROM t; COMMIT",
            "SELECT count(*) FROM t",
            "24000",
        ),
        ("UPDATE t SET a = a + 1, b = a", "SELECT max(a) - min(b) FROM t", "24000"),
        (
            "INSERT INTO t SELECT a + 100000, 0 FROM t ON CONFLICT (a) DO UPDATE SET b = 7",
            "SELECT count(*) FROM t",
            "48000",
        ),
        (
            "BEGIN; DELETE FROM t WHERE a > 4000; INSERT INTO t SELECT a + 1, 0 FROM t ON CONFLICT (a) DO NOTHING; COMMIT",
            "SELECT count(*) FROM t",
            "4001",
        ),
    ];
    for (text, check, wanted) in cases {
        sql(&mut session, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(sql(&mut session, check).await.unwrap(), [wanted], "{text}");
    }
    // The second attempt of a statement sees nothing of the first.
    script.lock().commits = [retry()].into();
    sql(&mut session, "INSERT INTO t SELECT a + 200000, 0 FROM t").await.unwrap();
    assert_eq!(sql(&mut session, "SELECT count(*) FROM t").await.unwrap(), ["8002"]);
}

#[tokio::test]
async fn cancel_ends_a_scan_that_waits() {
    let (mut session, script, _) = session_with_rows(1).await;
    script.lock().is_stuck = true;
    let cancel = CancelToken::new();
    cancel.cancel(CancelReason::Request);
    let mut run = session.begin_text("SELECT count(*) FROM t").await.unwrap();
    let error = run.next(&mut session, &cancel, &mut Recorder::default()).await.unwrap_err();
    assert_eq!(error.state, SqlState::QueryCanceled);
    // A token that is cancelled while the scan waits.
    let cancel = CancelToken::new();
    let mut run = session.begin_text("SELECT count(*) FROM t").await.unwrap();
    let mut recorder = Recorder::default();
    let waiting = run.next(&mut session, &cancel, &mut recorder);
    let cancelling = async {
        tokio::task::yield_now().await;
        cancel.cancel(CancelReason::Request);
    };
    let (result, ()) = tokio::join!(waiting, cancelling);
    assert_eq!(result.unwrap_err().state, SqlState::QueryCanceled);
}

#[tokio::test]
async fn statement_timeout_ends_a_scan_that_waits() {
    let (mut session, script, _) = session_with_rows(1).await;
    script.lock().is_stuck = true;
    sql(&mut session, "SET statement_timeout = '3s'").await.unwrap();
    let error = sql(&mut session, "SELECT count(*) FROM t").await.unwrap_err();
    assert_eq!(error.state, SqlState::QueryCanceled);
    assert!(error.message.contains("statement timeout"), "{error}");
}

#[tokio::test]
async fn explain_analyze_shows_that_a_filter_ran_where_the_rows_are() {
    let (mut session, _, _) = session_with_rows(1_000).await;
    let lines = sql(&mut session, "EXPLAIN ANALYZE SELECT a FROM t WHERE b = 7").await.unwrap();
    let measured = lines.iter().find(|line| line.contains("rows read")).unwrap();
    assert_eq!(measured.trim(), "Range r0 on node n0: 1000 rows read, 10 rows returned, 1 pages");
}

#[tokio::test]
async fn copy_is_committed_in_parts_and_names_the_last_stored_line() {
    let (mut session, script, _) = session_with_rows(0).await;
    let many = 60_000;
    let mut data: String = (0..many).map(|number| format!("{number},{number}\n")).collect();
    data.push_str("oops,1\n");
    let error = copy(&mut session, "COPY t FROM STDIN (FORMAT csv)", &data, 10_000).await.unwrap_err();
    assert_eq!(error.state, SqlState::InvalidTextRepresentation);
    assert_eq!(error.detail.unwrap(), format!("COPY t, line {}, column a: \"oops\"", many + 1));
    let stored: usize = sql(&mut session, "SELECT count(*) FROM t").await.unwrap()[0].parse().unwrap();
    assert!(script.lock().commits_seen >= 2, "{} parts", script.lock().commits_seen);
    assert!(stored > 0 && stored < many, "{stored}");
    let hint =
        format!("Lines up to {stored} were stored and stay; load the rest from line {} on.", stored + 1);
    assert_eq!(error.hint.unwrap(), hint);
}

#[tokio::test]
async fn copy_repeats_a_part_and_reports_an_unknown_one() {
    let (mut session, script, _) = session_with_rows(0).await;
    script.lock().commits = [retry()].into();
    assert_eq!(
        copy(&mut session, "COPY t FROM STDIN (FORMAT csv)", "1,1\n2,2\n", 100).await.unwrap(),
        "COPY 2"
    );
    let ambiguous = KvError::Ambiguous { transaction: Uuid::nil(), detail: "no answer.".to_owned() };
    script.lock().commits = [ambiguous].into();
    let error = copy(&mut session, "COPY t FROM STDIN (FORMAT csv)", "3,3\n4,4\n", 100).await.unwrap_err();
    assert_eq!(error.state, SqlState::StatementCompletionUnknown);
    assert_eq!(error.detail.unwrap(), "no answer. This concerns lines 1 to 2 of COPY t.");
}

/// Each part has a lease on the catalog of its own, and must not take one for a table that is gone.
#[tokio::test]
async fn copy_ends_where_its_table_was_dropped_meanwhile() {
    const LINES: usize = 60_000;
    let (mut session, script, _) = session_with_rows(0).await;
    let mut other = session.node.session(SessionOptions::default());
    let mut run = session.begin_text("COPY t FROM STDIN (FORMAT csv)").await.unwrap();
    let begun = run.next(&mut session, &CancelToken::new(), &mut Recorder::default()).await.unwrap();
    let Some(Completion::CopyIn(mut copy)) = begun else { panic!("{begun:?}") };
    let data: String = (0..LINES).map(|number| format!("{number},1\n")).collect();
    for piece in data.as_bytes().chunks(10_000) {
        copy.feed(&mut session, piece).await.unwrap();
    }
    let before = script.lock().commits_seen;
    assert!(before >= 1, "a part is stored");
    sql(&mut other, "DROP TABLE t").await.unwrap();
    sql(&mut other, "CREATE TABLE t (a INT PRIMARY KEY, b INT)").await.unwrap();
    let error = copy.finish(&mut session).await.unwrap_err();
    assert_eq!((error.state, error.message.contains("\"t\" was dropped")), (SqlState::UndefinedTable, true));
    let hint = error.hint.unwrap();
    assert!(hint.ends_with("and are gone if it was dropped; load all of them again."), "{hint}");
    assert_eq!(sql(&mut session, "SELECT count(*) FROM t").await.unwrap(), ["0"]);
}

/// A client that goes away while it is sent rows.
struct GoneSink;

#[async_trait]
impl ResultSink for GoneSink {
    async fn columns(&mut self, _: &[OutputColumn]) -> Result<(), SqlError> {
        Err(SqlError::new(SqlState::ProtocolViolation, "the client is gone"))
    }

    async fn rows(&mut self, _: Vec<Row>) -> Result<(), SqlError> {
        panic!("rows after an error");
    }

    async fn copy_out(&mut self, _: usize) -> Result<(), SqlError> {
        Ok(())
    }

    async fn copy_data(&mut self, _: Vec<bytes::Bytes>) -> Result<(), SqlError> {
        Ok(())
    }

    fn notice(&mut self, _: &str, _: SqlState, _: String) {}
}

#[tokio::test]
async fn sink_that_fails_ends_the_statement() {
    let (mut session, _, _) = session_with_rows(2).await;
    let mut run = session.begin_text("SELECT a FROM t").await.unwrap();
    let error = run.next(&mut session, &CancelToken::new(), &mut GoneSink).await.unwrap_err();
    assert_eq!(error.message, "the client is gone");
    assert_eq!(sql(&mut session, "SELECT count(*) FROM t").await.unwrap(), ["2"]);
}

/// Set twice, it would give values twice.
#[tokio::test]
async fn setval_whose_end_was_not_known_is_done_once() {
    let (mut session, script, _cluster) = session_with_rows(1).await;
    run_text(&mut session, "CREATE SEQUENCE s", &mut Recorder::default()).await.unwrap();
    {
        let mut script = script.lock();
        script.commits.push_back(KvError::Ambiguous { transaction: Uuid::nil(), detail: "lost".to_owned() });
        script.is_answer_lost = true;
    }
    run_text(&mut session, "SELECT setval('s', 100)", &mut Recorder::default()).await.unwrap();
    let snapshot = session.node.catalog.snapshot();
    let sequence = snapshot.sequences().next().unwrap();
    assert_eq!((sequence.origin.value, sequence.version), (100, 2));
}
