//! A directory of many rows in range 1, played by a fake: what a look brings, and what it costs.

use std::sync::Arc;

use quorate_engine::clock::{ForgetBound, HybridClock};
use quorate_engine::kv::{Span, Write, keyspace};
use quorate_placement::topology::{NodeId, RangeId};

use super::*;
use crate::client::fake::{CountPairs, FakeWorld, TokioClock};
use crate::client::router::{Router, RouterConfig, SYSTEM_RANGE, directory_key};
use crate::range_format::encode_descriptor;
use crate::range_service::RangeService;
use crate::rpc::{Rpc, Service};
use crate::testing::network::LocalNetwork;

const NODE: NodeId = NodeId(1);
/// More than fit into one page of a scan.
const MANY: u64 = 2_500;
/// Rows that one transaction writes.
const BATCH: u64 = 500;

struct Setup {
    world: FakeWorld,
    database: DistributedDatabase,
    watched: WatchedDirectory,
}

impl Setup {
    fn new() -> Self {
        let (world, network) = (FakeWorld::default(), LocalNetwork::new());
        let system = RangeDescriptor::new(SYSTEM_RANGE, keyspace::system_span(), &[NODE]);
        world.add(system.clone(), NODE);
        let clock = Arc::new(HybridClock::new(TokioClock::new(), Box::new(ForgetBound)));
        let rpc = Rpc::new(NODE, network.transport(NODE), clock.clone());
        network.attach(NODE, rpc.clone());
        let ranges = world.node(NODE, &clock);
        rpc.register(Service::Range, RangeService::new(ranges.clone()));
        let router = Router::new(RouterConfig { node: NODE, ranges, rpc, clock, system, seed: 7 });
        let database = DistributedDatabase::new(router, Arc::new(CountPairs), [1; 32]);
        Self { world, database, watched: WatchedDirectory::default() }
    }

    /// With the ranges of tables 1 to [`MANY`].
    async fn of_many() -> Self {
        let setup = Self::new();
        for batch in 0..MANY / BATCH {
            let tables = batch * BATCH + 1..=(batch + 1) * BATCH;
            setup.write(tables.map(|table| row(range(table, 1))).collect()).await;
        }
        setup
    }

    async fn write(&self, writes: Vec<Write>) {
        let mut transaction = self.database.begin(TransactionOptions::default()).await.unwrap();
        for write in writes {
            transaction.write(write).unwrap();
        }
        transaction.commit(None).await.unwrap();
    }

    /// A look in range 1's first term: the rows, how many were read, and how many requests were made.
    async fn look(&self) -> (ListedRanges, u64, u64) {
        self.look_in(1).await
    }

    async fn look_in(&self, term: u64) -> (ListedRanges, u64, u64) {
        let before = self.requests();
        let look = self.watched.look(&self.database, Some(term)).await.unwrap();
        (look.ranges, look.rows_read, self.requests() - before)
    }

    fn requests(&self) -> u64 {
        let counts = self.database.router().counts();
        counts.local_reads + counts.remote_reads
    }

    /// All rows, as nobody remembers them.
    async fn scanned(&self) -> Vec<RangeDescriptor> {
        let (rows, _) = read_all(&self.database).await.unwrap();
        rows.iter().map(|(key, value)| rows::decode_row(key, value).unwrap()).collect()
    }
}

fn span(table: u64) -> Span {
    keyspace::table_span(table)
}

fn range(table: u64, generation: u64) -> RangeDescriptor {
    RangeDescriptor { generation, ..RangeDescriptor::new(RangeId(table + 1), span(table), &[NODE]) }
}

fn row(range: RangeDescriptor) -> Write {
    Write::put(directory_key(&range.span.start), encode_descriptor(&range).into())
}

