//! A part of SQLite's SQL logic tests (see `testscripts/slt/README.md`), in this process.
//!
//! A record passes, asks for something that is not offered yet (0A000), or differs; the number of each is exact.

use std::sync::Mutex;

use sqllogictest::{
    Control, DBOutput, DefaultColumnType, Normalizer, QueryExpect, Record, ResultMode, Runner, parse,
};

use super::*;
use crate::error::SqlState;

/// Values of a result beyond which the corpus has only their hash.
const HASH_THRESHOLD: usize = 8;

/// What the records of a file came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    unsupported: usize,
    differing: usize,
}

/// Types that the record expects, by which values are printed, and the SQLSTATE of its error.
#[derive(Debug, Default)]
struct Shared {
    types: Vec<DefaultColumnType>,
    state: Option<SqlState>,
}

struct Database {
    session: Session,
    shared: Arc<Mutex<Shared>>,
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Database {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let mut recorder = Recorder::default();
        let result = run_text(&mut self.session, sql, &mut recorder).await;
        let mut shared = self.shared.lock().unwrap();
        shared.state = result.as_ref().err().map(|error| error.state);
        let tag = result?;
        let Some(columns) = &recorder.columns else {
            let count = tag.rsplit(' ').next().and_then(|count| count.parse().ok());
            return Ok(DBOutput::StatementComplete(count.unwrap_or(0)));
        };
        let types: Vec<_> = (0..columns.len())
            .map(|position| shared.types.get(position).cloned().unwrap_or(DefaultColumnType::Text))
            .collect();
        let print = |row: &crate::types::Row| {
            let cells = row.iter().zip(columns).zip(&types);
            cells.map(|((datum, column), wanted)| cell(datum, &column.data_type, wanted)).collect()
        };
        let rows = recorder.rows.iter().map(print).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "postgresql"
    }

    fn error_sql_state(error: &SqlError) -> Option<String> {
        Some(error.state.code().to_owned())
    }
}

/// A value as the corpus prints it: `R` with three digits, `I` without a fraction.
fn cell(datum: &Datum, data_type: &DataType, wanted: &DefaultColumnType) -> String {
    let Some(text) = text::to_text(datum, data_type) else { return "NULL".to_owned() };
    match wanted {
        DefaultColumnType::FloatingPoint => text.parse::<f64>().map_or(text, |number| format!("{number:.3}")),
        DefaultColumnType::Integer if *data_type == DataType::Bool => u8::from(text == "t").to_string(),
        DefaultColumnType::Integer => text.parse::<f64>().map_or(text, |number| format!("{number:.0}")),
        DefaultColumnType::Text | DefaultColumnType::Any if text.is_empty() => "(empty)".to_owned(),
        DefaultColumnType::Text | DefaultColumnType::Any => text,
    }
}

fn run_file(name: &str) -> Counts {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let (node, _) = new_node();
    let mut runner = Runner::new(|| async {
        Ok(Database { session: node.session(SessionOptions::default()), shared: shared.clone() })
    });
    runner.add_label("postgresql");
    runner.with_normalizer((|text| text.trim().to_owned()) as Normalizer);
    runner.with_hash_threshold(HASH_THRESHOLD);
    runner.run(Record::Control(Control::ResultMode(ResultMode::ValueWise))).unwrap();
    let path = format!("{}/testscripts/slt/{name}", env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(path).unwrap();
    let mut counts = Counts::default();
    for record in parse::<DefaultColumnType>(&without_comments(&script)).unwrap() {
        let is_counted = matches!(record, Record::Statement { .. } | Record::Query { .. });
        *shared.lock().unwrap() = Shared { types: wanted_types(&record), state: None };
        let result = runner.run(record);
        let state = shared.lock().unwrap().state;
        match result {
            Ok(_) => counts.passed += usize::from(is_counted),
            Err(_) if state == Some(SqlState::FeatureNotSupported) => counts.unsupported += 1,
            Err(error) => {
                println!("{error}");
                counts.differing += 1;
            }
        }
    }
    counts
}

/// The corpus writes comments behind conditions, which the reader does not know.
fn without_comments(script: &str) -> String {
    let line = |line: &str| match line.split_once('#') {
        Some((condition, _)) if line.starts_with("onlyif") || line.starts_with("skipif") => {
            condition.trim().to_owned()
        }
        Some(_) | None => line.to_owned(),
    };
    script.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn wanted_types(record: &Record<DefaultColumnType>) -> Vec<DefaultColumnType> {
    if let Record::Query { expected: QueryExpect::Results { types, .. }, .. } = record {
        return types.clone();
    }
    Vec::new()
}

fn counts(passed: usize, unsupported: usize, differing: usize) -> Counts {
    Counts { passed, unsupported, differing }
}

#[test]
fn slt_select1() {
    // Not offered yet: subqueries.
    assert_eq!(run_file("select1.test"), counts(506, 525, 0));
}

#[test]
fn slt_update() {
    // Differing: SQLite takes `SET x=3, x=4`, PostgreSQL refuses it, and so two counts behind it differ.
    assert_eq!(run_file("evidence_slt_lang_update.test"), counts(23, 1, 3));
}
