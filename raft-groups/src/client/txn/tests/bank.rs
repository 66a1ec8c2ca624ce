//! A bank over three ranges: random transfers from two nodes at once, coordinators that die on their way, splits and
//! moves of leaders. Whatever happens, the committed history is serial in the order of its timestamps.

use std::collections::BTreeMap;

use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::mvcc::intent::TransactionEnd;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::*;
use crate::api::{
    Decision, EndRequest, IntentsRequest, RecordState, Request, Response, Transact, TransactionMeta,
};

const ACCOUNTS: [&str; 9] = ["b", "d", "e", "g", "h", "k", "n", "p", "r"];
const OPENING: i64 = 100;
const SEEDS: u64 = 40;
const WORKERS: u64 = 6;
const TRANSFERS: u64 = 12;

/// What a transaction saw and did.
#[derive(Debug)]
struct Done {
    at: Timestamp,
    reads: BTreeMap<&'static str, i64>,
    writes: BTreeMap<&'static str, i64>,
}

fn balance(value: Option<Bytes>) -> i64 {
    value.map_or(OPENING, |bytes| std::str::from_utf8(&bytes).unwrap().parse().unwrap())
}

async fn read(
    transaction: &mut dyn Transaction,
    names: &[&'static str],
) -> Result<BTreeMap<&'static str, i64>, KvError> {
    let values = transaction.get_many(names.iter().map(|name| key(name)).collect()).await?;
    Ok(names.iter().copied().zip(values.into_iter().map(balance)).collect())
}

fn pick(rng: &mut StdRng, count: usize) -> Vec<&'static str> {
    let mut names = Vec::new();
    while names.len() < count {
        let name = ACCOUNTS[rng.random_range(0..ACCOUNTS.len())];
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reads some accounts, moves money between two of them, and commits.
async fn transfer(database: &DistributedDatabase, rng: &mut StdRng) -> Result<Done, KvError> {
    let mut transaction = begin(database).await;
    transaction.start_statement();
    let count = rng.random_range(2..5);
    let names = pick(rng, count);
    let reads = read(transaction.as_mut(), &names).await?;
    tokio::time::sleep(Duration::from_millis(rng.random_range(0..5))).await;
    let amount = rng.random_range(1..10);
    let writes = BTreeMap::from([(names[0], reads[names[0]] - amount), (names[1], reads[names[1]] + amount)]);
    for (name, balance) in &writes {
        transaction.write(Write::put(key(name), value(&balance.to_string())))?;
    }
    let at = transaction.commit(None).await?.timestamp;
    Ok(Done { at, reads, writes })
}

/// Adds up all accounts, page by page.
async fn audit(database: &DistributedDatabase, rng: &mut StdRng) -> Result<Done, KvError> {
    let mut transaction = database.begin(TransactionOptions::reading()).await?;
    let direction = if rng.random_bool(0.5) { Direction::Forward } else { Direction::Reverse };
    let mut reads: BTreeMap<&'static str, i64> = ACCOUNTS.iter().map(|name| (*name, OPENING)).collect();
    let mut rest = Some(span("a", "z"));
    while let Some(span) = rest.take() {
        let page = transaction.scan(request(span, direction, rng.random_range(1..4))).await?;
        let ScanRows::Pairs(pairs) = page.rows else { panic!("pairs were asked for") };
        for (found, text) in pairs {
            let name = ACCOUNTS.iter().find(|name| key(name) == found).unwrap();
            reads.insert(name, balance(Some(text)));
        }
        rest = page.resume;
    }
    assert_eq!(
        reads.values().sum::<i64>(),
        OPENING * ACCOUNTS.len() as i64,
        "at {}",
        transaction.read_timestamp()
    );
    Ok(Done { at: transaction.read_timestamp(), reads, writes: BTreeMap::new() })
}

/// A coordinator that dies on its way, after some intents or even after its record.
async fn die(database: &DistributedDatabase, rng: &mut StdRng) -> Result<Option<Done>, KvError> {
    let mut transaction = begin(database).await;
    let mut names = pick(rng, 2);
    names.sort_unstable();
    let reads = read(transaction.as_mut(), &names).await?;
    let now = transaction.read_timestamp();
    let meta = TransactionMeta {
        id: Uuid::from_u128(rng.random()),
        anchor: key(names[0]),
        attempt: 1,
        started: now,
        age: now,
        read_timestamp: now,
    };
    let writes = BTreeMap::from([(names[0], reads[names[0]] - 1), (names[1], reads[names[1]] + 1)]);
    let mut timestamp = now;
    for (sequence, (name, balance)) in (0..).zip(&writes) {
        let request = IntentsRequest {
            transaction: meta.clone(),
            sequence,
            writes: vec![Write::put(key(name), value(&balance.to_string()))],
            with_record: sequence == 0,
        };
        let Some(Response::IntentsLaid(laid)) = ask(database, name, Transact::LayIntents(request)).await
        else {
            return Ok(None);
        };
        timestamp = timestamp.max(laid);
        if rng.random_bool(0.3) {
            return Ok(None);
        }
    }
    let spans = names.iter().map(|name| Span::point(key(name))).collect();
    for name in &names {
        let router = database.router();
        let mut budget = database.budget();
        let range = router.range_of(&key(name), &mut budget).await?;
        let spans = vec![ReadSpan::whole(Span::point(key(name)))];
        let request = Request::Refresh { spans, after: now, upto: timestamp, own: Some(meta.id) };
        if router.send(&range, request, &mut budget).await.is_err() {
            return Ok(None);
        }
    }
    let decision = Decision::Commit { timestamp, deadline: None };
    let end = EndRequest { transaction: meta, decision, intent_spans: spans };
    let outcome = TransactionEnd::Committed { attempt: 1, timestamp };
    let answer = ask(database, names[0], Transact::End(end)).await;
    let is_committed = answer == Some(Response::State(RecordState::Ended(outcome)));
    Ok(is_committed.then_some(Done { at: timestamp, reads, writes }))
}

async fn ask(database: &DistributedDatabase, at: &str, step: Transact) -> Option<Response> {
    let mut budget = database.budget();
    database.router().ask_anchor(&key(at), step, &mut budget).await.ok().flatten()
}

async fn work(database: DistributedDatabase, seed: u64) -> Vec<Done> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut done = Vec::new();
    for _ in 0..TRANSFERS {
        let result = match rng.random_range(0..10) {
            0 => die(&database, &mut rng).await,
            1 | 2 => audit(&database, &mut rng).await.map(Some),
            _ => transfer(&database, &mut rng).await.map(Some),
        };
        match result {
            Ok(finished) => done.extend(finished),
            Err(KvError::Retry { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..40))).await;
    }
    done
}

