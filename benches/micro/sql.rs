//! Statements on one store in memory: parse and bind, point statements from their parameters to their rows, and whole
//! texts of the simple protocol. What a session keeps of a text makes the second time cheaper: texts are both new and old.

use std::sync::Arc;

use criterion::Criterion;
use quorate_engine::clock::{ForgetBound, HybridClock, PhysicalClock};
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;
use quorate_sql::cancel::CancelToken;
use quorate_sql::node::SqlNode;
use quorate_sql::parser::parse;
use quorate_sql::program::scan_evaluator;
use quorate_sql::session::{Prepared, Session, SessionOptions};
use quorate_sql::testing::local_cluster::{LocalCluster, TestClock};
use quorate_sql::testing::recorder::Recorder;
use quorate_sql::types::Datum;
use tokio::runtime::Runtime;

const ROWS: i64 = 10_000;
/// Samples of what takes microseconds: Criterion's default.
const SAMPLES: usize = 100;
/// Samples of what takes milliseconds.
const GROUPS_SAMPLES: usize = 20;
const SELECT: &str = "SELECT v FROM t WHERE k = $1";
const UPSERT: &str = "INSERT INTO t (k, v) VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v";
const GROUPS: &str = "SELECT k % 10, count(*), max(v) FROM t GROUP BY k % 10";

fn new_session(runtime: &Runtime) -> Session {
    let physical = Arc::new(quorate::clock::MachineClock) as Arc<dyn PhysicalClock>;
    let clock = HybridClock::new(physical, Box::new(ForgetBound));
    let database = LocalDatabase::new(Arc::new(MemoryStore::new()), Arc::new(clock), scan_evaluator());
    let node = SqlNode::new(Arc::new(database), LocalCluster::new(), TestClock::new());
    let mut session = node.session(SessionOptions::default());
    let rows: Vec<String> = (0..ROWS).map(|key| format!("({key}, 'value {key}')")).collect();
    let insert = format!("INSERT INTO t VALUES {}", rows.join(", "));
    runtime.block_on(async {
        for statement in ["CREATE TABLE t (k BIGINT PRIMARY KEY, v TEXT)", &insert] {
            let prepared = prepare(&mut session, statement).await;
            run(&mut session, &prepared, &[]).await;
        }
    });
    session
}

async fn prepare(session: &mut Session, text: &str) -> Prepared {
    let statements = session.parse(text).expect("it parses");
    session.prepare(statements.first().expect("a statement"), &[]).await.expect("it binds")
}

async fn run(session: &mut Session, prepared: &Prepared, parameters: &[Datum]) -> usize {
    let mut sink = Recorder::default();
    session.run(prepared, parameters, &CancelToken::new(), &mut sink).await.expect("it runs");
    sink.rows.len()
}

async fn run_text(session: &mut Session, text: &str) {
    let mut run = session.begin_text(text).await.expect("it parses");
    let mut sink = Recorder::default();
    while run.next(session, &CancelToken::new(), &mut sink).await.expect("it runs").is_some() {}
    assert_eq!(sink.rows.len(), 1);
}

/// All of this file.
pub fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut session = new_session(&runtime);
    let mut group = criterion.benchmark_group("sql");
    for (name, text) in [("point select", SELECT), ("upsert", UPSERT), ("groups", GROUPS)] {
        group.bench_function(format!("parse: {name}"), |bench| {
            bench.iter(|| parse(text).expect("it parses"));
        });
        let mut number = 0;
        group.bench_function(format!("parse and bind a new text: {name}"), |bench| {
            bench.iter(|| {
                number += 1;
                runtime.block_on(prepare(&mut session, &format!("{text} -- {number}")))
            });
        });
        group.bench_function(format!("parse and bind again: {name}"), |bench| {
            bench.iter(|| runtime.block_on(prepare(&mut session, text)));
        });
    }
    let mut key = 0;
    group.bench_function("simple query, a new text: point select", |bench| {
        bench.iter(|| {
            key = (key + 7_919) % ROWS;
            runtime.block_on(run_text(&mut session, &format!("SELECT v FROM t WHERE k = {key}")));
        });
    });
    group.bench_function("simple query again: point select", |bench| {
        bench.iter(|| runtime.block_on(run_text(&mut session, "SELECT v FROM t WHERE k = 5")));
    });
    let select = runtime.block_on(prepare(&mut session, SELECT));
    group.bench_function("run: point select", |bench| {
        bench.iter(|| {
            key = (key + 7_919) % ROWS;
            assert_eq!(runtime.block_on(run(&mut session, &select, &[Datum::Int(key)])), 1);
        });
    });
    // Before the upserts: they leave versions behind, which every scan of the table reads, too.
    let groups = runtime.block_on(prepare(&mut session, GROUPS));
    group.sample_size(GROUPS_SAMPLES);
    group.bench_function("run: groups of 10,000 rows", |bench| {
        bench.iter(|| assert_eq!(runtime.block_on(run(&mut session, &groups, &[])), 10));
    });
    group.sample_size(SAMPLES);
    let upsert = runtime.block_on(prepare(&mut session, UPSERT));
    group.bench_function("run: upsert", |bench| {
        bench.iter(|| {
            key = (key + 7_919) % ROWS;
            let parameters = [Datum::Int(key), Datum::Text("another value".to_owned())];
            runtime.block_on(run(&mut session, &upsert, &parameters))
        });
    });
    group.finish();
}
