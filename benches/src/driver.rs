//! Runs clients against a system for a time and measures each operation.
//!
//! Closed loop: a client begins its next operation when the last has ended. Open loop: operations are due at fixed
//! moments, whether the system keeps up or not, and a latency counts from the moment when its operation was due. So a
//! stall is seen by all operations that it has delayed (no coordinated omission; Tene, "How NOT to Measure Latency").
//!
//! What begins in the measured time is counted, and waited for: the slowest operations are not lost at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{BenchError, Fate, OpError};
use crate::latency::{Latencies, Recorder};
use crate::progress::Progress;

/// Time between two looks at what the clients have done.
pub const SLOT: Duration = Duration::from_millis(250);
/// How long the last operations may take after the measured time.
const LAST_OPERATIONS_MAX: Duration = Duration::from_secs(60);
const _: () = assert!(RETRIES_AFTER_END.as_secs() < LAST_OPERATIONS_MAX.as_secs());
/// How long after the measured time an operation that the system wants again is asked again.
const RETRIES_AFTER_END: Duration = Duration::from_secs(10);
/// Errors whose words are kept.
const ERRORS_KEPT_MAX: usize = 5;

/// One client's work.
#[async_trait]
pub trait Worker: Send {
    /// Does one operation; says of which kind it was, by its position among the kinds of the workload.
    ///
    /// # Errors
    /// The operation was not acknowledged. [`Fate::Retry`] is asked again, and counts as one operation.
    async fn step(&mut self) -> Result<usize, OpError>;
}

/// How long and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Time before the measured time.
    pub warm_up: Duration,
    /// The measured time.
    pub measured: Duration,
    /// Operations a second of all clients together; `None` for a closed loop.
    pub rate: Option<f64>,
}

/// What happened in one [`SLOT`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its end, since the beginning of the measured time.
    pub at: Duration,
    /// Operations that ended.
    pub count: u64,
    /// Median latency.
    pub p50_us: f64,
    /// Latency that one of a hundred exceeds.
    pub p99_us: f64,
}

impl Slot {
    /// Of what has ended in it.
    pub fn new(at: Duration, ended: &Latencies) -> Self {
        Self { at, count: ended.count(), p50_us: ended.quantile_us(0.5), p99_us: ended.quantile_us(0.99) }
    }
}

/// Operations that were not acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    /// How many, repeats apart.
    pub count: u64,
    /// How often an operation was asked again.
    pub retries: u64,
    /// The words of the first.
    pub first: Vec<String>,
}

/// What a run has measured.
#[derive(Debug)]
pub struct Measurement {
    /// Latencies by kind.
    pub latencies: Vec<Latencies>,
    /// What was not acknowledged.
    pub errors: Errors,
    /// How it went over time.
    pub slots: Vec<Slot>,
    /// The measured time.
    pub seconds: f64,
}

/// What the clients count together, and how long they run.
struct Tally {
    recorder: Recorder,
    errors: Mutex<Errors>,
    retries: AtomicU64,
    begin: Instant,
    end: Instant,
}

impl Tally {
    fn add_error(&self, error: &OpError) {
        let mut errors = self.errors.lock();
        errors.count += 1;
        if errors.first.len() < ERRORS_KEPT_MAX {
            errors.first.push(error.detail.clone());
        }
    }
}

/// When a client's operations are due.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    first: Instant,
    gap: Duration,
}

impl Schedule {
    /// Of client `number` of `clients`, which take turns at this rate.
    fn new(start: Instant, rate: f64, (number, clients): (usize, usize)) -> Self {
        let gap = Duration::from_secs_f64(clients as f64 / rate.max(f64::MIN_POSITIVE));
        Self { first: start + gap.mul_f64(number as f64 / clients.max(1) as f64), gap }
    }

    fn due(&self, operation: u32) -> Instant {
        self.first + self.gap * operation
    }
}