/// The ranges split and their leaders move while the others work.
async fn disturb(setup: &Setup, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for (number, at) in [(0, "\x02f"), (1, "\x02c")] {
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..120))).await;
        setup.world.split(LEFT, at, RangeId(10 + number));
        let to = if rng.random_bool(0.5) { N1 } else { N2 };
        setup.world.lead(LEFT, Some(to));
    }
}

/// Replays what was committed in the order of timestamps: each saw what the ones before had left.
fn check_serial(mut history: Vec<Done>, seed: u64) {
    // A read at a timestamp sees what was written at it.
    history.sort_by_key(|done| (done.at, done.writes.is_empty()));
    let mut balances: BTreeMap<&str, i64> = ACCOUNTS.iter().map(|name| (*name, OPENING)).collect();
    for done in &history {
        for (name, seen) in &done.reads {
            assert_eq!(balances[name], *seen, "seed {seed}: {name} at {}, in {history:#?}", done.at);
        }
        balances.extend(done.writes.iter().map(|(name, balance)| (*name, *balance)));
    }
}

#[test]
fn bank_over_three_ranges_is_serial_in_the_order_of_its_timestamps() {
    let mut committed = 0;
    let mut commits_over_ranges = 0;
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (history, steps) = runtime.unwrap().block_on(async {
            let setup = setup().await;
            setup.world.set_latency(Duration::from_millis(1 + seed % 3));
            let workers: Vec<_> = (0..WORKERS)
                .map(|number| {
                    let database = if number % 2 == 0 { setup.one.clone() } else { setup.two.clone() };
                    tokio::spawn(work(database, seed * WORKERS + number))
                })
                .collect();
            disturb(&setup, seed).await;
            let mut history = Vec::new();
            for worker in workers {
                history.extend(worker.await.unwrap());
            }
            // A last look from each node, which also waits for what is left of the dead.
            let mut rng = StdRng::seed_from_u64(seed);
            for database in [&setup.one, &setup.two] {
                history.push(audit(database, &mut rng).await.unwrap());
            }
            (history, setup.world.take_steps())
        });
        committed += history.iter().filter(|done| !done.writes.is_empty()).count();
        commits_over_ranges += steps.iter().filter(|step| **step == "commit").count();
        check_serial(history, seed);
    }
    // The test shows nothing unless much is committed, much of it over several ranges.
    let most = usize::try_from(SEEDS * WORKERS * TRANSFERS).unwrap();
    println!("{committed} of at most {most} committed, {commits_over_ranges} over several ranges");
    assert!(committed > most / 4 && commits_over_ranges > most / 10);
}
