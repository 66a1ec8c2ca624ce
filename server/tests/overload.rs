//! A machine that has more to do than it can: that costs latency, and no leader.
//!
//! The whole of it takes some minutes, and is run by hand: `QUORATE_TEST_BUSY=64 cargo nextest run -E 'test(overload)'`.

use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use crate::support::Cluster;

/// Says how many busy processes there are beside the nodes; with all of them as many tables as one may make at once.
const BUSY_VARIABLE: &str = "QUORATE_TEST_BUSY";
const BUSY: u32 = 6;
/// How long they are busy.
const BUSY_FOR: Duration = Duration::from_secs(60);
/// Clients that create tables at the same time.
const CLIENTS: u32 = 20;

/// Processes in sessions of their own, among which the system shares its cores; they end by themselves, too.
struct BusyMachine(Vec<Child>);

impl BusyMachine {
    fn of(count: u32) -> Self {
        let seconds = BUSY_FOR.as_secs().to_string();
        let one = |_| {
            let mut command = Command::new("setsid");
            // Each is what is ended: no shell between it and this test.
            command.args(["timeout", "--foreground", &seconds, "sh", "-c", "while :; do :; done"]);
            command.spawn().expect("util-linux must be installed")
        };
        Self((0..count).map(one).collect())
    }
}

impl Drop for BusyMachine {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // `timeout` hands it on.
            crate::support::signal(child.id(), rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// How often range 1 got a leader that nobody had asked for, by the logs of all nodes.
fn unasked_elections(cluster: &Cluster) -> usize {
    let count =
        |words: &str| cluster.nodes.iter().map(|node| node.log().matches(words).count()).sum::<usize>();
    count("elected range=r1 ").saturating_sub(count("a leader moves transfer=r1 "))
}

#[test]
fn overload_costs_no_leader_and_every_table_is_made() {
    let busy = std::env::var(BUSY_VARIABLE).map_or(BUSY, |count| count.parse().expect("a number"));
    let tables = if busy > BUSY { 10 } else { 1 };
    let cluster = Cluster::running();
    let elections = unasked_elections(&cluster);
    let create = |node: usize, name: &str| {
        cluster.nodes[node].psql_run(&format!("CREATE TABLE {name} (k INT8 PRIMARY KEY)"));
    };
    let one_by_one = BusyMachine::of(busy);
    for number in 0..CLIENTS * tables {
        create(1, &format!("one_{number}"));
    }
    drop(one_by_one);
    let _at_once = BusyMachine::of(busy);
    thread::scope(|scope| {
        for (client, node) in (0..CLIENTS).zip((0..cluster.nodes.len()).cycle()) {
            let create = &create;
            scope.spawn(move || {
                (0..tables).for_each(|number| create(node, &format!("many_{client}_{number}")));
            });
        }
    });
    let made = cluster.nodes[0].psql_run("SHOW TABLES");
    assert_eq!(made.lines().filter(|line| line.contains("one_") || line.contains("many_")).count(), {
        usize::try_from(2 * CLIENTS * tables).expect("few")
    });
    assert_eq!(unasked_elections(&cluster), elections, "range 1 was elected for");
}
