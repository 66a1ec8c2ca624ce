//! The local database by scripts, under threads, and at the moment of a commit.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command, Context, Runner};

use super::*;
use crate::clock::{ForgetBound, ManualClock};
use crate::kv::{Direction, ScanRows};
use crate::memory::MemoryStore;
use crate::staging::{PinnedView, Staging};
use crate::store::{Family, Positions};
use crate::testing::both::BothStore;
use crate::testing::evaluator::{TextEvaluator, program};
use crate::testing::script::{run_folder, unescape};
use crate::testing::{FaultStore, PowerCutStore};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn database(store: Arc<dyn Store>) -> LocalDatabase {
    LocalDatabase::new(store, Arc::new(HybridClock::system()), Arc::new(TextEvaluator))
}

fn begin(database: &LocalDatabase) -> Box<dyn Transaction> {
    block_on(database.begin(TransactionOptions::default())).unwrap()
}

fn key(text: &str) -> Key {
    Key::from(unescape(text))
}

fn value(text: &str) -> Value {
    Bytes::from(unescape(text))
}

/// Runs scripts; a prefix names the transaction. Each command takes one second of a clock that stands still otherwise.
struct LocalRunner {
    clock: ManualClock,
    transactions: BTreeMap<String, Box<dyn Transaction>>,
    database: LocalDatabase,
    _store: BothStore,
}

impl LocalRunner {
    fn new() -> Self {
        let clock = ManualClock::new(0);
        let hybrid = HybridClock::new(Arc::new(clock.clone()), Box::new(ForgetBound));
        let store = BothStore::new();
        let database = LocalDatabase::new(store.shared(), Arc::new(hybrid), Arc::new(TextEvaluator));
        Self { clock, transactions: BTreeMap::new(), database, _store: store }
    }

    fn run_in(&mut self, name: &str, command: &Command) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        if command.name == "begin" {
            let read_only = args.next_pos() == Some("readonly");
            args.reject_next()?;
            let transaction = block_on(
                self.database.begin(TransactionOptions { read_only, ..TransactionOptions::default() }),
            )?;
            let output = format!("reads at {}", transaction.read_timestamp());
            self.transactions.insert(name.to_owned(), transaction);
            return Ok(output);
        }
        let transaction = self.transactions.get_mut(name).ok_or(format!("no transaction {name}"))?;
        let mut output = String::new();
        match command.name.as_str() {
            "get" => {
                let keys: Vec<Key> = std::iter::from_fn(|| args.next_pos()).map(key).collect();
                for (key, value) in keys.iter().zip(block_on(transaction.get_many(keys.clone()))?) {
                    let value = value.map_or("none".to_owned(), |value| value.escape_ascii().to_string());
                    writeln!(output, "{key} = {value}")?;
                }
            }
            "put" | "insert" => {
                for (at, new) in std::iter::from_fn(|| args.next_key()) {
                    let make = if command.name == "put" { Write::put } else { Write::insert };
                    transaction.write(make(key(at), value(new)))?;
                }
            }
            "delete" => {
                while let Some(at) = args.next_pos() {
                    transaction.write(Write::delete(key(at)))?;
                }
            }
            "scan" => {
                let page = block_on(transaction.scan(request_of(&mut args)?))?;
                show_page(page, &mut output)?;
            }
            "commit" => {
                let deadline = args.take_key("deadline").map(|seconds| seconds.parse::<u64>()).transpose()?;
                let deadline = deadline.map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
                let committed = block_on(transaction.commit(deadline))?;
                writeln!(output, "committed at {}", committed.timestamp)?;
            }
            "rollback" => block_on(transaction.rollback()),
            "buffered" => writeln!(output, "{} bytes", transaction.buffered_bytes())?,
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_next()?;
        Ok(output)
    }
}

