//! The six core workloads of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", 2010) on a table of ten
//! fields of 100 characters. Every field that is written is known to the ledger, and checked at the end.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio_postgres::{Client, Row, Statement};

use crate::driver::Worker;
use crate::error::{BenchError, Fate, OpError};
use crate::keys::{Zipf, client_rng, scatter};
use crate::ledger::{Ledger, Wrong};
use crate::systems::sql::SqlSystem;
use crate::values;

/// Fields of a record.
const FIELDS: u64 = 10;
/// Characters of a field.
const FIELD_BYTES: usize = 100;
/// Most records of one scan.
const SCAN_ROWS_MAX: i64 = 100;
/// Records of one INSERT while loading.
const LOAD_ROWS: u64 = 100;
/// Wrong fields whose words are kept.
const WRONGS_KEPT_MAX: usize = 5;

/// The kinds of operations, in the order of their positions.
pub const OPS: [&str; 5] = ["read", "update", "insert", "scan", "read-modify-write"];
const READ: usize = 0;
const UPDATE: usize = 1;
const INSERT: usize = 2;
const SCAN: usize = 3;
const MODIFY: usize = 4;

/// Which mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Half reads, half updates.
    A,
    /// Reads, with updates of one in twenty.
    B,
    /// Reads alone.
    C,
    /// Reads of the latest, with inserts of one in twenty.
    D,
    /// Short scans, with inserts of one in twenty.
    E,
    /// Half reads, half reads followed by a write of the same record.
    F,
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "a" | "A" => Ok(Self::A),
            "b" | "B" => Ok(Self::B),
            "c" | "C" => Ok(Self::C),
            "d" | "D" => Ok(Self::D),
            "e" | "E" => Ok(Self::E),
            "f" | "F" => Ok(Self::F),
            _ => Err("write a letter from a to f".to_owned()),
        }
    }
}

impl Mix {
    /// Its letter.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
            Self::E => "e",
            Self::F => "f",
        }
    }

    /// The operation for a number from 0 to 99.
    fn op(self, percent: u32) -> usize {
        let is_half = percent < 50;
        let is_rare = percent < 5;
        match self {
            Self::A => {
                if is_half {
                    READ
                } else {
                    UPDATE
                }
            }
            Self::B => {
                if is_rare {
                    UPDATE
                } else {
                    READ
                }
            }
            Self::C => READ,
            Self::D => {
                if is_rare {
                    INSERT
                } else {
                    READ
                }
            }
            Self::E => {
                if is_rare {
                    INSERT
                } else {
                    SCAN
                }
            }
            Self::F => {
                if is_half {
                    READ
                } else {
                    MODIFY
                }
            }
        }
    }
}

/// The records of a run.
#[derive(Debug)]
pub struct Ycsb {
    loaded: u64,
    zipf: Zipf,
    ledger: Ledger,
    /// Number of the next record to be inserted.
    next: AtomicU64,
    /// Records up to before this one are there, apart from those whose insert failed.
    inserted: AtomicU64,
    wrongs: AtomicU64,
    words: Mutex<Vec<String>>,
}

fn name(record: u64) -> String {
    format!("user{:020}", scatter(record))
}

fn columns() -> String {
    (0..FIELDS).map(|field| format!("field{field}")).collect::<Vec<_>>().join(", ")
}

