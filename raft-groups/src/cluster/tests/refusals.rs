//! Nodes whose stores must not be used: who notices, what they say, and what becomes of their replicas.

use parking_lot::Mutex as PlainMutex;
use quorate_engine::store::{Batch, Durability, Family, Store as _};

use super::*;
use crate::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use crate::cluster::hello::HelloError;
use crate::wire::bootstrap::{read_answer, write_request};

impl Net {
    fn node(&self, name: &str) -> Arc<ClusterNode> {
        self.switchboard.nodes.lock().get(&address(name)).cloned().expect("it runs")
    }
}

/// Says that its directory was copied, until it is claimed.
#[derive(Default)]
struct Copied {
    claims: PlainMutex<u64>,
}

impl refusal::StoreHome for Copied {
    fn copied(&self, _was_claimed: bool) -> Result<Option<String>, String> {
        Ok((*self.claims.lock() == 0).then(|| "the directory was copied".to_owned()))
    }

    fn claim(&self) -> Result<(), String> {
        *self.claims.lock() += 1;
        Ok(())
    }
}

async fn ask_node(node: &Arc<ClusterNode>, request: &BootstrapRequest) -> BootstrapAnswer {
    let answer = node.handle_bootstrap(write_request(request), Origin::Network).await;
    read_answer(answer).unwrap()
}

/// What a store has synced since, so that its others have heard of it.
async fn write_and_tell(store: &MemoryStore, teller: &Arc<Member>, hearer: &Arc<Member>) {
    let mut batch = Batch::new();
    batch.put(Family::Data, Bytes::from_static(b"k"), Bytes::from_static(b"v"));
    store.write(batch, Durability::Synced).unwrap();
    let position = store.positions().synced;
    wait("the position is heard", || {
        hearer.calls.rpc.synced_positions().get(&teller.node_id()).is_some_and(|heard| *heard >= position)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn refusal_of_other_clusters_and_oneself_is_not_final() {
    let Three { net, .. } = three().await;
    let (a, b) = (net.node("a"), net.node("b"));
    let hello = b.hello().unwrap();
    a.admit(&hello).await.unwrap();
    let foreign = Hello { cluster_id: uuid::Uuid::from_u128(1), ..hello.clone() };
    let error = a.admit(&foreign).await.unwrap_err();
    assert!(matches!(error, HelloError::OtherCluster { .. }) && !error.is_final(), "{error}");
    let error = b.admit(&hello).await.unwrap_err();
    assert!(matches!(error, HelloError::Myself { .. }) && !error.is_final(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refusal_of_greetings_that_nobody_sent_keeps_nobody_out() {
    let Three { net, .. } = three().await;
    let (a, b) = (net.node("a"), net.node("b"));
    let hello = b.hello().unwrap();
    a.admit(&hello).await.unwrap();
    for incarnation in [hello.incarnation + 1, 1 << 62] {
        let forged = Hello { incarnation, mark: 1, ..hello.clone() };
        let error = a.admit(&forged).await.unwrap_err();
        assert!(!error.is_final(), "{error}");
    }
    a.admit(&hello).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refusal_of_an_old_copy_lasts_and_is_told() {
    let Three { net, stores, members } = three().await;
    let old = Arc::new(stores[1].fork());
    for _ in 0..2 {
        net.kill("b");
        net.process("b", &stores[1]).await;
        net.node("a").admit(&net.node("b").hello().unwrap()).await.unwrap();
    }
    net.kill("b");
    let restored = net.process("b", &old).await;
    assert_eq!(restored.state(), NodeState::Refused);
    let told = restored.refusal().unwrap().to_owned();
    assert!(told.contains("old copy") && told.contains("--rejoin"), "{told}");
    assert!(restored.member().is_none(), "it takes no part");
    let answer = ask_node(&restored, &BootstrapRequest::Status).await;
    assert_eq!(answer, BootstrapAnswer::Refused(told.clone()));
    // Its leaseholder learns of it long before a silent node is dead.
    wait("the node counts as dead", || {
        members[0]
            .leader
            .with_board(|board, now| {
                board.liveness(NodeId(2), now.boot) == quorate_placement::view::Liveness::Dead
            })
            .unwrap_or(false)
    })
    .await;
    let status = members[2].status().await;
    assert_eq!(status.nodes[1].absence.as_deref(), Some(told.as_str()));
    // Nobody is there to refuse it, and it knows by itself.
    net.kill("b");
    net.kill("a");
    net.kill("c");
    assert_eq!(net.process("b", &old).await.refusal(), Some(told.as_str()));
}

#[tokio::test(start_paused = true)]
async fn refusal_of_a_copy_whose_start_another_process_has_taken() {
    let Three { net, stores, .. } = three().await;
    let copy = Arc::new(stores[1].fork());
    net.kill("b");
    net.process("b", &stores[1]).await;
    net.kill("b");
    let twin = net.process("b", &copy).await;
    assert!(twin.refusal().unwrap().contains("runs twice"), "{:?}", twin.refusal());
}

#[tokio::test(start_paused = true)]
async fn refusal_of_a_store_that_has_less_than_it_told() {
    let Three { net, stores, members } = three().await;
    let earlier = Arc::new(stores[1].fork());
    write_and_tell(&stores[1], &members[1], &members[2]).await;
    net.kill("b");
    net.kill("a");
    let forgetful = net.process("b", &earlier).await;
    let told = forgetful.refusal().unwrap();
    assert!(told.contains("has forgotten what it had synced"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn refusal_is_remembered_over_a_start_of_who_remembers() {
    let Three { net, stores, members } = three().await;
    let earlier = Arc::new(stores[1].fork());
    write_and_tell(&stores[1], &members[1], &members[2]).await;
    let synced = stores[1].positions().synced;
    wait("the position is written down", || {
        let found = refusal::load_starts(stores[2].as_ref()).unwrap().of(NodeId(2));
        found.is_some_and(|known| known.synced >= synced)
    })
    .await;
    for name in ["a", "b", "c"] {
        net.kill(name);
    }
    net.process("c", &stores[2]).await;
    let forgetful = net.process("b", &earlier).await;
    assert!(forgetful.refusal().unwrap().contains("has forgotten"), "{:?}", forgetful.refusal());
}

#[tokio::test(start_paused = true)]
async fn refusal_of_a_copied_directory_unless_nobody_else_votes() {
    let Three { net, stores, .. } = three().await;
    net.kill("b");
    let copied = net.process_at("b", &stores[1], Arc::new(Copied::default())).await;
    // No range of it has another voter: it is free to go where it likes.
    assert_eq!(copied.refusal(), None);
    net.kill("b");
    let mut batch = Batch::new();
    let shared = crate::descriptor::RangeDescriptor::new(
        quorate_placement::topology::RangeId(9),
        table(9),
        &[NodeId(1), NodeId(2)],
    );
    let key = crate::range_format::descriptor_key(shared.range_id);
    batch.put(Family::Range, key, crate::range_format::encode_descriptor(&shared));
    stores[1].write(batch, Durability::Synced).unwrap();
    let home = Arc::new(Copied::default());
    let copied = net.process_at("b", &stores[1], home.clone()).await;
    let told = copied.refusal().unwrap();
    assert!(told.contains("the directory was copied") && told.contains("--rejoin"), "{told}");
    assert_eq!(*home.claims.lock(), 0, "it goes on to know that it is a copy");
}
