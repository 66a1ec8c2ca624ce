//! The keeper over a store, on a thread and as a task; who waits for it, and who does not.

use std::sync::atomic::AtomicU64;

use quorate_engine::clock::{BoundStore, ClockBound, ManualClock, StoredBound};
use quorate_engine::memory::MemoryStore;
use quorate_engine::store::StoreError;

use super::*;

const START: u64 = 1_000_000;
const DEADLINE: Duration = Duration::from_secs(60);

fn stored(physical: &ManualClock) -> (Arc<MemoryStore>, Arc<HybridClock>) {
    let store = Arc::new(MemoryStore::new());
    let bounds = StoredBound::new(store.clone(), "clock");
    (store, Arc::new(HybridClock::new(Arc::new(physical.clone()), Box::new(bounds))))
}

#[tokio::test]
async fn keeper_raises_a_bound_that_is_late_and_ends_when_it_is_told() {
    let physical = ManualClock::new(START);
    let (store, clock) = stored(&physical);
    let keeper = BoundKeeper::start(&clock, &Blocking::threads()).unwrap();
    for _ in 0..20 {
        // Beyond any bound: it is asked for, or the next look finds it.
        physical.advance(Duration::from_secs(1));
        timestamp_within(&clock, DEADLINE).await.unwrap();
    }
    tokio::time::timeout(DEADLINE, keeper.stop()).await.unwrap();
    let syncs = store.syncs();
    assert!(syncs >= 20, "{syncs} bounds");
    physical.advance(Duration::from_secs(1));
    assert!(matches!(clock.now(), Err(ClockError::Late)));
    assert_eq!(store.syncs(), syncs);
}

/// A disk that never comes back.
struct NoDisk {
    asked: Arc<AtomicU64>,
}

impl BoundStore for NoDisk {
    fn persist(&self, _bound: ClockBound) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
}

#[tokio::test]
async fn timestamps_are_waited_for_no_longer_than_allowed() {
    let physical = ManualClock::new(START);
    let asked = Arc::new(AtomicU64::new(0));
    let bounds = NoDisk { asked: Arc::clone(&asked) };
    let clock = Arc::new(HybridClock::new(Arc::new(physical.clone()), Box::new(bounds)));
    let _keeper = BoundKeeper::start(&clock, &Blocking::threads()).unwrap();
    let waiting = timestamp_within(&clock, Duration::from_secs(4));
    tokio::pin!(waiting);
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    // Time goes by on the clock alone; this thread is free all the while, though the disk stands still.
    physical.advance(Duration::from_secs(4));
    let error = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap_err();
    assert!(matches!(error, ClockError::Late));
    assert!(matches!(no_timestamp(error), KvError::Clock { is_over: false, .. }));
    assert!(asked.load(Ordering::SeqCst) <= 1, "one bound at a time");
}

struct SlowDisk;

impl Stalls for SlowDisk {
    fn log_write(&self) -> Duration {
        Duration::ZERO
    }

    fn work(&self) -> Duration {
        Duration::from_millis(100)
    }
}

#[tokio::test(start_paused = true)]
async fn keeper_as_a_task_takes_simulated_time() {
    let physical = ManualClock::new(START);
    let (store, clock) = stored(&physical);
    let begun = tokio::time::Instant::now();
    let keeper = BoundKeeper::start(&clock, &Blocking::in_task(Arc::new(SlowDisk))).unwrap();
    assert!(matches!(clock.now(), Err(ClockError::Late)));
    timestamp_within(&clock, DEADLINE).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(100), "half of the time goes by before");
    assert!(begun.elapsed() < Duration::from_millis(110), "it was rung for: {:?}", begun.elapsed());
    assert_eq!(store.syncs(), 1);
    keeper.stop().await;
}
