//! How a cluster comes to be, and how its nodes come back.

use super::*;
use crate::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use crate::identity;
use crate::wire::bootstrap::{read_answer, write_request};

#[tokio::test(start_paused = true)]
async fn init_needs_everybody_and_happens_once() {
    let net = Net::new();
    let store = || Arc::new(MemoryStore::new());
    let a = net.process("a", &store()).await;
    let b = net.process("b", &store()).await;
    let error = a.init().await.unwrap_err();
    assert!(
        matches!(&error, ClusterError::Unavailable(text) if text.contains("no answer of c:7001")),
        "{error}"
    );
    assert_eq!(a.state(), NodeState::Uninitialised);

    let c = net.process("c", &store()).await;
    let created = b.init().await.unwrap();
    let ids: Vec<_> = created.nodes.iter().map(|node| (node.node_id.0, node.address.as_str())).collect();
    assert_eq!(ids, [(1, "a:7001"), (2, "b:7001"), (3, "c:7001")], "ids are given in the order of --join");
    for (node, id) in [(&a, 1), (&b, 2), (&c, 3)] {
        let member = tokio::time::timeout(DEADLINE, node.wait_for_member()).await.unwrap().unwrap();
        assert_eq!((member.node_id(), member.cluster_id()), (NodeId(id), created.cluster_id));
        assert_eq!(member.router().system_range().nodes(), [NodeId(1), NodeId(2), NodeId(3)]);
        let error = node.init().await.unwrap_err();
        assert!(matches!(error, ClusterError::Exists(id) if id == created.cluster_id), "{error}");
        assert_eq!(node.address_of(NodeId(2)), Some("b:7001".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn init_on_two_nodes_at_once_creates_at_most_one_cluster() {
    let net = Net::new();
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(net.process(name, &Arc::new(MemoryStore::new())).await);
    }
    let (first, second) = tokio::join!(nodes[0].init(), nodes[1].init());
    for error in [first.as_ref().err(), second.as_ref().err()].into_iter().flatten() {
        assert!(matches!(error, ClusterError::Refused(_) | ClusterError::Exists(_)), "{error}");
    }
    assert!(first.is_err() || second.is_err(), "two clusters were created");
    // Run again on one node, it works, or says that there is one.
    let cluster_id = match nodes[0].init().await {
        Ok(created) => created.cluster_id,
        Err(ClusterError::Exists(id)) => id,
        Err(other) => panic!("{other}"),
    };
    for node in &nodes {
        let member = tokio::time::timeout(DEADLINE, node.wait_for_member()).await.unwrap().unwrap();
        assert_eq!(member.cluster_id(), cluster_id);
    }
}

#[tokio::test(start_paused = true)]
async fn restart_of_all_needs_nobodys_help() {
    let Three { net, stores, members } = three().await;
    let cluster_id = members[0].cluster_id();
    drop(members);
    for name in ["a", "b", "c"] {
        net.kill(name);
    }
    // Alone: it knows who it is, where the others are, and range 1.
    let b = net.process("b", &stores[1]).await;
    let member = b.member().expect("a member at once").clone();
    assert_eq!((member.node_id(), member.cluster_id()), (NodeId(2), cluster_id));
    assert_eq!(b.hello().unwrap().incarnation, 2);
    assert_eq!(b.address_of(NodeId(3)), Some("c:7001".to_owned()));
    assert_eq!(member.router().system_range().nodes(), [NodeId(1), NodeId(2), NodeId(3)]);
    let error = b.init().await.unwrap_err();
    assert!(matches!(error, ClusterError::Exists(id) if id == cluster_id), "{error}");
}

#[tokio::test(start_paused = true)]
async fn restart_between_membership_and_identity_goes_on() {
    let Three { net, stores, members } = three().await;
    let cluster_id = members[0].cluster_id();
    net.kill("c");
    // What the crash would have left: the membership alone.
    let crashed = Arc::new(MemoryStore::new());
    let state = LocalState::open(crashed.clone(), StoreId(1)).unwrap();
    let found = LocalState::open(stores[2].clone(), StoreId(1)).unwrap().membership().unwrap();
    state.save(found, &Blocking::threads()).await.unwrap();
    assert!(identity::load(crashed.as_ref()).unwrap().is_none());
    let c = net.process("c", &crashed).await;
    assert_eq!(c.member().unwrap().node_id(), NodeId(3));
    assert_eq!(identity::load(crashed.as_ref()).unwrap().unwrap().cluster_id, cluster_id);
}

#[tokio::test(start_paused = true)]
async fn join_later_gives_a_new_id_and_the_same_again() {
    let Three { net, members, .. } = three().await;
    let store = Arc::new(MemoryStore::new());
    let d = net.process("d", &store).await;
    let member = tokio::time::timeout(DEADLINE, d.wait_for_member()).await.unwrap().unwrap();
    assert_eq!((member.node_id(), member.cluster_id()), (NodeId(4), members[0].cluster_id()));
    // Had the answer been lost, asking again would give the same id; another store gets another one.
    let mut record = d.record();
    assert_eq!(members[1].directory.register_new(record.clone()).await.unwrap(), NodeId(4));
    record.store_id = StoreId(999);
    assert_eq!(members[1].directory.register_new(record).await.unwrap(), NodeId(5));
    members[2].directory.refresh().await.unwrap();
    assert_eq!(members[2].registry().address_of(NodeId(4)), Some("d:7001".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn join_of_a_founders_address_with_another_disk_is_another_node() {
    let Three { net, .. } = three().await;
    net.kill("c");
    let c = net.process("c", &Arc::new(MemoryStore::new())).await;
    let member = tokio::time::timeout(DEADLINE, c.wait_for_member()).await.unwrap().unwrap();
    assert_eq!(member.node_id(), NodeId(4), "node 3 has forgotten its votes: it must not come back as such");
}

#[tokio::test(start_paused = true)]
async fn bootstrap_questions_before_init_name_the_command() {
    let net = Net::new();
    let a = net.process("a", &Arc::new(MemoryStore::new())).await;
    let answer = a.handle_bootstrap(write_request(&BootstrapRequest::Status), Origin::Network).await;
    let answer = read_answer(answer).unwrap();
    let BootstrapAnswer::Uninitialised { hint } = &answer else { panic!("{answer:?}") };
    assert!(hint.contains("quorate init --host a:7001"), "{hint}");
    let answer = a.handle_bootstrap(Bytes::from_static(b"\x09noise"), Origin::Machine).await;
    assert!(matches!(read_answer(answer).unwrap(), BootstrapAnswer::Refused(_)));
}
