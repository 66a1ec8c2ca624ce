//! A flipped bit in a table file: no client hears of it, and the replica is made anew.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Cluster, DEADLINE, Node, text_of, wait_for, wait_for_within};

/// Rows of the table: some blocks of a table file.
const ROWS: u32 = 600;
/// What the properties of a table file of the family `data` say.
const OF_DATA: &[u8] = b"namedata";
/// Repair removes the damaged replica, and gives its node one anew.
const REPAIRED_WITHIN: std::time::Duration = DEADLINE.saturating_mul(2);

/// Text that does not compress, and of which no two rows have the same.
fn text_of_row(row: u32) -> String {
    (1..=8_u64)
        .map(|word| {
            (u64::from(row) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7).wrapping_mul(word * 2 + 1)
        })
        .map(|word| format!("{word:016x}"))
        .collect()
}

fn fill(node: &Node) {
    node.psql_run("CREATE TABLE t (id INT8 PRIMARY KEY, words TEXT)");
    let rows: Vec<String> = (0..ROWS).map(|row| format!("({row}, '{}')", text_of_row(row))).collect();
    rows.chunks(200)
        .for_each(|rows| drop(node.psql_run(&format!("INSERT INTO t VALUES {}", rows.join(", ")))));
}

fn check_rows(node: &Node) {
    let told = node.psql_run("SELECT id, words FROM t ORDER BY id");
    let expected: String = (0..ROWS).map(|row| format!("{row}\t{}\n", text_of_row(row))).collect();
    assert!(told == expected, "{told}");
}

/// The largest table file of the family `data`: most of it is the table's.
fn file_of_rows(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let of_data = tables.filter(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(OF_DATA.len()).any(|window| window == OF_DATA)
    });
    of_data.max_by_key(|path| path.metadata().unwrap().len()).expect("a table file of rows")
}

/// Flips a bit in the middle of the rows of a node that does not run.
fn damage(node: &Node) {
    let path = file_of_rows(&node.data_dir());
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 40_000, "{} holds the table: {} bytes", path.display(), bytes.len());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn restart(node: &mut Node) {
    assert_eq!(node.terminate(), Some(0));
    node.start();
    node.await_http("/ready", 200);
}

fn status(node: &Node) -> Result<Value, String> {
    let output = node.ask(&["status", "--format", "json"]);
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", text_of(&output)))
}

/// The name of a node.
fn name_of(teller: &Node, node: &Node) -> String {
    let status = status(teller).unwrap();
    let nodes = status["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|told| told["address"] == node.host()).unwrap();
    format!("n{}", found["id"])
}

/// The range of the table, by its last row in the list: ranges are listed by key.
fn range_of_table(node: &Node) -> String {
    let status = status(node).unwrap();
    format!("r{}", status["ranges"].as_array().unwrap().last().unwrap()["id"])
}

/// The id of the replica that a node has of a range.
fn replica_on(status: &Value, range: &str, node: &str) -> Option<u64> {
    let named = |value: &Value, letter: &str, name: &str| format!("{letter}{value}") == name;
    let ranges = status["ranges"].as_array()?;
    let range = ranges.iter().find(|told| named(&told["id"], "r", range))?;
    let members = range["members"].as_array()?;
    members.iter().find(|member| named(&member["node"], "n", node))?["replica_id"].as_u64()
}

fn is_whole(status: &Value) -> bool {
    let ranges = status["ranges"].as_array().cloned().unwrap_or_default();
    let is_whole = |range: &Value| {
        let members = range["members"].as_array().cloned().unwrap_or_default();
        range["missing"] == Value::from(Vec::<u64>::new())
            && range["replicas"].as_array().is_some_and(|nodes| nodes.len() == 3)
            && range["change"].is_null()
            && members.iter().all(|member| member["damage"].is_null() && member["role"] == "voter")
    };
    status["partial"].is_null() && ranges.iter().all(is_whole)
}

#[test]
fn damaged_block_of_a_leader_is_no_clients_error_and_its_replica_is_made_anew() {
    let mut cluster = Cluster::running();
    fill(&cluster.nodes[0]);
    // A start writes what was in the log into table files.
    restart(&mut cluster.nodes[1]);
    assert_eq!(cluster.nodes[1].terminate(), Some(0));
    damage(&cluster.nodes[1]);
    cluster.nodes[1].start();
    cluster.nodes[1].await_http("/ready", 200);
    let range = range_of_table(&cluster.nodes[0]);
    let name = name_of(&cluster.nodes[0], &cluster.nodes[1]);
    let lead = ["range", "transfer-leader", &range, "--to", &name];
    wait_for("it leads", || {
        let output = cluster.nodes[0].ask(&lead);
        output.status.success().then_some(()).ok_or_else(|| text_of(&output))
    });
    let before = replica_on(&status(&cluster.nodes[0]).unwrap(), &range, &name);
    for node in &cluster.nodes {
        check_rows(node);
    }
    assert!(cluster.nodes[1].log().contains("a replica is damaged"), "{}", cluster.nodes[1].log());
    assert!(cluster.nodes[1].metric("quorate_range_replicas_damaged_total", &[]) >= 1.0);
    assert!(cluster.nodes[1].metric("quorate_store_damaged_files", &[]) >= 1.0);
    wait_for_within(REPAIRED_WITHIN, "the replica is made anew", || {
        let status = status(&cluster.nodes[0])?;
        let is_new = replica_on(&status, &range, &name).is_some_and(|replica| Some(replica) > before);
        (is_new && is_whole(&status)).then_some(()).ok_or_else(|| text_of(&cluster.nodes[0].ask(&["status"])))
    });
    check_rows(&cluster.nodes[0]);
    let told = text_of(&cluster.nodes[0].ask(&["status"]));
    assert!(told.contains("DEGRADED") && told.contains(&format!("restart {name}")), "{told}");
    restart(&mut cluster.nodes[1]);
    wait_for("all is well", || {
        let output = cluster.nodes[0].ask(&["status"]);
        let is_well = output.status.success() && text_of(&output).contains("HEALTHY");
        is_well.then_some(()).ok_or_else(|| text_of(&output))
    });
    assert_eq!(cluster.nodes[1].metric("quorate_store_damaged_files", &[]), 0.0);
    assert!(cluster.nodes[1].log().contains("was cut out"), "{}", cluster.nodes[1].log());
    check_rows(&cluster.nodes[1]);
}

/// The file in which the library keeps what the store consists of.
fn manifest(folder: &Path) -> PathBuf {
    let current = std::fs::read_to_string(folder.join("CURRENT")).unwrap();
    folder.join(current.trim_end())
}

#[test]
fn store_that_opens_no_more_names_the_replicas_that_are_lost_with_it() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY)");
    let list = cluster.nodes[2].data_dir().join("REPLICAS");
    wait_for("the replicas are listed", || {
        let text = std::fs::read_to_string(&list).map_err(|error| error.to_string())?;
        let is_whole = text.contains(": r1 ") && text.contains("quorate replicas 1");
        is_whole.then_some(()).ok_or(text)
    });
    cluster.nodes[2].kill();
    let path = manifest(&cluster.nodes[2].data_dir());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(path, bytes).unwrap();
    cluster.nodes[2].start();
    cluster.nodes[2].await_end();
    let log = cluster.nodes[2].log();
    let told = "lost with it are the replicas of n";
    assert!(
        log.contains(told) && log.contains(": r1, r") && log.contains("rejoins with an empty one"),
        "{log}"
    );
}
