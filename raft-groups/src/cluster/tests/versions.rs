//! Nodes of different releases in one cluster: what they speak, and what they may write down.

use super::replicated::{Cluster, NAMES, eventually, read_all, row};
use super::*;
use crate::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use crate::cluster::hello::HelloError;
use crate::versions::VersionRange;
use crate::wire::bootstrap::{read_answer, write_request};

/// What the release after this one can: it works beside this one, and on its data.
const NEXT: Versions = Versions {
    protocols: VersionRange { oldest: 1, newest: 2 },
    cluster: VersionRange { oldest: 1, newest: 3 },
};

async fn set_version(member: &Member, version: &str) -> Result<(), ClusterError> {
    member.set_setting("cluster_version", version).await
}

/// What the nodes of a cluster speak with each other.
fn spoken(cluster: &Cluster) -> Vec<u32> {
    let pairs = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)];
    let between = |(from, to): (usize, u64)| cluster.member(from).calls.rpc.protocol_with(NodeId(to + 1));
    pairs.map(between).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_two_releases_make_one_cluster_and_are_upgraded_one_by_one() {
    let net = Net { versions: [("c", NEXT)].into(), ..Net::new() };
    let mut cluster = Cluster::init_in(net).await;
    let span = table(100);
    let maker = cluster.member(2);
    eventually("create the range", || maker.create_table_range(span.clone())).await;
    for at in 0..3 {
        put(&cluster.member(at), &row(&span, u8::try_from(at).unwrap()), "x").await;
    }
    for at in 0..3 {
        assert_eq!(read_all(&cluster.member(at), &span).await.unwrap().len(), 3, "from node {}", at + 1);
        assert_eq!(cluster.member(at).cluster_version().get(), 2, "all of the first nodes can that");
    }
    assert_eq!(spoken(&cluster), [1; 6]);

    let error = eventually("all are registered", || async {
        let error = set_version(&cluster.member(2), "3").await.unwrap_err().to_string();
        let names_both = error.contains("n1 at a:7001 (version 1 to 2), n2 at b:7001 (version 1 to 2)");
        if names_both { Ok(error) } else { Err(error) }
    });
    assert!(error.await.contains("quorate node remove"));

    for (at, name) in NAMES.into_iter().enumerate().take(2) {
        cluster.kill(at).await;
        put(&cluster.member(2), &row(&span, u8::try_from(at + 3).unwrap()), "while one is away").await;
        cluster.net.versions.insert(name, NEXT);
        cluster.start(at).await;
        let member = cluster.member(at);
        let rows = eventually("the newer release reads", || read_all(&member, &span)).await;
        assert_eq!(rows.len(), at + 4);
    }
    eventually("all speak the newer protocol", || async {
        let spoken = spoken(&cluster);
        if spoken == [2; 6] { Ok(()) } else { Err(format!("{spoken:?}")) }
    })
    .await;
    let raiser = cluster.member(1);
    eventually("the version is raised", || set_version(&raiser, "3")).await;
    for at in 0..3 {
        wait("the version is seen, and written down", || {
            let kept = cluster.node(at).local.membership().unwrap().cluster_version;
            cluster.member(at).cluster_version().get() == 3 && kept == 3
        })
        .await;
    }
    let error = set_version(&cluster.member(0), "1").await.unwrap_err().to_string();
    assert!(error.contains("the cluster is at version 3, which is not lowered"), "{error}");

    cluster.kill(1).await;
    cluster.net.versions.remove("b");
    let error = cluster.try_start(1).await.err().unwrap().to_string();
    assert!(
        error.contains("at version 3, and this release works with version 1 to 2; nothing was changed"),
        "{error}"
    );
    assert!(error.contains("a newer release, one that works with cluster version 3"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn version_of_a_new_cluster_keeps_older_releases_out() {
    let net = Net { versions: NAMES.map(|name| (name, NEXT)).into(), ..Net::new() };
    let Three { net, members, .. } = three_in(net).await;
    for member in &members {
        assert_eq!(member.cluster_version().get(), 3, "the newest that all of the first nodes can");
    }
    let d = net.process("d", &Arc::new(MemoryStore::new())).await;
    let a = net.switchboard.nodes.lock().get(&address("a")).cloned().unwrap();
    let join = write_request(&BootstrapRequest::Join(d.record()));
    let answer = read_answer(a.handle_bootstrap(join, Origin::Network).await).unwrap();
    let BootstrapAnswer::Refused(reason) = answer else { panic!("{answer:?}") };
    assert!(reason.contains("Start the node with a newer release"), "{reason}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(d.state(), NodeState::Uninitialised);
}

#[tokio::test(start_paused = true)]
async fn versions_without_a_common_protocol_are_refused_in_the_greeting() {
    let Three { net, .. } = three().await;
    let node = |name: &str| net.switchboard.nodes.lock().get(&address(name)).cloned().unwrap();
    let hello = node("b").hello().unwrap();
    let protocols = VersionRange { oldest: 2, newest: 3 };
    let error = node("a").admit(&Hello { protocols, ..hello.clone() }).await.unwrap_err();
    assert!(matches!(error, HelloError::NoCommonProtocol { .. }) && !error.is_final(), "{error}");
    let text = error.to_string();
    assert!(text.contains("n1 runs the older release; upgrade it to one that speaks protocol 2"), "{text}");
    let none = Hello { protocols: VersionRange::NONE, ..hello };
    let text = node("a").admit(&none).await.unwrap_err().to_string();
    assert!(text.contains("n2 runs the older release; upgrade it to one that speaks protocol 1"), "{text}");
}
