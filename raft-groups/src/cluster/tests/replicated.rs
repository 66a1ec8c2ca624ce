//! The whole, in real time: three nodes with real, replicated ranges; reads and writes from everywhere, a leader killed,
//! all restarted.

use super::*;
use crate::client::router::RouterCounts;
use quorate_placement::topology::RangeId;

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

pub(super) struct Cluster {
    pub(super) net: Net,
    disks: Vec<Arc<MemoryStore>>,
}

impl Cluster {
    async fn init() -> Self {
        Self::init_in(Net::new()).await
    }

    pub(super) async fn init_in(net: Net) -> Self {
        let net = Net { real: true, ..net };
        let cluster = Self { net, disks: (0..3).map(|_| Arc::new(MemoryStore::new())).collect() };
        for at in 0..3 {
            cluster.start(at).await;
        }
        cluster.node(0).init().await.unwrap();
        for at in 0..3 {
            let member = tokio::time::timeout(DEADLINE, cluster.node(at).wait_for_member()).await;
            assert!(member.unwrap().is_some());
        }
        cluster
    }

    pub(super) async fn start(&self, at: usize) {
        self.net.process(NAMES[at], &self.disks[at]).await;
    }

    pub(super) async fn try_start(&self, at: usize) -> Result<Arc<ClusterNode>, ClusterError> {
        self.net.try_process_at(NAMES[at], &self.disks[at], Arc::new(refusal::NoHome)).await
    }

    pub(super) async fn kill(&self, at: usize) {
        self.net.kill(NAMES[at]);
        let store = self.net.stores.lock().remove(&NodeId(at as u64 + 1)).unwrap();
        store.shutdown().await;
    }

    pub(super) fn node(&self, at: usize) -> Arc<ClusterNode> {
        self.net.switchboard.nodes.lock().get(&address(NAMES[at])).unwrap().clone()
    }

    pub(super) fn member(&self, at: usize) -> Arc<Member> {
        self.node(at).member().unwrap().clone()
    }
}

