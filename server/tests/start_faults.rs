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
    let cluster = Cluster::prepare();
    let mut command = cluster.nodes[0].command();
    fails_with(command.args(["--sql", "0.0.0.0:5432"]), &["--sql"]);
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
