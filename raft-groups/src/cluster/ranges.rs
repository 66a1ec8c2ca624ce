//! What SQL and the command line ask of the cluster; most of it is done by range 1's leaseholder.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_engine::kv::{Database, Fence, KvError, Span, TransactionOptions, keyspace};
use quorate_placement::repair::{Outlook, outlook};
use quorate_placement::topology::{NodeId, RangeId};
use quorate_placement::view::{Liveness, RangeView};

use super::board::{Board, CATALOG_LEASE};
use super::clocks::clocks_of;
use super::error::ClusterError;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use super::node_format::NodeRecord;
use super::status::{ClusterStatus, DiskSyncs, MemberStatus, NodeStatus, RangeStatus};
use super::system::{self, CHANGE_ATTEMPTS_MAX};
use crate::client::router::SYSTEM_RANGE;
use crate::descriptor::{RangeDescriptor, ReplicaDescriptor};

/// Longest wait for a new range: directory, replicas, election, first read.
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for one attempt at it: whoever was asked may have died without a word.
const CREATE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before it is tried again.
const CREATE_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for the removal of ranges.
const DROP_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait until all nodes have a catalog: a whole lease, the clocks' offset, a new leaseholder in between.
const AWAIT_CATALOG_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the leaseholder's view of the cluster before a node tells what it knows by itself.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait, of these, for reports of nodes that a new leaseholder has not heard yet.
const REPORTS_WAIT: Duration = Duration::from_millis(1_200);
const _: () = assert!(REPORTS_WAIT.as_millis() < STATUS_TIMEOUT.as_millis());
/// Longest wait for one leaseholder's answer: a lease has run out by then, and it may have died without a word.
const AWAIT_CATALOG_ATTEMPT: Duration = Duration::from_secs(13);
const _: () = assert!(AWAIT_CATALOG_TIMEOUT.as_secs() > 2 * CATALOG_LEASE.as_secs());
const _: () = assert!(AWAIT_CATALOG_ATTEMPT.as_secs() > CATALOG_LEASE.as_secs() + 2);

/// One range, for SHOW RANGES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeInfo {
    /// What it is.
    pub descriptor: RangeDescriptor,
    /// The node that leads it; `None` while none does, or nobody knows.
    pub leader: Option<NodeId>,
    /// Zone of that node.
    pub leader_zone: Option<String>,
    /// Bytes of its data, about.
    pub size_bytes: u64,
}

impl Member {
    /// Makes a range of these keys, which no range holds yet, and waits until it serves. Repeating it does nothing.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where it cannot be placed, [`ClusterError::Unavailable`] where something is missing.
    pub async fn create_table_range(&self, span: Span) -> Result<(), ClusterError> {
        self.create_range_if(span, None).await
    }

    /// As [`Member::create_table_range`]; a call whose fence does not hold, in the transaction that enters the range into the
    /// directory, does nothing.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] also where the fence does not hold.
    pub async fn create_fenced_range(&self, span: Span, fence: Fence) -> Result<(), ClusterError> {
        self.create_range_if(span, Some(fence)).await
    }

