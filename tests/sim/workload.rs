//! Clients: transactions of mixed size over four tables, within one range and over several.
//!
//! ```text
//! accounts   in two tables: transfers between some, sums over all: the sum never changes
//! registers  read, add one, write
//! rows       inserted, read, deleted; scans over parts
//! ```
//!
//! A client runs in the process of its node, through the same traits as SQL, and dies with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::kv::{
    Committed, Database, Direction, Key, KvError, ScanRequest, ScanRows, Span, Transaction,
    TransactionOptions, Write, keyspace,
};
use quorate_raft_groups::client::txn::DistributedDatabase;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::coverage::{Coverage, Point};
use crate::history::{Cell, History, OpId, Outcome, Read};
use crate::network::MachineId;
use crate::sql_history::SqlHistory;

/// Ids of the tables.
pub const TABLES: [u64; 4] = [ACCOUNTS[0], ACCOUNTS[1], REGISTERS, ROWS];
/// Balances.
pub const ACCOUNTS: [u64; 2] = [101, 104];
/// Counters.
pub const REGISTERS: u64 = 102;
/// Rows of any size; clients use the first sixty, and forty from 9000 on.
pub const ROWS: u64 = 103;
const ACCOUNT_COUNT: u64 = 10;
const REGISTER_COUNT: u64 = 6;
const ROW_COUNT: u64 = 60;
/// What each account holds in the beginning.
const BALANCE: i64 = 100;
/// Longest pause of a client between two transactions, in milliseconds, where they are busy.
const THINK_MAX_MS: u64 = 60;
/// The same, where a story needs little more than that there are clients.
const LEISURELY_THINK_MAX_MS: u64 = 1_000;
/// The same, of one that adds to the one register that all work on.
const HOT_THINK_MAX_MS: u64 = 20;
/// The same, of one that reads it now and then.
const SELDOM_THINK_MAX_MS: u64 = 1_000;
/// Rows of a page: small, so that a scan takes several.
const PAGE_ROWS: u64 = 20;
/// Bytes of a page.
const PAGE_BYTES: u64 = 64 << 10;

/// The sum of all balances.
pub const BALANCES: i64 = BALANCE * ACCOUNT_COUNT as i64;

/// Key of a row.
pub fn key(table: u64, row: u64) -> Key {
    let mut bytes = keyspace::table_prefix(table).bytes().to_vec();
    bytes.extend_from_slice(format!("{row:04}").as_bytes());
    Key::from(bytes)
}

/// Key of an account: even ones are in the first table, odd ones in the second.
fn account(number: u64) -> Key {
    let [even, odd] = ACCOUNTS;
    key(if number.is_multiple_of(2) { even } else { odd }, number)
}

/// The register that [`Mix::OneRegister`] is about.
pub fn one_register() -> Key {
    key(REGISTERS, 0)
}

/// What the clients are busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mix {
    /// All that they can do.
    #[default]
    Everything,
    /// One register: all add to it, apart from those of one machine, which read it now and then.
    OneRegister {
        /// The machine.
        reader: MachineId,
    },
}

impl Mix {
    /// How long a client of a machine may think before what it does next.
    fn think_max_ms(self, machine: MachineId) -> u64 {
        match self {
            Self::Everything => THINK_MAX_MS,
            Self::OneRegister { reader } if reader == machine => SELDOM_THINK_MAX_MS,
            Self::OneRegister { .. } => HOT_THINK_MAX_MS,
        }
    }

    /// What it does next.
    fn next(self, machine: MachineId, rng: &mut StdRng) -> Kind {
        match self {
            Self::Everything => Kind::any(rng),
            Self::OneRegister { reader } if reader == machine => Kind::Peek,
            Self::OneRegister { .. } => Kind::Add,
        }
    }

    /// A register that is worked on.
    fn register(self, rng: &mut StdRng) -> Key {
        match self {
            Self::Everything => key(REGISTERS, rng.random_range(0..REGISTER_COUNT)),
            Self::OneRegister { .. } => one_register(),
        }
    }
}

/// What the clients of all nodes share.
#[derive(Clone)]
pub struct Workload {
    /// What they did.
    pub history: History,
    /// What clients of SQL did.
    pub sql: SqlHistory,
    /// How often.
    pub coverage: Coverage,
    /// Set when they shall end.
    pub stop: Arc<AtomicBool>,
    /// Clients that run.
    pub running: Arc<AtomicU64>,
    /// Bytes of padding of a row, at most.
    pub padding_max: usize,
    /// Whether they do little.
    pub is_leisurely: Arc<AtomicBool>,
    /// What they do.
    pub mix: Arc<Mutex<Mix>>,
}

