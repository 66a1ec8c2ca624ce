//! Runs MVCC scripts. Timestamps are plain numbers, transactions small numbers, keys have escapes.

use std::error::Error;
use std::fmt::Write as _;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use uuid::Uuid;

use crate::hlc::Timestamp;
use crate::kv::{Change, ChangesRequest, Direction, Key, Span, Value};
use crate::kv_reads::ReadSpan;
use crate::mvcc::intent::{self, Intent, IntentKind, Laid, TransactionEnd};
use crate::mvcc::record::{self, InFlightWrite, TransactionRecord, TransactionStatus};
use crate::mvcc::{
    self, ChangeWindow, MvccError, MvccScan, PageError, ReadAt, Refreshed, Visits, key_format, stats,
    version_format,
};
use crate::store::{Batch, Family};
use crate::testing::both::{BothStore, show_batch};
use crate::testing::evaluator::{TextEvaluator, program};
use crate::testing::script::unescape;

type Output = Result<String, Box<dyn Error>>;

/// One store, and the commands on it.
pub struct MvccRunner {
    store: BothStore,
}

fn key(word: &str) -> Key {
    Key::from(unescape(word))
}

fn value(word: &str) -> Value {
    Bytes::from(unescape(word))
}

fn timestamp(word: &str) -> Result<Timestamp, Box<dyn Error>> {
    Ok(match word {
        "max" => Timestamp::MAX,
        number => Timestamp::from_raw(number.parse()?),
    })
}

fn show_time(timestamp: Timestamp) -> String {
    if timestamp == Timestamp::MAX { "max".to_owned() } else { timestamp.raw().to_string() }
}

/// What was found, or what was in the way; other errors are the script's.
fn show_error(error: MvccError) -> Output {
    match error {
        MvccError::Uncertain { key, timestamp } => {
            Ok(format!("uncertain: {key} at {}\n", show_time(timestamp)))
        }
        MvccError::Intent { key, intent } => Ok(format!("in the way: {key} {}\n", show_intent(&intent))),
        MvccError::Store(error) => Err(error.into()),
    }
}

fn show_intent(intent: &Intent) -> String {
    let new = match &intent.kind {
        IntentKind::Put(value) => format!("puts {}", value.escape_ascii()),
        IntentKind::Delete => "deletes".to_owned(),
    };
    format!(
        "{new} (transaction {} from {} at {}, attempt {}, sequence {}, reads {}, writes {})",
        intent.transaction.as_u128(),
        show_time(intent.started),
        intent.anchor,
        intent.attempt,
        intent.sequence,
        show_time(intent.read_timestamp),
        show_time(intent.write_timestamp)
    )
}

fn read_at(args: &mut ArgumentConsumer<'_>) -> Result<ReadAt, Box<dyn Error>> {
    let at = timestamp(args.take_key("at").unwrap_or("max"))?;
    let limit = args.take_key("limit").map(timestamp).transpose()?;
    Ok(ReadAt { timestamp: at, uncertainty_limit: limit.unwrap_or(at) })
}

fn number<T: std::str::FromStr>(
    args: &mut ArgumentConsumer<'_>,
    name: &str,
    default: T,
) -> Result<T, Box<dyn Error>>
where
    T::Err: Error + 'static,
{
    Ok(args.take_key(name).map(str::parse).transpose()?.unwrap_or(default))
}

fn next<'a>(args: &mut ArgumentConsumer<'a>, what: &str) -> Result<&'a str, String> {
    args.next_pos().ok_or(format!("{what} is missing"))
}

fn span(args: &mut ArgumentConsumer<'_>) -> Span {
    Span::new(key(args.next_pos().unwrap_or_default()), key(args.next_pos().unwrap_or_default()))
}

impl MvccRunner {
    pub fn new() -> Self {
        Self { store: BothStore::new() }
    }

    fn put(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let (at, when) = (key(next(args, "key")?), timestamp(next(args, "timestamp")?)?);
        let new = args.next_pos().map(value);
        let mut batch = Batch::new();
        mvcc::put(&mut batch, &at, when, new.as_ref());
        self.store.write(batch);
        Ok(String::new())
    }

    fn get(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let at = read_at(args)?;
        let snapshot = self.store.store().snapshot();
        let mut output = String::new();
        while let Some(word) = args.next_pos() {
            output.push_str(&match mvcc::get(snapshot.as_ref(), &key(word), at) {
                Ok(Some(found)) => {
                    format!("{word} = {} at {}\n", found.value.escape_ascii(), show_time(found.timestamp))
                }
                Ok(None) => format!("{word} = none\n"),
                Err(error) => show_error(error)?,
            });
        }
        Ok(output)
    }

