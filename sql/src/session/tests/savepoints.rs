//! Savepoints where the store has an opinion: what ends a transaction whatever savepoints it has, and what is kept of one.

use quorate_engine::kv::{Key, KvError};

use super::attempts::{session_with_rows, sql};
use crate::error::SqlState;
use crate::session::TransactionStatus;

fn retry() -> KvError {
    KvError::Retry { key: Key::default(), reason: "somebody was faster".to_owned() }
}

fn ambiguous() -> KvError {
    KvError::Ambiguous { transaction: uuid::Uuid::nil(), detail: "no answer".to_owned() }
}

#[tokio::test]
async fn error_that_ends_the_transaction_is_told_again_by_rollback_to() {
    for (error, state) in
        [(retry(), SqlState::SerializationFailure), (ambiguous(), SqlState::StatementCompletionUnknown)]
    {
        let (mut session, script, _) = session_with_rows(3).await;
        sql(&mut session, "BEGIN; SAVEPOINT a; UPDATE t SET b = -1 WHERE a = 1").await.unwrap();
        script.lock().scans = [Some(error)].into();
        assert_eq!(sql(&mut session, "SELECT count(*) FROM t").await.unwrap_err().state, state);
        for _ in 0..2 {
            assert_eq!(sql(&mut session, "ROLLBACK TO a").await.unwrap_err().state, state);
            assert_eq!(session.transaction_status(), TransactionStatus::Failed);
        }
        assert_eq!(sql(&mut session, "SELECT 1").await.unwrap_err().state, SqlState::InFailedSqlTransaction);
        sql(&mut session, "ROLLBACK").await.unwrap();
        assert_eq!(sql(&mut session, "SELECT count(*) FROM t WHERE b = -1").await.unwrap(), ["0"]);
    }
}

#[tokio::test]
async fn error_that_is_the_statements_own_keeps_the_transaction_of_the_store() {
    let (mut session, script, _) = session_with_rows(3).await;
    let begun = script.lock().ages.len();
    sql(&mut session, "BEGIN; SAVEPOINT a; UPDATE t SET b = -1 WHERE a = 1").await.unwrap();
    let unavailable = KvError::Unavailable { range_id: 7, detail: "no quorum".to_owned() };
    script.lock().scans = [Some(unavailable)].into();
    sql(&mut session, "SELECT count(*) FROM t").await.unwrap_err();
    sql(&mut session, "ROLLBACK TO a; UPDATE t SET b = 77 WHERE a = 2; COMMIT").await.unwrap();
    assert_eq!(script.lock().ages.len(), begun + 1, "it is the same one");
    assert_eq!(sql(&mut session, "SELECT a FROM t WHERE b IN (-1, 77)").await.unwrap(), ["2"]);
}
