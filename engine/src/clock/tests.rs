//! The hybrid clock against a clock that goes back, a store that fails, and a restart.

use super::*;
use crate::memory::MemoryStore;
use crate::testing::FaultStore;

const START: u64 = 1_000_000;

fn clock(physical: &ManualClock) -> HybridClock {
    HybridClock::new(Arc::new(physical.clone()), Box::new(ForgetBound))
}

#[test]
fn clock_rises_while_physical_time_stands_or_goes_back() {
    let physical = ManualClock::new(START);
    let clock = clock(&physical);
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START));
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START).next());
    physical.set_micros(START - 500);
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START).next().next());
    physical.set_micros(START + 1);
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START + 1));
}

#[test]
fn clock_counts_into_the_next_microsecond() {
    let clock = clock(&ManualClock::new(START));
    for _ in 0..=crate::hlc::LOGICAL_MAX {
        clock.now().unwrap();
    }
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START + 1));
}

#[test]
fn clock_forward_refuses_beyond_the_maximum_offset() {
    let clock = clock(&ManualClock::new(START));
    let allowed = Timestamp::from_micros(START + 250_000);
    clock.forward(allowed).unwrap();
    assert_eq!(clock.now().unwrap(), allowed.next());
    let error = clock.forward(Timestamp::from_micros(START + 250_001)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "timestamp 1.250001,0 is 251 ms ahead of this node's clock, more than the maximum clock offset of 250 ms; \
         check the time synchronisation of the nodes"
    );
    assert_eq!(clock.last(), allowed.next());
    clock.forward_applied(Timestamp::from_micros(START + 900_000));
    assert_eq!(clock.now().unwrap().micros(), START + 900_000);
}

#[test]
fn clock_bound_is_persisted_before_use() {
    let physical = ManualClock::new(START);
    let store = Arc::new(MemoryStore::new());
    let bounds = || StoredBound::new(store.clone(), "clock");
    let clock = HybridClock::new(Arc::new(physical.clone()), Box::new(bounds()));
    assert_eq!(bounds().load().unwrap(), None);
    for _ in 0..100 {
        let now = clock.now().unwrap();
        let bound = bounds().load().unwrap().unwrap();
        assert!(now <= bound.0, "{now} was given out above {bound:?}");
        assert!(bound.0.micros() <= now.micros() + 500_000, "{bound:?} is too far ahead of {now}");
        physical.advance(Duration::from_millis(70));
    }
    assert!(store.syncs() < 20, "{} syncs in 7 s", store.syncs());
}

#[test]
fn clock_bound_extended_in_time_spares_now_the_disk() {
    let physical = ManualClock::new(START);
    let store = Arc::new(MemoryStore::new());
    let clock =
        HybridClock::new(Arc::new(physical.clone()), Box::new(StoredBound::new(store.clone(), "clock")));
    for _ in 0..50 {
        clock.extend_bound().unwrap();
        let before = store.syncs();
        physical.advance(Duration::from_millis(100));
        clock.now().unwrap();
        assert_eq!(store.syncs(), before);
    }
}

#[test]
fn clock_gives_nothing_out_above_a_bound_that_failed() {
    let store = Arc::new(FaultStore::failing_at(MemoryStore::new(), 2));
    let physical = ManualClock::new(START);
    let clock = HybridClock::new(Arc::new(physical.clone()), Box::new(StoredBound::new(store, "clock")));
    clock.now().unwrap();
    physical.advance(Duration::from_secs(1));
    let error = clock.now().unwrap_err();
    assert!(matches!(error, ClockError::Bound(StoreError::Device { .. })), "{error}");
}

#[test]
fn clock_start_waits_for_bound_and_applied() {
    let physical = ManualClock::new(START);
    let clock = clock(&physical);
    let at = |micros| Timestamp::from_micros(micros);
    assert_eq!(clock.wait_before_start(None, Timestamp::MIN), Duration::ZERO);
    let highest = ClockBound(at(START + 400_000));
    let bound = Some(highest);
    assert_eq!(clock.wait_before_start(bound, at(5)), Duration::from_micros(400_001));
    assert_eq!(clock.wait_before_start(bound, at(START + 600_000)), Duration::from_micros(600_001));
    physical.advance(Duration::from_micros(400_001));
    assert_eq!(clock.wait_before_start(bound, at(5)), Duration::ZERO);
    assert!(clock.now().unwrap() > highest.0);
}

#[test]
fn clock_commit_wait_ends_after_the_microsecond() {
    let physical = ManualClock::new(START);
    let clock = clock(&physical);
    let timestamp = Timestamp::from_micros(START + 10).next();
    assert_eq!(clock.wait_until_passed(timestamp), Duration::from_micros(11));
    physical.advance(Duration::from_micros(11));
    assert_eq!(clock.wait_until_passed(timestamp), Duration::ZERO);
}
