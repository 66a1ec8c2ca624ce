//! Implicit transactions of the extended protocol: what was run before a Sync, as the wire runs it.

use quorate_engine::kv::{Key, KvError, Span, keyspace};
use uuid::Uuid;

use super::attempts::{retry, session_with_rows, sql};
use super::*;
use crate::cluster::Cluster;

/// Runs a statement that others follow before the Sync.
async fn before_sync(session: &mut Session, text: &str) -> Result<(), SqlError> {
    let statement = session.parse(text)?.remove(0);
    let prepared = session.prepare(&statement, &[]).await?;
    session.run_before_sync(&prepared, &[], &CancelToken::new(), &mut Recorder::default()).await.map(drop)
}

/// Runs the last statement before the Sync, and the Sync.
async fn last(session: &mut Session, text: &str) -> Result<(), SqlError> {
    let statement = session.parse(text)?.remove(0);
    let prepared = session.prepare(&statement, &[]).await?;
    session.run(&prepared, &[], &CancelToken::new(), &mut Recorder::default()).await?;
    session.sync().await
}

/// Runs statements up to the first error, then the Sync.
async fn pipeline(session: &mut Session, texts: &[&str]) -> Result<(), SqlError> {
    for text in texts {
        before_sync(session, text).await?;
    }
    session.sync().await
}

async fn count(session: &mut Session) -> String {
    sql(session, "SELECT count(*) FROM t").await.unwrap().remove(0)
}

/// How many tables have a range.
async fn ranges(cluster: &LocalCluster) -> usize {
    cluster.ranges(Span::new(keyspace::table_prefix(0), Key::default())).await.unwrap().len()
}

#[tokio::test]
async fn implicit_of_one_statement_is_one_commit_without_a_read() {
    let (mut session, script, _) = session_with_rows(0).await;
    last(&mut session, "INSERT INTO t VALUES (1, 1)").await.unwrap();
    last(&mut session, "SELECT count(*) FROM t").await.unwrap();
    assert_eq!(script.lock().keys_read, 0, "the condition travels with the commit");
    assert_eq!(script.lock().commits_seen, 1, "a query commits nothing");
    // It may be run again by itself.
    script.lock().commits = [retry()].into();
    last(&mut session, "INSERT INTO t VALUES (2, 1)").await.unwrap();
    assert_eq!(script.lock().commits_seen, 3);
    assert_eq!(count(&mut session).await, "2");
}

#[tokio::test]
async fn implicit_of_many_is_one_commit() {
    let (mut session, script, _) = session_with_rows(0).await;
    let inserts = ["INSERT INTO t VALUES (1, 1)", "INSERT INTO t VALUES (2, 1)", "UPDATE t SET b = 5"];
    let mut other = session.node.session(SessionOptions::default());
    for text in inserts {
        before_sync(&mut session, text).await.unwrap();
        assert_eq!(session.transaction_status(), TransactionStatus::Idle);
    }
    assert_eq!((count(&mut other).await.as_str(), script.lock().commits_seen), ("0", 0));
    session.sync().await.unwrap();
    assert_eq!((count(&mut other).await.as_str(), script.lock().commits_seen), ("2", 1));
    // The last one commits all before it is told to be complete.
    before_sync(&mut session, "INSERT INTO t VALUES (3, 1)").await.unwrap();
    last(&mut session, "INSERT INTO t VALUES (4, 1)").await.unwrap();
    assert_eq!((count(&mut other).await.as_str(), script.lock().commits_seen), ("4", 2));
    // A text that follows without a Sync ends the transaction of the messages before it.
    before_sync(&mut session, "INSERT INTO t VALUES (5, 1)").await.unwrap();
    sql(&mut session, "INSERT INTO t VALUES (6, 1)").await.unwrap();
    assert_eq!((count(&mut other).await.as_str(), script.lock().commits_seen), ("6", 3));
    before_sync(&mut session, "INSERT INTO t VALUES (7, 1)").await.unwrap();
    sql(&mut session, "").await.unwrap();
    assert_eq!((count(&mut other).await.as_str(), script.lock().commits_seen), ("7", 4));
}

#[tokio::test]
async fn implicit_is_undone_by_an_error_of_any_message() {
    let (mut session, _, _) = session_with_rows(1).await;
    for bad in
        ["INSERT INTO t VALUES (0, 0)", "SELECT 1/0", "SELECT nothing", "SELEC 1", "SELECT a FROM nowhere"]
    {
        before_sync(&mut session, "SET statement_timeout = '9s'").await.unwrap();
        before_sync(&mut session, "INSERT INTO t VALUES (1, 1)").await.unwrap();
        let failed = before_sync(&mut session, bad).await;
        if failed.is_ok() || bad == "SELEC 1" {
            // The wire tells the session of what it finds itself.
            session.fail_transaction().await;
        }
        assert_eq!(session.transaction_status(), TransactionStatus::Idle, "{bad}");
        session.sync().await.unwrap();
        assert_eq!(count(&mut session).await, "1", "{bad}");
        assert_eq!(sql(&mut session, "SHOW statement_timeout").await.unwrap(), ["0"], "{bad}");
    }
    before_sync(&mut session, "INSERT INTO t VALUES (1, 1)").await.unwrap();
    assert!(sql(&mut session, "SELEC 1").await.is_err());
    session.sync().await.unwrap();
    assert_eq!(count(&mut session).await, "1", "a text without a Sync before it");
}

