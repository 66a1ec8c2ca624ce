//! A process with few descriptors: clients beyond what is left are refused, and the store goes on.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use tokio_postgres::{Client, NoTls};

use crate::support::{Cluster, DEADLINE, Node, text_of, wait_for};

/// What the process may have: too little for a thousand clients, and its soft limit too little for anything.
const SOFT: u32 = 256;
const HARD: u32 = 720;
/// Silent connections to each port: more than the hard limit, all together.
const SILENT: usize = 400;

/// Connects idle clients until one is refused; these, and why.
async fn fill(node: &Node) -> (Vec<Client>, String) {
    let mut clients = Vec::new();
    loop {
        match tokio_postgres::connect(&node.url(), NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                clients.push(client);
            }
            Err(error) => return (clients, format!("{error:?}")),
        }
    }
}

/// Connections that send nothing.
fn silent(port: u16) -> Vec<TcpStream> {
    (0..SILENT).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect()
}

fn descriptors_of(node: &Node) -> usize {
    let folder = format!("/proc/{}/fd", node.process_id());
    std::fs::read_dir(folder).expect("the process runs").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_never_take_the_descriptors_of_the_store() {
    let mut cluster = Cluster::prepare();
    cluster.nodes[0].start_with_descriptors(SOFT, HARD);
    cluster.nodes[1].start();
    cluster.nodes[2].start();
    cluster.init();
    cluster.await_ready();
    let node = &cluster.nodes[0];
    node.psql_run("CREATE TABLE t (id INT8 PRIMARY KEY, note TEXT)");
    let (clients, refusal) = fill(node).await;
    assert!(refusal.contains("53300"), "{refusal}");
    assert!(clients.len() > 100, "{} clients", clients.len());
    let crowd = [silent(node.sql), silent(node.http), silent(node.listen)];
    assert!(descriptors_of(node) < usize::try_from(HARD).unwrap(), "{}", descriptors_of(node));

    // The process goes on: statements, new files of the store, its answers to probes and to other nodes.
    for number in 0..20 {
        let client = &clients[number % clients.len()];
        let table = format!("CREATE TABLE t{number} (id INT8 PRIMARY KEY)");
        client.batch_execute(&table).await.expect("a table");
        let row = format!("INSERT INTO t VALUES ({number}, '{}')", "x".repeat(100_000));
        client.batch_execute(&row).await.expect("a row");
    }
    node.await_http("/health", 200);
    node.await_http("/ready", 200);
    wait_for("its node port answers", || {
        let output = node.ask(&["status"]);
        if output.status.success() { Ok(()) } else { Err(text_of(&output)) }
    });
    let count = clients[0].query_one("SELECT count(*) FROM t", &[]).await.expect("a count");
    assert_eq!(count.get::<_, i64>(0), 20);
    assert!(!node.log().contains("Too many open files"), "{}", node.log());

    // Silent ones end by themselves, and give their places back.
    for port in &crowd[1..] {
        let mut first = port.first().expect("a connection");
        first.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        // The node port says something first, as its protocol does.
        let end = first.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "it was not closed: {end:?}");
    }
    drop(crowd);
    drop(clients);
    wait_for("places are free again", || {
        let output = node.psql().args(["-c", "SELECT 1"]).output().expect("psql must be installed");
        if output.status.success() { Ok(()) } else { Err(text_of(&output)) }
    });
}

#[test]
fn a_limit_that_does_not_do_is_told_at_the_start() {
    let mut cluster = Cluster::prepare();
    let node = &mut cluster.nodes[0];
    node.start_with_descriptors(SOFT, SOFT);
    node.await_end();
    assert!(node.log().contains("ulimit -n"), "{}", node.log());
}