/// Runs the workers to the end of the measured time.
///
/// # Errors
/// A worker's task died, or its last operation did not end in time.
pub async fn run(
    load: Load,
    workers: Vec<Box<dyn Worker>>,
    kinds: usize,
    progress: &Progress,
) -> Result<Measurement, BenchError> {
    let start = Instant::now();
    let begin = start + load.warm_up;
    let tally = Arc::new(Tally {
        recorder: Recorder::new(kinds),
        errors: Mutex::default(),
        retries: AtomicU64::new(0),
        begin,
        end: begin + load.measured,
    });
    let clients = workers.len();
    let mut tasks = JoinSet::new();
    for (number, worker) in workers.into_iter().enumerate() {
        let schedule = load.rate.map(|rate| Schedule::new(start, rate, (number, clients)));
        tasks.spawn(work(Arc::clone(&tally), number, worker, schedule));
    }
    let mut sampler = Sampler::new(kinds, begin);
    sampler.watch(&tally, load.measured, progress).await;
    finish(tasks).await?;
    // What ended behind the measured time belongs to no slot, and to the totals.
    tally.recorder.drain(&mut sampler.totals);
    let mut errors = std::mem::take(&mut *tally.errors.lock());
    errors.retries = tally.retries.load(Ordering::Relaxed);
    let seconds = load.measured.as_secs_f64();
    Ok(Measurement { latencies: sampler.totals, errors, slots: sampler.slots, seconds })
}

/// One client: operation after operation until the end of the measured time.
async fn work(tally: Arc<Tally>, number: usize, mut worker: Box<dyn Worker>, schedule: Option<Schedule>) {
    let mut operation = 0;
    loop {
        let due = match schedule {
            None => Instant::now(),
            Some(schedule) => {
                let due = schedule.due(operation);
                tokio::time::sleep_until(due.min(tally.end)).await;
                due
            }
        };
        if due >= tally.end {
            return;
        }
        let result = step(&tally, worker.as_mut()).await;
        // An operation that never waits would keep the other clients from their turn.
        tokio::task::coop::consume_budget().await;
        operation = operation.saturating_add(1);
        if due < tally.begin {
            continue;
        }
        match result {
            Ok(kind) => tally.recorder.record(number, kind, due.elapsed()),
            Err(error) => tally.add_error(&error),
        }
    }
}

/// One operation, asked again as often as the system wants.
async fn step(tally: &Tally, worker: &mut dyn Worker) -> Result<usize, OpError> {
    loop {
        match worker.step().await {
            Err(OpError { fate: Fate::Retry, .. }) if Instant::now() < tally.end + RETRIES_AFTER_END => {
                tally.retries.fetch_add(1, Ordering::Relaxed);
            }
            result => return result,
        }
    }
}

async fn finish(mut tasks: JoinSet<()>) -> Result<(), BenchError> {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| BenchError::System {
                system: "bench".to_owned(),
                what: "a client's task died".to_owned(),
                detail: error.to_string(),
            })?;
        }
        Ok(())
    };
    match tokio::time::timeout(LAST_OPERATIONS_MAX, all).await {
        Ok(result) => result,
        Err(_) => Err(BenchError::Late {
            what: "the end of the clients' last operations".to_owned(),
            seconds: LAST_OPERATIONS_MAX.as_secs(),
            last: format!("{} clients wait for an answer", tasks.len()),
        }),
    }
}

/// Drains the recorder in regular steps.
struct Sampler {
    totals: Vec<Latencies>,
    slots: Vec<Slot>,
    begin: Instant,
}

impl Sampler {
    fn new(kinds: usize, begin: Instant) -> Self {
        Self { totals: (0..kinds).map(|_| Latencies::default()).collect(), slots: Vec::new(), begin }
    }

    async fn watch(&mut self, tally: &Tally, measured: Duration, progress: &Progress) {
        let mut next = self.begin + SLOT;
        while next <= tally.end {
            tokio::time::sleep_until(next).await;
            let slot = self.take(tally);
            progress.tell(slot.at.as_secs_f64() / measured.as_secs_f64(), &slot);
            next += SLOT;
        }
    }

    /// What has ended since the last time.
    fn take(&mut self, tally: &Tally) -> Slot {
        let interval = tally.recorder.drain(&mut self.totals);
        let slot = Slot::new(self.begin.elapsed(), &interval);
        self.slots.push(slot);
        slot
    }
}

#[cfg(test)]
mod tests;
