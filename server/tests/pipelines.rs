//! What drivers send at once is looked up together; what sleeps can be woken.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::support::Cluster;

/// INSERTs in one pipeline.
const ROWS: i64 = 400;
/// Most reads that they may cost: one for each buffer of messages, and what the node asks for itself.
const READS_MAX: f64 = 60.0;

#[tokio::test]
async fn pipelined_inserts_of_a_transaction_look_up_their_keys_together() {
    let cluster = Cluster::running();
    let node = &cluster.nodes[0];
    let client = node.connect().await;
    client.batch_execute("CREATE TABLE t (k INT8 PRIMARY KEY, v TEXT)").await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (7, 'there')").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, 'x')").await.unwrap();
    let reads = || node.metric("quorate_router_requests_total", &["kind=\"read\""]);
    let before = reads();
    client.batch_execute("BEGIN").await.unwrap();
    let inserts = (0..ROWS).map(|number| client.execute_raw(&insert, [1_000 + number]));
    let results = join_all(inserts).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    client.batch_execute("COMMIT").await.unwrap();
    let asked = reads() - before;
    assert!(asked < READS_MAX, "{asked} reads for {ROWS} rows");

    client.batch_execute("BEGIN").await.unwrap();
    let inserts = [5_i64, 6, 7, 8].map(|number| client.execute_raw(&insert, [number]));
    let states: Vec<Option<String>> = join_all(inserts)
        .await
        .into_iter()
        .map(|result| result.err().and_then(|error| Some(error.code()?.code().to_owned())))
        .collect();
    let told = |state: &str| Some(state.to_owned());
    assert_eq!(states, [None, None, told("23505"), told("25P02")]);
    client.batch_execute("ROLLBACK").await.unwrap();
    let count = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count, ROWS + 1);
}

#[tokio::test]
async fn sleep_ends_by_its_time_a_timeout_and_a_cancel() {
    let cluster = Cluster::of_one();
    let client = cluster.nodes[0].connect().await;
    let begun = Instant::now();
    client.batch_execute("SELECT pg_sleep(0.05)").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(50));
    client.batch_execute("SET statement_timeout = 30").await.unwrap();
    let error = client.batch_execute("SELECT pg_sleep(3600)").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
    client.batch_execute("RESET statement_timeout").await.unwrap();
    let cancel = client.cancel_token();
    let sleeping = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(3600)").await });
    // A request that comes before the statement has begun does nothing.
    while !sleeping.is_finished() {
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        tokio::task::yield_now().await;
    }
    let error = sleeping.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
}