    fn scan(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let direction = match args.take_key("direction") {
            None | Some("forward") => Direction::Forward,
            Some("reverse") => Direction::Reverse,
            Some(other) => return Err(format!("no direction {other}").into()),
        };
        let (at, max) = (read_at(args)?, number(args, "max", usize::MAX)?);
        let visits = Visits::new(args.take_key("visits").map_or(Ok(u64::MAX), str::parse)?, u64::MAX);
        let snapshot = self.store.store().snapshot();
        let mut scan = MvccScan::within(snapshot.as_ref(), &span(args), (direction, at), visits);
        let mut output = String::new();
        for _ in 0..max {
            match scan.next() {
                Ok(None) => {
                    match scan.paused() {
                        None => output.push_str("end\n"),
                        Some(last) => writeln!(output, "paused after {last}")?,
                    }
                    break;
                }
                Ok(Some((key, timestamp, value))) => {
                    writeln!(output, "{key} = {} at {}", value.escape_ascii(), show_time(timestamp))?;
                }
                Err(error) => {
                    output.push_str(&show_error(error)?);
                    break;
                }
            }
        }
        Ok(output)
    }

    fn newest(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let word = next(args, "key")?;
        Ok(match mvcc::newest(self.store.store().snapshot().as_ref(), &key(word))? {
            None => format!("{word}: no version"),
            Some((timestamp, true)) => format!("{word}: deletion at {}", show_time(timestamp)),
            Some((timestamp, false)) => format!("{word}: value at {}", show_time(timestamp)),
        })
    }

    fn changed(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let after = timestamp(args.take_key("after").ok_or("after= is missing")?)?;
        let own = args.take_key("own").map(str::parse).transpose()?.map(Uuid::from_u128);
        let upto = timestamp(args.take_key("upto").unwrap_or("max"))?;
        let filter = args.take_key("filter").map(|text| program(&format!("match {text}")));
        let visits = Visits::new(args.take_key("visits").map_or(Ok(u64::MAX), str::parse)?, u64::MAX);
        let reads = [ReadSpan { span: span(args), filter }];
        let snapshot = self.store.store().snapshot();
        let limits = (ChangeWindow { after, upto, own }, visits);
        match mvcc::refresh(snapshot.as_ref(), &reads, limits, &TextEvaluator) {
            Ok(Refreshed::Unchanged) => Ok("unchanged".to_owned()),
            Ok(Refreshed::Changed { key, timestamp }) => {
                Ok(format!("{key} changed at {}", show_time(timestamp)))
            }
            Ok(Refreshed::Left(left)) => {
                let left = left.iter().map(|read| format!("[{}, {})", read.span.start, read.span.end));
                Ok(format!("unchanged so far; left: {}", left.collect::<String>()))
            }
            Err(PageError::Mvcc(error)) => show_error(error),
            Err(PageError::Program(error)) => Err(error.into()),
        }
    }

    fn changes(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let after = timestamp(args.take_key("after").ok_or("after= is missing")?)?;
        let (at, keys_max) = (read_at(args)?, number(args, "keys", u64::MAX)?);
        let request = ChangesRequest { span: span(args), after, keys_max, bytes_max: u64::MAX };
        let page = match mvcc::changes_in(self.store.store().snapshot().as_ref(), &request, at) {
            Ok(page) => page,
            Err(error) => return show_error(error),
        };
        let mut output = String::new();
        for Change { key, timestamp, value } in page.changes {
            let value = value.map_or_else(|| "nothing".to_owned(), |value| value.escape_ascii().to_string());
            writeln!(output, "{key} = {value} at {}", show_time(timestamp))?;
        }
        match page.resume {
            None => output.push_str("end\n"),
            Some(rest) => writeln!(output, "more from {}", rest.start)?,
        }
        Ok(output)
    }

    fn lay(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let at = key(next(args, "key")?);
        let write_timestamp = timestamp(args.take_key("at").ok_or("at= is missing")?)?;
        let read_timestamp = args.take_key("reads").map(timestamp).transpose()?.unwrap_or(write_timestamp);
        let intent = Intent {
            transaction: Uuid::from_u128(number(args, "txn", 1)?),
            anchor: args.take_key("anchor").map_or_else(|| at.clone(), key),
            started: args.take_key("started").map(timestamp).transpose()?.unwrap_or(read_timestamp),
            attempt: number(args, "attempt", 0)?,
            sequence: number(args, "sequence", 0)?,
            read_timestamp,
            write_timestamp,
            kind: args.next_pos().map_or(IntentKind::Delete, |new| IntentKind::Put(value(new))),
        };
        let mut batch = Batch::new();
        let laid = intent::lay(self.store.store().snapshot().as_ref(), &mut batch, &at, &intent);
        let output = match laid {
            Ok(Laid::Now) => show_batch(&batch),
            Ok(Laid::Before(timestamp)) => format!("laid before at {}", show_time(timestamp)),
            Err(error) => show_error(error)?,
        };
        self.store.write(batch);
        Ok(output)
    }

    fn resolve(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let at = key(next(args, "key")?);
        let transaction = Uuid::from_u128(number(args, "txn", 1)?);
        let attempt = number(args, "attempt", 0)?;
        let outcome = match args.take_key("commit").map(timestamp).transpose()? {
            Some(timestamp) => TransactionEnd::Committed { attempt, timestamp },
            None => TransactionEnd::Aborted,
        };
        let mut batch = Batch::new();
        let snapshot = self.store.store().snapshot();
        let resolved = intent::resolve(snapshot.as_ref(), &mut batch, &at, transaction, outcome)?;
        let output = format!("{resolved:?}\n{}", show_batch(&batch));
        self.store.write(batch);
        Ok(output)
    }

