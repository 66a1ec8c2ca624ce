//! Runs the scripts of `testscripts/evaluate` over a store in memory: effects are applied at once, as if a quorum had
//! taken them.
//!
//! Timestamps are seconds. `commit ID put=k/v insert=k/v delete=k span=a-b read=T now=T floor=T written=T deadline=T
//! started=T attempt=N`; `get KEY… at=T limit=T`; `scan a-z at=T rows=N bytes=N visits=N [reverse]`;
//! `refresh a-z after=T upto=T written=T visits=N`; spans of a commit or a refresh are read through `filter=TEXT`;
//! `query ID anchor=k started=T now=T`; `lay ID anchor=k put=… insert=… delete=… sequence=N read=T now=T floor=T
//! written=T started=T age=T attempt=N [record]`; `beat ID anchor=k now=T`; `end ID anchor=k commit=T|abort deadline=T now=T span=a-b`;
//! `push ID anchor=k written=T started=T now=T pusher=T/ID`; `resolve ID commit=T attempt=N SPAN…`; `sweep intents SPAN now=T`; `sweep records SPAN after=ID/k resolved=ID/k now=T`; `settle ID/k…`;
//! `versions` shows everything stored.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::Bytes;
use goldenscript::{Argument, Command, Context};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    ChangesRequest, Direction, Key, ProgramError, ScanEvaluator, ScanProgram, ScanRequest, ScanRows, ScanRun,
    Span, Write,
};
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::memory::MemoryStore;
use quorate_engine::mvcc::intent::{TransactionEnd, intents_in};
use quorate_engine::mvcc::{ChangeWindow, Visits, key_format, record_format, version_format};
use quorate_engine::store::{Durability, Family, Store};
use quorate_engine::testing::evaluator::{TextEvaluator, program};
use quorate_engine::testing::script::run_folder;
use uuid::Uuid;

use super::{
    Effects, Evaluated, changes, commit, end, get, heartbeat, intents, push, query_transaction, refresh,
    resolve, scan, settle, sweep,
};
use crate::api::{
    CommitRequest, Decision, EndRequest, Holder, IntentsRequest, Leftover, PushRequest, RangeError, Rank,
    ReadAt, RecordId, ResolveRequest, SweepRequest, TransactionMeta,
};

/// No script runs a program here: engine's own scripts do.
struct NoPrograms;

impl ScanEvaluator for NoPrograms {
    fn start(&self, _: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        Err(ProgramError { sqlstate: "0A000".to_owned(), message: "no programs here".to_owned() })
    }
}

#[derive(Default)]
struct Runner {
    store: MemoryStore,
}

/// Positional words, and values by key (a key may come several times).
struct Words {
    words: Vec<String>,
    pairs: BTreeMap<String, Vec<String>>,
}

impl Words {
    fn of(command: &Command) -> Self {
        let (mut words, mut pairs) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
        for argument in &command.args {
            match argument {
                Argument::Positional(word) => words.push(word.clone()),
                Argument::KeyValue(key, value) => pairs.entry(key.clone()).or_default().push(value.clone()),
                _ => panic!("arguments are words and pairs"),
            }
        }
        Self { words, pairs }
    }

    fn all(&self, key: &str) -> &[String] {
        self.pairs.get(key).map_or(&[], Vec::as_slice)
    }

    fn number(&self, key: &str) -> Result<Option<u64>, Box<dyn Error>> {
        Ok(self.all(key).first().map(|text| text.parse()).transpose()?)
    }

    fn time(&self, key: &str, default: u64) -> Result<Timestamp, Box<dyn Error>> {
        Ok(seconds(self.number(key)?.unwrap_or(default)))
    }

    fn visits(&self) -> Result<Visits, Box<dyn Error>> {
        Ok(Visits::new(self.number("visits")?.unwrap_or(u64::MAX), u64::MAX))
    }

    /// Spans that were read, through the filter that the words name.
    fn reads(&self, spans: &[String]) -> Vec<ReadSpan> {
        let filter = self.all("filter").first().map(|text| program(&format!("match {text}")));
        spans.iter().map(|text| ReadSpan { span: span(text), filter: filter.clone() }).collect()
    }

