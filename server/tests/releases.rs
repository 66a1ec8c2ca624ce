//! Processes of two releases in one cluster: they work beside each other, are upgraded one by one, and there is no way back
//! once the cluster's version was raised.

use std::time::{Duration, Instant};

use crate::support::{Cluster, DEADLINE, rows_of, wait_for};

/// The release after this one, which speaks one protocol more and works with one cluster version more.
const NEXT: [(&str, &str); 1] = [("QUORATE_RELEASES_AHEAD", "1")];

async fn rows(cluster: &Cluster, at: usize) -> usize {
    let client = cluster.nodes[at].connect().await;
    rows_of(client.simple_query("SELECT id FROM t").await.expect("select")).len()
}

async fn insert(cluster: &Cluster, at: usize, id: usize) {
    let client = cluster.nodes[at].connect().await;
    client.simple_query(&format!("INSERT INTO t VALUES ({id})")).await.expect("insert");
}

async fn raise(cluster: &Cluster, at: usize) -> Result<(), String> {
    let client = cluster.nodes[at].connect().await;
    let set = client.simple_query("SET CLUSTER SETTING cluster_version = '3'").await;
    set.map(|_| ())
        .map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_work_beside_each_other_and_are_upgraded_one_by_one() {
    let mut cluster = Cluster::prepare();
    cluster.nodes[0].start();
    cluster.nodes[1].start();
    cluster.nodes[2].start_with(&NEXT);
    cluster.init();
    cluster.await_ready();
    let client = cluster.nodes[2].connect().await;
    client.simple_query("CREATE TABLE t (id INT8 PRIMARY KEY)").await.expect("create");
    for at in 0..3 {
        insert(&cluster, at, at).await;
    }
    for at in 0..3 {
        assert_eq!(rows(&cluster, at).await, 3, "from node {}", at + 1);
    }
    let refused = raise(&cluster, 2).await.unwrap_err();
    assert!(refused.contains("not all nodes work with cluster version 3: n1 at "), "{refused}");

    for at in 0..2 {
        cluster.nodes[at].kill();
        insert(&cluster, 2, at + 3).await;
        cluster.nodes[at].start_with(&NEXT);
        cluster.await_ready();
        assert_eq!(rows(&cluster, at).await, at + 4);
    }
    // A node registers its start soon after it serves.
    let until = Instant::now() + DEADLINE;
    while let Err(reason) = raise(&cluster, 0).await {
        assert!(Instant::now() < until, "{reason}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // Whether it has written down what it has seen, or finds it in the registry only.
    insert(&cluster, 1, 9).await;
    cluster.nodes[1].kill();
    cluster.nodes[1].start();
    cluster.nodes[1].await_end();
    wait_for("the log says which release to start", || {
        let log = cluster.nodes[1].log();
        let told = "Start the node with a newer release, one that works with cluster version 3";
        if log.contains(told) { Ok(()) } else { Err(log) }
    });
    cluster.nodes[1].start_with(&NEXT);
    cluster.await_ready();
    assert_eq!(rows(&cluster, 1).await, 6);
}
