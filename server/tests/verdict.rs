//! What operators are told: right after init, and when two of three nodes are gone. Nobody is alarmed for nothing, nobody is
//! told that all is well, and nobody is told to start a node that runs.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Cluster, Node, signal, text_of, wait_for};

/// Longest time from the loss of a quorum until `/ready` says so.
const NOT_READY_WITHIN: Duration = Duration::from_secs(8);

fn told(node: &Node, words: &[&str]) -> String {
    let output = node.ask(words);
    String::from_utf8(output.stdout.clone()).unwrap_or_else(|_| text_of(&output))
}

/// The column of leaders in `quorate range ls`.
fn leaders(node: &Node) -> Vec<String> {
    let text = told(node, &["range", "ls"]);
    let rows = text.lines().skip(1);
    rows.map(|row| row.split_whitespace().nth(3).unwrap_or_default().to_owned()).collect()
}

fn verdict(status: &str) -> &str {
    status.split_whitespace().next().unwrap_or_default()
}

#[test]
fn verdict_right_after_init_is_no_alarm() {
    let mut cluster = Cluster::prepare();
    cluster.start_all();
    cluster.init();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        for node in &cluster.nodes {
            let status = told(node, &["status"]);
            assert!(["HEALTHY", "DEGRADED", "UNKNOWN"].contains(&verdict(&status)), "{status}");
            assert!(!status.contains("ranges without quorum"), "{status}");
        }
    }
    wait_for("a healthy cluster", || {
        let output = cluster.nodes[2].ask(&["status"]);
        let text = text_of(&output);
        let is_well = output.status.success() && text.contains("HEALTHY");
        // Its disk is that of this machine, of which there may be something to say.
        if is_well || text.contains("disks that are slow") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn verdict_without_a_quorum_is_told_by_ready_range_ls_and_status() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY); INSERT INTO t VALUES (1)");
    wait_for("ranges are led", || {
        let leaders = leaders(&cluster.nodes[0]);
        let all_led = leaders.len() >= 2 && leaders.iter().all(|leader| leader.starts_with('n'));
        if all_led { Ok(()) } else { Err(format!("{leaders:?}")) }
    });

    // One stands still, and is there all the same; one is gone.
    let stopped = cluster.nodes[1].process_id();
    signal(stopped, Signal::STOP);
    cluster.nodes[2].kill();
    let begun = Instant::now();
    cluster.nodes[0].await_http("/ready", 503);
    assert!(begun.elapsed() <= NOT_READY_WITHIN, "{:?}", begun.elapsed());
    let (_, body) = cluster.nodes[0].http_get("/ready").expect("an answer");
    assert!(body.contains("range 1"), "{body}");
    assert_eq!(cluster.nodes[0].http_get("/health").expect("an answer").0, 200);

    wait_for("nobody leads", || {
        let leaders = leaders(&cluster.nodes[0]);
        if leaders.iter().all(|leader| leader == "-") { Ok(()) } else { Err(format!("{leaders:?}")) }
    });
    let output = cluster.nodes[0].ask(&["status"]);
    let status = text_of(&output);
    assert!(!output.status.success() && status.contains("CRITICAL"), "{status}");
    for (node, address) in [("n2", cluster.nodes[1].host()), ("n3", cluster.nodes[2].host())] {
        let advice =
            format!("look whether {node} runs: it does not answer at {address}; if it runs, look at its log");
        assert!(status.contains(&format!(" {node}  missing: heard")) && status.contains(&advice), "{status}");
    }

    // The one that stood still goes on: with it there is a majority again, and only the other one is missed.
    signal(stopped, Signal::CONT);
    for node in &cluster.nodes[..2] {
        node.await_http("/ready", 200);
    }
    wait_for("led again, and n3 is missed alone", || {
        let (status, leaders) = (told(&cluster.nodes[0], &["status"]), leaders(&cluster.nodes[0]));
        let is_told = verdict(&status) == "DEGRADED" && status.contains(" n3  missing: heard");
        let others = !status.contains(" n2  missing") && leaders.iter().all(|leader| leader.starts_with('n'));
        if is_told && others { Ok(()) } else { Err(format!("{leaders:?}\n{status}")) }
    });
}