fn request_of(args: &mut ArgumentConsumer<'_>) -> Result<ScanRequest, Box<dyn Error>> {
    Ok(ScanRequest {
        direction: match args.take_key("direction") {
            None | Some("forward") => Direction::Forward,
            Some("reverse") => Direction::Reverse,
            Some(other) => return Err(format!("no direction {other}").into()),
        },
        program: args.take_key("program").map(program),
        rows_max: args.take_key("rows").unwrap_or("1000").parse()?,
        bytes_max: args.take_key("bytes").unwrap_or("1000000").parse()?,
        span: Span::new(key(args.next_pos().unwrap_or_default()), key(args.next_pos().unwrap_or_default())),
    })
}

fn show_page(page: ScanPage, output: &mut String) -> Result<(), Box<dyn Error>> {
    match page.rows {
        ScanRows::Pairs(pairs) => {
            pairs.iter().try_for_each(|(key, value)| writeln!(output, "{key} = {}", value.escape_ascii()))?
        }
        ScanRows::Outputs(outputs) => {
            outputs.iter().try_for_each(|bytes| writeln!(output, "put out {}", bytes.escape_ascii()))?;
        }
    }
    let resume = page.resume.map_or("end".to_owned(), |span| format!("[{}, {})", span.start, span.end));
    let (read, returned) = (page.served.rows_read, page.served.rows_returned);
    writeln!(output, "read {read}, returned {returned}, rest {resume}")?;
    Ok(())
}

impl Runner for LocalRunner {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        self.clock.advance(Duration::from_secs(1));
        let name = context.prefix.clone().unwrap_or_default();
        self.run_in(&name, command)
    }
}

#[test]
fn local_scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/local"), LocalRunner::new);
}

/// Moves money between accounts on several threads; the sum never changes, neither in a snapshot nor at the end.
#[test]
fn local_transfers_keep_the_sum() {
    const ACCOUNTS: u64 = 5;
    const EACH: u64 = 100;
    const MOVES: u64 = 60;
    let database = database(Arc::new(MemoryStore::new()));
    let account = |number: u64| Key::from(number.to_be_bytes().as_slice());
    let number =
        |value: Option<Value>| -> u64 { std::str::from_utf8(&value.unwrap()).unwrap().parse().unwrap() };
    let stored = |amount: u64| Bytes::from(amount.to_string());
    let mut setup = begin(&database);
    (0..ACCOUNTS).for_each(|at| setup.write(Write::insert(account(at), stored(EACH))).unwrap());
    block_on(setup.commit(None)).unwrap();

    let transfer = |from: u64, to: u64| -> Result<(), KvError> {
        let mut transaction = begin(&database);
        let found = block_on(transaction.get_many(vec![account(from), account(to)]))?;
        let amounts: Vec<u64> = found.into_iter().map(number).collect();
        if amounts[0] > 0 {
            transaction.write(Write::put(account(from), stored(amounts[0] - 1)))?;
            transaction.write(Write::put(account(to), stored(amounts[1] + 1)))?;
        }
        block_on(transaction.commit(None)).map(|_| ())
    };
    let sum = || -> u64 {
        let mut transaction = block_on(database.begin(TransactionOptions::reading())).unwrap();
        let found = block_on(transaction.get_many((0..ACCOUNTS).map(account).collect())).unwrap();
        found.into_iter().map(number).sum()
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..MOVES {
                    let from = (round * 7 + thread) % ACCOUNTS;
                    let to = (from + 1 + round % (ACCOUNTS - 1)) % ACCOUNTS;
                    while let Err(error) = transfer(from, to) {
                        assert!(matches!(error, KvError::Retry { .. }), "{error}");
                    }
                }
            });
        }
        scope.spawn(move || (0..MOVES).for_each(|_| assert_eq!(sum(), ACCOUNTS * EACH)));
    });
    assert_eq!(sum(), ACCOUNTS * EACH);
}

/// A store that runs a hook in the middle of a write.
struct HookStore {
    inner: MemoryStore,
    hook: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Store for HookStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(family, key)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        if let Some(hook) = self.hook.lock().take() {
            hook();
        }
        self.inner.write(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        self.inner.snapshot()
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        self.inner.pin()
    }

