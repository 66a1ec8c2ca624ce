//! Data directories that must not be used: a copy put back, a disk without what it had synced.

use std::path::Path;

use serde_json::Value;

use crate::support::{Cluster, DEADLINE, Node, text_of, wait_for, wait_for_within};

/// All replicas of a refused node are made anew.
const REPAIRED_WITHIN: std::time::Duration = DEADLINE.saturating_mul(2);

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn insert(node: &Node, ids: std::ops::Range<u32>) {
    for id in ids {
        node.psql_run(&format!("INSERT INTO t VALUES ({id})"));
    }
}

fn count(node: &Node) -> String {
    node.psql_run("SELECT count(*) FROM t").trim().to_owned()
}

/// What a refused node says wherever it is asked.
fn check_refused(node: &Node, what: &str) {
    wait_for("it says why it is not ready", || {
        let answer = node.http_get("/ready");
        let says = answer.as_ref().is_some_and(|(status, text)| *status == 503 && text.contains(what));
        says.then_some(()).ok_or_else(|| format!("{answer:?}"))
    });
    let (_, ready) = node.http_get("/ready").expect("an answer");
    let sql = node.psql().args(["-c", "SELECT 1"]).output().expect("psql");
    let status = node.ask(&["status"]);
    for text in [ready, text_of(&sql), text_of(&status), node.log()] {
        assert!(text.contains(what) && text.contains("--rejoin"), "{what}: {text}");
    }
}

/// Until every range has three replicas, none of them missing, on other nodes than this one.
fn await_replaced(teller: &Node, lost: u64) {
    wait_for_within(REPAIRED_WITHIN, "all replicas are made anew", || {
        let output = teller.ask(&["status", "--format", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let ranges = status["ranges"].as_array().cloned().unwrap_or_default();
        let is_whole = |range: &Value| {
            let nodes = range["replicas"].as_array().cloned().unwrap_or_default();
            nodes.len() == 3
                && !nodes.contains(&Value::from(lost))
                && range["missing"] == Value::from(Vec::<u64>::new())
        };
        let is_done = status["partial"].is_null() && !ranges.is_empty() && ranges.iter().all(is_whole);
        is_done.then_some(()).ok_or_else(|| text_of(&teller.ask(&["status"])))
    });
}

#[test]
fn old_store_put_back_takes_no_part_until_it_joins_anew() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY)");
    insert(&cluster.nodes[0], 0..20);
    cluster.nodes[1].kill();
    let (kept, used) = (cluster.path().join("copy"), cluster.nodes[1].data_dir());
    copy_folder(&used, &kept);
    cluster.nodes[1].start();
    cluster.nodes[1].await_http("/ready", 200);
    insert(&cluster.nodes[1], 20..40);
    cluster.nodes[1].kill();
    cluster.nodes[1].wipe();
    copy_folder(&kept, &used);
    cluster.nodes[1].start();
    check_refused(&cluster.nodes[1], "copied or restored");
    wait_for("others say why it takes no part", || {
        let text = text_of(&cluster.nodes[0].ask(&["status"]));
        let is_told = text.contains("takes no part") && text.contains("copied or restored");
        is_told.then_some(()).ok_or(text)
    });
    insert(&cluster.nodes[2], 40..50);
    assert_eq!(cluster.nodes[1].terminate(), Some(0));
    cluster.nodes[1].start_with_flags(&["--rejoin"]);
    cluster.nodes[1].await_http("/ready", 200);
    await_replaced(&cluster.nodes[0], 2);
    assert_eq!(count(&cluster.nodes[1]), "50");
    // A store that is well stays as it is.
    cluster.nodes[2].kill();
    cluster.nodes[2].start_with_flags(&["--rejoin"]);
    cluster.nodes[2].await_http("/ready", 200);
    assert!(cluster.nodes[2].log().contains("stays as it is"), "{}", cluster.nodes[2].log());
    assert_eq!(count(&cluster.nodes[2]), "50");
}

/// Flips one bit in the middle of the largest write-ahead log.
fn flip_a_bit(folder: &Path) {
    let logs = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of_logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let largest = of_logs.max_by_key(|path| path.metadata().map_or(0, |data| data.len())).expect("a log");
    let mut bytes = std::fs::read(&largest).expect("a log");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // In place: a file of the same name would be another one.
    std::fs::write(&largest, bytes).expect("a log");
}

#[test]
fn old_store_with_a_damaged_log_takes_no_part_and_loses_nothing_acknowledged() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY)");
    insert(&cluster.nodes[0], 0..10);
    // What is acknowledged from here on is on the first two.
    cluster.nodes[2].kill();
    insert(&cluster.nodes[0], 10..60);
    cluster.nodes[1].kill();
    cluster.nodes[0].kill();
    flip_a_bit(&cluster.nodes[1].data_dir());
    // Without the first one, these two would have a majority.
    cluster.nodes[1].start();
    cluster.nodes[2].start();
    check_refused(&cluster.nodes[1], "write-ahead log");
    let sql = cluster.nodes[2].psql().args(["-c", "SELECT count(*) FROM t"]).output().expect("psql");
    assert!(!sql.status.success(), "one of three answers for all: {}", text_of(&sql));
    cluster.nodes[0].start();
    cluster.nodes[0].await_http("/ready", 200);
    assert_eq!(count(&cluster.nodes[0]), "60");
    assert_eq!(cluster.nodes[1].terminate(), Some(0));
    // The others have relied on it: it must not go on with less.
    cluster.nodes[1].start_with_flags(&["--accept-loss"]);
    cluster.nodes[1].await_end();
    assert!(cluster.nodes[1].log().contains("with --rejoin instead"), "{}", cluster.nodes[1].log());
    cluster.nodes[1].start_with_flags(&["--rejoin"]);
    cluster.nodes[1].await_http("/ready", 200);
    await_replaced(&cluster.nodes[0], 2);
    assert_eq!(count(&cluster.nodes[1]), "60");
}

#[test]
fn old_store_of_a_lone_node_goes_on_with_what_is_left_once_it_is_told_to() {
    let mut cluster = Cluster::of_one();
    let node = &mut cluster.nodes[0];
    node.psql_run("CREATE TABLE t (id INT8 PRIMARY KEY)");
    insert(node, 0..60);
    node.kill();
    flip_a_bit(&node.data_dir());
    node.start();
    wait_for("it says why it is not ready", || {
        let answer = node.http_get("/ready");
        let says =
            answer.as_ref().is_some_and(|(status, text)| *status == 503 && text.contains("--accept-loss"));
        says.then_some(()).ok_or_else(|| format!("{answer:?}"))
    });
    let sql = node.psql().args(["-c", "SELECT 1"]).output().expect("psql");
    assert!(
        text_of(&sql).contains("--accept-loss") && !text_of(&sql).contains("--rejoin"),
        "{}",
        text_of(&sql)
    );
    assert_eq!(node.terminate(), Some(0));
    node.start_with_flags(&["--accept-loss"]);
    node.await_http("/ready", 200);
    let left: u32 = count(node).parse().expect("a number");
    assert!((1..60).contains(&left), "{left} rows");
    // A prefix of what was acknowledged.
    let highest = node.psql_run("SELECT max(id) FROM t");
    assert_eq!(highest.trim(), (left - 1).to_string());
    insert(node, left..left + 5);
    node.kill();
    node.start();
    node.await_http("/ready", 200);
    assert_eq!(count(node), (left + 5).to_string());
}
