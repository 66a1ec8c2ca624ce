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
    assert!(matches!(clock.now(), Err(ClockError::Late)), "nothing is persisted yet");
    for _ in 0..100 {
        clock.extend_bound().unwrap();
        let now = clock.now().unwrap();
        let bound = bounds().load().unwrap().unwrap();
        assert!(now <= bound.0, "{now} was given out above {bound:?}");
        assert!(bound.0.micros() <= now.micros() + 500_000, "{bound:?} is too far ahead of {now}");
        physical.advance(Duration::from_millis(70));
    }
    assert!(store.syncs() < 30, "{} syncs in 7 s", store.syncs());
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
fn clock_tells_once_that_its_bound_is_late() {
    let physical = ManualClock::new(START);
    let store = Arc::new(MemoryStore::new());
    let clock =
        HybridClock::new(Arc::new(physical.clone()), Box::new(StoredBound::new(store.clone(), "clock")));
    let told = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let teller = Arc::clone(&told);
    clock.tell_when_late(move || {
        teller.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    clock.extend_bound().unwrap();
    let last = clock.now().unwrap();
    let syncs = store.syncs();
    physical.advance(Duration::from_millis(501));
    for _ in 0..3 {
        assert!(matches!(clock.now(), Err(ClockError::Late)));
    }
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!((store.syncs(), clock.last()), (syncs, last), "who asks neither waits nor takes a timestamp");
    assert_eq!(clock.peek(), Timestamp::from_micros(START + 501_000));
    clock.extend_bound().unwrap();
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START + 501_000));
    physical.advance(Duration::from_millis(501));
    assert!(clock.now().is_err());
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 2, "once for each bound");
}

/// A disk that takes as long as a test wants.
struct SlowBounds {
    physical: ManualClock,
    takes: Arc<Mutex<Duration>>,
}

impl BoundStore for SlowBounds {
    fn persist(&self, _bound: ClockBound) -> Result<(), StoreError> {
        let takes = *self.takes.lock();
        self.physical.advance(takes);
        Ok(())
    }
}

#[test]
fn clock_bound_goes_further_ahead_on_a_slow_disk() {
    let physical = ManualClock::new(START);
    let takes = Arc::new(Mutex::new(Duration::from_secs(2)));
    let bounds = SlowBounds { physical: physical.clone(), takes: Arc::clone(&takes) };
    let clock = HybridClock::new(Arc::new(physical.clone()), Box::new(bounds));
    clock.extend_bound().unwrap();
    assert!(clock.now().is_err(), "nobody knew how slow it is");
    clock.extend_bound().unwrap();
    for step in 0..1_000 {
        assert!(clock.now().is_ok(), "late at step {step}");
        // As the keeper does: what the disk takes goes by in it.
        clock.extend_bound().unwrap();
        assert!(clock.now().is_ok(), "late behind the disk at step {step}");
        physical.advance(Duration::from_millis(50));
    }
    let ahead = |clock: &HybridClock| clock.state.lock().bound.0.micros() - physical.now_micros();
    assert!(ahead(&clock) <= CLOCK_BOUND_AHEAD_MAX_MS * 1000);
    // One that is quick again is soon trusted to be.
    *takes.lock() = Duration::ZERO;
    for _ in 0..40 {
        physical.advance(Duration::from_secs(5));
        clock.extend_bound().unwrap();
    }
    assert!(ahead(&clock) <= CLOCK_BOUND_AHEAD_MS * 1000);
}

/// A disk that stands still until it is let go.
struct StandingBounds {
    entered: std::sync::mpsc::Sender<()>,
    go_on: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl BoundStore for StandingBounds {
    fn persist(&self, _bound: ClockBound) -> Result<(), StoreError> {
        self.entered.send(()).unwrap();
        self.go_on.lock().recv_timeout(Duration::from_secs(60)).unwrap();
        Ok(())
    }
}

#[test]
fn clock_answers_while_the_disk_stands_still() {
    let physical = ManualClock::new(START);
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (let_go, go_on) = std::sync::mpsc::channel();
    let bounds = StandingBounds { entered, go_on: Mutex::new(go_on) };
    let clock = HybridClock::new(Arc::new(physical.clone()), Box::new(bounds));
    let_go.send(()).unwrap();
    clock.extend_bound().unwrap();
    has_entered.recv().unwrap();
    std::thread::scope(|scope| {
        physical.advance(Duration::from_millis(300));
        let raising = scope.spawn(|| clock.extend_bound());
        has_entered.recv_timeout(Duration::from_secs(60)).unwrap();
        // The disk has the new bound in its hands, and others have theirs on the clock.
        assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START + 300_000));
        clock.forward(Timestamp::from_micros(START + 400_000)).unwrap();
        assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START + 400_000).next());
        physical.advance(Duration::from_millis(300));
        assert!(matches!(clock.now(), Err(ClockError::Late)), "above the bound that is on the disk");
        assert_eq!(clock.last(), Timestamp::from_micros(START + 400_000).next());
        let_go.send(()).unwrap();
        raising.join().unwrap().unwrap();
    });
    assert_eq!(clock.now().unwrap(), Timestamp::from_micros(START + 600_000));
}

#[test]
fn clock_gives_nothing_out_above_a_bound_that_failed() {
    let store = Arc::new(FaultStore::failing_at(MemoryStore::new(), 2));
    let physical = ManualClock::new(START);
    let clock = HybridClock::new(Arc::new(physical.clone()), Box::new(StoredBound::new(store, "clock")));
    clock.extend_bound().unwrap();
    clock.now().unwrap();
    physical.advance(Duration::from_millis(400));
    let error = clock.extend_bound().unwrap_err();
    assert!(matches!(error, ClockError::Bound(StoreError::Device { .. })), "{error}");
    clock.now().expect("below the bound of before");
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