#[tokio::test(start_paused = true)]
async fn watched_directory_at_rest_is_one_request_without_rows() {
    let setup = Setup::of_many().await;
    let (ranges, rows_read, requests) = setup.look().await;
    assert_eq!((ranges.len() as u64, rows_read), (MANY, MANY));
    assert!(requests > 2, "a first look reads all rows, page by page: {requests}");
    assert_eq!(*ranges, setup.scanned().await);
    for _ in 0..5 {
        let (again, rows_read, requests) = setup.look().await;
        assert_eq!((rows_read, requests), (0, 1));
        assert!(Arc::ptr_eq(&ranges, &again), "nothing is copied either");
    }
    // Writes elsewhere in range 1 bring no rows.
    setup.write(vec![Write::put(Key::from(&b"\x01settings"[..]), Bytes::from_static(b"x"))]).await;
    assert_eq!(setup.look().await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn watched_directory_sees_what_is_entered_changed_and_removed() {
    let setup = Setup::of_many().await;
    setup.look().await;
    setup.write(vec![row(range(MANY + 1, 1))]).await;
    let (ranges, rows_read, requests) = setup.look().await;
    assert_eq!((ranges.last(), rows_read, requests), (Some(&range(MANY + 1, 1)), 1, 1));
    setup.write(vec![row(range(7, 2))]).await;
    let (ranges, rows_read, requests) = setup.look().await;
    assert_eq!((&ranges[6], rows_read, requests), (&range(7, 2), 1, 1));
    setup.write(vec![Write::delete(directory_key(&span(7).start))]).await;
    let (ranges, rows_read, requests) = setup.look().await;
    assert_eq!((ranges.len() as u64, rows_read, requests), (MANY, 1, 1));
    assert!(ranges.iter().all(|known| known.range_id != RangeId(8)), "a removed row is no row");
    // All at once; a row that came and went in between was never seen.
    let passing = directory_key(&span(MANY + 2).start);
    setup.write(vec![row(range(MANY + 2, 1)), row(range(9, 5))]).await;
    setup.write(vec![Write::delete(passing), Write::delete(directory_key(&span(1).start))]).await;
    let (ranges, rows_read, _) = setup.look().await;
    assert_eq!(rows_read, 3);
    assert_eq!(*ranges, setup.scanned().await);
}

#[tokio::test(start_paused = true)]
async fn watched_directory_is_read_anew_in_another_term_and_only_then() {
    let setup = Setup::of_many().await;
    setup.look_in(1).await;
    setup.write(vec![row(range(3, 2))]).await;
    assert_eq!(setup.look_in(2).await.1, MANY, "another term");
    assert_eq!(setup.look_in(2).await.1, 0);
    // While range 1 cannot be read nothing is lost.
    setup.world.open_breaker(SYSTEM_RANGE, "no quorum");
    let failed = setup.watched.look(&setup.database, Some(2)).await;
    assert!(matches!(failed.err(), Some(KvError::Unavailable { .. })));
    setup.world.close_breaker(SYSTEM_RANGE);
    setup.write(vec![row(range(4, 2))]).await;
    let (ranges, rows_read, _) = setup.look_in(2).await;
    assert_eq!(rows_read, 1);
    assert_eq!(*ranges, setup.scanned().await);
}

#[tokio::test(start_paused = true)]
async fn watched_directory_is_read_anew_after_a_row_that_cannot_be_read() {
    let setup = Setup::of_many().await;
    setup.look().await;
    let key = directory_key(&span(5).start);
    setup.write(vec![Write::put(key, Bytes::from_static(b"damaged"))]).await;
    for _ in 0..2 {
        let failed = setup.watched.look(&setup.database, Some(1)).await;
        assert!(matches!(failed.err(), Some(KvError::Storage(_))), "it is not passed over");
    }
    setup.write(vec![row(range(5, 3))]).await;
    let (ranges, rows_read, _) = setup.look().await;
    assert_eq!((rows_read, &ranges[4]), (MANY, &range(5, 3)));
}

#[tokio::test(start_paused = true)]
async fn watched_directory_is_shared_by_those_who_look_at_once() {
    let setup = Setup::of_many().await;
    let looks = futures::future::join_all((0..4).map(|_| setup.watched.look(&setup.database, Some(1)))).await;
    let looks: Vec<Look> = looks.into_iter().map(Result::unwrap).collect();
    assert_eq!(looks.iter().map(|look| look.rows_read).sum::<u64>(), MANY, "one of them read all rows");
    assert!(looks.iter().all(|look| Arc::ptr_eq(&look.ranges, &looks[0].ranges)));
}

#[test]
fn watched_directory_trusts_no_change_of_before_it() {
    let at = Timestamp::from_micros;
    let copy = DirectoryCopy::new(Vec::new(), at(5), None).unwrap();
    let change = |timestamp| Change { key: directory_key(&span(1).start), timestamp, value: None };
    assert!(copy.clone().with(vec![change(at(5))], at(9)).is_err());
    assert_eq!(copy.clone().with(vec![change(at(6))], at(9)).unwrap().as_of, at(9));
    assert_eq!(copy.with(Vec::new(), at(4)).unwrap().as_of, at(5), "what is known stays known");
}
