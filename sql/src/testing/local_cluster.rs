//! [`LocalCluster`]: SQL over one store, without ranges. Tables' ranges are remembered; leases on the catalog end, one
//! after the other, long after any test, unless a test takes them away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Database, Fence, Span, TransactionOptions};

use crate::cluster::{Cluster, RangeInfo, SettingInfo};
use crate::error::{SqlError, SqlState};
use crate::kv_error::sql_error;
use crate::node::SqlClock;

/// What may happen to a job at a point that it reaches.
type AtPoint = Box<dyn Fn(&'static str) -> BoxFuture<'static, ()> + Send + Sync>;

/// A cluster of one node, or one node of several that share their ranges.
#[derive(Default)]
pub struct LocalCluster {
    /// The node, if it is not the first one.
    node_id: Option<u64>,
    /// Earlier starts of the node.
    restarts: u64,
    ranges: Arc<Mutex<Vec<Span>>>,
    /// Where fences are looked up; without it they hold.
    database: OnceLock<Arc<dyn Database>>,
    at_point: Mutex<Option<AtPoint>>,
    settings: Mutex<BTreeMap<String, String>>,
    /// The node must not rely on its catalog.
    is_lease_over: Mutex<bool>,
    /// Nodes cannot be heard to know the catalog.
    is_deaf: Mutex<bool>,
    /// What comes of the next questions for a lease, before the usual.
    next_leases: Mutex<VecDeque<Option<Timestamp>>>,
    /// Raw timestamp.
    awaited: AtomicU64,
    leases: AtomicU64,
    generations_behind: AtomicU8,
}

/// Before the end of time, in steps: ends of leases.
const FIRST_LEASE_UNTIL: u64 = u64::MAX / 2;

/// The one setting that there is, with its default.
const SETTING: (&str, &str) = ("test.setting", "1");

impl LocalCluster {
    /// A cluster without tables.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Another node of this one's cluster, or another start of this one.
    pub fn sibling(&self, node_id: u64, restarts: u64) -> Arc<Self> {
        let database = self.database.clone();
        let ranges = Arc::clone(&self.ranges);
        Arc::new(Self { node_id: Some(node_id), restarts, ranges, database, ..Self::default() })
    }

    /// Looks fences up there from now on.
    pub fn fence_by(&self, database: Arc<dyn Database>) {
        let _ = self.database.set(database);
    }

    /// What a job waits for at the points that it reaches, from now on.
    pub fn at_points(&self, wait: impl Fn(&'static str) -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        *self.at_point.lock() = Some(Box::new(wait));
    }

    async fn check(&self, fence: &Fence) -> Result<(), SqlError> {
        let Some(database) = self.database.get() else { return Ok(()) };
        let holds = async {
            let mut transaction = database.begin(TransactionOptions::reading()).await?;
            fence.holds(transaction.as_mut()).await
        };
        match holds.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(SqlError::new(SqlState::SystemError, "the job was taken over by another")),
            Err(error) => Err(sql_error(error, None)),
        }
    }

    /// Lets the catalog's lease run out, or gives a new one.
    pub fn set_lease_over(&self, is_over: bool) {
        *self.is_lease_over.lock() = is_over;
    }

    /// Lets every wait for other nodes' catalogs fail, or no more.
    pub fn set_deaf(&self, is_deaf: bool) {
        *self.is_deaf.lock() = is_deaf;
    }

    /// The next questions for a lease give these ends; `None` is a lease that has run out.
    pub fn give_leases(&self, leases: impl IntoIterator<Item = Option<Timestamp>>) {
        self.next_leases.lock().extend(leases);
    }

    /// How many of these are left.
    pub fn leases_to_come(&self) -> usize {
        self.next_leases.lock().len()
    }

    /// Some node can only read what is this many generations older.
    pub fn set_generations_behind(&self, count: u8) {
        self.generations_behind.store(count, Ordering::SeqCst);
    }

    /// How many leases were given.
    pub fn leases(&self) -> u64 {
        self.leases.load(Ordering::SeqCst)
    }

    /// The end of a lease, which are numbered from 0.
    pub fn lease_until(number: u64) -> Timestamp {
        Timestamp::from_raw(FIRST_LEASE_UNTIL + number)
    }

    /// How many ranges of tables there are.
    pub fn ranges_now(&self) -> usize {
        self.ranges.lock().len()
    }

    /// Ranges of tables.
    pub fn spans(&self) -> Vec<Span> {
        self.ranges.lock().clone()
    }

    /// The newest moment as of which nodes had to know the catalog.
    pub fn awaited(&self) -> Timestamp {
        Timestamp::from_raw(self.awaited.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Cluster for LocalCluster {
    async fn create_table_range(&self, span: Span, fence: Fence) -> Result<(), SqlError> {
        self.check(&fence).await?;
        let mut ranges = self.ranges.lock();
        if !ranges.contains(&span) {
            ranges.push(span);
        }
        Ok(())
    }

    async fn drop_table_ranges(&self, span: Span, fence: Fence) -> Result<(), SqlError> {
        self.check(&fence).await?;
        self.ranges.lock().retain(|range| *range != span);
        Ok(())
    }

    async fn await_catalog(&self, upto: Timestamp) -> Result<(), SqlError> {
        self.awaited.fetch_max(upto.raw(), Ordering::SeqCst);
        if *self.is_deaf.lock() {
            let message = "this node serves no clients for now";
            return Err(SqlError::new(SqlState::CannotConnectNow, message).with_hint("Use another node."));
        }
        Ok(())
    }

    fn catalog_lease(&self) -> Result<Timestamp, SqlError> {
        let next = self.next_leases.lock().pop_front();
        if let Some(Some(until)) = next {
            return Ok(until);
        }
        if next.is_some() || *self.is_lease_over.lock() {
            let message = "this node cannot confirm its catalog";
            return Err(SqlError::new(SqlState::CannotConnectNow, message).with_hint("It waits for range 1."));
        }
        Ok(Self::lease_until(self.leases.fetch_add(1, Ordering::SeqCst)))
    }

    async fn ranges(&self, span: Span) -> Result<Vec<RangeInfo>, SqlError> {
        let ranges = self.ranges.lock();
        let found = ranges.iter().zip(2..).filter(|(range, _)| range.overlaps(&span));
        Ok(found
            .map(|(range, range_id)| RangeInfo {
                range_id,
                span: range.clone(),
                size_bytes: 0,
                leader_node: Some(self.node_id()),
                leader_zone: Some("a".to_owned()),
                replicas: vec![self.node_id()],
            })
            .collect())
    }

    async fn settings(&self) -> Result<Vec<SettingInfo>, SqlError> {
        let (name, default) = SETTING;
        let value = self.settings.lock().get(name).cloned().unwrap_or_else(|| default.to_owned());
        let description = "Does nothing.".to_owned();
        Ok(vec![SettingInfo { name: name.to_owned(), value, default: default.to_owned(), description }])
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), SqlError> {
        if name != SETTING.0 {
            return Err(SqlError::new(
                SqlState::UndefinedObject,
                format!("unknown cluster setting \"{name}\""),
            ));
        }
        self.settings.lock().insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn generation(&self) -> u8 {
        3 - self.generations_behind.load(Ordering::SeqCst)
    }

    fn node_id(&self) -> u64 {
        self.node_id.unwrap_or(1)
    }

    fn incarnation(&self) -> u64 {
        1 + self.restarts
    }

    async fn reach(&self, point: &'static str) {
        let waiting = self.at_point.lock().as_ref().map(|wait| wait(point));
        if let Some(waiting) = waiting {
            waiting.await;
        }
    }
}

/// A clock that stands at 2013-01-01 12:00 UTC plus what waits have passed: sleeping costs no time.
#[derive(Debug)]
pub struct TestClock {
    micros: AtomicU64,
}

impl TestClock {
    /// The clock at its start.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { micros: AtomicU64::new(1_357_041_600_000_000) })
    }
}

#[async_trait]
impl SqlClock for TestClock {
    fn now_micros(&self) -> u64 {
        self.micros.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}
