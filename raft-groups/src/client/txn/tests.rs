//! Transactions over ranges that are played by a fake, from two nodes that talk over a network.

use bytes::Bytes;
use quorate_engine::clock::{ForgetBound, HybridClock};
use quorate_engine::kv::{Direction, ScanProgram, ScanRows, Span, keyspace};
use quorate_placement::topology::{NodeId, RangeId};

use super::*;
use crate::client::fake::{CountPairs, FakeWorld, Lost, TokioClock};
use crate::client::router::{RouterConfig, SYSTEM_RANGE, directory_key};
use crate::descriptor::RangeDescriptor;
use crate::range_format::encode_descriptor;
use crate::range_service::RangeService;
use crate::rpc::{Rpc, Service};
use crate::testing::network::LocalNetwork;

mod bank;
mod closing;
mod ranges;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
/// Keys `\x02a` to `\x02m`, led by n1.
const LEFT: RangeId = RangeId(2);
/// Keys `\x02m` to `\x02z`, led by n2.
const RIGHT: RangeId = RangeId(3);

struct Setup {
    world: FakeWorld,
    network: LocalNetwork,
    one: DistributedDatabase,
    two: DistributedDatabase,
}

fn key(text: &str) -> Key {
    Key::from(format!("\x02{text}").as_bytes())
}

fn span(start: &str, end: &str) -> Span {
    Span::new(key(start), key(end))
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn setup() -> Setup {
    let (world, network, physical) = (FakeWorld::default(), LocalNetwork::new(), TokioClock::new());
    let system = RangeDescriptor::new(SYSTEM_RANGE, keyspace::system_span(), &[N1, N2]);
    world.add(system.clone(), N1);
    world.add(RangeDescriptor::new(LEFT, span("a", "m"), &[N1, N2]), N1);
    world.add(RangeDescriptor::new(RIGHT, span("m", "z"), &[N2]), N2);
    let node = |node: NodeId| {
        let clock = Arc::new(HybridClock::new(physical.clone(), Box::new(ForgetBound)));
        let rpc = Rpc::new(node, network.transport(node), clock.clone());
        network.attach(node, rpc.clone());
        let ranges = world.node(node, &clock);
        rpc.register(Service::Range, RangeService::new(ranges.clone()));
        let router = Router::new(RouterConfig { node, ranges, rpc, clock, system: system.clone(), seed: 7 });
        DistributedDatabase::new(router, Arc::new(CountPairs), [u8::try_from(node.0).unwrap(); 32])
    };
    let (one, two) = (node(N1), node(N2));
    let mut directory = one.begin(TransactionOptions::default()).await.unwrap();
    for (id, span, nodes) in [(LEFT, span("a", "m"), vec![N1, N2]), (RIGHT, span("m", "z"), vec![N2])] {
        let row = RangeDescriptor::new(id, span.clone(), &nodes);
        directory.write(Write::put(directory_key(&span.start), encode_descriptor(&row).into())).unwrap();
    }
    directory.commit(None).await.unwrap();
    Setup { world, network, one, two }
}

async fn begin(database: &DistributedDatabase) -> Box<dyn Transaction> {
    database.begin(TransactionOptions::default()).await.unwrap()
}

async fn put(database: &DistributedDatabase, pairs: &[(&str, &str)]) -> Committed {
    let mut transaction = begin(database).await;
    for (name, text) in pairs {
        transaction.write(Write::put(key(name), value(text))).unwrap();
    }
    transaction.commit(None).await.unwrap()
}

async fn get(transaction: &mut dyn Transaction, name: &str) -> Result<Option<Bytes>, KvError> {
    Ok(transaction.get_many(vec![key(name)]).await?.pop().unwrap())
}

fn request(span: Span, direction: Direction, rows_max: u64) -> ScanRequest {
    ScanRequest { span, direction, program: None, rows_max, bytes_max: 1 << 20 }
}

/// All keys of a scan, page by page.
async fn scan(transaction: &mut dyn Transaction, span: Span, direction: Direction) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = Some(span);
    while let Some(span) = rest.take() {
        let page = transaction.scan(request(span, direction, 2)).await.unwrap();
        let ScanRows::Pairs(pairs) = page.rows else { panic!("pairs were asked for") };
        found.extend(pairs.iter().map(|(key, _)| String::from_utf8(key.as_ref()[1..].to_vec()).unwrap()));
        rest = page.resume;
    }
    found
}

