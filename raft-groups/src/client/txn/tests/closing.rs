//! Ranges go for good: what committed with a record there stays committed, and nothing is held for ever.

use quorate_engine::mvcc::intent::TransactionEnd;

use super::ranges::ByHand;
use super::*;
use crate::api::{Decision, RecordState};

/// The left range goes, as its table's job does it.
async fn drop_left(setup: &Setup) {
    setup.one.close_span(&span("a", "m")).await.unwrap();
    remove_left(setup).await;
}

async fn remove_left(setup: &Setup) {
    let mut directory = begin(&setup.one).await;
    directory.write(Write::delete(directory_key(&span("a", "m").start))).unwrap();
    directory.commit(None).await.unwrap();
    setup.world.remove(LEFT);
}

async fn seen_from_both(setup: &Setup, name: &str) -> [Option<Bytes>; 2] {
    let (mut one, mut two) = (begin(&setup.one).await, begin(&setup.two).await);
    [get(one.as_mut(), name).await.unwrap(), get(two.as_mut(), name).await.unwrap()]
}

/// The coordinator died after its commit, and before it resolved anything.
#[tokio::test(start_paused = true)]
async fn closing_resolves_what_a_record_there_has_committed() {
    let setup = setup().await;
    put(&setup.one, &[("n", "0")]).await;
    let by_hand = ByHand::begin(&setup.two, 7, "b").await;
    let at = by_hand.lay("b", "1").await.max(by_hand.lay("n", "1").await);
    let committed = TransactionEnd::Committed { attempt: 1, timestamp: at };
    assert_eq!(by_hand.commit(at).await, RecordState::Ended(committed));
    drop_left(&setup).await;
    assert_eq!(seen_from_both(&setup, "n").await, [Some(value("1")), Some(value("1"))]);
}

/// The coordinator died before its commit: it is taken for dead, and nobody waits for its record any more.
#[tokio::test(start_paused = true)]
async fn closing_aborts_what_gives_no_sign_of_life() {
    let setup = setup().await;
    put(&setup.one, &[("n", "0")]).await;
    let by_hand = ByHand::begin(&setup.two, 7, "b").await;
    by_hand.lay("b", "1").await;
    by_hand.lay("n", "1").await;
    drop_left(&setup).await;
    assert_eq!(seen_from_both(&setup, "n").await, [Some(value("0")), Some(value("0"))]);
}

/// A message that was late: its record comes when the range is closed, and can commit at no time that its sender may use.
#[tokio::test(start_paused = true)]
async fn closing_is_above_all_deadlines_and_later_writes_cannot_commit() {
    let setup = setup().await;
    put(&setup.one, &[("n", "0")]).await;
    let by_hand = ByHand::begin(&setup.two, 7, "b").await;
    let deadline = setup.one.router().clock().now().unwrap();
    setup.one.close_span(&span("a", "m")).await.unwrap();
    let at = by_hand.lay("b", "1").await;
    assert!(at > deadline, "{at} and {deadline}");
    let error = by_hand.refused(Decision::Commit { timestamp: at, deadline: Some(deadline) }).await;
    assert!(matches!(error, crate::api::RangeError::PastDeadline { .. }), "{error:?}");
    by_hand.lay("n", "1").await;
    remove_left(&setup).await;
    assert_eq!(seen_from_both(&setup, "n").await, [Some(value("0")), Some(value("0"))]);
}

/// Who is alive is waited for, and its commit counts.
#[tokio::test(start_paused = true)]
async fn closing_waits_for_who_is_alive() {
    let setup = setup().await;
    put(&setup.one, &[("n", "0")]).await;
    let by_hand = ByHand::begin(&setup.two, 7, "b").await;
    let at = by_hand.lay("b", "1").await.max(by_hand.lay("n", "1").await);
    let closing = setup.one.clone();
    let closed = tokio::spawn(async move { closing.close_span(&span("a", "m")).await });
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        by_hand.beat().await;
    }
    let RecordState::Ended(TransactionEnd::Committed { .. }) = by_hand.commit(at).await else {
        panic!("it was alive");
    };
    closed.await.unwrap().unwrap();
    remove_left(&setup).await;
    assert_eq!(seen_from_both(&setup, "n").await, [Some(value("1")), Some(value("1"))]);
}

/// Many records: pages go on behind each other, and behind those that had to be waited for.
#[tokio::test(start_paused = true)]
async fn closing_goes_through_all_records() {
    let setup = setup().await;
    let count = 40_u128;
    for id in 0..count {
        let by_hand = ByHand::begin(&setup.two, 100 + id, &format!("b{id:03}")).await;
        let (left, right) = (format!("b{id:03}"), format!("n{id:03}"));
        let at = by_hand.lay(&left, "1").await.max(by_hand.lay(&right, "1").await);
        if id % 2 == 0 {
            by_hand.commit(at).await;
        }
    }
    drop_left(&setup).await;
    for id in 0..count {
        let expected = (id % 2 == 0).then(|| value("1"));
        assert_eq!(seen_from_both(&setup, &format!("n{id:03}")).await[0], expected, "{id}");
    }
    assert_eq!(setup.world.intents(), 0);
}

/// The decision's answers are lost, the table goes, and nobody can be asked any more: it is not known, and never "aborted".
#[tokio::test(start_paused = true)]
async fn closing_leaves_a_commit_unknown_whose_answer_was_lost() {
    let setup = setup().await;
    put(&setup.one, &[("n", "0")]).await;
    setup.world.fault(Lost::AllAnswers);
    let one = setup.one.clone();
    let committing = tokio::spawn(async move {
        let mut transaction = begin(&one).await;
        transaction.write(Write::put(key("b"), value("1"))).unwrap();
        transaction.write(Write::put(key("n"), value("1"))).unwrap();
        transaction.commit(None).await
    });
    let committed = async {
        while !setup.world.take_steps().contains(&"commit") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), committed).await.expect("it decides");
    setup.two.close_span(&span("a", "m")).await.unwrap();
    setup.world.forget_fault();
    remove_left(&setup).await;
    let told = committing.await.unwrap();
    assert!(matches!(told, Err(KvError::Ambiguous { .. })), "{told:?}");
    assert_eq!(seen_from_both(&setup, "n").await, [Some(value("1")), Some(value("1"))]);
}

/// Nobody has decided when the table goes: it is told at once, and may be tried again.
#[tokio::test(start_paused = true)]
async fn closing_is_told_to_who_had_not_decided() {
    let setup = setup().await;
    put(&setup.one, &[("n", "0")]).await;
    let mut transaction = begin(&setup.one).await;
    transaction.write(Write::put(key("b"), value("1"))).unwrap();
    transaction.write(Write::put(key("n"), value("1"))).unwrap();
    // Each message takes so long that the table goes between the intents and the decision.
    setup.world.set_latency(Duration::from_millis(400));
    let committing = tokio::spawn(async move { transaction.commit(None).await });
    let laid = async {
        while setup.world.intents() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), laid).await.expect("it lays intents");
    setup.world.set_latency(Duration::ZERO);
    remove_left(&setup).await;
    let told = committing.await.unwrap();
    let Err(KvError::Retry { reason, .. }) = told else { panic!("{told:?}") };
    assert!(reason.contains("dropped meanwhile"), "{reason}");
    assert_eq!(seen_from_both(&setup, "n").await, [Some(value("0")), Some(value("0"))]);
}