    fn floor(&self, now: Timestamp) -> Result<commit::Floor, Box<dyn Error>> {
        let written = self.number("written")?.map(seconds);
        Ok(commit::Floor { now, read: self.time("floor", 0)?, written })
    }
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn key(text: &str) -> Key {
    Key::from(text.as_bytes())
}

fn span(text: &str) -> Span {
    match text.split_once('-') {
        Some((start, end)) => Span::new(key(start), key(end)),
        None => Span::point(key(text)),
    }
}

fn id(text: &str) -> Result<Uuid, Box<dyn Error>> {
    Ok(Uuid::from_u128(text.parse()?))
}

fn record(text: &str) -> Result<RecordId, Box<dyn Error>> {
    let (name, anchor) = text.split_once('/').ok_or("ID/KEY")?;
    Ok(RecordId { transaction: id(name)?, anchor: key(anchor) })
}

fn writes(words: &Words) -> Result<Vec<Write>, Box<dyn Error>> {
    let mut writes = Vec::new();
    let pair = |text: &str| {
        let (name, value) = text.split_once('/')?;
        Some((key(name), Bytes::copy_from_slice(value.as_bytes())))
    };
    for text in words.all("put") {
        let (name, value) = pair(text).ok_or("put=KEY/VALUE")?;
        writes.push(Write::put(name, value));
    }
    for text in words.all("insert") {
        let (name, value) = pair(text).ok_or("insert=KEY/VALUE")?;
        writes.push(Write::insert(name, value));
    }
    writes.extend(words.all("delete").iter().map(|name| Write::delete(key(name))));
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(writes)
}

impl Runner {
    fn apply(&self, effects: Effects) -> Result<String, Box<dyn Error>> {
        let Effects { batch, timestamp, size_delta } = effects;
        self.store.write(batch, Durability::Buffered)?;
        Ok(format!("at {timestamp}, grows by {size_delta}\n"))
    }

    fn commit(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let now = words.time("now", 100)?;
        let request = CommitRequest {
            transaction: id(words.words.first().ok_or("commit ID")?)?,
            attempt: u32::try_from(words.number("attempt")?.unwrap_or(1))?,
            started: words.time("started", 100)?,
            read_timestamp: words.time("read", 100)?,
            read_spans: words.reads(words.all("span")),
            writes: writes(words)?,
            deadline: words.number("deadline")?.map(seconds),
        };
        let floor = words.floor(now)?;
        match commit::evaluate(&*self.store.snapshot(), &request, floor, &TextEvaluator) {
            Ok(commit::CommitVerdict::Commits(effects)) => Ok(format!("commits {}", self.apply(effects)?)),
            Ok(commit::CommitVerdict::Repeated(timestamp)) => {
                Ok(format!("committed before at {timestamp}\n"))
            }
            Err(error) => Ok(format!("{error}\n")),
        }
    }

    fn query(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let transaction = id(words.words.first().ok_or("query ID")?)?;
        let anchor = key(words.all("anchor").first().ok_or("anchor=KEY")?);
        let (started, now) = (words.time("started", 100)?, words.time("now", 100)?);
        match query_transaction::evaluate(&*self.store.snapshot(), transaction, &anchor, started, now)? {
            query_transaction::QueryVerdict::Known(outcome) => Ok(format!("{outcome:?}\n")),
            query_transaction::QueryVerdict::Aborts(effects) => {
                Ok(format!("aborts {}", self.apply(effects)?))
            }
        }
    }

    /// Applies what a step of a transaction became.
    fn step(&self, evaluated: Result<Evaluated, RangeError>) -> Result<String, Box<dyn Error>> {
        match evaluated {
            Ok(Evaluated::Answer(response)) => Ok(format!("{response:?}\n")),
            Ok(Evaluated::Writes(effects, response)) => Ok(format!("{response:?} {}", self.apply(effects)?)),
            Err(error) => Ok(format!("{error}\n")),
        }
    }

    fn meta(words: &Words) -> Result<TransactionMeta, Box<dyn Error>> {
        Ok(TransactionMeta {
            id: id(words.words.first().ok_or("ID")?)?,
            anchor: key(words.all("anchor").first().ok_or("anchor=KEY")?),
            attempt: u32::try_from(words.number("attempt")?.unwrap_or(1))?,
            started: words.time("started", 100)?,
            age: words.time("age", words.number("started")?.unwrap_or(100))?,
            read_timestamp: words.time("read", 100)?,
        })
    }

    fn lay(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let request = IntentsRequest {
            transaction: Self::meta(words)?,
            sequence: u32::try_from(words.number("sequence")?.unwrap_or(1))?,
            writes: writes(words)?,
            with_record: words.words.get(1).is_some_and(|word| word == "record"),
        };
        let floor = words.floor(words.time("now", 100)?)?;
        self.step(intents::evaluate(&*self.store.snapshot(), &request, floor))
    }

    fn beat(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let meta = Self::meta(words)?;
        let now = words.time("now", 100)?;
        self.step(heartbeat::evaluate(&*self.store.snapshot(), meta.id, &meta.anchor, now))
    }

    fn end(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let deadline = words.number("deadline")?.map(seconds);
        let decision = words
            .number("commit")?
            .map_or(Decision::Abort, |at| Decision::Commit { timestamp: seconds(at), deadline });
        let request = EndRequest {
            transaction: Self::meta(words)?,
            decision,
            intent_spans: words.all("span").iter().map(|text| span(text)).collect(),
        };
        self.step(end::evaluate(&*self.store.snapshot(), &request, words.time("now", 100)?))
    }