    fn staging(&self) -> &dyn Staging {
        self.inner.staging()
    }

    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        self.inner.approximate_bytes(family, start, end)
    }

    fn positions(&self) -> Positions {
        self.inner.positions()
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "begin is synchronous, and its runtime is busy on this thread")]
fn local_begin_during_a_commit_reads_below_it() {
    let store = Arc::new(HookStore { inner: MemoryStore::new(), hook: Mutex::new(None) });
    let database = database(store.clone());
    let early = Arc::new(Mutex::new(None));
    let (slot, other) = (early.clone(), database.clone());
    *store.hook.lock() = Some(Box::new(move || {
        // The test's runtime is busy on this thread: begin never waits, so that one poll is enough.
        let transaction = std::thread::spawn(move || begin(&other)).join().unwrap();
        *slot.lock() = Some(transaction);
    }));
    let mut writer = begin(&database);
    writer.write(Write::put(key("a"), value("1"))).unwrap();
    let committed = block_on(writer.commit(None)).unwrap();
    let mut early = early.lock().take().expect("the hook ran");
    assert!(early.read_timestamp() < committed.timestamp);
    assert_eq!(block_on(early.get_many(vec![key("a")])).unwrap(), vec![None]);
    let mut late = begin(&database);
    assert_eq!(block_on(late.get_many(vec![key("a")])).unwrap(), vec![Some(value("1"))]);
}

#[test]
fn local_store_that_failed_is_not_used_again() {
    let store = Arc::new(FaultStore::failing_at(MemoryStore::new(), 2));
    let database = database(store.clone());
    let put = || {
        let mut transaction = begin(&database);
        transaction.write(Write::put(key("a"), value("1"))).unwrap();
        block_on(transaction.commit(None))
    };
    put().unwrap();
    for _ in 0..2 {
        let error = put().unwrap_err();
        assert!(matches!(error, KvError::Storage(_)), "{error}");
    }
    assert_eq!(store.writes(), 2, "the third commit did not reach the store");
}

#[test]
fn local_commit_is_synced() {
    let store = Arc::new(MemoryStore::new());
    let mut transaction = begin(&database(store.clone()));
    transaction.write(Write::put(key("a"), value("1"))).unwrap();
    block_on(transaction.commit(None)).unwrap();
    assert_eq!(store.syncs(), 1);
}

#[test]
fn local_commits_survive_a_power_cut() {
    let store = Arc::new(PowerCutStore::new());
    let first = database(store.clone());
    for number in ["1", "2", "3"] {
        let mut transaction = begin(&first);
        transaction.write(Write::put(key("a"), value(number))).unwrap();
        transaction.write(Write::put(key(number), value("x"))).unwrap();
        block_on(transaction.commit(None)).unwrap();
    }
    let second = database(Arc::new(store.cut()));
    let found = block_on(begin(&second).get_many(vec![key("a"), key("1"), key("3")])).unwrap();
    assert_eq!(found, vec![Some(value("3")), Some(value("x")), Some(value("x"))]);
    let mut late = begin(&first);
    late.write(Write::put(key("a"), value("4"))).unwrap();
    assert!(matches!(block_on(late.commit(None)), Err(KvError::Storage(_))));
}

/// Others write between the pages of a scan; its pages still add up to one moment.
#[test]
fn local_pages_of_one_scan_show_one_moment() {
    let database = database(Arc::new(MemoryStore::new()));
    let put_all = |new: &str| {
        let mut transaction = begin(&database);
        (b'a'..=b'z').for_each(|at| transaction.write(Write::put(Key::from(vec![at]), value(new))).unwrap());
        block_on(transaction.commit(None)).unwrap();
    };
    put_all("old");
    let mut reader = begin(&database);
    let mut rest = Some(Span::prefix(Key::default()));
    let mut rows = 0;
    while let Some(span) = rest {
        let request =
            ScanRequest { span, direction: Direction::Forward, program: None, rows_max: 5, bytes_max: 1000 };
        let page = block_on(reader.scan(request)).unwrap();
        let ScanRows::Pairs(pairs) = page.rows else { panic!("pairs were asked for") };
        assert!(pairs.iter().all(|(_, found)| *found == value("old")));
        rows += pairs.len();
        rest = page.resume;
        put_all("new");
    }
    assert_eq!(rows, 26);
}
