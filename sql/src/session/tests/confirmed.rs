//! A catalog that was not confirmed, or not any more: it says of no name that it does not exist.

use quorate_engine::hlc::Timestamp;

use super::*;

/// A node that has just started over a store with a table, its catalog not read; and its cluster.
async fn restarted() -> (Arc<SqlNode>, Arc<LocalCluster>) {
    let (before, cluster) = new_node();
    let mut session = before.session(SessionOptions::default());
    let mut sink = Recorder::default();
    run_text(&mut session, "CREATE TABLE t (k BIGINT PRIMARY KEY)", &mut sink).await.unwrap();
    run_text(&mut session, "INSERT INTO t VALUES (7)", &mut sink).await.unwrap();
    let database = Arc::clone(&before.database);
    (SqlNode::new(database, cluster.clone(), TestClock::new()), cluster)
}

/// Rows of a query, or its SQLSTATE.
async fn query(session: &mut Session, text: &str) -> Result<Vec<String>, &'static str> {
    let mut sink = Recorder::default();
    run_text(session, text, &mut sink).await.map_err(|error| error.state.code())?;
    Ok(sink.lines())
}

#[tokio::test]
async fn catalog_that_was_never_confirmed_denies_no_table() {
    let (node, cluster) = restarted().await;
    cluster.set_lease_over(true);
    let mut session = node.session(SessionOptions::default());
    for text in
        ["SELECT k FROM t", "INSERT INTO t VALUES (8)", "DROP TABLE t", "COPY t FROM STDIN", "SHOW TABLES"]
    {
        let started = node.clock.now_micros();
        assert_eq!(query(&mut session, text).await.unwrap_err(), "57P03", "{text}");
        let waited = node.clock.now_micros() - started;
        assert_eq!(u128::from(waited), crate::catalog::lease::CATALOG_WAIT_MAX.as_micros(), "{text}");
    }
    let statement = session.parse("SELECT k FROM t WHERE k = $1").unwrap().remove(0);
    assert_eq!(session.prepare(&statement, &[]).await.unwrap_err().state.code(), "57P03");
    // What needs no catalog needs no lease.
    assert_eq!(query(&mut session, "BEGIN; SHOW application_name; ROLLBACK").await.unwrap(), [""]);
    cluster.set_lease_over(false);
    node.refresh_catalog().await.unwrap();
    assert_eq!(query(&mut session, "SELECT k FROM t").await.unwrap(), ["7"]);
}

#[tokio::test]
async fn catalog_that_is_confirmed_meanwhile_was_worth_the_wait() {
    let (node, cluster) = restarted().await;
    cluster.set_lease_over(true);
    let mut session = node.session(SessionOptions::default());
    let confirm = async {
        tokio::task::yield_now().await;
        node.refresh_catalog().await.unwrap();
        cluster.set_lease_over(false);
    };
    let (rows, ()) = tokio::join!(query(&mut session, "SELECT k FROM t"), confirm);
    assert_eq!(rows.unwrap(), ["7"]);
}

#[tokio::test]
async fn catalog_whose_lease_ends_while_names_are_resolved_is_not_believed() {
    let (node, cluster) = restarted().await;
    let mut session = node.session(SessionOptions::default());
    // Held before the names were looked up, and not after.
    cluster.give_leases([Some(LocalCluster::lease_until(0)), None, None]);
    let confirm = async { node.refresh_catalog().await.unwrap() };
    let (rows, _) = tokio::join!(query(&mut session, "SELECT k FROM t"), confirm);
    assert_eq!(rows.unwrap(), ["7"]);
}

#[tokio::test]
async fn catalog_wait_ends_when_the_statement_is_cancelled() {
    let (node, cluster) = restarted().await;
    cluster.set_lease_over(true);
    let mut session = node.session(SessionOptions::default());
    let (cancel, mut sink) = (CancelToken::new(), Recorder::default());
    cancel.cancel(crate::cancel::CancelReason::Request);
    let mut run = session.begin_text("SELECT k FROM t").await.unwrap();
    let error = run.next(&mut session, &cancel, &mut sink).await.unwrap_err();
    assert_eq!(error.state.code(), "57014");
}

/// A pause between binding and reading, after which the catalog may have changed.
#[tokio::test]
async fn catalog_lease_covers_what_a_statement_reads() {
    let (node, cluster) = restarted().await;
    node.refresh_catalog().await.unwrap();
    let mut session = node.session(SessionOptions::default());
    let statement = session.parse("SELECT k FROM t").unwrap().remove(0);
    let prepared = session.prepare(&statement, &[]).await.unwrap();
    let leases = cluster.leases();
    cluster.give_leases([Some(Timestamp::from_micros(1))]);
    let mut sink = Recorder::default();
    session.run(&prepared, &[], &CancelToken::new(), &mut sink).await.unwrap();
    assert_eq!(sink.lines(), ["7"]);
    assert_eq!(cluster.leases(), leases + 1, "it was bound again with another lease");
}