    fn push(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let meta = Self::meta(words)?;
        let pusher = words.all("pusher").first().map(|text| {
            let (started, name) = text.split_once('/').ok_or("pusher=T/ID")?;
            Ok::<_, Box<dyn Error>>(Rank { age: seconds(started.parse()?), id: id(name)? })
        });
        let holder = Holder {
            transaction: meta.id,
            anchor: meta.anchor,
            started: meta.started,
            written: words.time("written", 100)?,
        };
        let request = PushRequest { holder, pusher: pusher.transpose()? };
        self.step(push::evaluate(&*self.store.snapshot(), &request, words.time("now", 100)?))
    }

    fn resolve(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let mut spans = words.words.iter();
        let transaction = id(spans.next().ok_or("resolve ID")?)?;
        let attempt = u32::try_from(words.number("attempt")?.unwrap_or(1))?;
        let outcome = words.number("commit")?.map_or(TransactionEnd::Aborted, |at| {
            TransactionEnd::Committed { attempt, timestamp: seconds(at) }
        });
        let request = ResolveRequest { transaction, outcome, spans: spans.map(|text| span(text)).collect() };
        let found = resolve::find(&*self.store.snapshot(), &request)?;
        let keys: Vec<_> = found.keys.iter().map(Key::to_string).collect();
        let evaluated = resolve::evaluate(&*self.store.snapshot(), transaction, outcome, &found);
        Ok(format!("found {}: {}", keys.join(" "), self.step(evaluated)?))
    }

    fn settle(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let records = words.words.iter().map(|text| record(text)).collect::<Result<Vec<_>, _>>()?;
        self.step(settle::evaluate(&*self.store.snapshot(), &records))
    }

    fn sweep(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let now = words.time("now", 1000)?;
        let wanted = match words.words.first().map(String::as_str) {
            Some("intents") => Leftover::Intents,
            Some("records") => Leftover::Records {
                after: words.all("after").first().map(|text| record(text)).transpose()?,
                resolved: words.all("resolved").iter().map(|text| record(text)).collect::<Result<_, _>>()?,
            },
            Some("all") => Leftover::AllRecords {
                after: words.all("after").first().map(|text| record(text)).transpose()?,
            },
            _ => return Err("sweep intents|records|all SPAN".into()),
        };
        let request =
            SweepRequest { span: span(words.words.get(1).ok_or("sweep intents|records|all SPAN")?), wanted };
        let found = sweep::find(&*self.store.snapshot(), &request, now)?;
        let mut text = String::new();
        for holder in &found.swept.abandoned {
            text += &format!("abandoned {} at {}\n", holder.transaction.as_u128(), holder.anchor);
        }
        for ended in &found.swept.ended {
            let (id, anchor) = (ended.id.transaction.as_u128(), &ended.id.anchor);
            text += &format!("ended {id} at {anchor} {:?}\n", ended.outcome);
        }
        if let Some(next) = &found.swept.next {
            text += &format!("next behind {} at {}\n", next.transaction.as_u128(), next.anchor);
        }
        match sweep::evaluate(&*self.store.snapshot(), &found, now)? {
            Evaluated::Answer(_) => Ok(text + "nothing to forget\n"),
            Evaluated::Writes(effects, _) => {
                let changes = effects.batch.changes().len();
                self.apply(effects)?;
                Ok(text + &format!("forgot {changes}\n"))
            }
        }
    }

    fn read_at(words: &Words) -> Result<ReadAt, Box<dyn Error>> {
        let timestamp = words.time("at", 1000)?;
        Ok(ReadAt { timestamp, uncertainty_limit: words.number("limit")?.map_or(timestamp, seconds) })
    }

    fn get(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let keys: Vec<_> = words.words.iter().map(|word| key(word)).collect();
        match get::evaluate(&*self.store.snapshot(), &keys, Self::read_at(words)?) {
            Ok(values) => Ok(keys.iter().zip(values).map(|(key, value)| pair(key, value.as_ref())).collect()),
            Err(error) => Ok(format!("{error}\n")),
        }
    }

