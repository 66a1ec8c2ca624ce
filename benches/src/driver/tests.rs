//! What is counted, on a clock that stands still while nobody sleeps.

use super::*;

/// Answers after a time; stalls once.
struct Sleeper {
    latency: Duration,
    stall_at: Option<(u32, Duration)>,
    done: u32,
    fails: Option<Fate>,
}

impl Sleeper {
    fn new(latency: Duration) -> Self {
        Self { latency, stall_at: None, done: 0, fails: None }
    }
}

#[async_trait]
impl Worker for Sleeper {
    async fn step(&mut self) -> Result<usize, OpError> {
        let stall = self.stall_at.filter(|(at, _)| *at == self.done);
        tokio::time::sleep(stall.map_or(self.latency, |(_, stall)| stall)).await;
        self.done += 1;
        match self.fails {
            Some(fate) if self.done.is_multiple_of(2) => Err(OpError { fate, detail: "as asked".to_owned() }),
            _ => Ok(0),
        }
    }
}

fn load(rate: Option<f64>) -> Load {
    Load { warm_up: Duration::from_secs(1), measured: Duration::from_secs(2), rate }
}

async fn run_one(worker: Sleeper, rate: Option<f64>) -> Measurement {
    run(load(rate), vec![Box::new(worker)], 1, &Progress::hidden()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn closed_loop_counts_what_begins_in_the_measured_time() {
    let measured = run_one(Sleeper::new(Duration::from_millis(10)), None).await;
    let count = measured.latencies[0].count();
    assert!((195..=201).contains(&count), "{count}");
    assert!((measured.latencies[0].quantile_us(0.5) / 10_000.0 - 1.0).abs() < 0.2);
    let in_slots: u64 = measured.slots.iter().map(|slot| slot.count).sum();
    assert!(in_slots + 2 >= count, "{in_slots} of {count}");
    assert_eq!(measured.slots.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn closed_loop_waits_for_the_slowest_operation() {
    let mut worker = Sleeper::new(Duration::from_millis(10));
    worker.stall_at = Some((200, Duration::from_secs(5)));
    let measured = run_one(worker, None).await;
    assert!(measured.latencies[0].max_us() > 4.9e6, "the stall is not lost at the end");
}

#[tokio::test(start_paused = true)]
async fn open_loop_counts_a_stall_for_all_that_were_due() {
    let mut worker = Sleeper::new(Duration::from_millis(1));
    worker.stall_at = Some((150, Duration::from_millis(500)));
    let measured = run_one(worker, Some(100.0)).await;
    let latencies = &measured.latencies[0];
    assert_eq!(latencies.count(), 200, "all that were due were done");
    // The 50 operations due during the stall wait for 490, 480, … ms.
    assert!(latencies.quantile_us(0.80) > 50_000.0, "{}", latencies.quantile_us(0.80));
    let mut closed = Sleeper::new(Duration::from_millis(10));
    closed.stall_at = Some((150, Duration::from_millis(500)));
    let closed = run_one(closed, None).await;
    assert!(closed.latencies[0].quantile_us(0.99) < 50_000.0, "a closed loop hides it");
}

#[tokio::test(start_paused = true)]
async fn errors_are_counted_and_retries_repeated() {
    let mut worker = Sleeper::new(Duration::from_millis(10));
    worker.fails = Some(Fate::Refused);
    let measured = run_one(worker, None).await;
    assert!(measured.errors.count >= 98 && measured.latencies[0].count() >= 98, "{:?}", measured.errors);
    assert_eq!(measured.errors.first.len(), ERRORS_KEPT_MAX);
    let mut worker = Sleeper::new(Duration::from_millis(10));
    worker.fails = Some(Fate::Retry);
    let measured = run_one(worker, None).await;
    assert_eq!(measured.errors.count, 0, "{:?}", measured.errors);
    assert!(measured.errors.retries > 100);
    assert!(measured.latencies[0].max_us() > 19_000.0, "the repeat is part of the operation's time");
}