    async fn create_range_if(&self, span: Span, fence: Option<Fence>) -> Result<(), ClusterError> {
        let until = self.boottime() + CREATE_TIMEOUT;
        loop {
            let left = until.saturating_sub(self.boottime()).min(CREATE_ATTEMPT_TIMEOUT);
            match self.try_create_table_range(&span, fence.as_ref(), left).await {
                // Something was between two leaseholders, or too slow.
                Err(error) if is_passing(&error) && self.boottime() + CREATE_PAUSE < until => {
                    tracing::info!(%error, "a range is not made yet; it is tried again");
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn try_create_table_range(
        &self,
        span: &Span,
        fence: Option<&Fence>,
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let request = match fence.cloned() {
            Some(fence) => ClusterRequest::CreateRangeFenced { span: span.clone(), fence },
            None => ClusterRequest::CreateRange { span: span.clone() },
        };
        expect_done(self.ask_leader(&request, timeout).await?)?;
        let mut budget = self.database.budget();
        self.router().range_of(&span.start, &mut budget).await?;
        Ok(())
    }

    /// Removes the ranges within these keys with all their data. Replicas on nodes that are away go when those return.
    ///
    /// # Errors
    /// As [`Member::create_table_range`].
    pub async fn drop_table_ranges(&self, span: Span) -> Result<(), ClusterError> {
        expect_done(self.ask_leader(&ClusterRequest::DropRanges { span }, DROP_TIMEOUT).await?)
    }

    /// As [`Member::drop_table_ranges`], if the fence holds in the transaction that does it.
    ///
    /// # Errors
    /// As [`Member::create_fenced_range`].
    pub async fn drop_fenced_ranges(&self, span: Span, fence: Fence) -> Result<(), ClusterError> {
        let request = ClusterRequest::DropRangesFenced { span, fence };
        expect_done(self.ask_leader(&request, DROP_TIMEOUT).await?)
    }

    /// Waits until every live node has confirmed a catalog of this version or a newer one, or its lease on an older one
    /// has run out.
    ///
    /// # Errors
    /// [`ClusterError::Unavailable`]: range 1 has no leaseholder that answers in time.
    pub async fn await_catalog(&self, version: u64) -> Result<(), ClusterError> {
        let request = ClusterRequest::AwaitCatalog { version };
        let until = self.boottime() + AWAIT_CATALOG_TIMEOUT;
        loop {
            let left = until.saturating_sub(self.boottime()).min(AWAIT_CATALOG_ATTEMPT);
            match self.ask_leader(&request, left).await {
                Err(error) if is_passing(&error) && self.boottime() + CREATE_PAUSE < until => {
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                answer => return expect_done(answer?),
            }
        }
    }

    /// The ranges that overlap a span, by start key; those of the directory, and range 1.
    ///
    /// # Errors
    /// The directory could not be read.
    pub async fn ranges(&self, span: Span) -> Result<Vec<RangeInfo>, ClusterError> {
        let descriptors = self.directory(&span).await?;
        let is_elsewhere = |descriptor: &RangeDescriptor| self.ranges.status(descriptor.range_id).is_none();
        let elsewhere = if descriptors.iter().any(is_elsewhere) { self.told_by_leader().await } else { None };
        let info = |descriptor: RangeDescriptor| {
            let told = elsewhere.as_ref().and_then(|status| told_range(status, descriptor.range_id));
            let (leader, size_bytes) = match self.ranges.status(descriptor.range_id) {
                Some(status) => (self.believed_leader(&status), status.size_bytes),
                None => told.map_or((None, 0), |range| (range.leader, range.size_bytes)),
            };
            let leader_zone = leader.and_then(|node| self.registry.zone_of(node));
            RangeInfo { descriptor, leader, leader_zone, size_bytes }
        };
        Ok(descriptors.into_iter().map(info).collect())
    }

    /// How the cluster is: as range 1's leaseholder knows, or, where it does not answer, as this node knows by itself.
    pub async fn status(&self) -> ClusterStatus {
        match self.ask_leader(&ClusterRequest::Status, STATUS_TIMEOUT).await {
            Ok(ClusterAnswer::Status(status)) => *status,
            Ok(other) => self.own_status(format!("range 1's leaseholder: {}", other.complaint())).await,
            Err(error) => self.own_status(error.to_string()).await,
        }
    }

    /// How far a node's clock is ahead of this one's.
    pub(super) fn clock_offset_ms(&self, node: NodeId, now: Duration) -> Option<i64> {
        self.rpc.clock_guard().offset_ms(node, now)
    }

    async fn told_by_leader(&self) -> Option<ClusterStatus> {
        match self.ask_leader(&ClusterRequest::Status, STATUS_TIMEOUT).await {
            Ok(ClusterAnswer::Status(status)) => Some(*status),
            Ok(_) | Err(_) => None,
        }
    }

    /// Range 1 and the rows of the directory that overlap a span, by start key.
    pub(super) async fn directory(&self, span: &Span) -> Result<Vec<RangeDescriptor>, KvError> {
        let mut found = Vec::new();
        let system = self.router().system_range();
        if system.span.overlaps(span) {
            found.push(system.as_ref().clone());
        }
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let mut transaction = self.database.begin(TransactionOptions::reading()).await?;
            match system::read_directory(transaction.as_mut(), span).await {
                Ok(rows) => {
                    found.extend(rows);
                    return Ok(found);
                }
                Err(error @ KvError::Retry { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| KvError::Storage("no attempt was made".to_owned())))
    }

    /// Everything that range 1's leaseholder knows; `None` on other nodes.
    pub(super) async fn lead_status(&self) -> Option<ClusterStatus> {
        if !self.is_leader() {
            return None;
        }
        let everything = Span::prefix(quorate_engine::kv::Key::default());
        let directory = self.directory(&everything).await.ok()?;
        // Nor is a board that has only begun to listen to be taken at its word.
        let _ = tokio::time::timeout(REPORTS_WAIT, self.await_reports()).await;
        // The leaseholder's own report must not be a second old in its own answer.
        self.report_once().await;
        let outlooks = self.outlooks(&directory);
        self.with_board(|board, now| {
            board.forget_led(|range_id| directory.iter().any(|known| known.range_id == range_id));
            let live = |node: NodeId| board.liveness(node, now.boot) == Liveness::Live;
            let range = |descriptor: &RangeDescriptor| {
                let leader = board.told_leader(descriptor.range_id, now.boot);
                let (size_bytes, complaint) = board.size_and_complaint(descriptor.range_id, leader);
                let is_gone = |node: NodeId| !live(node) || board.lacks(node, descriptor.range_id);
                let missing = |node: &NodeId| !board.awaits(*node, now.boot) && is_gone(*node);
                RangeStatus {
                    range_id: descriptor.range_id,
                    span: descriptor.span.clone(),
                    replicas: descriptor.voter_nodes(),
                    missing: descriptor.voter_nodes().into_iter().filter(missing).collect(),
                    leader,
                    size_bytes,
                    complaint,
                    generation: descriptor.generation,
                    members: members_of(descriptor, |replica| {
                        let range_id = descriptor.range_id;
                        let damage = board.damage(replica, range_id).map(str::to_owned);
                        (board.applied(replica, range_id), damage)
                    }),
                    change: board.change_of(descriptor.range_id, now.boot).cloned(),
                    outlook: outlooks.get(&descriptor.range_id).cloned(),
                    leaderless_ms: board.leaderless(descriptor.range_id, now.boot).map(millis),
                }
            };
            let ranges: Vec<_> = directory.iter().map(range).collect();
            let node = |record: NodeRecord| {
                let id = record.node_id;
                let report = board.last_report(id);
                NodeStatus {
                    liveness: board.liveness(id, now.boot),
                    heard_ms: self.told_silence(board, id, now.boot).map(millis),
                    leaders: ranges.iter().filter(|range| range.leader == Some(id)).count() as u64,
                    replicas: report.map_or(0, |report| report.replicas.len() as u64),
                    disk_used_bytes: report.map_or(0, |report| report.disk_used_bytes),
                    disk_total_bytes: report.map_or(0, |report| report.disk_total_bytes),
                    catalog_version: report.and_then(|report| report.catalog_version),
                    clock_offset_ms: self.clock_offset_ms(id, now.boot),
                    absence: board.absence(id).map(str::to_owned),
                    presence: board.presence(id, now.boot),
                    syncs: report.map_or_else(DiskSyncs::default, |report| report.syncs),
                    clocks: report.map_or_else(Vec::new, |report| clocks_of(&report.peers)),
                    clock_doubt: report.and_then(|report| report.clock_doubt.clone()),
                    damaged_files: report.map_or_else(Vec::new, |report| report.damaged_files.clone()),
                    record,
                }
            };
            let nodes = self.registry.all().into_iter().map(node).collect();
            ClusterStatus {
                cluster_id: self.cluster_id(),
                told_by: self.node_id(),
                told_at: now.wall,
                partial: None,
                nodes,
                ranges,
            }
        })
    }
}

impl Member {
    /// How long ago a node was heard: by its last report, or, where this board has had none, by anything of it that came in.
    fn told_silence(&self, board: &Board, node: NodeId, now: Duration) -> Option<Duration> {
        if board.has_heard(node) { Some(board.silence(node, now)) } else { self.rpc.last_heard(node) }
    }

    /// What becomes of ranges that are short of replicas, in words.
    fn outlooks(&self, directory: &[RangeDescriptor]) -> BTreeMap<RangeId, String> {
        let Some(view) = self.view(directory) else { return BTreeMap::new() };
        let told = |range: &RangeView| match outlook(&view, range, 0) {
            Outlook::Whole | Outlook::UnderWay => None,
            other @ (Outlook::Next(_)
            | Outlook::NoQuorum
            | Outlook::NoneSound(_)
            | Outlook::Waits(_)
            | Outlook::Queued(_)
            | Outlook::NoNode(_)) => Some((range.id, other.to_string())),
        };
        view.ranges().filter_map(told).collect()
    }
}

/// Whether the same may be done a moment later.
fn is_passing(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::Unavailable(_)
            | ClusterError::Kv(
                KvError::Retry { .. } | KvError::Unavailable { .. } | KvError::Ambiguous { .. }
            )
    )
}

/// Whether a range is one that the directory lists: all but range 1.
pub(super) fn is_listed(range_id: RangeId) -> bool {
    range_id != SYSTEM_RANGE
}

/// The span that tables may use.
pub(super) fn table_keys() -> Span {
    Span::prefix(quorate_engine::kv::Key::from(vec![keyspace::TABLES]))
}

fn told_range(status: &ClusterStatus, range_id: RangeId) -> Option<&RangeStatus> {
    status.ranges.iter().find(|range| range.range_id == range_id)
}

pub(super) fn members_of(
    descriptor: &RangeDescriptor,
    told: impl Fn(&ReplicaDescriptor) -> (Option<u64>, Option<String>),
) -> Vec<MemberStatus> {
    let member = |replica: &ReplicaDescriptor| {
        let (applied, damage) = told(replica);
        MemberStatus {
            replica_id: replica.replica_id,
            node_id: replica.node_id,
            is_voter: replica.is_voter(),
            applied,
            damage,
        }
    };
    descriptor.replicas.iter().map(member).collect()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn expect_done(answer: ClusterAnswer) -> Result<(), ClusterError> {
    match answer {
        ClusterAnswer::Done => Ok(()),
        ClusterAnswer::Unavailable(detail) => Err(ClusterError::Unavailable(detail)),
        ClusterAnswer::Refused(detail) => Err(ClusterError::Refused(detail)),
        ClusterAnswer::NotLeader { .. } => Err(ClusterError::Unavailable(
            "range 1 is between two leaseholders; repeat the statement".to_owned(),
        )),
        other @ (ClusterAnswer::Lease { .. }
        | ClusterAnswer::Catalog { .. }
        | ClusterAnswer::Progress(_)
        | ClusterAnswer::Described(_)
        | ClusterAnswer::Status(_)
        | ClusterAnswer::Published(_)
        | ClusterAnswer::Range(_)) => Err(ClusterError::Unavailable(other.complaint())),
    }
}