    fn record(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let anchor = key(next(args, "anchor")?);
        let transaction = Uuid::from_u128(number(args, "txn", 1)?);
        let mut batch = Batch::new();
        let status = match args.take_key("status") {
            None => {
                let found = record::get(self.store.store().snapshot().as_ref(), &anchor, transaction)?;
                return Ok(found.map_or("no record".to_owned(), |record| show_record(&record)));
            }
            Some("removed") => {
                record::delete(&mut batch, &anchor, transaction);
                self.store.write(batch);
                return Ok(String::new());
            }
            Some("pending") => TransactionStatus::Pending,
            Some("staging") => TransactionStatus::Staging,
            Some("committed") => TransactionStatus::Committed,
            Some("aborted") => TransactionStatus::Aborted,
            Some(other) => return Err(format!("no status {other}").into()),
        };
        let record = TransactionRecord {
            status,
            transaction,
            attempt: number(args, "attempt", 0)?,
            anchor,
            started: timestamp(args.take_key("started").unwrap_or("0"))?,
            timestamp: timestamp(args.take_key("at").unwrap_or("1"))?,
            heartbeat: timestamp(args.take_key("heartbeat").unwrap_or("1"))?,
            intent_spans: args.take_key("span").map(|start| Span::point(key(start))).into_iter().collect(),
            in_flight: args
                .take_key("flying")
                .map(|at| InFlightWrite { key: key(at), sequence: 1 })
                .into_iter()
                .collect(),
        };
        record::put(&mut batch, &record);
        let output = show_batch(&batch);
        self.store.write(batch);
        Ok(output)
    }

    fn records(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let max = number(args, "max", usize::MAX)?;
        let found = record::records_in(self.store.store().snapshot().as_ref(), &span(args), max)?;
        Ok(found.iter().map(|record| show_record(record) + "\n").collect())
    }

    fn stats(&self, args: &mut ArgumentConsumer<'_>) -> Output {
        let stats = stats::count(self.store.store().snapshot().as_ref(), &span(args))?;
        Ok(format!(
            "{} live keys of {} bytes, {} garbage versions of {} bytes, {} intents of {} bytes",
            stats.live_keys,
            stats.live_bytes,
            stats.garbage_versions,
            stats.garbage_bytes,
            stats.intents,
            stats.intent_bytes
        ))
    }

    /// All versions and intents, decoded, then the raw keys.
    fn dump(&self, is_raw: bool) -> Output {
        let snapshot = self.store.store().snapshot();
        let mut output = String::new();
        let mut data = snapshot.cursor(Family::Data, &[], &[]);
        data.next()?;
        while let (Some(encoded), Some(bytes)) = (data.key(), data.value()) {
            let (key, timestamp) = key_format::decode_data_key(encoded)?;
            let value = version_format::decode(bytes)?;
            let value = value.map_or("deleted".to_owned(), |value| value.escape_ascii().to_string());
            write!(output, "{key} at {}: {value}", show_time(timestamp))?;
            if is_raw {
                write!(output, "   [{}] = [{}]", encoded.escape_ascii(), bytes.escape_ascii())?;
            }
            output.push('\n');
            data.next()?;
        }
        for (key, intent) in intent::intents_in(snapshot.as_ref(), &Span::prefix(Key::default()), 100)? {
            writeln!(output, "{key} intent {}", show_intent(&intent))?;
        }
        Ok(output)
    }
}

fn show_record(record: &TransactionRecord) -> String {
    let spans: String =
        record.intent_spans.iter().map(|span| format!(" [{}, {})", span.start, span.end)).collect();
    let flying: String =
        record.in_flight.iter().map(|write| format!(" {} sequence {}", write.key, write.sequence)).collect();
    format!(
        "{} transaction {}: {:?}, attempt {}, at {}, heartbeat {}, spans{spans}, in flight{flying}",
        record.anchor,
        record.transaction.as_u128(),
        record.status,
        record.attempt,
        show_time(record.timestamp),
        show_time(record.heartbeat),
    )
}

impl Runner for MvccRunner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Output {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            "put" | "delete" => self.put(&mut args),
            "get" => self.get(&mut args),
            "scan" => self.scan(&mut args),
            "newest" => self.newest(&mut args),
            "changed" => self.changed(&mut args),
            "changes" => self.changes(&mut args),
            "lay" => self.lay(&mut args),
            "resolve" => self.resolve(&mut args),
            "record" => self.record(&mut args),
            "records" => self.records(&mut args),
            "stats" => self.stats(&mut args),
            "dump" => self.dump(args.next_pos() == Some("raw")),
            "flush" => {
                self.store.flush();
                Ok(String::new())
            }
            other => return Err(format!("unknown command {other}").into()),
        }?;
        args.reject_next()?;
        Ok(output)
    }
}
