//! Rows for tables that their transaction has made or emptied: more than a transaction may write, and all or nothing.

use super::{copy, new_node, run_text};
use crate::error::{SqlError, SqlState};
use crate::session::{Session, SessionOptions};
use crate::testing::recorder::Recorder;

/// Bytes of a row.
const WIDE: usize = 500_000;
/// Rows that no transaction can write elsewhere.
const ROWS: usize = 150;

async fn lines(session: &mut Session, text: &str) -> Result<Vec<String>, SqlError> {
    let mut recorder = Recorder::default();
    run_text(session, text, &mut recorder).await?;
    Ok(recorder.lines())
}

fn wide_rows(from: usize) -> String {
    (from..from + ROWS).map(|key| format!("{key}\t{}\n", "x".repeat(WIDE))).collect()
}

#[tokio::test]
async fn copy_into_a_table_of_the_same_transaction_has_no_limit() {
    let (node, cluster) = new_node();
    let (mut session, mut other) =
        (node.session(SessionOptions::default()), node.session(SessionOptions::default()));
    lines(&mut session, "CREATE TABLE t (a INT PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'old')")
        .await
        .unwrap();
    let too_much = copy(&mut session, "BEGIN; COPY t FROM STDIN", &wide_rows(10), usize::MAX).await;
    assert_eq!(too_much.unwrap_err().state, SqlState::ProgramLimitExceeded);
    lines(&mut session, "ROLLBACK").await.unwrap();

    for end in ["ROLLBACK", "COMMIT"] {
        lines(&mut session, "BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 'new')").await.unwrap();
        copy(&mut session, "COPY t FROM STDIN WITH (FREEZE ON)", &wide_rows(10), usize::MAX).await.unwrap();
        lines(&mut session, "DELETE FROM t WHERE a = 10").await.unwrap();
        let seen = "SELECT count(*), min(a), max(a) FROM t";
        assert_eq!(lines(&mut session, seen).await.unwrap(), ["150\t1\t159"]);
        let again = lines(&mut session, "SAVEPOINT a; INSERT INTO t VALUES (12, 'again')").await;
        assert_eq!(again.unwrap_err().state, SqlState::UniqueViolation);
        lines(&mut session, "ROLLBACK TO a").await.unwrap();
        assert_eq!(lines(&mut other, "SELECT b FROM t").await.unwrap(), ["old"], "before {end}");
        lines(&mut session, end).await.unwrap();
        assert_eq!(cluster.ranges_now(), 1, "after {end}");
    }
    assert_eq!(lines(&mut other, "SELECT count(*), min(b) FROM t").await.unwrap(), ["150\tnew"]);
}

#[tokio::test]
async fn copy_that_fails_in_a_table_of_the_same_transaction_leaves_nothing() {
    let (node, cluster) = new_node();
    let mut session = node.session(SessionOptions::default());
    lines(&mut session, "BEGIN; SAVEPOINT a; CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();
    let twice = wide_rows(10) + "10\ty\n";
    let error = copy(&mut session, "COPY t FROM STDIN", &twice, usize::MAX).await.unwrap_err();
    assert_eq!((error.state, error.hint), (SqlState::UniqueViolation, None), "{:?}", error.detail);
    lines(&mut session, "ROLLBACK TO a; CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    assert_eq!(lines(&mut session, "SELECT count(*) FROM t").await.unwrap(), ["0"]);
    lines(&mut session, "COMMIT").await.unwrap();
    assert_eq!(cluster.ranges_now(), 1);
}

#[tokio::test]
async fn statements_fill_a_table_of_the_same_transaction_beyond_its_limit() {
    let (node, _) = new_node();
    let mut session = node.session(SessionOptions::default());
    lines(&mut session, "BEGIN; CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();
    for key in 0..ROWS {
        let insert = format!("INSERT INTO t VALUES ({key}, '{}')", "x".repeat(WIDE));
        lines(&mut session, &insert).await.unwrap();
    }
    lines(&mut session, "UPDATE t SET b = 'short' WHERE a = 7").await.unwrap();
    assert_eq!(lines(&mut session, "SELECT count(*) FROM t WHERE b = 'short'").await.unwrap(), ["1"]);
    lines(&mut session, "COMMIT").await.unwrap();
    let all = format!("SELECT count(*), sum(length(b)) FROM t WHERE length(b) = {WIDE}");
    assert_eq!(lines(&mut session, &all).await.unwrap(), [format!("{}\t{}", ROWS - 1, (ROWS - 1) * WIDE)]);
}

/// One statement may have more rows for such a table than a transaction can buffer; it sees what others before it have
/// written, and none of its own.
#[tokio::test]
async fn one_statement_fills_a_table_of_the_same_transaction_beyond_its_limit() {
    let (node, _) = new_node();
    let mut session = node.session(SessionOptions::default());
    let wide = format!("'{}'", "x".repeat(WIDE));
    let begin = "BEGIN; CREATE TABLE t (a INT PRIMARY KEY, b TEXT); INSERT INTO t VALUES (-1, 'first')";
    lines(&mut session, begin).await.unwrap();
    let insert = format!("INSERT INTO t SELECT a, {wide} FROM generate_series(0, {}) AS g(a)", ROWS - 1);
    lines(&mut session, &insert).await.unwrap();
    let twice =
        "INSERT INTO t SELECT a, 'again' FROM generate_series(-1, 3) AS g(a) ON CONFLICT (a) DO NOTHING";
    lines(&mut session, twice).await.unwrap();
    let copied = format!("INSERT INTO t SELECT a + {ROWS} + 1, b FROM t");
    lines(&mut session, &copied).await.unwrap();
    let all = format!("SELECT count(*), sum(length(b)) FROM t WHERE length(b) = {WIDE}");
    let expected = format!("{}\t{}", 2 * ROWS, 2 * ROWS * WIDE);
    assert_eq!(lines(&mut session, &all).await.unwrap(), [expected.as_str()]);
    assert_eq!(lines(&mut session, "SELECT count(*) FROM t WHERE b = 'first'").await.unwrap(), ["2"]);
    lines(&mut session, "COMMIT").await.unwrap();
    assert_eq!(lines(&mut session, &all).await.unwrap(), [expected.as_str()]);
}

/// What is stored at once cannot be gone back from: behind a savepoint all waits in the buffer.
#[tokio::test]
async fn rows_behind_a_savepoint_can_be_gone_back_from() {
    let (node, _) = new_node();
    let mut session = node.session(SessionOptions::default());
    lines(&mut session, "BEGIN; CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();
    copy(&mut session, "COPY t FROM STDIN", &wide_rows(0), usize::MAX).await.unwrap();
    lines(&mut session, "SAVEPOINT a").await.unwrap();
    let too_much = copy(&mut session, "COPY t FROM STDIN", &wide_rows(1_000), usize::MAX).await;
    assert_eq!(too_much.unwrap_err().state, SqlState::ProgramLimitExceeded);
    lines(&mut session, "ROLLBACK TO a").await.unwrap();
    copy(&mut session, "COPY t FROM STDIN", "2000\tmore\n", usize::MAX).await.unwrap();
    let seen = "SELECT count(*) FROM t";
    assert_eq!(lines(&mut session, seen).await.unwrap(), ["151"]);
    lines(&mut session, "ROLLBACK TO a").await.unwrap();
    assert_eq!(lines(&mut session, seen).await.unwrap(), ["150"]);
    lines(&mut session, "COMMIT").await.unwrap();
    assert_eq!(lines(&mut session, seen).await.unwrap(), ["150"]);
}
