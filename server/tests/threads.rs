//! Which threads of a node come before everything else: those that keep leases, and no others.

use std::collections::BTreeMap;

use crate::support::{Cluster, Node};

/// What the system says of a thread in a realtime class, round robin.
const ROUND_ROBIN: &str = "2";
/// And of any other one.
const NORMAL: &str = "0";

/// How the system schedules the threads of a process, by their names.
fn policies(process: u32) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task")).expect("its threads") {
        // One that has just ended is not looked at.
        let Ok(stat) = std::fs::read_to_string(task.expect("a thread").path().join("stat")) else { continue };
        let (head, rest) = stat.rsplit_once(") ").expect("a name in brackets");
        let name = head.split_once('(').expect("a name in brackets").1;
        // Behind the name the third field begins; the policy is the 41st.
        let policy = rest.split(' ').nth(41 - 3).expect("a policy");
        found.entry(name.to_owned()).or_default().push(policy.to_owned());
    }
    found
}

fn check(node: &Node) {
    let policies = policies(node.process_id());
    let is_refused = node.log().contains("do not come before those of other processes");
    let wanted = if is_refused { NORMAL } else { ROUND_ROBIN };
    for name in ["urgent", "clock-bound"] {
        let found = policies.get(name).unwrap_or_else(|| panic!("{name} is not in {policies:?}"));
        assert_eq!(found, &[wanted], "{name}");
    }
    let others = policies.iter().filter(|(name, _)| !["urgent", "clock-bound"].contains(&name.as_str()));
    for (name, found) in others {
        assert!(found.iter().all(|policy| policy == NORMAL), "{name}: {found:?}, of {policies:?}");
    }
}

#[test]
fn threads_that_keep_leases_come_first_and_no_others() {
    let cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY, v TEXT)");
    // Whatever threads its work needs are there.
    let rows: Vec<String> = (0..2_000).map(|row| format!("({row}, 'x')")).collect();
    for node in &cluster.nodes {
        node.psql_run(&format!("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING", rows.join(", ")));
        assert_eq!(node.psql_run("SELECT count(*) FROM t").trim(), "2000");
    }
    cluster.nodes.iter().for_each(check);
}
