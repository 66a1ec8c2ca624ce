//! A node in this process: from a commit's proposal to its apply, and a get through router, lease and latches.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use futures::future::join_all;
use quorate_bench::systems::KvClient;
use quorate_bench::systems::embedded::Embedded;
use quorate_bench::values;
use tokio::runtime::Runtime;

const KEYS: u64 = 10_000;

/// Time for so many rounds of one operation each by all clients.
#[expect(clippy::disallowed_methods, reason = "a bench measures by the machine's clock")]
fn timed(runtime: &Runtime, clients: &mut [Box<dyn KvClient>], rounds: u64, is_put: bool) -> Duration {
    let begun = Instant::now();
    runtime.block_on(async {
        let work = clients.iter_mut().zip(0_u64..).map(|(client, number)| async move {
            for round in 0..rounds {
                let key = (round * 7_919 + number * 131) % KEYS;
                if is_put {
                    client.put(key, &values::make(key, round, 256)).await.expect("a put");
                } else {
                    client.get(key).await.expect("a get").expect("a value");
                }
            }
        });
        join_all(work).await;
    });
    begun.elapsed()
}

/// All of this file.
pub fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let node = runtime.block_on(async {
        let node = Embedded::start(folder.path()).await.expect("a node");
        node.create_kv().await.expect("a range");
        let rows: Vec<(u64, String)> = (0..KEYS).map(|key| (key, values::make(key, 0, 256))).collect();
        node.kv_client().load(&rows).await.expect("a load");
        node
    });
    let mut group = criterion.benchmark_group("embedded");
    for count in [1, 64] {
        let mut clients: Vec<Box<dyn KvClient>> = (0..count).map(|_| node.kv_client()).collect();
        group.throughput(Throughput::Elements(count));
        for (name, is_put) in [("put", true), ("get", false)] {
            group.bench_function(BenchmarkId::new(name, count), |bench| {
                bench.iter_custom(|rounds| timed(&runtime, &mut clients, rounds, is_put));
            });
        }
    }
    group.finish();
}
