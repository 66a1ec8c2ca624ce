//! SQL on a simulated machine: the server's adapter to the cluster, with an ear for the points that jobs reach.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_engine::clock::PhysicalClock;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Span};
use quorate_raft_groups::cluster::member::Member;
use quorate_sql::cluster::{Cluster, RangeInfo, SettingInfo};
use quorate_sql::error::SqlError;
use quorate_sql::node::{SqlClock, SqlNode};

use crate::coverage::{Coverage, Point};
use crate::network::MachineId;
use crate::time::MachineClock;

#[path = "../../server/src/node/cluster.rs"]
mod adapter;

pub use adapter::CatalogRefresher;

/// How long a driver stands at a point that somebody waits for, so that the world can hold its machine there.
const STAND: Duration = Duration::from_millis(3);

/// Points of jobs that a story waits for; clones are the same ones.
#[derive(Clone, Default)]
pub struct JobPoints {
    wanted: Arc<Mutex<Option<(MachineId, &'static str)>>>,
    coverage: Coverage,
}

impl JobPoints {
    /// Notes what is met.
    pub fn new(coverage: Coverage) -> Self {
        Self { wanted: Arc::default(), coverage }
    }

    /// Waits for this point on this machine.
    pub fn want(&self, machine: MachineId, point: &'static str) {
        *self.wanted.lock() = Some((machine, point));
    }

    /// Whether the point has been reached, or nothing is waited for.
    pub fn is_met(&self) -> bool {
        self.wanted.lock().is_none()
    }

    /// Whether the driver is to stand still a moment.
    fn reach(&self, machine: MachineId, point: &'static str) -> bool {
        if point == "ddl-taken-over" {
            self.coverage.hit(Point::JobTakenOver);
        }
        self.wanted.lock().take_if(|wanted| *wanted == (machine, point)).is_some()
    }
}

/// The server's adapter, watched.
struct Watched {
    inner: adapter::SqlCluster,
    points: JobPoints,
    machine: MachineId,
}

#[async_trait]
impl Cluster for Watched {
    async fn create_table_range(&self, span: Span, fence: Fence) -> Result<(), SqlError> {
        self.inner.create_table_range(span, fence).await
    }

    async fn drop_table_ranges(&self, span: Span, fence: Fence) -> Result<(), SqlError> {
        self.inner.drop_table_ranges(span, fence).await
    }

    async fn await_catalog(&self, upto: Timestamp) -> Result<(), SqlError> {
        self.inner.await_catalog(upto).await
    }

    fn catalog_lease(&self) -> Result<Timestamp, SqlError> {
        self.inner.catalog_lease()
    }

    async fn ranges(&self, span: Span) -> Result<Vec<RangeInfo>, SqlError> {
        self.inner.ranges(span).await
    }

    async fn settings(&self) -> Result<Vec<SettingInfo>, SqlError> {
        self.inner.settings().await
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), SqlError> {
        self.inner.set_setting(name, value).await
    }

    fn generation(&self) -> u8 {
        self.inner.generation()
    }

    fn node_id(&self) -> u64 {
        self.inner.node_id()
    }

    fn incarnation(&self) -> u64 {
        self.inner.incarnation()
    }

    async fn reach(&self, point: &'static str) {
        if self.points.reach(self.machine, point) {
            tokio::time::sleep(STAND).await;
        }
    }
}

/// A machine's clock, as SQL wants it.
struct Clock(MachineClock);

#[async_trait]
impl SqlClock for Clock {
    fn now_micros(&self) -> u64 {
        self.0.now_micros()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// SQL of a member, as the server puts it together.
pub fn sql_over(
    member: &Arc<Member>,
    machine: MachineId,
    clock: MachineClock,
    points: JobPoints,
) -> Arc<SqlNode> {
    let inner = adapter::SqlCluster::new(Arc::clone(member));
    let database = Arc::new(member.database().clone());
    SqlNode::new(database, Arc::new(Watched { inner, points, machine }), Arc::new(Clock(clock)))
}
