//! Acknowledged means synced: strace sees fdatasync between a lone INSERT and its answer.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::{Cluster, signal, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn lone_insert_is_synced_before_it_is_acknowledged() {
    let cluster = Cluster::running();
    let node = &cluster.nodes[0];
    node.psql_run("CREATE TABLE t (id INT8 PRIMARY KEY, note TEXT)");
    let client = node.connect().await;
    client.simple_query("INSERT INTO t VALUES (0, 'warm')").await.expect("insert");
    let traces: Vec<_> =
        cluster.nodes.iter().map(|node| cluster.path().join(format!("trace{}", node.number))).collect();
    let mut tracers = Vec::new();
    for (node, trace) in cluster.nodes.iter().zip(&traces) {
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-tt",
            "-s",
            "256",
            "-e",
            "trace=fdatasync,fsync,write,writev,sendto,sendmsg,recvfrom,read",
        ]);
        command.args(["-p", &node.process_id().to_string(), "-o"]).arg(trace);
        tracers.push(command.stderr(Stdio::null()).spawn().expect("strace must be installed"));
    }
    for trace in &traces {
        wait_for("strace is attached", || {
            let size = std::fs::metadata(trace).map(|metadata| metadata.len()).unwrap_or(0);
            if size > 0 { Ok(()) } else { Err("nothing traced yet".to_owned()) }
        });
    }
    client.simple_query("INSERT INTO t VALUES (1, 'lone row in the trace')").await.expect("insert");
    for mut tracer in tracers {
        signal(tracer.id(), Signal::INT);
        tracer.wait().expect("strace ends");
    }
    let request =
        stamp(&traces[0], |line| line.contains("lone row in the trace") && line.contains("INSERT INTO"));
    let answer = stamp(&traces[0], |line| line.contains("INSERT 0 1"));
    let (request, answer) = (request.expect("the request is seen"), answer.expect("the answer is seen"));
    let synced = traces.iter().filter(|trace| syncs_between(trace, &request, &answer) > 0).count();
    assert!(synced >= 2, "{synced} of three nodes synced between {request} and {answer}");
}

/// Time of the first line for which `wanted` is true.
fn stamp(trace: &std::path::Path, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let text = std::fs::read_to_string(trace).expect("trace");
    text.lines().find(|line| wanted(line)).and_then(time_of).map(str::to_owned)
}

/// Lines are "pid hh:mm:ss.micros call…".
fn time_of(line: &str) -> Option<&str> {
    line.split_whitespace().nth(1)
}

fn syncs_between(trace: &std::path::Path, from: &str, to: &str) -> usize {
    let text = std::fs::read_to_string(trace).expect("trace");
    let sync = |line: &&str| line.contains("fdatasync") || line.contains("fsync");
    let within = |line: &&str| time_of(line).is_some_and(|time| time >= from && time <= to);
    text.lines().filter(sync).filter(within).count()
}