    fn scan(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let reverse = words.words.get(1).is_some_and(|word| word == "reverse");
        let request = ScanRequest {
            span: span(words.words.first().ok_or("scan SPAN")?),
            direction: if reverse { Direction::Reverse } else { Direction::Forward },
            program: words.all("program").first().map(|text| ScanProgram(text.clone().into())),
            rows_max: words.number("rows")?.unwrap_or(u64::MAX),
            bytes_max: words.number("bytes")?.unwrap_or(u64::MAX),
        };
        match scan::evaluate(
            &*self.store.snapshot(),
            &request,
            (Self::read_at(words)?, words.visits()?),
            &NoPrograms,
        ) {
            Ok(page) => {
                let mut text = match page.rows {
                    ScanRows::Pairs(pairs) => {
                        pairs.iter().map(|(key, value)| pair(key, Some(value))).collect::<String>()
                    }
                    ScanRows::Outputs(outputs) => format!("{outputs:?}\n"),
                };
                if let Some(rest) = page.resume {
                    text += &format!("rest {}-{}\n", rest.start, rest.end);
                }
                Ok(text + &format!("read {}\n", page.served.rows_read))
            }
            Err(error) => Ok(format!("{error}\n")),
        }
    }

    fn refresh(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let own = words.all("own").first().map(|text| id(text)).transpose()?;
        let spans = words.reads(&words.words);
        let (after, upto) = (words.time("after", 0)?, words.time("upto", 1000)?);
        let written = words.number("written")?.map(seconds);
        let limits = (ChangeWindow { after, upto, own }, written);
        let visits = words.visits()?;
        Ok(match refresh::evaluate(&*self.store.snapshot(), &spans, limits, visits, &TextEvaluator) {
            Ok(left) if left.is_empty() => "unchanged\n".to_owned(),
            Ok(left) => {
                let left = left.iter().map(|read| format!(" {}-{}", read.span.start, read.span.end));
                format!("unchanged so far; left:{}\n", left.collect::<String>())
            }
            Err(error) => format!("{error}\n"),
        })
    }

    fn changes(&self, words: &Words) -> Result<String, Box<dyn Error>> {
        let span = span(words.words.first().ok_or("changes SPAN")?);
        let after = words.time("after", 0)?;
        let request = ChangesRequest { span, after, keys_max: 100, bytes_max: 1 << 20 };
        let upto = words.time("upto", 1000)?;
        let read = ReadAt { timestamp: upto, uncertainty_limit: upto };
        let written = words.number("written")?.map(seconds);
        Ok(match changes::evaluate(&*self.store.snapshot(), &request, (read, written)) {
            Ok(page) if page.changes.is_empty() => "no changes\n".to_owned(),
            Ok(page) => {
                page.changes.iter().map(|change| format!("{} {}\n", change.timestamp, change.key)).collect()
            }
            Err(error) => format!("{error}\n"),
        })
    }

    fn versions(&self) -> Result<String, Box<dyn Error>> {
        let snapshot = self.store.snapshot();
        let mut text = String::new();
        let mut data = snapshot.cursor(Family::Data, b"", b"");
        data.next()?;
        while let (Some(found), Some(value)) = (data.key(), data.value()) {
            let (prefix, timestamp) = key_format::split_data_key(found)?;
            let key = key_format::user_key(prefix)?;
            text += &format!("{timestamp} {}", pair(&key, version_format::decode(value)?.as_ref()));
            data.next()?;
        }
        for (key, intent) in intents_in(&*snapshot, &Span::prefix(Key::default()), 1_000)? {
            let (id, at) = (intent.transaction.as_u128(), intent.write_timestamp);
            text += &format!("intent {id}/{} at {at} {}", intent.sequence, pair(&key, intent.kind.value()));
        }
        let mut records = snapshot.cursor(Family::Txn, b"", b"");
        records.next()?;
        while let Some(value) = records.value() {
            let record = record_format::decode(value)?;
            let (id, status) = (record.transaction.as_u128(), record.status);
            text += &format!("transaction {id} at {} {status:?} {}", record.anchor, record.timestamp);
            let spans = record.intent_spans.iter();
            text += &spans.map(|span| format!(" [{}, {})", span.start, span.end)).collect::<String>();
            text += "\n";
            records.next()?;
        }
        Ok(text)
    }
}

fn pair(key: &Key, value: Option<&Bytes>) -> String {
    match value {
        Some(value) => format!("{key} = {}\n", value.escape_ascii()),
        None => format!("{key} is not there\n"),
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let words = Words::of(command);
        match command.name.as_str() {
            "commit" => self.commit(&words),
            "query" => self.query(&words),
            "get" => self.get(&words),
            "scan" => self.scan(&words),
            "refresh" => self.refresh(&words),
            "changes" => self.changes(&words),
            "lay" => self.lay(&words),
            "beat" => self.beat(&words),
            "end" => self.end(&words),
            "push" => self.push(&words),
            "resolve" => self.resolve(&words),
            "sweep" => self.sweep(&words),
            "settle" => self.settle(&words),
            "versions" => self.versions(),
            other => Err(format!("no command {other}").into()),
        }
    }
}

#[test]
fn scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/evaluate"), Runner::default);
}
