//! Writers that go on whatever happens: one whose node is gone connects to the next. They measure the longest time in
//! which no put of any of them was acknowledged, and how long single puts took, window by window and over time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::kv::{KvOp, KvRecord, KvWorker};
use crate::driver::{SLOT, Slot, Worker};
use crate::error::{BenchError, Fate, OpError};
use crate::keys::KeySpace;
use crate::latency::{Latencies, Recorder};
use crate::process::wait_for;
use crate::report::{Mark, Series};
use crate::systems::sql::SqlSystem;
use crate::systems::sql_kv;

/// How long a put may take before its writer goes to another node; its fate is unknown then.
const PUT_MAX: Duration = Duration::from_secs(20);
/// Time before a writer that could not connect tries the next node.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// How long the writers may take to end.
const END_MAX: Duration = Duration::from_secs(60);
/// Errors whose words are kept.
const WORDS_KEPT_MAX: usize = 5;

/// What a window has seen.
#[derive(Debug)]
pub struct Window {
    /// Longest time without an acknowledgement, the time up to now included.
    pub gap: Duration,
    /// How long the puts took that ended in it.
    pub latencies: Latencies,
    /// How long it was.
    pub seconds: f64,
}

/// What the writers count together.
#[derive(Debug)]
struct WritersTally {
    begun: Instant,
    stops: AtomicBool,
    /// Nanoseconds from `begun` to the last acknowledgement.
    last: AtomicU64,
    gap: AtomicU64,
    acknowledgements: AtomicU64,
    /// Puts of the window.
    recorder: Recorder,
    /// Puts of the slot.
    slot: Recorder,
    slots: Mutex<Vec<Slot>>,
    failed: AtomicU64,
    words: Mutex<Vec<String>>,
}

impl WritersTally {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn acknowledged(&self, number: usize, latency: Duration) {
        let now = self.now();
        let before = self.last.fetch_max(now, Ordering::SeqCst);
        self.gap.fetch_max(now.saturating_sub(before), Ordering::SeqCst);
        self.acknowledgements.fetch_add(1, Ordering::SeqCst);
        self.recorder.record(number, 0, latency);
        self.slot.record(number, 0, latency);
    }

    /// Ends a slot.
    fn take_slot(&self) {
        let ended = self.slot.drain(&mut [Latencies::default()]);
        self.slots.lock().push(Slot::new(self.begun.elapsed(), &ended));
    }

    fn note(&self, error: &OpError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut words = self.words.lock();
        if words.len() < WORDS_KEPT_MAX && !words.contains(&error.detail) {
            words.push(error.detail.clone());
        }
    }
}

/// Running writers.
#[derive(Debug)]
pub struct Writers {
    tally: Arc<WritersTally>,
    tasks: JoinSet<()>,
    window: Instant,
    marks: Vec<Mark>,
}

impl Writers {
    /// Starts so many.
    pub fn start(sql: &SqlSystem, clients: usize, keys: &KeySpace, record: &Arc<KvRecord>) -> Self {
        let tally = Arc::new(WritersTally {
            begun: Instant::now(),
            stops: AtomicBool::new(false),
            last: AtomicU64::new(0),
            gap: AtomicU64::new(0),
            acknowledgements: AtomicU64::new(0),
            recorder: Recorder::new(1),
            slot: Recorder::new(1),
            slots: Mutex::default(),
            failed: AtomicU64::new(0),
            words: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let (tally, sql, record) = (Arc::clone(&tally), sql.clone(), Arc::clone(record));
            let keys = keys.of_client(number);
            tasks.spawn(async move { write(&tally, &sql, (number, keys), &record).await });
        }
        let sampled = Arc::clone(&tally);
        tasks.spawn(async move { sample(&sampled).await });
        Self { tally, tasks, window: Instant::now(), marks: Vec::new() }
    }

    /// Something is done to the system now.
    pub fn mark(&mut self, what: &'static str) {
        self.marks.push(Mark { at: self.tally.begun.elapsed(), what });
    }

    /// How it went since the start, slot by slot, with what was marked.
    pub fn series(&self, name: String) -> Series {
        Series { name, slots: self.tally.slots.lock().clone(), marks: self.marks.clone() }
    }

    /// What happened since the last call; the next window begins.
    pub fn take_window(&mut self) -> Window {
        let now = self.tally.now();
        let open = now.saturating_sub(self.tally.last.fetch_max(now, Ordering::SeqCst));
        let gap = self.tally.gap.swap(0, Ordering::SeqCst).max(open);
        let latencies = self.tally.recorder.drain(&mut [Latencies::default()]);
        let seconds = self.window.elapsed().as_secs_f64();
        self.window = Instant::now();
        Window { gap: Duration::from_nanos(gap), latencies, seconds }
    }

    /// Waits until a put is acknowledged that was not when this was called.
    ///
    /// # Errors
    /// None is in time.
    pub async fn await_put(&self, deadline: Duration) -> Result<(), BenchError> {
        let before = self.tally.acknowledgements.load(Ordering::SeqCst);
        wait_for("an acknowledged put", deadline, || async {
            let after = self.tally.acknowledgements.load(Ordering::SeqCst);
            if after > before { Ok(()) } else { Err(self.tally.words.lock().join("; ")) }
        })
        .await
    }

    /// Ends them; how many puts were not acknowledged, and why the first were not.
    ///
    /// # Errors
    /// They do not end in time.
    pub async fn stop(mut self) -> Result<(u64, Vec<String>), BenchError> {
        self.tally.stops.store(true, Ordering::SeqCst);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(END_MAX, all).await.map_err(|_| BenchError::Late {
            what: "the end of the writers".to_owned(),
            seconds: END_MAX.as_secs(),
            last: "their puts have no answer".to_owned(),
        })?;
        let words = self.tally.words.lock().clone();
        Ok((self.tally.failed.load(Ordering::Relaxed), words))
    }
}

/// Looks at what was acknowledged, in regular steps.
async fn sample(tally: &WritersTally) {
    let mut next = tally.begun;
    while !tally.stops.load(Ordering::SeqCst) {
        next += SLOT;
        tokio::time::sleep_until(next).await;
        tally.take_slot();
    }
}

/// One writer: a connection after the other.
async fn write(
    tally: &WritersTally,
    sql: &SqlSystem,
    (number, keys): (usize, crate::keys::Keys),
    record: &Arc<KvRecord>,
) {
    let mut keys = Some(keys);
    for turn in number.. {
        if tally.stops.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = sql_kv::client(sql, turn).await else {
            tokio::time::sleep(CONNECT_PAUSE).await;
            continue;
        };
        let Some(own) = keys.take() else { return };
        let mut worker = KvWorker { client, op: KvOp::Put, keys: own, record: Arc::clone(record) };
        while !tally.stops.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let late = |_| OpError::unknown(format!("no answer within {} s", PUT_MAX.as_secs()));
            let result = tokio::time::timeout(PUT_MAX, worker.step()).await.map_err(late).flatten();
            match result {
                Ok(_) => tally.acknowledged(number, begun.elapsed()),
                Err(OpError { fate: Fate::Retry, .. }) => {}
                Err(error) => {
                    tally.note(&error);
                    break;
                }
            }
        }
        keys = Some(worker.keys);
    }
}
