//! COPY into a table of several ranges: all or nothing within a part and within BEGIN, and no more than it says otherwise.

use std::pin::pin;

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, Error};

use crate::support::{Cluster, Node, rows_of, wait_for};

/// Ranges that every small COPY here touches.
const RANGES_MIN: usize = 4;
/// Rows that are there before, each of them some kilobytes; their ids are multiples of a thousand.
const ROWS: i64 = 200;
const STEP: i64 = 1_000;
const COPY: &str = "COPY wide (id, note) FROM STDIN WITH (FORMAT csv)";

fn range_count(node: &Node) -> usize {
    node.psql_run("SHOW RANGES FROM TABLE wide").lines().count()
}

/// A table of several ranges that split no more.
fn cluster_with_ranges() -> Cluster {
    let cluster = Cluster::running();
    let node = &cluster.nodes[0];
    node.psql_run("SET CLUSTER SETTING range_max_bytes = '128KiB'");
    node.psql_run("CREATE TABLE wide (id INT8 PRIMARY KEY, note TEXT NOT NULL)");
    let padding = "p".repeat(4_000);
    for from in (0..ROWS).step_by(20) {
        let rows: Vec<_> = (from..from + 20).map(|row| format!("({}, '{padding}')", row * STEP)).collect();
        node.psql_run(&format!("INSERT INTO wide VALUES {}", rows.join(", ")));
    }
    wait_for("several ranges", || {
        let count = range_count(node);
        if count >= RANGES_MIN { Ok(()) } else { Err(format!("{count} ranges")) }
    });
    node.psql_run("SET CLUSTER SETTING range_max_bytes = '256MiB'");
    cluster
}

async fn copy(client: &Client, lines: &str) -> Result<u64, Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(COPY).await?);
    for chunk in lines.as_bytes().chunks(60_000) {
        // An error of an earlier line comes with the end.
        if sink.send(Bytes::copy_from_slice(chunk)).await.is_err() {
            break;
        }
    }
    sink.finish().await
}

fn database_error(error: &Error) -> &DbError {
    error.as_db_error().unwrap_or_else(|| panic!("{error:?}"))
}

/// One new row beside each old one, in the order of their lines.
fn lines(offset: i64) -> Vec<String> {
    (0..ROWS).map(|row| format!("{},copied {row}\n", row * STEP + offset)).collect()
}

/// Rows that were copied with this offset, as every node counts them.
async fn check_copied(cluster: &Cluster, offset: i64, wanted: i64) {
    for node in &cluster.nodes {
        let client = node.connect().await;
        let query = format!("SELECT count(*) FROM wide WHERE id % {STEP} = {offset}");
        let rows = rows_of(client.simple_query(&query).await.expect("count"));
        assert_eq!(rows[0][0], wanted.to_string(), "n{}, offset {offset}", node.number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_over_several_ranges_is_all_or_nothing() {
    let cluster = tokio::task::block_in_place(cluster_with_ranges);
    let client = cluster.nodes[1].connect().await;
    assert_eq!(copy(&client, &lines(1).concat()).await.expect("copy"), 200);
    check_copied(&cluster, 1, ROWS).await;

    // A line near the end, in the last range: one that cannot be read, a key that is there, and one that comes twice.
    let at = 190;
    let twice = lines(2)[3].clone();
    for (line, state) in [("no number,x\n", "22P02"), ("0,x\n", "23505"), (twice.as_str(), "23505")] {
        let mut lines = lines(2);
        lines[at] = line.to_owned();
        let error = copy(&client, &lines.concat()).await.unwrap_err();
        let error = database_error(&error);
        assert_eq!(error.code().code(), state, "{error:?}");
        assert!(error.detail().is_some_and(|place| place.contains("line 191")), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("No line was stored.")), "{error:?}");
        check_copied(&cluster, 2, 0).await;
    }
    // Within BEGIN, behind rows of the same transaction.
    client.batch_execute("BEGIN").await.expect("begin");
    client.batch_execute("INSERT INTO wide VALUES (3, 'mine')").await.expect("insert");
    let mut broken = lines(2);
    broken[at] = "0,x\n".to_owned();
    let error = copy(&client, &broken.concat()).await.unwrap_err();
    assert_eq!(database_error(&error).code().code(), "23505");
    client.batch_execute("COMMIT").await.expect("a failed transaction ends");
    check_copied(&cluster, 2, 0).await;
    check_copied(&cluster, 3, 0).await;
    client.batch_execute("BEGIN").await.expect("begin");
    assert_eq!(copy(&client, &lines(2).concat()).await.expect("copy"), 200);
    check_copied(&cluster, 2, 0).await;
    client.batch_execute("COMMIT").await.expect("commit");
    check_copied(&cluster, 2, ROWS).await;
    assert!(range_count(&cluster.nodes[2]) >= RANGES_MIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_of_several_parts_over_ranges_says_up_to_which_line_it_is_stored() {
    let cluster = tokio::task::block_in_place(cluster_with_ranges);
    let client = cluster.nodes[2].connect().await;
    // Some megabytes: several parts, each with rows in all ranges.
    let padding = "q".repeat(800);
    let mut lines: Vec<_> =
        (0..4_000).map(|line| format!("{},{padding}\n", line % ROWS * STEP + 10 + line / ROWS)).collect();
    lines[3_900] = "0,x\n".to_owned();
    let error = copy(&client, &lines.concat()).await.unwrap_err();
    let error = database_error(&error);
    assert_eq!(error.code().code(), "23505", "{error:?}");
    let hint = error.hint().unwrap_or_default();
    let stored =
        hint.split_once("Lines up to ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
    let stored = stored.unwrap_or_else(|| panic!("{error:?}"));
    assert!((1_000..3_900).contains(&stored), "{hint}");
    for node in &cluster.nodes {
        let client = node.connect().await;
        let query = "SELECT id FROM wide WHERE note LIKE 'q%'";
        let rows = rows_of(client.simple_query(query).await.expect("rows"));
        let mut found: Vec<String> = rows.into_iter().map(|row| row[0].clone()).collect();
        let ids = lines[..stored].iter().map(|line| line.split(',').next().unwrap().to_owned());
        let mut wanted: Vec<String> = ids.collect();
        found.sort();
        wanted.sort();
        assert!(
            found == wanted,
            "n{}: {} rows are there, {stored} lines were told",
            node.number,
            found.len()
        );
    }
}