#[tokio::test(start_paused = true)]
async fn txn_reads_what_others_committed_and_its_own_writes_from_every_node() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1"), ("c", "2")]).await;
    for database in [&setup.one, &setup.two] {
        let mut transaction = begin(database).await;
        assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("1")));
        transaction.write(Write::delete(key("b"))).unwrap();
        transaction.write(Write::put(key("d"), value("3"))).unwrap();
        let keys = vec![key("d"), key("c"), key("b"), key("c")];
        let values = transaction.get_many(keys).await.unwrap();
        assert_eq!(values, [Some(value("3")), Some(value("2")), None, Some(value("2"))]);
        transaction.rollback().await;
        assert!(transaction.commit(None).await.is_err(), "it is over");
    }
    let (one, two) = (setup.one.router().counts(), setup.two.router().counts());
    assert!(one.local_writes >= 2 && one.remote_writes == 0, "{one:?}");
    assert!(two.remote_reads > 0 && two.local_writes == 0, "{two:?}");
    put(&setup.two, &[("b", "9")]).await;
    assert_eq!(setup.two.router().counts().remote_writes, 1);
}

#[tokio::test(start_paused = true)]
async fn txn_scans_over_several_ranges_both_ways() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1"), ("c", "2"), ("e", "3")]).await;
    put(&setup.one, &[("n", "4"), ("p", "5"), ("q", "6")]).await;
    let mut transaction = begin(&setup.one).await;
    let forward = scan(transaction.as_mut(), span("a", "z"), Direction::Forward).await;
    assert_eq!(forward, ["b", "c", "e", "n", "p", "q"]);
    let reverse = scan(transaction.as_mut(), span("a", "z"), Direction::Reverse).await;
    assert_eq!(reverse, ["q", "p", "n", "e", "c", "b"]);
    transaction.write(Write::delete(key("c"))).unwrap();
    transaction.write(Write::put(key("o"), value("7"))).unwrap();
    let forward = scan(transaction.as_mut(), span("b", "q"), Direction::Forward).await;
    assert_eq!(forward, ["b", "e", "n", "o", "p"]);
    let reverse = scan(transaction.as_mut(), span("b", "q"), Direction::Reverse).await;
    assert_eq!(reverse, ["p", "o", "n", "e", "b"]);
}

#[tokio::test(start_paused = true)]
async fn txn_pushes_programs_down_unless_its_writes_lie_there() {
    let setup = setup().await;
    put(&setup.one, &[("n", "1"), ("p", "2")]).await;
    let mut transaction = begin(&setup.one).await;
    let count = ScanRequest {
        program: Some(ScanProgram(Bytes::from_static(b"count"))),
        ..request(span("m", "z"), Direction::Forward, 1_000)
    };
    let page = transaction.scan(count.clone()).await.unwrap();
    assert_eq!(page.rows, ScanRows::Outputs(vec![value("2")]));
    assert_eq!((page.served.range_id, page.served.node_id), (RIGHT.0, N2.0));
    transaction.write(Write::put(key("o"), value("3"))).unwrap();
    let page = transaction.scan(count).await.unwrap();
    assert_eq!(page.rows, ScanRows::Outputs(vec![value("3")]));
    assert_eq!(page.served.rows_read, 2, "what was read is what the range read");
    let empty = transaction.scan(request(span("p", "p"), Direction::Forward, 1)).await.unwrap();
    assert_eq!((empty.rows, empty.resume), (ScanRows::Pairs(Vec::new()), None));
}

#[tokio::test(start_paused = true)]
async fn txn_asks_no_more_for_keys_that_were_read_ahead_until_they_may_have_changed() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1"), ("o", "2")]).await;
    let reads = || setup.two.router().counts().remote_reads + setup.two.router().counts().local_reads;
    let mut transaction = begin(&setup.two).await;
    let mark = transaction.mark();
    transaction.write(Write::put(key("d"), value("own"))).unwrap();
    let keys = ["b", "c", "d", "o", "p"].map(key);
    transaction.read_ahead(keys.to_vec()).await.unwrap();
    let asked = reads();
    transaction.write(Write::put(key("c"), value("later"))).unwrap();
    for (name, expected) in
        [("b", Some("1")), ("c", Some("later")), ("d", Some("own")), ("o", Some("2")), ("p", None)]
    {
        assert_eq!(get(transaction.as_mut(), name).await.unwrap(), expected.map(value), "{name}");
    }
    assert_eq!(reads(), asked, "they were known");
    transaction.go_back_to(mark);
    for name in ["c", "d"] {
        assert_eq!(get(transaction.as_mut(), name).await.unwrap(), None, "{name} was undone");
    }
    // What may be another's by then is asked for again.
    let upto = Timestamp::from_micros(transaction.read_timestamp().micros() + 1);
    transaction.raise_read(upto).await.unwrap();
    let asked = reads();
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("1")));
    assert_eq!(reads(), asked + 1);

    // They count as read, whether anybody asks for them or not.
    transaction.read_ahead(vec![key("e"), key("f")]).await.unwrap();
    put(&setup.one, &[("e", "other")]).await;
    transaction.write(Write::put(key("g"), value("depends"))).unwrap();
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { key: at, .. } if *at == key("e")), "{error}");
}