#[tokio::test]
async fn implicit_becomes_a_block_and_ends_early() {
    let (mut session, _, _) = session_with_rows(0).await;
    let mut other = session.node.session(SessionOptions::default());
    pipeline(&mut session, &["INSERT INTO t VALUES (1, 1)", "BEGIN", "INSERT INTO t VALUES (2, 1)"])
        .await
        .unwrap();
    assert_eq!(session.transaction_status(), TransactionStatus::Active);
    assert_eq!(count(&mut other).await, "0");
    let rest = ["COMMIT", "INSERT INTO t VALUES (3, 1)", "INSERT INTO t VALUES (3, 1)"];
    let error = pipeline(&mut session, &rest).await.unwrap_err();
    assert_eq!(
        (error.state, session.transaction_status()),
        (SqlState::UniqueViolation, TransactionStatus::Idle)
    );
    session.sync().await.unwrap();
    assert_eq!(count(&mut other).await, "2", "COMMIT has ended the one, the error has undone the other");
    let rest = ["INSERT INTO t VALUES (4, 1)", "ROLLBACK", "INSERT INTO t VALUES (5, 1)"];
    pipeline(&mut session, &rest).await.unwrap();
    assert_eq!(sql(&mut other, "SELECT max(a), count(*) FROM t").await.unwrap(), ["5\t3"]);
    // An error inside a block outlives the Sync.
    let error = pipeline(&mut session, &["BEGIN", "INSERT INTO t VALUES (5, 1)"]).await.unwrap_err();
    session.sync().await.unwrap();
    assert_eq!(
        (error.state, session.transaction_status()),
        (SqlState::UniqueViolation, TransactionStatus::Failed)
    );
}

#[tokio::test]
async fn implicit_commit_that_fails_leaves_neither_rows_nor_tables() {
    let (mut session, script, cluster) = session_with_rows(0).await;
    let texts = [
        "SET statement_timeout = '9s'",
        "CREATE TABLE made (a INT PRIMARY KEY)",
        "INSERT INTO made VALUES (1)",
        "INSERT INTO t VALUES (1, 1)",
    ];
    let before = ranges(&cluster).await;
    for text in texts {
        before_sync(&mut session, text).await.unwrap();
    }
    assert_eq!(ranges(&cluster).await, before + 1);
    script.lock().commits = [retry()].into();
    assert_eq!(session.sync().await.unwrap_err().state, SqlState::SerializationFailure);
    assert_eq!((ranges(&cluster).await, count(&mut session).await.as_str()), (before, "0"));
    assert!(sql(&mut session, "SELECT a FROM made").await.is_err());
    assert_eq!(sql(&mut session, "SHOW statement_timeout").await.unwrap(), ["0"]);
    // Nobody knows: the table may be there, and its range stays.
    for text in texts {
        before_sync(&mut session, text).await.unwrap();
    }
    script.lock().commits = [KvError::Ambiguous { transaction: Uuid::nil(), detail: String::new() }].into();
    assert_eq!(session.sync().await.unwrap_err().state, SqlState::StatementCompletionUnknown);
    assert_eq!(ranges(&cluster).await, before + 1);
}

#[tokio::test]
async fn implicit_ddl_is_seen_by_all_after_its_commit_and_undone_with_its_session() {
    let (mut session, script, cluster) = session_with_rows(3).await;
    let mut other = session.node.session(SessionOptions::default());
    let (before, version) = (ranges(&cluster).await, cluster.awaited());
    let texts = ["CREATE TABLE made (a INT PRIMARY KEY)", "INSERT INTO made SELECT a FROM t", "DROP TABLE t"];
    for text in texts {
        before_sync(&mut session, text).await.unwrap();
    }
    assert!(before_sync(&mut other, "SELECT a FROM made").await.is_err());
    assert_eq!(count(&mut other).await, "3");
    assert_eq!(ranges(&cluster).await, before + 1);
    // Jobs, and a sign that somebody drives them, are written at once, by commits of their own.
    assert_eq!((script.lock().commits_seen, cluster.awaited()), (2, version));
    session.sync().await.unwrap();
    // The one commit, and the steps of two jobs behind it.
    assert_eq!(script.lock().commits_seen, 2 + 1 + 3);
    assert!(cluster.awaited() > version);
    assert_eq!(sql(&mut other, "SELECT count(*) FROM made").await.unwrap(), ["3"]);
    assert!(sql(&mut other, "SELECT a FROM t").await.is_err());
    assert_eq!(ranges(&cluster).await, before);

    before_sync(&mut session, "CREATE TABLE more (a INT PRIMARY KEY)").await.unwrap();
    assert_eq!(ranges(&cluster).await, before + 1);
    session.close().await;
    assert_eq!(ranges(&cluster).await, before);
}

/// A statement that was prepared before means the table that its name means now.
#[tokio::test]
async fn implicit_ddl_changes_what_was_prepared() {
    let (mut session, _, _) = session_with_rows(3).await;
    let statement = session.parse("SELECT count(*) FROM t").unwrap().remove(0);
    let prepared = session.prepare(&statement, &[]).await.unwrap();
    let mut counts = Vec::new();
    let mut run = async |session: &mut Session| {
        let mut sink = Recorder::default();
        session.run_before_sync(&prepared, &[], &CancelToken::new(), &mut sink).await.unwrap();
        counts.push(sink.lines().remove(0));
    };
    for error in [true, false] {
        run(&mut session).await;
        before_sync(&mut session, "DROP TABLE t").await.unwrap();
        before_sync(&mut session, "CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
        run(&mut session).await;
        before_sync(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
        run(&mut session).await;
        if error {
            session.fail_transaction().await;
        } else {
            session.sync().await.unwrap();
        }
    }
    run(&mut session).await;
    assert_eq!(counts, ["3", "0", "1", "3", "0", "1", "1"]);
}