impl Workload {
    /// Lets the clients do something else from now on.
    pub fn set_mix(&self, mix: Mix) {
        *self.mix.lock() = mix;
    }

    fn mix(&self) -> Mix {
        *self.mix.lock()
    }
}

/// Counts a client as long as it runs.
pub struct Running(pub Arc<AtomicU64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Transfer,
    /// A transfer, a register and rows at once.
    Mixed,
    Sum,
    Add,
    Peek,
    Insert,
    Delete,
    Scan,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Mixed => "mixed",
            Self::Sum => "sum",
            Self::Add => "add",
            Self::Peek => "peek",
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Scan => "scan",
        }
    }

    fn is_read_only(self) -> bool {
        match self {
            Self::Sum | Self::Peek | Self::Scan => true,
            Self::Transfer | Self::Mixed | Self::Add | Self::Insert | Self::Delete => false,
        }
    }

    fn any(rng: &mut StdRng) -> Self {
        match rng.random_range(0..100) {
            0..18 => Self::Transfer,
            18..25 => Self::Mixed,
            25..33 => Self::Sum,
            33..55 => Self::Add,
            55..65 => Self::Peek,
            65..83 => Self::Insert,
            83..90 => Self::Delete,
            _ => Self::Scan,
        }
    }
}

/// A client of one node.
pub struct Client {
    /// What it shares with others.
    pub workload: Workload,
    /// Where its node runs.
    pub machine: MachineId,
    /// The database as seen from there.
    pub database: DistributedDatabase,
    /// What it does next.
    pub rng: StdRng,
}

/// A transaction that writes down what it sees.
struct Recorded<'a> {
    workload: &'a Workload,
    id: OpId,
    transaction: Box<dyn Transaction>,
}

impl Client {
    /// Runs until the clients shall end.
    pub async fn run(mut self) {
        self.workload.running.fetch_add(1, Ordering::Relaxed);
        let _running = Running(Arc::clone(&self.workload.running));
        while !self.workload.stop.load(Ordering::Relaxed) {
            let mix = self.workload.mix();
            let is_leisurely = self.workload.is_leisurely.load(Ordering::Relaxed);
            let think_max =
                if is_leisurely { LEISURELY_THINK_MAX_MS } else { mix.think_max_ms(self.machine) };
            let think = self.rng.random_range(0..=think_max);
            tokio::time::sleep(Duration::from_millis(think)).await;
            let kind = self.workload.mix().next(self.machine, &mut self.rng);
            self.once(kind).await;
        }
    }

    async fn once(&mut self, kind: Kind) {
        let id = self.workload.history.invoke(self.machine, kind.name());
        let result = self.attempt(id, kind).await;
        let coverage = &self.workload.coverage;
        let outcome = match result {
            Ok(committed) => {
                coverage.hit(Point::Committed);
                if matches!(kind, Kind::Mixed) {
                    coverage.hit(Point::SeveralRanges);
                }
                Outcome::Committed(committed.timestamp)
            }
            Err(error) if error.is_ambiguous() => {
                coverage.hit(Point::Ambiguous);
                Outcome::Unknown(error.to_string())
            }
            Err(error) => {
                match &error {
                    KvError::Retry { .. } => coverage.hit(Point::Retry),
                    KvError::ConditionFailed { .. } => coverage.hit(Point::ConditionFailed),
                    KvError::Unavailable { .. } => coverage.hit(Point::Unavailable),
                    KvError::Ambiguous { .. }
                    | KvError::Clock { .. }
                    | KvError::Unsupported(_)
                    | KvError::TooLarge { .. }
                    | KvError::NoRange { .. }
                    | KvError::Program(_)
                    | KvError::Storage(_) => {}
                }
                Outcome::Failed(error.to_string())
            }
        };
        self.workload.history.answer(id, outcome);
    }