/// More than one message carries: many large values, and many long keys.
#[tokio::test(start_paused = true)]
async fn txn_reads_many_keys_in_bounded_requests() {
    let setup = setup().await;
    let names: Vec<String> = (0..12).map(|number| format!("b{number:02}")).collect();
    let large = Bytes::from(vec![7; 400 << 10]);
    let mut writer = begin(&setup.one).await;
    for name in &names {
        writer.write(Write::put(key(name), large.clone())).unwrap();
    }
    writer.commit(None).await.unwrap();
    let mut reader = begin(&setup.two).await;
    let values = reader.get_many(names.iter().map(|name| key(name)).collect()).await.unwrap();
    assert_eq!(values, vec![Some(large); names.len()]);
    let long = |number: usize| key(&format!("n{number:03}{}", "x".repeat(12 << 10)));
    let values = reader.get_many((0..500).map(long).collect()).await.unwrap();
    assert_eq!(values, vec![None; 500]);
}

#[tokio::test(start_paused = true)]
async fn txn_conflicts_and_conditions_do_nothing() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1")]).await;
    let mut transaction = begin(&setup.two).await;
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("1")));
    put(&setup.one, &[("b", "2")]).await;
    transaction.write(Write::put(key("b"), value("from 1"))).unwrap();
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { key: at, .. } if *at == key("b")), "{error}");

    let mut transaction = begin(&setup.one).await;
    transaction.write(Write::insert(key("b"), value("3"))).unwrap();
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(&error, KvError::ConditionFailed { key: at } if *at == key("b")), "{error}");

    let mut transaction = begin(&setup.one).await;
    let deadline = transaction.read_timestamp();
    transaction.write(Write::put(key("b"), value("4"))).unwrap();
    let error = transaction.commit(Some(deadline)).await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { reason, .. } if reason.contains("lease")), "{error}");
    let mut transaction = begin(&setup.one).await;
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("2")));
}

#[tokio::test(start_paused = true)]
async fn txn_uncertain_read_moves_up_while_what_was_read_is_unchanged() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1")]).await;
    let mut transaction = begin(&setup.two).await;
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("1")));
    // A version from a clock that is ahead by less than the maximum offset.
    let ahead = Timestamp::from_micros(transaction.read_timestamp().micros() + 100_000);
    setup.world.write_at(LEFT, "\x02c", "ahead", ahead);
    let begun = tokio::time::Instant::now();
    assert_eq!(get(transaction.as_mut(), "c").await.unwrap(), Some(value("ahead")));
    assert_eq!(transaction.read_timestamp(), ahead);
    assert!(
        begun.elapsed() >= Duration::from_millis(100),
        "a raised read is answered when its time has passed"
    );

    let mut transaction = begin(&setup.two).await;
    get(transaction.as_mut(), "b").await.unwrap();
    let ahead = Timestamp::from_micros(transaction.read_timestamp().micros() + 100_000);
    setup.world.write_at(LEFT, "\x02b", "changed", ahead.prev());
    setup.world.write_at(LEFT, "\x02d", "ahead", ahead);
    let error = get(transaction.as_mut(), "d").await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { key: at, .. } if *at == key("b")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn txn_lost_answer_is_found_in_the_record() {
    let setup = setup().await;
    setup.world.fault(Lost::Answer);
    let committed = put(&setup.two, &[("b", "1")]).await;
    assert_eq!(setup.world.commits(), 2, "directory, and this one once");
    let mut transaction = begin(&setup.two).await;
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("1")));
    assert!(transaction.read_timestamp() > committed.timestamp);

    setup.world.fault(Lost::Commit);
    put(&setup.two, &[("b", "2")]).await;
    assert_eq!(
        setup.world.commits(),
        3,
        "the lost one is sent again, under a new id, after its record said never"
    );
}