impl Ycsb {
    /// Makes and fills the table; `inserts_max` more records can be inserted.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn create(sql: &SqlSystem, records: u64, inserts_max: u64) -> Result<Arc<Self>, BenchError> {
        let fields = (0..FIELDS).map(|field| format!("field{field} TEXT")).collect::<Vec<_>>().join(", ");
        sql.run(&format!(
            "DROP TABLE IF EXISTS bench_ycsb; CREATE TABLE bench_ycsb (ycsb_key TEXT PRIMARY KEY, {fields})"
        ))
        .await?;
        let places = usize::try_from((records + inserts_max) * FIELDS).unwrap_or(usize::MAX);
        let ycsb = Arc::new(Self {
            loaded: records,
            zipf: Zipf::new(records),
            ledger: Ledger::new(places),
            next: AtomicU64::new(records),
            inserted: AtomicU64::new(records),
            wrongs: AtomicU64::new(0),
            words: Mutex::default(),
        });
        ycsb.load(sql).await?;
        Ok(ycsb)
    }

    async fn load(&self, sql: &SqlSystem) -> Result<(), BenchError> {
        let client = sql.connect(0).await?;
        let mut first = 0;
        while first < self.loaded {
            let numbers = first..self.loaded.min(first + LOAD_ROWS);
            let stamps: Vec<_> = numbers.clone().map(|record| (record, self.begin_record(record))).collect();
            let rows: Vec<String> = stamps.iter().map(|(record, stamps)| literal(*record, stamps)).collect();
            let statement = format!("INSERT INTO bench_ycsb VALUES {}", rows.join(", "));
            client.batch_execute(&statement).await.map_err(|error| sql.error("loading records", &error))?;
            stamps.iter().for_each(|(record, stamps)| self.acknowledge_record(*record, stamps));
            first += LOAD_ROWS;
        }
        Ok(())
    }

    fn begin_record(&self, record: u64) -> Vec<u64> {
        (0..FIELDS).map(|field| self.ledger.begin(record * FIELDS + field)).collect()
    }

    fn acknowledge_record(&self, record: u64, stamps: &[u64]) {
        for (field, stamp) in (0..FIELDS).zip(stamps) {
            self.ledger.acknowledge(record * FIELDS + field, *stamp);
        }
    }

    fn note(&self, wrong: &Wrong) {
        self.wrongs.fetch_add(1, Ordering::Relaxed);
        let mut words = self.words.lock();
        if words.len() < WRONGS_KEPT_MAX {
            words.push(wrong.to_string());
        }
    }

    /// A client.
    ///
    /// # Errors
    /// It cannot connect.
    pub async fn worker(
        self: &Arc<Self>,
        sql: &SqlSystem,
        (mix, number, seed): (Mix, usize, u64),
    ) -> Result<Box<dyn Worker>, BenchError> {
        let client = sql.connect(number).await?;
        let statements = Statements::prepare(&client).await;
        let statements = statements.map_err(|error| sql.error("preparing statements", &error))?;
        Ok(Box::new(YcsbWorker {
            client,
            statements,
            ycsb: Arc::clone(self),
            mix,
            rng: client_rng(seed, number),
        }))
    }

    /// Reads all records and checks each field; words of what is wrong.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn verify(&self, sql: &SqlSystem) -> Result<Vec<String>, BenchError> {
        let client = sql.connect(0).await?;
        let failed = |error| sql.error("reading records back", &error);
        let read = Statements::prepare(&client).await.map_err(failed)?.read;
        for record in 0..self.next.load(Ordering::SeqCst) {
            let views: Vec<_> =
                (0..FIELDS).map(|field| self.ledger.before_read(record * FIELDS + field)).collect();
            let row = client.query_opt(&read, &[&name(record)]).await.map_err(failed)?;
            for (field, view) in (0..FIELDS).zip(&views) {
                let value = row.as_ref().and_then(|row| field_of(row, field));
                if let Err(wrong) = self.ledger.check(record * FIELDS + field, view, value) {
                    self.note(&wrong);
                }
            }
        }
        let count = self.wrongs.load(Ordering::Relaxed);
        let words = self.words.lock().clone();
        Ok(if count == 0 {
            Vec::new()
        } else {
            std::iter::once(format!("{count} fields are wrong")).chain(words).collect()
        })
    }
}

/// A record as a row of VALUES.
fn literal(record: u64, stamps: &[u64]) -> String {
    let fields: Vec<String> = (0..FIELDS)
        .zip(stamps)
        .map(|(field, stamp)| format!("'{}'", values::make(record * FIELDS + field, *stamp, FIELD_BYTES)))
        .collect();
    format!("('{}', {})", name(record), fields.join(", "))
}

/// A field of a row of [`Statements::read`].
fn field_of(row: &Row, field: u64) -> Option<&str> {
    row.try_get(usize::try_from(field).ok()?).ok()
}

struct Statements {
    read: Statement,
    scan: Statement,
    updates: Vec<Statement>,
    insert: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let columns = columns();
        let mut updates = Vec::new();
        for field in 0..FIELDS {
            let text = format!("UPDATE bench_ycsb SET field{field} = $2 WHERE ycsb_key = $1");
            updates.push(client.prepare(&text).await?);
        }
        let places: Vec<String> = (1..=FIELDS + 1).map(|place| format!("${place}")).collect();
        let scan =
            format!("SELECT {columns} FROM bench_ycsb WHERE ycsb_key >= $1 ORDER BY ycsb_key LIMIT $2");
        Ok(Self {
            read: client.prepare(&format!("SELECT {columns} FROM bench_ycsb WHERE ycsb_key = $1")).await?,
            scan: client.prepare(&scan).await?,
            updates,
            insert: client.prepare(&format!("INSERT INTO bench_ycsb VALUES ({})", places.join(", "))).await?,
        })
    }
}