    async fn attempt(&mut self, id: OpId, kind: Kind) -> Result<Committed, KvError> {
        let options = TransactionOptions { read_only: kind.is_read_only(), ..TransactionOptions::default() };
        let transaction = self.database.begin(options).await?;
        let mut recorded = Recorded { workload: &self.workload, id, transaction };
        let (rng, padding_max) = (&mut self.rng, self.workload.padding_max);
        let mix = self.workload.mix();
        match kind {
            Kind::Transfer => transfer(&mut recorded, rng).await?,
            Kind::Mixed => {
                transfer(&mut recorded, rng).await?;
                add(&mut recorded, rng, mix).await?;
                insert(&mut recorded, rng, padding_max)?;
            }
            Kind::Sum => {
                for table in ACCOUNTS {
                    drop(recorded.scan(keyspace::table_span(table), rng).await?);
                }
            }
            Kind::Add => add(&mut recorded, rng, mix).await?,
            Kind::Peek => {
                let keys = (0..rng.random_range(1..=3)).map(|_| mix.register(rng)).collect();
                recorded.get(keys).await?;
            }
            Kind::Insert => insert(&mut recorded, rng, padding_max)?,
            Kind::Delete => delete(&mut recorded, rng).await?,
            Kind::Scan => {
                let start = rng.random_range(0..ROW_COUNT);
                let end = rng.random_range(start..=ROW_COUNT);
                drop(recorded.scan(Span::new(key(ROWS, start), key(ROWS, end)), rng).await?);
            }
        }
        recorded.transaction.commit(None).await
    }
}

async fn transfer(recorded: &mut Recorded<'_>, rng: &mut StdRng) -> Result<(), KvError> {
    let count = rng.random_range(2..=4);
    let mut rows: Vec<u64> = (0..count).map(|_| rng.random_range(0..ACCOUNT_COUNT)).collect();
    rows.sort_unstable();
    rows.dedup();
    let keys: Vec<Key> = rows.into_iter().map(account).collect();
    let found = recorded.get(keys.clone()).await?;
    let amount = rng.random_range(1..=10);
    // From the last to the first.
    let last = keys.len() - 1;
    for (at, (key, cell)) in keys.into_iter().zip(found).enumerate() {
        let Some(Cell { number, .. }) = cell else { return Ok(()) };
        let change = i64::from(at == 0) * amount - i64::from(at == last) * amount;
        recorded.put(key, number + change, 0)?;
    }
    Ok(())
}

async fn add(recorded: &mut Recorded<'_>, rng: &mut StdRng, mix: Mix) -> Result<(), KvError> {
    let keys = vec![mix.register(rng)];
    let found = recorded.get(keys.clone()).await?;
    for (key, cell) in keys.into_iter().zip(found) {
        recorded.put(key, cell.map_or(0, |cell| cell.number) + 1, 0)?;
    }
    Ok(())
}

fn insert(recorded: &mut Recorded<'_>, rng: &mut StdRng, padding_max: usize) -> Result<(), KvError> {
    let first = rng.random_range(0..ROW_COUNT);
    let is_strict = rng.random_ratio(1, 4);
    for row in (first..ROW_COUNT).take(rng.random_range(1..=24)) {
        let padding = rng.random_range(0..=padding_max);
        let (key, cell) = (key(ROWS, row), Cell { writer: recorded.id, number: 0 });
        recorded.note_write(&key, Some(cell));
        let value = cell.encode(padding);
        let write = if is_strict { Write::insert(key, value) } else { Write::put(key, value) };
        recorded.transaction.write(write)?;
    }
    Ok(())
}

async fn delete(recorded: &mut Recorded<'_>, rng: &mut StdRng) -> Result<(), KvError> {
    let first = rng.random_range(0..ROW_COUNT);
    let last = (first + rng.random_range(1..=6)).min(ROW_COUNT);
    let rows = recorded.scan(Span::new(key(ROWS, first), key(ROWS, last)), rng).await?;
    for (key, _) in rows {
        recorded.note_write(&key, None);
        recorded.transaction.write(Write::delete(key))?;
    }
    // A deletion does not name its writer: this row says at which time it was.
    let marker = key(ROWS, 9_000 + recorded.id % 40);
    recorded.put(marker, 0, 0)
}

