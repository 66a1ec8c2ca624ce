//! Who is taken at their word: joins from nowhere, commands from anybody, nodes that are removed.

use super::*;
use crate::cluster::admin::{AdminCommand, AdminRequest, Token};
use crate::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use crate::cluster::range_command::RangeCommand;
use crate::wire::bootstrap::{read_answer, write_request};
use quorate_placement::topology::RangeId;

pub(super) async fn say(
    node: &Arc<ClusterNode>,
    request: &BootstrapRequest,
    origin: Origin,
) -> BootstrapAnswer {
    let answer = node.handle_bootstrap(write_request(request), origin).await;
    read_answer(answer).unwrap()
}

pub(super) fn command(command: AdminCommand, token: Option<Token>) -> BootstrapRequest {
    BootstrapRequest::Admin(AdminRequest { token, store_id: None, command })
}

fn node(net: &Net, name: &str) -> Arc<ClusterNode> {
    net.switchboard.nodes.lock().get(&address(name)).unwrap().clone()
}

async fn rows(member: &Member, part: u8) -> usize {
    directory::rows::read_part(member.database(), part).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn join_is_taken_only_from_whom_it_is_found_at() {
    let Three { net, members, .. } = three().await;
    let a = node(&net, "a");
    let forged = |store: u64, at: &str| {
        BootstrapRequest::Join(NodeRecord {
            node_id: NodeId(0),
            store_id: StoreId(store),
            address: at.to_owned(),
            ..members[0].agent.record.clone()
        })
    };
    for store in 0..400 {
        let answer = say(&a, &forged(store, "nowhere:1"), Origin::Network).await;
        assert!(
            matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("nowhere:1")),
            "{answer:?}"
        );
    }
    // Somebody else's address, and this node's own.
    for at in ["b:7001", "a:7001"] {
        let answer = say(&a, &forged(1, at), Origin::Network).await;
        assert!(
            matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("another node")),
            "{answer:?}"
        );
    }
    assert_eq!(rows(&members[0], keyspace::SYSTEM_NODES).await, 3);
    // Many at once: only so many addresses are called at a time.
    let many: Vec<_> = (0..50).map(|store| forged(store, "nowhere:1")).collect();
    let answers = futures::future::join_all(many.iter().map(|join| say(&a, join, Origin::Network))).await;
    let busy = |answer: &&BootstrapAnswer| matches!(answer, BootstrapAnswer::Refused(text) if text.contains("ask again"));
    assert!(answers.iter().filter(busy).count() >= 40, "{answers:?}");
    // Who is there is let in, as ever.
    let d = net.process("d", &Arc::new(MemoryStore::new())).await;
    let member = tokio::time::timeout(DEADLINE, d.wait_for_member()).await.unwrap().unwrap();
    assert_eq!(member.node_id(), NodeId(4));
}

