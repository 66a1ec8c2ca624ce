//! Transactions over several tables, each in a range of its own: money is moved between them while processes die, and
//! everybody sees all of a transaction or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::support::{Cluster, DEADLINE, rows_of};

const TABLES: usize = 3;
const ACCOUNTS: usize = 8;
const OPENING: i64 = 1_000;

/// How long a reader may wait for a transaction whose coordinator has died: its expiry, a push and an election.
const RECOVERY_MAX: Duration = Duration::from_secs(6);

async fn create_bank(client: &Client) {
    for table in 0..TABLES {
        let create = format!("CREATE TABLE bank{table} (id INT8 PRIMARY KEY, balance INT8 NOT NULL)");
        client.simple_query(&create).await.expect("create");
        let rows: Vec<_> = (0..ACCOUNTS).map(|id| format!("({id}, {OPENING})")).collect();
        let insert = format!("INSERT INTO bank{table} VALUES {}", rows.join(", "));
        client.simple_query(&insert).await.expect("insert");
    }
}

/// Moves one unit between two tables; an error leaves the session outside of a transaction.
async fn transfer(client: &Client, round: u64) -> Result<(), tokio_postgres::Error> {
    let round = usize::try_from(round).expect("a small number");
    let (from, to) = (round % TABLES, (round + 1) % TABLES);
    let id = round / TABLES % ACCOUNTS;
    let moved = async {
        client.simple_query("BEGIN").await?;
        let (take, give) = (
            format!("UPDATE bank{from} SET balance = balance - 1 WHERE id = {id}"),
            format!("UPDATE bank{to} SET balance = balance + 1 WHERE id = {}", (id + 3) % ACCOUNTS),
        );
        client.simple_query(&take).await?;
        client.simple_query(&give).await?;
        client.simple_query("COMMIT").await.map(|_| ())
    };
    let moved = moved.await;
    if moved.is_err() {
        let _ = client.simple_query("ROLLBACK").await;
    }
    moved
}

/// All balances, as of one moment.
async fn balances(client: &Client) -> Result<Vec<i64>, tokio_postgres::Error> {
    let mut found = Vec::new();
    client.simple_query("BEGIN").await?;
    for table in 0..TABLES {
        match client.simple_query(&format!("SELECT balance FROM bank{table} ORDER BY id")).await {
            Ok(rows) => found.extend(rows_of(rows).iter().map(|row| row[0].parse::<i64>().unwrap())),
            Err(error) => {
                let _ = client.simple_query("ROLLBACK").await;
                return Err(error);
            }
        }
    }
    client.simple_query("COMMIT").await?;
    Ok(found)
}