#[tokio::test(start_paused = true)]
async fn txn_unknown_fate_is_told_as_unknown() {
    let setup = setup().await;
    put(&setup.two, &[("b", "1")]).await;
    let mut transaction = begin(&setup.two).await;
    transaction.write(Write::put(key("b"), value("2"))).unwrap();
    // The leader's answers do not come through, and nobody else can be asked.
    setup.network.cut_one_way(N1, N2);
    let begun = tokio::time::Instant::now();
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(error, KvError::Ambiguous { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    setup.network.heal();
    let mut transaction = begin(&setup.two).await;
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("2")), "it did take place");
}

#[tokio::test(start_paused = true)]
async fn txn_follows_the_leader_and_survives_its_silence() {
    let setup = setup().await;
    put(&setup.two, &[("b", "1")]).await;
    setup.world.lead(LEFT, Some(N2));
    put(&setup.one, &[("b", "2")]).await;
    assert_eq!(setup.one.router().counts().remote_writes, 1);
    setup.world.lead(LEFT, Some(N1));
    setup.network.isolate(N1);
    let two = setup.two.clone();
    let reading = tokio::spawn(async move { get(begin(&two).await.as_mut(), "b").await });
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    setup.world.lead(LEFT, Some(N2));
    assert_eq!(reading.await.unwrap().unwrap(), Some(value("2")));
}

#[tokio::test(start_paused = true)]
async fn txn_without_quorum_ends_within_its_budget_and_names_who_is_missing() {
    let setup = setup().await;
    put(&setup.two, &[("b", "1")]).await;
    setup.network.isolate(N1);
    let mut transaction = begin(&setup.two).await;
    let begun = tokio::time::Instant::now();
    let error = get(transaction.as_mut(), "b").await.unwrap_err();
    let KvError::Unavailable { range_id, detail } = &error else { panic!("{error}") };
    assert_eq!(*range_id, LEFT.0);
    assert!(detail.contains("n1 is missing") && detail.contains("start n1 again"), "{detail}");
    let first = begun.elapsed();
    assert!(first > Duration::from_secs(4) && first < Duration::from_secs(5), "{first:?}");
    // The statement's allowance is spent, so that the next request of it fails at once; the next statement waits again.
    assert!(get(transaction.as_mut(), "c").await.is_err());
    assert!(begun.elapsed() < first + Duration::from_millis(300), "{:?}", begun.elapsed());
    transaction.start_statement();
    setup.network.heal();
    assert_eq!(get(transaction.as_mut(), "b").await.unwrap(), Some(value("1")));
}

#[tokio::test(start_paused = true)]
async fn txn_open_breaker_fails_at_once() {
    let setup = setup().await;
    setup.world.open_breaker(RIGHT, "no quorum for 3s: n3 is silent");
    let begun = tokio::time::Instant::now();
    let error = get(begin(&setup.one).await.as_mut(), "n").await.unwrap_err();
    assert!(error.to_string().contains("no quorum for 3s: n3 is silent"), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn txn_keys_without_a_range_are_told_as_such() {
    let setup = setup().await;
    let mut transaction = begin(&setup.one).await;
    let error = get(transaction.as_mut(), "zz").await.unwrap_err();
    assert!(matches!(&error, KvError::NoRange { key: at } if *at == key("zz")), "{error}");
    let outside = request(Span::new(key("x"), key("zz")), Direction::Reverse, 1);
    assert!(matches!(transaction.scan(outside).await, Err(KvError::NoRange { .. })));
}

#[tokio::test(start_paused = true)]
async fn txn_that_only_reads_writes_nothing() {
    let setup = setup().await;
    let mut reader = setup.one.begin(TransactionOptions::reading()).await.unwrap();
    assert!(matches!(reader.write(Write::delete(key("b"))), Err(KvError::Unsupported(_))));
    let mut transaction = begin(&setup.one).await;
    get(transaction.as_mut(), "n").await.unwrap();
    get(transaction.as_mut(), "b").await.unwrap();
    transaction.commit(None).await.unwrap();
    assert_eq!(setup.world.commits(), 1, "nothing but the directory was written");
}
