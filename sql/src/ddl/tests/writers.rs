//! ALTER TABLE … ADD PRIMARY KEY beside those who write to the table and read it.

use std::pin::pin;
use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use tokio::task::yield_now;

use super::points::{Nodes, pause_at};
use crate::error::{SqlError, SqlState};
use crate::session::tests::run_text;
use crate::testing::recorder::Recorder;

const ALTER: &str = "ALTER TABLE plain ADD PRIMARY KEY (a)";

/// How often a writer that waits is polled until it is believed to wait.
const POLLS: u32 = 50;

fn state<T>(result: &Result<T, SqlError>) -> Option<SqlState> {
    result.as_ref().err().map(|error| error.state)
}

#[tokio::test]
async fn writers_wait_while_rows_are_copied_and_readers_do_not() {
    let texts = [
        ("INSERT INTO plain VALUES (4)", "7"),
        ("UPDATE plain SET a = 5 WHERE a = 2", "6"),
        ("DELETE FROM plain WHERE a = 1", "2"),
        ("EXPLAIN ANALYZE INSERT INTO plain VALUES (4)", "7"),
        ("BEGIN; INSERT INTO plain VALUES (4); COMMIT", "7"),
        ("TRUNCATE plain; INSERT INTO plain VALUES (9)", "9"),
    ];
    for point in ["ddl-held", "ddl-copied"] {
        for (text, after) in texts {
            let nodes = Nodes::new().await;
            let mut writer = pin!(async {
                nodes.nodes[1].refresh_catalog().await.unwrap();
                nodes.run(1, text).await
            });
            let meanwhile = Box::pin(async {
                for _ in 0..POLLS {
                    assert!(futures::poll!(writer.as_mut()).is_pending(), "{text} does not wait at {point}");
                    yield_now().await;
                }
                assert_eq!(nodes.sum(1).await, "3", "a reader at {point}");
            });
            let altered = pause_at(&nodes, (point, ALTER), meanwhile).await;
            altered.expect("the point is met").unwrap();
            writer.await.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(nodes.sum(1).await, after, "{text}");
            let twice = nodes.run(1, "INSERT INTO plain VALUES (1), (1)").await;
            assert_eq!(state(&twice), Some(SqlState::UniqueViolation), "{text}: the key is there");
            nodes.check(text).await;
        }
    }
}

#[tokio::test]
async fn writer_whose_patience_ends_is_told_for_which_job_it_waited() {
    let nodes = Nodes::new().await;
    let meanwhile = Box::pin(async {
        nodes.nodes[1].refresh_catalog().await.unwrap();
        let error = nodes.run(1, "DELETE FROM plain").await.unwrap_err();
        assert_eq!(error.state, SqlState::LockNotAvailable, "{error}");
        assert!(error.message.contains("300 s for job"), "{error}");
    });
    pause_at(&nodes, ("ddl-held", ALTER), meanwhile).await.unwrap().unwrap();
    nodes.check("after a writer has given up").await;
}

#[tokio::test]
async fn table_whose_rows_do_not_fit_the_key_is_as_it_was() {
    let rows = [
        ("INSERT INTO plain VALUES (2)", SqlState::UniqueViolation),
        ("INSERT INTO plain VALUES (NULL)", SqlState::NotNullViolation),
    ];
    for (row, refused) in rows {
        let nodes = Nodes::new().await;
        nodes.run(1, row).await.unwrap();
        assert_eq!(state(&nodes.run(0, ALTER).await), Some(refused), "{row}");
        nodes.run(1, row).await.unwrap_or_else(|error| panic!("writers go on: {error}"));
        nodes.check(row).await;
    }
}

/// What a transaction has written before the writers were held is not committed by what it does afterwards.
#[tokio::test]
async fn transaction_that_wrote_before_is_not_committed_later() {
    for point in ["ddl-held", "ddl-copied"] {
        let nodes = Nodes::new().await;
        let mut session = nodes.session(1);
        let mut recorder = Recorder::default();
        run_text(&mut session, "BEGIN; INSERT INTO plain VALUES (4)", &mut recorder).await.unwrap();
        let meanwhile = Box::pin(async {
            nodes.nodes[1].refresh_catalog().await.unwrap();
            run_text(&mut session, "SELECT * FROM plain", &mut recorder).await.unwrap();
            let committed = run_text(&mut session, "COMMIT", &mut recorder).await;
            assert_eq!(state(&committed), Some(SqlState::SerializationFailure), "at {point}");
        });
        pause_at(&nodes, (point, ALTER), meanwhile).await.unwrap().unwrap();
        session.close().await;
        assert_eq!(nodes.sum(1).await, "3");
        nodes.check(point).await;
    }
}

/// The table of now has no rows at the moment as of which an older transaction reads.
#[tokio::test]
async fn transaction_of_before_does_not_find_an_empty_table() {
    for text in [ALTER, "BEGIN; ALTER TABLE plain ADD PRIMARY KEY (a); COMMIT"] {
        let nodes = Nodes::new().await;
        let mut session = nodes.session(1);
        let mut recorder = Recorder::default();
        run_text(&mut session, "BEGIN READ ONLY; SELECT * FROM old", &mut recorder).await.unwrap();
        nodes.run(0, text).await.unwrap();
        nodes.nodes[1].refresh_catalog().await.unwrap();
        let read = run_text(&mut session, "SELECT * FROM plain", &mut recorder).await;
        assert_eq!(state(&read), Some(SqlState::SerializationFailure), "{text}: {read:?}");
        session.close().await;
        assert_eq!(nodes.sum(1).await, "3", "{text}: a later one does");
        nodes.check(text).await;
    }
}

/// A node does not say that it goes by a newer catalog while what it has sent by an older one may still be committed.
#[tokio::test]
async fn catalog_is_confirmed_when_the_commits_of_before_are_over() {
    let nodes = Nodes::new().await;
    let node = &nodes.nodes[1];
    node.confirm_catalog().await.unwrap();
    let mut of_before = node.commits.begin();
    of_before.sent(Timestamp::MAX);
    node.confirm_catalog().await.unwrap();
    nodes.run(0, "CREATE TABLE other (a INT PRIMARY KEY)").await.unwrap();
    let mut confirmed = pin!(node.confirm_catalog());
    for _ in 0..POLLS {
        assert!(futures::poll!(confirmed.as_mut()).is_pending(), "one is under way");
        yield_now().await;
    }
    let later = node.commits.begin();
    of_before.answered(&Ok(()));
    confirmed.await.unwrap();
    drop(later);
    // One whose end is not known holds it up until its deadline.
    let mut lost = node.commits.begin();
    let now = node.catalog.as_of().micros();
    lost.sent(Timestamp::from_micros(now + 5_000_000));
    drop(lost);
    nodes.run(0, "DROP TABLE other").await.unwrap();
    let mut confirmed = pin!(node.confirm_catalog());
    for _ in 0..POLLS {
        assert!(futures::poll!(confirmed.as_mut()).is_pending(), "one may be committed yet");
        yield_now().await;
    }
    nodes.physical.advance(Duration::from_secs(6));
    confirmed.await.unwrap();
}