/// All balances, as soon as somebody can tell.
async fn await_balances(client: &Client) -> Vec<i64> {
    let begun = Instant::now();
    loop {
        match balances(client).await {
            Ok(found) => return found,
            Err(error) => assert!(begun.elapsed() < DEADLINE, "no answer: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Mover {
    committed: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Mover {
    /// Transfers until it is told to stop, or its node is gone.
    fn start(client: Client, first: u64, stop: &Arc<AtomicBool>) -> Self {
        let committed = Arc::new(AtomicU64::new(0));
        let (counted, stop) = (Arc::clone(&committed), Arc::clone(stop));
        let task = tokio::spawn(async move {
            let mut round = first;
            while !stop.load(Ordering::SeqCst) && !client.is_closed() {
                if transfer(&client, round).await.is_ok() {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                round += 1;
            }
        });
        Self { committed, task }
    }

    async fn advance(&self, count: u64) {
        let wanted = self.committed.load(Ordering::SeqCst) + count;
        let reached = async {
            while self.committed.load(Ordering::SeqCst) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect("transfers go on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_between_tables_keep_their_sum_while_nodes_are_killed() {
    let mut cluster = Cluster::running();
    create_bank(&cluster.nodes[0].connect().await).await;
    let total = OPENING * (TABLES * ACCOUNTS) as i64;
    for victim in [1, 2, 0] {
        let stop = Arc::new(AtomicBool::new(false));
        let mut movers = Vec::new();
        for (node, first) in cluster.nodes.iter().zip([0, 1_000, 2_005]) {
            movers.push(Mover::start(node.connect().await, first, &stop));
        }
        for mover in &movers {
            mover.advance(5).await;
        }
        cluster.nodes[victim].kill();
        let witness = cluster.nodes[(victim + 1) % 3].connect().await;
        for (number, mover) in movers.iter().enumerate() {
            if number != victim {
                mover.advance(10).await;
            }
            assert_eq!(await_balances(&witness).await.iter().sum::<i64>(), total);
        }
        stop.store(true, Ordering::SeqCst);
        for mover in movers {
            tokio::time::timeout(DEADLINE, mover.task).await.expect("each transfer ends").unwrap();
        }
        cluster.nodes[victim].start();
        cluster.await_ready();
        for node in &cluster.nodes {
            assert_eq!(await_balances(&node.connect().await).await.iter().sum::<i64>(), total);
        }
    }
}

/// What readers see after the coordinator has died at a point.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Nothing,
    All,
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_whose_coordinator_dies_is_all_or_nothing() {
    let mut cluster = Cluster::running();
    create_bank(&cluster.nodes[0].connect().await).await;
    let mut wanted = vec![OPENING; TABLES * ACCOUNTS];
    let points = [
        ("txn-before-record", Fate::Nothing),
        ("txn-after-record", Fate::All),
        ("txn-before-resolve", Fate::All),
    ];
    for (victim, (point, fate)) in points.into_iter().enumerate() {
        cluster.nodes[victim].kill();
        cluster.nodes[victim].start_with(&[("QUORATE_ABORT_AT", point)]);
        cluster.await_ready();
        let client = cluster.nodes[victim].connect().await;
        let (from, to) = (victim % TABLES, (victim + 1) % TABLES);
        // Several statements, so that it has read and written in several ranges; the process ends in COMMIT.
        client.simple_query("BEGIN").await.expect("begin");
        for (table, change) in [(from, "- 7"), (to, "+ 7")] {
            let update = format!("UPDATE bank{table} SET balance = balance {change} WHERE id = 1");
            client.simple_query(&update).await.expect("update");
        }
        let answered = client.simple_query("COMMIT").await.is_ok();
        cluster.nodes[victim].await_end();
        let ended = Instant::now();
        assert!(fate == Fate::All || !answered, "{point}: nothing was decided that could be answered");
        if fate == Fate::All {
            wanted[from * ACCOUNTS + 1] -= 7;
            wanted[to * ACCOUNTS + 1] += 7;
        }
        let reader = cluster.nodes[(victim + 1) % 3].connect().await;
        assert_eq!(await_balances(&reader).await, wanted, "{point}");
        let waited = ended.elapsed();
        println!("{point}: readable after {waited:.1?}");
        assert!(waited < RECOVERY_MAX, "{point}: {waited:?}");
        // No row is stuck: what the dead one held can be written, and its node comes back.
        for table in [from, to] {
            let update = format!("UPDATE bank{table} SET balance = balance + 1 WHERE id = 1");
            reader.simple_query(&update).await.expect("update");
            wanted[table * ACCOUNTS + 1] += 1;
        }
        cluster.nodes[victim].start();
        cluster.await_ready();
        for node in &cluster.nodes {
            assert_eq!(await_balances(&node.connect().await).await, wanted, "{point} on n{}", node.number);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_of_many_megabytes_over_tables_commits_as_one() {
    let cluster = Cluster::running();
    let client = cluster.nodes[1].connect().await;
    for table in 0..2 {
        let create = format!("CREATE TABLE large{table} (id INT8 PRIMARY KEY, note TEXT NOT NULL)");
        client.simple_query(&create).await.expect("create");
    }
    let rows = |from: usize| -> String {
        let rows: Vec<_> = (from..from + 12).map(|id| format!("({id}, '{}')", "x".repeat(300_000))).collect();
        rows.join(", ")
    };
    let count = async |client: &Client| {
        let mut counts = Vec::new();
        for table in 0..2 {
            let rows =
                client.simple_query(&format!("SELECT count(*) FROM large{table}")).await.expect("count");
            counts.push(rows_of(rows)[0][0].clone());
        }
        counts
    };
    // 14 MB in four statements: given up first, then committed.
    for (end, counts) in [("ROLLBACK", ["0", "0"]), ("COMMIT", ["24", "24"])] {
        client.simple_query("BEGIN").await.expect("begin");
        for (table, from) in [(0, 0), (1, 0), (0, 12), (1, 12)] {
            let insert = format!("INSERT INTO large{table} VALUES {}", rows(from));
            client.simple_query(&insert).await.expect("insert");
        }
        let begun = Instant::now();
        client.simple_query(end).await.expect(end);
        println!("{end} of 14 MB over two tables took {:.1?}", begun.elapsed());
        for node in &cluster.nodes {
            assert_eq!(count(&node.connect().await).await, counts, "after {end}, from n{}", node.number);
        }
    }
    // One statement larger than a command, outside of BEGIN; an existing key takes all of it back.
    let error = client.simple_query(&format!("INSERT INTO large0 VALUES {}", rows(20))).await.unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("23505"), "{error:?}");
    client.simple_query(&format!("INSERT INTO large0 VALUES {}", rows(24))).await.expect("insert");
    assert_eq!(count(&cluster.nodes[2].connect().await).await, ["36", "24"]);
}