impl Recorded<'_> {
    async fn get(&mut self, keys: Vec<Key>) -> Result<Vec<Option<Cell>>, KvError> {
        let values = self.transaction.get_many(keys.clone()).await?;
        let found: Vec<Option<Cell>> =
            values.iter().map(|value| value.as_ref().and_then(|value| Cell::decode(value))).collect();
        let read_at = self.transaction.read_timestamp();
        self.workload.history.update(self.id, |op| {
            op.read_at = Some(read_at);
            let reads = keys.into_iter().zip(&found);
            op.reads.extend(reads.map(|(key, found)| Read::Point { key, found: *found }));
        });
        Ok(found)
    }

    /// Reads a span, page by page, in either direction.
    async fn scan(&mut self, span: Span, rng: &mut StdRng) -> Result<Vec<(Key, Cell)>, KvError> {
        let direction = if rng.random_ratio(1, 4) { Direction::Reverse } else { Direction::Forward };
        let mut rows = Vec::new();
        let mut next = Some(span.clone());
        while let Some(span) = next.filter(|span| !span.is_empty()) {
            let request =
                ScanRequest { span, direction, program: None, rows_max: PAGE_ROWS, bytes_max: PAGE_BYTES };
            let page = self.transaction.scan(request).await?;
            next = page.resume;
            let ScanRows::Pairs(pairs) = page.rows else {
                return Err(KvError::Unsupported("a scan without program gives pairs".to_owned()));
            };
            rows.extend(pairs.into_iter().filter_map(|(key, value)| Some((key, Cell::decode(&value)?))));
        }
        rows.sort_unstable();
        let read_at = self.transaction.read_timestamp();
        let seen = rows.clone();
        self.workload.history.update(self.id, |op| {
            op.read_at = Some(read_at);
            op.reads.push(Read::Scan { span, rows: seen });
        });
        Ok(rows)
    }

    fn put(&mut self, key: Key, number: i64, padding: usize) -> Result<(), KvError> {
        let cell = Cell { writer: self.id, number };
        self.note_write(&key, Some(cell));
        self.transaction.write(Write::put(key, cell.encode(padding)))
    }

    fn note_write(&self, key: &Key, cell: Option<Cell>) {
        self.workload.history.update(self.id, |op| op.writes.push((key.clone(), cell)));
    }
}

/// Fills accounts and registers; repeated until it is known to have worked.
///
/// # Errors
/// Why not, this time.
pub async fn fill(
    workload: &Workload,
    machine: MachineId,
    database: &DistributedDatabase,
) -> Result<(), KvError> {
    let accounts: Vec<Key> = (0..ACCOUNT_COUNT).map(account).collect();
    let registers: Vec<Key> = (0..REGISTER_COUNT).map(|row| key(REGISTERS, row)).collect();
    for (keys, number) in [(accounts, BALANCE), (registers, 0)] {
        put_all(workload, machine, database, (keys, number, 0)).await?;
    }
    Ok(())
}

/// One transaction that writes a number, with so many bytes of padding, to all these keys, without reading any.
///
/// # Errors
/// Why it did not commit, or may not have.
pub async fn put_all(
    workload: &Workload,
    machine: MachineId,
    database: &DistributedDatabase,
    (keys, number, padding): (Vec<Key>, i64, usize),
) -> Result<(), KvError> {
    let id = workload.history.invoke(machine, "fill");
    let result = async {
        let transaction = database.begin(TransactionOptions::default()).await?;
        let mut recorded = Recorded { workload, id, transaction };
        keys.into_iter().try_for_each(|key| recorded.put(key, number, padding))?;
        recorded.transaction.commit(None).await
    };
    answer(workload, id, result.await).map(drop)
}

/// One transaction that reads these keys.
///
/// # Errors
/// Why it could not.
pub async fn read_all(
    workload: &Workload,
    machine: MachineId,
    database: &DistributedDatabase,
    keys: Vec<Key>,
) -> Result<(), KvError> {
    let id = workload.history.invoke(machine, "read");
    let result = async {
        let transaction = database.begin(TransactionOptions::reading()).await?;
        let mut recorded = Recorded { workload, id, transaction };
        recorded.get(keys).await?;
        recorded.transaction.commit(None).await
    };
    answer(workload, id, result.await).map(drop)
}

/// Writes down how an operation ended.
fn answer(workload: &Workload, id: OpId, result: Result<Committed, KvError>) -> Result<Committed, KvError> {
    let outcome = match &result {
        Ok(committed) => Outcome::Committed(committed.timestamp),
        Err(error) if error.is_ambiguous() => Outcome::Unknown(error.to_string()),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    workload.history.answer(id, outcome);
    result
}
