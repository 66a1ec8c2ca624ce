//! Runs the scripts of the way from text to plans: `testscripts/{parse,bind,plan,expr}`.
//!
//! Commands: `table "CREATE TABLE …"` adds a table to the catalog; `parse "…"` prints statements; `bind "…"` prints what
//! a statement returns and takes; `plan "…" [value …]` prints the plan for these parameter values; `expr "…"` prints the
//! type and value of an expression. Errors are output, with SQLSTATE and position.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use goldenscript::{Command, Context, Runner};

use crate::bind::{BindContext, Bound, BoundDml, BoundStatement, bind};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::view::CatalogView;
use crate::error::SqlError;
use crate::expr::eval::{EvalContext, eval};
use crate::parser::parse;
use crate::plan::explain::explain;
use crate::plan::node::Query;
use crate::planner::plan;
use crate::types::text::{from_text, to_text};
use crate::types::{DataType, Datum};

/// 2013-07-01 12:00:00 UTC, the scripts' `now()`.
const NOW_MICROS: i64 = 1_372_680_000_000_000;

/// Tables by name.
#[derive(Default)]
pub struct Tables(BTreeMap<String, Arc<TableDescriptor>>);

impl Tables {
    /// Adds the table of a CREATE TABLE; ids count from 101.
    pub fn create(&mut self, text: &str) -> Result<Arc<TableDescriptor>, SqlError> {
        let Bound::CreateTable { mut table, sequences, .. } = self.bind(text)?.kind else {
            panic!("no CREATE TABLE: {text}");
        };
        for (own, id) in sequences.iter().zip(201..) {
            own.connect(&mut table, id);
        }
        table.id = 101 + self.0.len() as u64;
        table.version = 1;
        let table = Arc::new(table);
        self.0.insert(table.name.clone(), Arc::clone(&table));
        Ok(table)
    }

    /// Binds the one statement of a text.
    pub fn bind(&self, text: &str) -> Result<BoundStatement, SqlError> {
        let statements = parse(text)?;
        let [statement] = statements.as_slice() else { panic!("not one statement: {text}") };
        bind(
            statement,
            self,
            &BindContext {
                parameter_types: &[],
                user: "root",
                database: "quorate",
                generation: 3,
                backend_pid: 7,
            },
        )
    }
}

impl CatalogView for Tables {
    fn table(&self, name: &str) -> Option<Arc<TableDescriptor>> {
        self.0.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn sequence(&self, _name: &str) -> Option<Arc<SequenceDescriptor>> {
        None
    }

    fn sequences_of(&self, _table_id: u64) -> Vec<Arc<SequenceDescriptor>> {
        Vec::new()
    }

    fn users_of(&self, _sequence_id: u64) -> Vec<(Arc<TableDescriptor>, String)> {
        Vec::new()
    }
}

/// Runs one script.
#[derive(Default)]
struct Scripts {
    tables: Tables,
}

impl Runner for Scripts {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Box<dyn Error>> {
        let mut arguments = command.consume_args();
        let text = arguments.next_pos().ok_or("no text")?.to_owned();
        let mut values = Vec::new();
        while let Some(value) = arguments.next_pos() {
            values.push(value.to_owned());
        }
        arguments.reject_next()?;
        let output = match command.name.as_str() {
            "table" => self.tables.create(&text).map(|table| table_text(&table)),
            "parse" => parse(&text).map(|all| all.iter().map(|one| format!("{one:?}\n")).collect()),
            "bind" => self.tables.bind(&text).map(|bound| bound_text(&bound)),
            "plan" => self.plan(&text, &values),
            "expr" => self.expr(&text),
            other => return Err(format!("unknown command {other}").into()),
        };
        Ok(output.unwrap_or_else(|error| error_text(&error)))
    }
}

impl Scripts {
    fn plan(&self, text: &str, values: &[String]) -> Result<String, SqlError> {
        let bound = self.tables.bind(text)?;
        let Bound::Dml(dml) = &bound.kind else { panic!("nothing to plan: {text}") };
        let typed = bound.parameter_types.iter().zip(values);
        let parameters = typed.map(|(data_type, value)| from_text(value, data_type));
        let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
        let plan = plan(
            dml,
            &EvalContext { parameters: &parameters, now_micros: NOW_MICROS, ..EvalContext::default() },
        )?;
        Ok(explain(&plan, &Default::default()).join("\n"))
    }

