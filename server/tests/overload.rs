//! A machine that has more to do than it can: that costs latency, and no leader.
//!
//! The whole of it takes some minutes, and is run by hand: `QUORATE_TEST_BUSY=64 cargo nextest run -E 'test(overload)'`.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Cluster, Node, signal};

/// How many busy processes there are beside the nodes; more than usual make ten times the tables, too.
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
            signal(child.id(), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// How often a range got a leader that nobody had asked for, by the logs of all nodes.
fn unasked_elections(cluster: &Cluster, range: &str) -> usize {
    let logs: Vec<String> = cluster.nodes.iter().map(Node::log).collect();
    let lines = || logs.iter().flat_map(|log| log.lines());
    let elected = lines().filter(|line| line.contains(&format!("elected range={range} "))).count();
    let asked = lines().filter(|line| line.contains(&format!("a leader moves transfer={range} "))).count();
    let stays = |line: &&str| line.contains("the leader stays") && line.ends_with(&format!("range={range}"));
    elected - (asked - lines().filter(stays).count()).min(elected)
}

/// Ends the writers, also where a table was not made.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes to a table until it is told to stop; how many writes were acknowledged.
fn write_until(node: &Node, stop: &AtomicBool) -> usize {
    let write = |key: usize| {
        let key = key % 100;
        let text = format!("INSERT INTO load VALUES ({key}, 1) ON CONFLICT (k) DO UPDATE SET v = load.v + 1");
        // Some may wait for longer than a write may.
        node.psql().args(["-c", &text]).output().expect("psql must be installed").status.success()
    };
    (0..).take_while(|_| !stop.load(Ordering::Relaxed)).filter(|key| write(*key)).count()
}

#[test]
fn overload_costs_no_leader_and_every_table_is_made() {
    let busy = std::env::var(BUSY_VARIABLE).map_or(BUSY, |count| count.parse().expect("a number"));
    let tables = if busy > BUSY { 10 } else { 1 };
    let cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE load (k INT8 PRIMARY KEY, v INT8)");
    let range = cluster.nodes[0].psql_run("SHOW RANGES FROM TABLE load");
    let range = format!("r{}", range.split('\t').next().expect("its range").trim_start_matches('r'));
    let elections = || ["r1", &range].map(|range| unasked_elections(&cluster, range));
    let before = elections();
    let create = |node: usize, name: &str| {
        cluster.nodes[node].psql_run(&format!("CREATE TABLE {name} (k INT8 PRIMARY KEY)"));
    };
    let stop = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writers: Vec<_> =
            cluster.nodes.iter().map(|node| scope.spawn(|| write_until(node, &stop))).collect();
        let stopping = Stop(&stop);
        let made = thread::scope(|scope| {
            let one_by_one = BusyMachine::of(busy);
            (0..CLIENTS * tables).for_each(|number| create(1, &format!("one_{number}")));
            drop(one_by_one);
            let _at_once = BusyMachine::of(busy);
            let clients: Vec<_> = (0..CLIENTS)
                .zip((0..cluster.nodes.len()).cycle())
                .map(|(client, node)| {
                    let create = &create;
                    let all = move || {
                        (0..tables).for_each(|number| create(node, &format!("many_{client}_{number}")))
                    };
                    scope.spawn(all)
                })
                .collect();
            clients.into_iter().map(thread::ScopedJoinHandle::join).all(|made| made.is_ok())
        });
        drop(stopping);
        assert!(made, "each table is made");
        writers.into_iter().map(|writer| writer.join().expect("a writer")).sum::<usize>()
    });
    assert!(written > 0, "the nodes were under load");
    let made = cluster.nodes[0].psql_run("SHOW TABLES");
    let made = made.lines().filter(|line| line.contains("one_") || line.contains("many_")).count();
    assert_eq!(made, usize::try_from(2 * CLIENTS * tables).expect("few"));
    assert_eq!(elections(), before, "ranges with a leader got another one");
}
