//! `quorate start` with something wrong says what it is and what to do, and ends with an exit code that is not zero.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use crate::support::{Cluster, quorate, text_of, wait_for};

fn fails_with(command: &mut Command, words: &[&str]) -> Output {
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run");
    let mut child = Some(child);
    // A process that starts although it must not would run for ever.
    wait_for("the process ends", || match child.as_mut().map(std::process::Child::try_wait) {
        Some(Ok(Some(_))) => Ok(()),
        other => Err(format!("{words:?}: {other:?}")),
    });
    let output = child.take().expect("ended").wait_with_output().expect("output");
    let text = text_of(&output);
    assert!(!output.status.success(), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
    output
}

#[test]
fn wrong_flags_are_named() {
    fails_with(quorate().args(["start", "--no-such-flag"]), &["--no-such-flag"]);
    let mut cluster = Cluster::prepare();
    cluster.nodes[0].flags = vec![("--sql", "0.0.0.0:5432".to_owned())];
    fails_with(&mut cluster.nodes[0].command(), &["--sql 0.0.0.0:5432 can be reached from other machines"]);
}

#[test]
fn address_in_use_is_named() {
    let cluster = Cluster::prepare();
    let node = &cluster.nodes[0];
    for (flag, port) in [("--listen", node.listen), ("--sql", node.sql), ("--http", node.http)] {
        let _taken = TcpListener::bind(("127.0.0.1", port)).expect("bind");
        fails_with(&mut node.command(), &[flag, &port.to_string(), "in use"]);
    }
}

#[test]
fn directory_of_a_running_process_is_locked() {
    let mut cluster = Cluster::prepare();
    cluster.nodes[0].start();
    cluster.nodes[0].await_http("/health", 200);
    let directory = cluster.nodes[0].data_dir();
    let other = Cluster::prepare();
    let command = other.nodes[0].command();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut command = quorate();
    for argument in arguments {
        let own = argument == other.nodes[0].data_dir().as_os_str();
        command.arg(if own { directory.clone().into_os_string() } else { argument });
    }
    fails_with(&mut command, &["another process", &directory.display().to_string()]);
}

#[test]
fn directory_of_another_cluster_or_node_is_refused() {
    let mut first = Cluster::running();
    let mut second = Cluster::running();
    for cluster in [&mut first, &mut second] {
        cluster.nodes.iter_mut().for_each(|node| node.kill());
    }
    // Another cluster: the second cluster's address with the first cluster's data.
    swap_directories(&first.nodes[0].data_dir(), &second.nodes[0].data_dir());
    second.nodes[1].start();
    second.nodes[2].start();
    second.nodes[1].await_http("/health", 200);
    fails_with(&mut second.nodes[0].command(), &["belongs to cluster"]);
    // Another node of the same cluster: n2's address with n3's data.
    first.nodes[0].start();
    swap_directories(&first.nodes[1].data_dir(), &first.nodes[2].data_dir());
    fails_with(&mut first.nodes[1].command(), &["belongs to node n3, not to n2"]);
}

fn swap_directories(one: &std::path::Path, two: &std::path::Path) {
    let aside = one.with_extension("aside");
    std::fs::rename(one, &aside).expect("rename");
    std::fs::rename(two, one).expect("rename");
    std::fs::rename(&aside, two).expect("rename");
}

#[test]
fn folder_with_other_files_is_refused_and_left_alone() {
    let cluster = Cluster::prepare();
    let node = &cluster.nodes[0];
    let folder = node.data_dir();
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("thesis.tex"), b"mine").expect("a file");
    fails_with(&mut node.command(), &["--data-dir", "thesis.tex", "nothing was changed"]);
    let left: Vec<_> = std::fs::read_dir(&folder).expect("folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn names_that_mean_nothing_are_told_from_nodes_that_do_not_run() {
    let mut cluster = Cluster::prepare();
    cluster.nodes[0].flags = vec![("--sql", "no-such-host.invalid:5401".to_owned())];
    fails_with(&mut cluster.nodes[0].command(), &["--sql: the name no-such-host.invalid is not known"]);
    let status = quorate().args(["status", "--host", "no-such-host.invalid:7001"]).output().expect("status");
    assert!(text_of(&status).contains("the name no-such-host.invalid is not known"), "{}", text_of(&status));
    let status = cluster.nodes[0].ask(&["status"]);
    assert!(text_of(&status).contains("nobody listens at"), "{}", text_of(&status));
}

#[test]
fn node_on_every_interface_is_reached_where_it_advertises() {
    let mut cluster = Cluster::prepare();
    let listen = cluster.nodes[0].listen;
    let (everywhere, named) = (format!("0.0.0.0:{listen}"), format!("localhost:{listen}"));
    let node = &mut cluster.nodes[0];
    node.flags = vec![("--listen", everywhere)];
    let mut command = node.command();
    fails_with(command.arg("--insecure"), &["--listen", "every interface", "--advertise HOST"]);
    node.flags.push(("--advertise", named.clone()));
    node.insecure = true;
    cluster.start_all();
    cluster.init();
    cluster.await_ready();
    let status = cluster.nodes[1].ask(&["status", "--format", "json"]);
    assert!(text_of(&status).contains(&named), "{}", text_of(&status));
    cluster.nodes[2].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY); INSERT INTO t VALUES (1)");
    // No URL: the node says where its SQL is.
    let one = cluster.nodes[0].ask(&["sql", "-e", "SELECT id FROM t"]);
    assert_eq!(String::from_utf8_lossy(&one.stdout), "1\n", "{}", text_of(&one));
}