/// Tries until it works; a cluster that elects refuses for a while.
pub(super) async fn eventually<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let trying = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(error) => println!("{what}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, trying).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

pub(super) async fn read_all(member: &Member, span: &Span) -> Result<Vec<Key>, quorate_engine::kv::KvError> {
    let mut transaction = member.database().begin(TransactionOptions::reading()).await?;
    let pairs = directory::rows::scan_all(transaction.as_mut(), span.clone()).await?;
    Ok(pairs.into_iter().map(|(key, _)| key).collect())
}

pub(super) fn row(span: &Span, number: u8) -> Key {
    Key::from([span.start.as_ref(), &[number]].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicated_rows_survive_the_leader_and_a_restart_of_all() {
    let cluster = Cluster::init().await;
    let span = table(100);
    let maker = cluster.member(1);
    eventually("create the range", || maker.create_table_range(span.clone())).await;
    for at in 0..3 {
        put(&cluster.member(at), &row(&span, u8::try_from(at).unwrap()), "x").await;
    }
    for at in 0..3 {
        assert_eq!(read_all(&cluster.member(at), &span).await.unwrap().len(), 3, "from node {}", at + 1);
    }
    let sum = |count: fn(&RouterCounts) -> u64| -> u64 {
        (0..3).map(|at| count(&cluster.member(at).router().counts())).sum()
    };
    assert!(sum(|counts| counts.remote_reads) >= 2 && sum(|counts| counts.remote_writes) >= 2);

    let leader = maker.ranges(span.clone()).await.unwrap()[0].leader.unwrap();
    let killed = usize::try_from(leader.0 - 1).unwrap();
    cluster.kill(killed).await;
    let other = cluster.member((killed + 1) % 3);
    let key = row(&span, 3);
    put(&other, &key, "after the leader").await;
    assert_eq!(read_all(&other, &span).await.unwrap().len(), 4);

    cluster.start(killed).await;
    let back = cluster.member(killed);
    let rows = eventually("the node that was away reads", || read_all(&back, &span)).await;
    assert_eq!(rows.len(), 4);

    for at in 0..3 {
        cluster.kill(at).await;
    }
    for at in 0..3 {
        cluster.start(at).await;
    }
    for at in 0..3 {
        let member = cluster.member(at);
        let rows = eventually("read after the restart of all", || read_all(&member, &span)).await;
        assert_eq!(rows.len(), 4, "from node {}", at + 1);
        assert_eq!(member.ranges(span.clone()).await.unwrap()[0].descriptor.range_id, RangeId(2));
    }
}

const ACCOUNTS: u8 = 6;
const OPENING: i64 = 100;

/// Moves one unit between two accounts of different tables; true where it was committed.
async fn transfer(member: &Member, spans: &[Span], round: u64) -> Result<bool, quorate_engine::kv::KvError> {
    let account = |number: u64| {
        let table = usize::try_from(number % spans.len() as u64).unwrap();
        row(&spans[table], u8::try_from(number / spans.len() as u64 % u64::from(ACCOUNTS)).unwrap())
    };
    let (from, to) = (account(round), account(round * 7 + 1));
    if from == to {
        return Ok(false);
    }
    let mut transaction = member.database().begin(TransactionOptions::default()).await?;
    let values = transaction.get_many(vec![from.clone(), to.clone()]).await?;
    for (key, found, change) in [(from, &values[0], -1), (to, &values[1], 1)] {
        let text = (balance(found.as_ref()) + change).to_string();
        transaction.write(Write::put(key, text.into()))?;
    }
    transaction.commit(None).await.map(|_| true)
}

fn balance(value: Option<&Bytes>) -> i64 {
    value.map_or(OPENING, |bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap())
}

/// The sum of all accounts, as one transaction sees it.
async fn sum(member: &Member, spans: &[Span]) -> Result<i64, quorate_engine::kv::KvError> {
    let mut transaction = member.database().begin(TransactionOptions::reading()).await?;
    let mut sum = 0;
    for span in spans {
        let keys = (0..ACCOUNTS).map(|number| row(span, number)).collect();
        sum += transaction.get_many(keys).await?.iter().map(|value| balance(value.as_ref())).sum::<i64>();
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicated_transfers_between_tables_keep_their_sum_while_a_node_dies() {
    let cluster = Cluster::init().await;
    let spans: Vec<_> = (100..103).map(table).collect();
    let maker = cluster.member(0);
    for span in &spans {
        eventually("create the range", || maker.create_table_range(span.clone())).await;
    }
    let total = OPENING * i64::from(ACCOUNTS) * 3;
    let committed = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let workers: Vec<_> = (0..3_u64)
        .map(|number| {
            let (member, spans) = (cluster.member(usize::try_from(number).unwrap()), spans.clone());
            let (committed, stop) = (committed.clone(), stop.clone());
            tokio::spawn(async move {
                let mut round = number;
                while !stop.load(Ordering::SeqCst) {
                    match transfer(&member, &spans, round).await {
                        Ok(done) => committed.fetch_add(u64::from(done), Ordering::SeqCst),
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            0
                        }
                    };
                    round += 3;
                }
            })
        })
        .collect();
    let reaches = async |count: u64| {
        let reached = async {
            while committed.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect("transfers go on");
    };
    reaches(30).await;
    assert_eq!(eventually("read", || sum(&maker, &spans)).await, total);
    cluster.kill(2).await;
    let before = committed.load(Ordering::SeqCst);
    reaches(before + 30).await;
    assert_eq!(eventually("read without a node", || sum(&maker, &spans)).await, total);
    cluster.start(2).await;
    let before = committed.load(Ordering::SeqCst);
    reaches(before + 30).await;
    stop.store(true, Ordering::SeqCst);
    for worker in workers {
        tokio::time::timeout(DEADLINE, worker).await.expect("every transfer ends").unwrap();
    }
    for at in 0..3 {
        let member = cluster.member(at);
        assert_eq!(eventually("read from everywhere", || sum(&member, &spans)).await, total);
    }
}