#[tokio::test(start_paused = true)]
async fn replicas_go_only_to_nodes_that_were_heard() {
    let Three { net, members, .. } = three().await;
    let mut phantom = members[0].agent.record.clone();
    (phantom.node_id, phantom.store_id) = (NodeId(0), StoreId(77));
    phantom.locality = "zone=z".parse().unwrap();
    // However it came in: a new leaseholder's board knows of no silence yet.
    assert_eq!(members[1].directory.register_new(phantom).await.unwrap(), NodeId(4));
    for member in &members {
        member.directory.refresh().await.unwrap();
    }
    for leader in [1, 2, 3, 1] {
        net.world.lead(RangeId(1), Some(NodeId(leader)));
        let span = table(100 + leader + 10 * net.started.fetch_add(1, Ordering::SeqCst));
        // The lease may move once more: leaders are spread.
        let made = async {
            while members[0].create_table_range(span.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(DEADLINE, made).await.unwrap();
        let ranges = members[0].ranges(span).await.unwrap();
        let nodes = ranges[0].descriptor.nodes();
        assert!(!nodes.contains(&NodeId(4)), "a replica on a node that does not exist: {nodes:?}");
        assert_eq!(nodes.len(), 3, "{nodes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn commands_need_the_machines_socket_or_the_token() {
    let net = Net::new();
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(net.process(name, &Arc::new(MemoryStore::new())).await);
    }
    let answer = say(&nodes[0], &command(AdminCommand::Init, None), Origin::Network).await;
    let BootstrapAnswer::NotEntitled { socket, store_id } = answer else { panic!("{answer:?}") };
    assert_eq!(socket, "/a/commands.sock");
    assert_eq!(nodes[0].state(), NodeState::Uninitialised);
    // The same path may be another node's socket.
    let meant = |store_id| {
        BootstrapRequest::Admin(AdminRequest {
            token: None,
            store_id: Some(store_id),
            command: AdminCommand::Init,
        })
    };
    let answer = say(&nodes[1], &meant(store_id), Origin::Machine).await;
    assert!(matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("another node")), "{answer:?}");
    let listeners = Catalog(Arc::new(AtomicU64::new(1)));
    let serving = async {
        for node in &nodes {
            let member = node.wait_for_member().await.unwrap();
            member.set_catalog_listener(Arc::new(listeners.clone()));
        }
    };
    let init = meant(store_id);
    let (answer, ()) = tokio::join!(say(&nodes[0], &init, Origin::Machine), serving);
    let BootstrapAnswer::Created { token: Some(first), not_serving, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(not_serving, Vec::<String>::new(), "init waits until all serve");
    for node in &nodes {
        assert!(node.member().unwrap().catalog_lease().is_ok());
    }
    let split = || AdminCommand::Range(RangeCommand::Split { range_id: RangeId(99), at: None });
    let unknown = |answer: &BootstrapAnswer| matches!(answer, BootstrapAnswer::RangeRefused { reason, .. } if reason.contains("no range"));
    // Each node knows the token, also one that joins later.
    nodes.push(net.process("d", &Arc::new(MemoryStore::new())).await);
    tokio::time::timeout(DEADLINE, nodes[3].wait_for_member()).await.unwrap().unwrap();
    for node in &nodes {
        let answer = say(node, &command(split(), Some(first.clone())), Origin::Network).await;
        assert!(unknown(&answer), "{answer:?}");
        let answer = say(node, &command(split(), Some(Token::new("guess"))), Origin::Network).await;
        assert!(matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("token")), "{answer:?}");
        let answer = say(node, &command(split(), None), Origin::Network).await;
        assert!(matches!(answer, BootstrapAnswer::NotEntitled { .. }), "{answer:?}");
        assert!(unknown(&say(node, &command(split(), None), Origin::Machine).await));
    }
    // A new one ends the one before.
    let answer = say(&nodes[1], &command(AdminCommand::NewToken, None), Origin::Machine).await;
    let BootstrapAnswer::TokenMade { token } = answer else { panic!("{answer:?}") };
    let answer = say(&nodes[2], &command(split(), Some(first)), Origin::Network).await;
    assert!(matches!(answer, BootstrapAnswer::Refused(_)), "{answer:?}");
    assert!(unknown(&say(&nodes[2], &command(split(), Some(token)), Origin::Network).await));
}

#[tokio::test(start_paused = true)]
async fn removed_node_is_gone_and_stays_away() {
    let Three { net, members, .. } = three().await;
    let disk = Arc::new(MemoryStore::new());
    let d = net.process("d", &disk).await;
    tokio::time::timeout(DEADLINE, d.wait_for_member()).await.unwrap().unwrap();
    let remove = async |number: u64| {
        say(&node(&net, "b"), &command(AdminCommand::RemoveNode(NodeId(number)), None), Origin::Machine).await
    };
    wait("n4 is heard", || {
        let heard = |member: &Arc<Member>| member.leader.with_board(|board, _| board.has_heard(NodeId(4)));
        members.iter().any(|member| heard(member) == Some(true))
    })
    .await;
    let answer = remove(4).await;
    assert!(matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("n4 runs")), "{answer:?}");
    let answer = remove(9).await;
    assert!(
        matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("does not exist")),
        "{answer:?}"
    );
    net.kill("d");
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let answer = remove(4).await;
        if answer == BootstrapAnswer::NodeRemoved {
            break;
        }
        // For as long as it may only be late.
        let is_late = matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("n4 runs"));
        assert!(is_late || matches!(answer, BootstrapAnswer::RemovalWaits { .. }), "{answer:?}");
        assert!(tokio::time::Instant::now() < deadline, "in vain");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for member in &members {
        member.directory.refresh().await.unwrap();
        assert_eq!(member.registry().ids(), [1, 2, 3].map(NodeId));
    }
    let answer = remove(4).await;
    assert!(
        matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("removed before")),
        "{answer:?}"
    );
    // It does not come back by starting again: nobody listens to it, and it is told so.
    let again = net.process("d", &disk).await;
    assert_eq!(again.state(), NodeState::Refused);
    let told = again.refusal().unwrap();
    assert!(told.contains("n4 was removed") && told.contains("--rejoin"), "{told}");
    assert_eq!(rows(&members[0], keyspace::SYSTEM_NODES).await, 3);
    // Its address takes a new one.
    net.kill("d");
    let fresh = net.process("d", &Arc::new(MemoryStore::new())).await;
    let member = tokio::time::timeout(DEADLINE, fresh.wait_for_member()).await.unwrap().unwrap();
    assert_eq!(member.node_id(), NodeId(5));
}