struct YcsbWorker {
    client: Client,
    statements: Statements,
    ycsb: Arc<Ycsb>,
    mix: Mix,
    rng: SmallRng,
}

impl YcsbWorker {
    /// A record that is there: skewed over those loaded, or towards the latest.
    fn record(&mut self) -> u64 {
        let rank = self.ycsb.zipf.next(&mut self.rng);
        match self.mix {
            Mix::D => self.ycsb.inserted.load(Ordering::SeqCst).saturating_sub(rank + 1),
            Mix::A | Mix::B | Mix::C | Mix::E | Mix::F => scatter(rank) % self.ycsb.loaded.max(1),
        }
    }

    async fn read(&mut self, record: u64) -> Result<(), OpError> {
        let field = self.rng.random_range(0..FIELDS);
        let key = record * FIELDS + field;
        let view = self.ycsb.ledger.before_read(key);
        let row = self.client.query_opt(&self.statements.read, &[&name(record)]).await?;
        let value = row.as_ref().and_then(|row| field_of(row, field));
        if let Err(wrong) = self.ycsb.ledger.check(key, &view, value) {
            self.ycsb.note(&wrong);
        }
        Ok(())
    }

    async fn update(&mut self, record: u64) -> Result<(), OpError> {
        let field = self.rng.random_range(0..FIELDS);
        let key = record * FIELDS + field;
        let Some(statement) =
            usize::try_from(field).ok().and_then(|field| self.statements.updates.get(field))
        else {
            return Err(OpError::refused("no such field"));
        };
        let stamp = self.ycsb.ledger.begin(key);
        let value = values::make(key, stamp, FIELD_BYTES);
        match self.client.execute(statement, &[&name(record), &value]).await.map_err(OpError::from) {
            Ok(_) => self.ycsb.ledger.acknowledge(key, stamp),
            Err(error) => {
                if error.fate != Fate::Unknown {
                    self.ycsb.ledger.forget(key, stamp);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn insert(&mut self) -> Result<(), OpError> {
        let record = self.ycsb.next.fetch_add(1, Ordering::SeqCst);
        if record * FIELDS >= self.ycsb.ledger.len() {
            self.ycsb.next.fetch_sub(1, Ordering::SeqCst);
            return Err(OpError::refused("there is no room for more records: give a larger --keys"));
        }
        let stamps = self.ycsb.begin_record(record);
        let mut values: Vec<String> = vec![name(record)];
        values.extend(
            (0..FIELDS)
                .zip(&stamps)
                .map(|(field, stamp)| values::make(record * FIELDS + field, *stamp, FIELD_BYTES)),
        );
        let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            values.iter().map(|value| value as _).collect();
        self.client.execute(&self.statements.insert, &parameters).await?;
        self.ycsb.acknowledge_record(record, &stamps);
        self.ycsb.inserted.fetch_max(record + 1, Ordering::SeqCst);
        Ok(())
    }

    async fn scan(&mut self, record: u64) -> Result<(), OpError> {
        let rows_max = self.rng.random_range(1..=SCAN_ROWS_MAX);
        let rows = self.client.query(&self.statements.scan, &[&name(record), &rows_max]).await?;
        for row in &rows {
            let value = field_of(row, 0).unwrap_or_default();
            if values::read(value).is_none() {
                self.ycsb.note(&Wrong::Foreign { key: record * FIELDS, found: value.to_owned() });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Worker for YcsbWorker {
    async fn step(&mut self) -> Result<usize, OpError> {
        let op = self.mix.op(self.rng.random_range(0..100));
        if op == INSERT {
            return self.insert().await.map(|()| op);
        }
        let record = self.record();
        match op {
            UPDATE => self.update(record).await?,
            SCAN => self.scan(record).await?,
            MODIFY => {
                self.read(record).await?;
                self.update(record).await?;
            }
            _ => self.read(record).await?,
        }
        Ok(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_have_the_shares_of_the_paper() {
        let share = |mix: Mix, op| (0..100).filter(|percent| mix.op(*percent) == op).count();
        assert_eq!((share(Mix::A, READ), share(Mix::A, UPDATE)), (50, 50));
        assert_eq!((share(Mix::B, READ), share(Mix::B, UPDATE)), (95, 5));
        assert_eq!(share(Mix::C, READ), 100);
        assert_eq!((share(Mix::D, READ), share(Mix::D, INSERT)), (95, 5));
        assert_eq!((share(Mix::E, SCAN), share(Mix::E, INSERT)), (95, 5));
        assert_eq!((share(Mix::F, READ), share(Mix::F, MODIFY)), (50, 50));
    }
}
