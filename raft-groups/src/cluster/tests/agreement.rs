//! Nodes agree on the catalog: a change is told to all, and whoever cannot be told stops relying on the old one.

use super::*;
use crate::client::router::SYSTEM_RANGE;

async fn with_catalogs(members: &[Arc<Member>]) -> Vec<Catalog> {
    let catalogs: Vec<_> = members.iter().map(|_| Catalog(Arc::new(AtomicU64::new(1)))).collect();
    for (member, catalog) in members.iter().zip(&catalogs) {
        assert!(member.catalog_lease().is_err(), "nothing is served before the catalog was confirmed");
        member.set_catalog_listener(Arc::new(catalog.clone()));
    }
    wait("all have a lease", || members.iter().all(|member| member.catalog_lease().is_ok())).await;
    catalogs
}

#[tokio::test(start_paused = true)]
async fn catalog_change_is_told_to_all_at_once() {
    let Three { members, .. } = three().await;
    let catalogs = with_catalogs(&members).await;
    for catalog in &catalogs {
        catalog.0.store(2, Ordering::SeqCst);
    }
    let begun = tokio::time::Instant::now();
    members[2].await_catalog(2).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let now = members[0].calls.clock.physical().boottime();
    assert!(members.iter().all(|member| member.agent.catalog.version(now) == Some(2)));
    members[1].await_catalog(2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn catalog_change_waits_for_a_node_that_still_has_the_old_one() {
    let Three { members, .. } = three().await;
    let catalogs = with_catalogs(&members).await;
    catalogs[0].0.store(2, Ordering::SeqCst);
    catalogs[1].0.store(2, Ordering::SeqCst);
    let begun = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let member = members[1].clone();
        async move { member.await_catalog(2).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!waiting.is_finished(), "node 3 still relies on the old catalog");
    catalogs[2].0.store(2, Ordering::SeqCst);
    waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < crate::limits::CATALOG_LEASE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn catalog_of_a_node_that_is_cut_off_runs_out_before_the_change_is_done() {
    let Three { net, members, .. } = three().await;
    let catalogs = with_catalogs(&members).await;
    net.network.isolate(NodeId(3));
    let lease = members[2].catalog_lease().unwrap();
    catalogs[0].0.store(2, Ordering::SeqCst);
    catalogs[1].0.store(2, Ordering::SeqCst);
    members[1].await_catalog(2).await.unwrap();
    let now = members[2].calls.clock.now().unwrap();
    assert!(now > lease, "{now} is not past {lease}");
    let error = members[2].catalog_lease().unwrap_err().to_string();
    assert!(error.contains("cannot confirm its catalog") && error.contains("n1, n2, n3"), "{error}");
    assert!(members[0].catalog_lease().is_ok() && members[1].catalog_lease().is_ok());
    // It comes back, but gets no lease until it has read the new catalog.
    net.network.heal();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(members[2].catalog_lease().is_err());
    catalogs[2].0.store(2, Ordering::SeqCst);
    wait("node 3 serves again", || members[2].catalog_lease().is_ok()).await;
}

#[tokio::test(start_paused = true)]
async fn catalog_leases_of_the_last_leaseholder_are_waited_out_by_the_next() {
    let Three { net, members, .. } = three().await;
    let catalogs = with_catalogs(&members).await;
    members[2].agent.report_once().await;
    // Node 3 has a fresh lease of node 1, of which node 2 knows nothing.
    let lease = members[2].catalog_lease().unwrap();
    net.network.isolate(NodeId(3));
    net.world.lead(SYSTEM_RANGE, Some(NodeId(2)));
    catalogs[0].0.store(2, Ordering::SeqCst);
    catalogs[1].0.store(2, Ordering::SeqCst);
    members[0].await_catalog(2).await.unwrap();
    let now = members[2].calls.clock.now().unwrap();
    assert!(now > lease, "{now} is not past {lease}");
    assert!(members[2].catalog_lease().is_err());
}