    /// An expression's type and value, computed once after folding and once without; both must be the same.
    fn expr(&self, text: &str) -> Result<String, SqlError> {
        let bound = self.tables.bind(&format!("SELECT {text}"))?;
        let Bound::Dml(BoundDml::Query(query)) = &bound.kind else { panic!("no query: {text}") };
        let context = EvalContext { now_micros: NOW_MICROS, ..EvalContext::default() };
        let Query::Project(_, exprs) = &query.tree else { panic!("no projection: {text}") };
        let plain = eval(&exprs[0], &[], &context);
        let crate::plan::node::Plan::Query { query: Query::Values { rows } } =
            plan(&BoundDml::Query(query.clone()), &context)?
        else {
            panic!("no constant row: {text}");
        };
        let folded = eval(&rows[0][0], &[], &context);
        assert_eq!(format!("{plain:?}"), format!("{folded:?}"), "folding changed {text}");
        Ok(value_text(&folded?, &query.columns[0].data_type))
    }
}

fn value_text(value: &Datum, data_type: &DataType) -> String {
    format!("{data_type}: {}", to_text(value, data_type).unwrap_or_else(|| "NULL".to_owned()))
}

fn table_text(table: &TableDescriptor) -> String {
    let mut lines = Vec::new();
    for column in &table.columns {
        let mut line = format!("{} {} {}", column.id, column.name, column.data_type);
        if !column.nullable {
            line.push_str(" NOT NULL");
        }
        if let Some(default) = &column.default {
            line.push_str(&format!(" DEFAULT {default:?}"));
        }
        if column.hidden {
            line.push_str(" (hidden)");
        }
        lines.push(line);
    }
    lines.push(format!("key {:?}", table.primary().column_ids().collect::<Vec<_>>()));
    lines.join("\n")
}

fn bound_text(bound: &BoundStatement) -> String {
    let mut lines = Vec::new();
    match &bound.kind {
        Bound::Dml(_) | Bound::Explain { .. } | Bound::CopyTo { .. } => {}
        Bound::CreateTable { table, .. } => lines.push(table_text(table)),
        Bound::DropTable { tables, missing } => {
            let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            lines.push(format!("drop {names:?}, missing {missing:?}"));
        }
        Bound::Truncate { tables, restarts } => {
            let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            lines.push(format!("truncate {names:?}{}", if *restarts { ", sequences too" } else { "" }));
        }
        Bound::AddPrimaryKey { keyed, .. } => lines.push(table_text(keyed)),
        Bound::ShowRanges { table } => lines.push(format!("ranges of {}", table.name)),
        Bound::CopyFrom(copy) => lines.push(format!("copy into {:?}: row {:?}", copy.columns, copy.row)),
        other @ (Bound::Sequence(_)
        | Bound::Begin { .. }
        | Bound::Commit
        | Bound::Rollback
        | Bound::Savepoint(_)
        | Bound::ShowTables
        | Bound::ShowClusterSettings
        | Bound::ShowJobs
        | Bound::ShowVariable { .. }
        | Bound::SetVariable { .. }
        | Bound::ResetAll
        | Bound::SetClusterSetting { .. }
        | Bound::DiscardAll
        | Bound::Deallocate { .. }
        | Bound::Session(_)) => lines.push(format!("{other:?}")),
    }
    if let Some(columns) = bound.columns() {
        let columns: Vec<String> =
            columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
        lines.push(format!("columns: {}", columns.join(", ")));
    }
    if !bound.parameter_types.is_empty() {
        let types: Vec<String> = bound.parameter_types.iter().map(ToString::to_string).collect();
        lines.push(format!("parameters: {}", types.join(", ")));
    }
    lines.join("\n")
}

fn error_text(error: &SqlError) -> String {
    let position = error.position.map(|position| format!(" at {position}")).unwrap_or_default();
    let mut text = format!("ERROR {}{position}: {}", error.state.code(), error.message);
    for (name, more) in [("DETAIL", &error.detail), ("HINT", &error.hint)] {
        if let Some(more) = more {
            text.push_str(&format!("\n{name}: {more}"));
        }
    }
    text
}

/// Runs all scripts of a folder.
fn run_all(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts").join(folder);
    let mut scripts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts");
    for script in scripts {
        goldenscript::run(&mut Scripts::default(), &script)
            .unwrap_or_else(|error| panic!("{script:?}: {error}"));
    }
}

#[test]
fn script_parse() {
    run_all("parse");
}

#[test]
fn script_bind() {
    run_all("bind");
}

#[test]
fn script_plan() {
    run_all("plan");
}

#[test]
fn script_expr() {
    run_all("expr");
}
