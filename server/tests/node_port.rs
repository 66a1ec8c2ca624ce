//! Whom a node believes at its port: joins from nowhere, commands from anybody, a node that is gone; and what people see
//! when a cluster is made.

use std::time::Duration;

use quorate::rpc::ask::ask;
use quorate_placement::topology::{Locality, NodeId, StoreId};
use quorate_raft_groups::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use quorate_raft_groups::cluster::node_format::NodeRecord;
use quorate_raft_groups::versions::Versions;
use quorate_raft_groups::wire::bootstrap::{read_answer, write_request};

use crate::support::{Cluster, Node, quorate, text_of, wait_for};

async fn forge_join(node: &Node, store: u64) -> BootstrapAnswer {
    let record = NodeRecord {
        node_id: NodeId(0),
        store_id: StoreId(store),
        address: "127.0.0.1:1".to_owned(),
        sql_address: String::new(),
        http_address: String::new(),
        locality: "zone=z".parse::<Locality>().unwrap(),
        incarnation: 0,
        started: Default::default(),
        versions: Versions::OWN,
    };
    let request = write_request(&BootstrapRequest::Join(record));
    let answer = ask(&node.host(), request, Duration::from_secs(10)).await.expect("an answer");
    read_answer(answer).expect("readable")
}

/// Ids of the nodes, as status tells.
fn nodes_of(node: &Node) -> Vec<String> {
    let output = node.ask(&["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let nodes = status["nodes"].as_array().unwrap_or_else(|| panic!("{}", text_of(&output)));
    nodes.iter().map(|node| node["id"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_joins_leave_nothing_behind() {
    let cluster = Cluster::running();
    for store in 0..400 {
        let answer = forge_join(&cluster.nodes[0], store).await;
        assert!(
            matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("127.0.0.1:1")),
            "{answer:?}"
        );
    }
    assert_eq!(nodes_of(&cluster.nodes[1]).len(), 3);
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY); INSERT INTO t VALUES (1)");
    let ranges = cluster.nodes[0].psql_run("SHOW RANGES FROM TABLE t");
    assert_eq!(ranges.trim_end().rsplit('\t').next().expect("replicas").matches(['1', '2', '3']).count(), 3);
}

#[test]
fn init_ends_when_sql_answers_everywhere_and_tells_the_token_that_commands_need() {
    let mut cluster = Cluster::prepare();
    cluster.start_all();
    for node in &cluster.nodes {
        node.await_http("/health", 200);
    }
    let made = cluster.nodes[0].ask(&["init"]);
    for node in &cluster.nodes {
        assert_eq!(node.psql_run("SELECT 1"), "1\n", "n{}", node.number);
        let text = node.log();
        assert!(text.contains(&format!("n{} of cluster", node.number)), "{text}");
    }
    let told = text_of(&made);
    assert!(made.status.success(), "{told}");
    let token = told.lines().find_map(|line| line.split_once("told this once: ")).expect("a token").1;
    // Commands from another machine, as far as these nodes can know: their sockets cannot be reached.
    for node in &cluster.nodes {
        std::fs::remove_file(node.data_dir().join("commands.sock")).expect("the socket");
    }
    let lead = ["range", "transfer-leader", "r1", "--to", "n2"];
    let node = &cluster.nodes[2];
    let refused = node.ask(&lead);
    assert!(!refused.status.success() && text_of(&refused).contains("--token-file"), "{}", text_of(&refused));
    let file = cluster.path().join("token");
    std::fs::write(&file, "quorate-token-00\n").expect("a file");
    let with_file = [&lead[..], &["--token-file", file.to_str().expect("a path")]].concat();
    let refused = node.ask(&with_file);
    assert!(text_of(&refused).contains("not this cluster's"), "{}", text_of(&refused));
    std::fs::write(&file, format!("{token}\n")).expect("a file");
    let done = node.ask(&with_file);
    assert!(done.status.success(), "{}", text_of(&done));
    let done = quorate().args(lead).args(["--host", &node.host()]).env("QUORATE_TOKEN", token).output();
    let done = done.expect("quorate");
    assert!(done.status.success(), "{}", text_of(&done));
    // Looking is free.
    assert!(node.ask(&["range", "ls"]).status.success());
}

#[test]
fn node_that_is_gone_is_removed_and_does_not_come_back() {
    let mut cluster = Cluster::running();
    cluster.add_node();
    let running = cluster.nodes[0].ask(&["node", "remove", "n4"]);
    assert!(!running.status.success() && text_of(&running).contains("n4 runs"), "{}", text_of(&running));
    cluster.nodes[3].kill();
    let mut last = String::new();
    wait_for("n4 is removed", || {
        let output = cluster.nodes[0].ask(&["node", "remove", "n4"]);
        last = text_of(&output);
        output.status.success().then_some(()).ok_or_else(|| last.clone())
    });
    assert_eq!(nodes_of(&cluster.nodes[1]).len(), 3);
    cluster.nodes[3].start();
    wait_for("n4 is told", || {
        let log = cluster.nodes[3].log();
        log.contains("was removed from the cluster").then_some(()).ok_or(log)
    });
    assert_eq!(nodes_of(&cluster.nodes[1]).len(), 3);
    // Its address takes a new node, which gets another number.
    cluster.nodes[3].kill();
    cluster.nodes[3].wipe();
    cluster.nodes[3].start();
    cluster.nodes[3].await_http("/ready", 200);
    let log = cluster.nodes[3].log();
    assert!(log.contains("n5 of cluster"), "{log}");
}
