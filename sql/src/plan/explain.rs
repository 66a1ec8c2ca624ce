//! The printed form of plans: EXPLAIN's lines.
//!
//! ```text
//! Limit  (10 rows)
//!   ->  Sort  (distance DESC, first 10 rows)
//!         ->  Scan flights
//!               Spans: [/Table/101/1/…, /Table/101/1/…)
//!               Filter at the ranges: carrier = 'UA'
//!               Sent: distance, dest
//! ```

use std::collections::BTreeMap;

use crate::catalog::descriptor::TableDescriptor;
use crate::expr::{Expr, SortKey};
use crate::plan::node::{Access, OnConflict, Plan, PushDown, Query, TableFunction};
use crate::storage::key_text::{end_key, start_key};
use crate::types::Datum;

mod expr_text;

pub use expr_text::expr_text;
use expr_text::{aggregate_text, literal_text};

/// Most points or spans that are written out; of more only the number.
const ACCESS_SHOWN_MAX: usize = 5;

/// What EXPLAIN ANALYZE knows of the nodes of a plan's tree: lines by the node's number, parents first.
pub type Measured = BTreeMap<usize, Vec<String>>;

/// The lines of a plan; what is measured of a node is printed below it.
pub fn explain(plan: &Plan, measured: &Measured) -> Vec<String> {
    let mut printer = Printer { lines: Vec::new(), measured, nodes: 0 };
    match plan {
        Plan::Query { query } => {
            printer.query(query, 0);
        }
        Plan::Insert { table, source, on_conflict, returning } => {
            printer.node(0, &format!("Insert into {}", table.name));
            match on_conflict {
                OnConflict::Error => {}
                OnConflict::Nothing => printer.property(0, "On conflict: nothing"),
                OnConflict::Replace => printer.property(0, "On conflict: replace, unread"),
                OnConflict::Update { assignments, filter } => {
                    let mut names = column_names(table);
                    names.extend(table.columns.iter().map(|column| format!("excluded.{}", column.name)));
                    printer.property(0, &format!("On conflict: set {}", sets(table, assignments, &names)));
                    if let Some(filter) = filter {
                        printer.property(0, &format!("Where: {}", expr_text(filter, &names)));
                    }
                }
            }
            printer.returning(table, returning.as_deref());
            printer.query(source, 1);
        }
        Plan::Update { table, source, assignments, returning } => {
            printer.node(0, &format!("Update {}", table.name));
            printer.property(0, &format!("Set: {}", sets(table, assignments, &column_names(table))));
            printer.returning(table, returning.as_deref());
            printer.query(source, 1);
        }
        Plan::Delete { table, source, returning } => {
            printer.node(0, &format!("Delete from {}", table.name));
            printer.returning(table, returning.as_deref());
            printer.query(source, 1);
        }
    }
    printer.lines
}

fn column_names(table: &TableDescriptor) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

fn sets(table: &TableDescriptor, assignments: &[(usize, Expr)], names: &[String]) -> String {
    let set = |(column, value): &(usize, Expr)| {
        let name = table.columns.get(*column).map_or("?", |column| column.name.as_str());
        format!("{name} = {}", expr_text(value, names))
    };
    assignments.iter().map(set).collect::<Vec<_>>().join(", ")
}

/// Writes lines from the root to the leaves.
struct Printer<'a> {
    lines: Vec<String>,
    measured: &'a Measured,
    /// Nodes of the tree that were printed.
    nodes: usize,
}

impl Printer<'_> {
    /// A node at a depth of the tree.
    fn node(&mut self, depth: usize, text: &str) {
        match depth {
            0 => self.lines.push(text.to_owned()),
            _ => self.lines.push(format!("{}->  {text}", " ".repeat(6 * depth - 4))),
        }
    }

    /// A line below a node.
    fn property(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{}{text}", " ".repeat(6 * depth + 2)));
    }

    /// What a change of a table returns.
    fn returning(&mut self, table: &TableDescriptor, exprs: Option<&[Expr]>) {
        if let Some(exprs) = exprs {
            self.property(0, &format!("Returning: {}", texts(exprs, &column_names(table)).join(", ")));
        }
    }

    /// A node with what is below it; gives the names of its columns. Lines of the inputs are known first, because the
    /// names come from below, and are put behind the node's own.
    fn query(&mut self, query: &Query, depth: usize) -> Vec<String> {
        let measured = self.measured.get(&self.nodes).map_or(&[][..], Vec::as_slice);
        self.nodes += 1;
        let start = self.lines.len();
        let below: Vec<Vec<String>> =
            query.inputs().into_iter().map(|input| self.query(input, depth + 1)).collect();
        let names = below.concat();
        let inputs = self.lines.split_off(start);
        let names = match query {
            Query::Scan { table, access, reverse, pushed } => {
                self.scan(table, (access, *reverse), pushed, depth)
            }
            Query::SystemScan { table, filter } => {
                let names = column_names(table.descriptor());
                self.node(depth, &format!("System scan {}.{}", table.schema().name(), table.name()));
                if let Some(filter) = filter {
                    self.property(depth, &format!("Filter: {}", expr_text(filter, &names)));
                }
                names
            }
            Query::Values { rows } => {
                let width = rows.first().map_or(0, Vec::len);
                self.node(depth, &format!("Values  ({})", row_count(rows.len())));
                (1..=width).map(|column| format!("column{column}")).collect()
            }
            Query::Function { function, arguments, ordinality } => {
                let call = format!("{}({})", function.name(), texts(arguments, &[]).join(", "));
                self.node(depth, &format!("Function {call}"));
                function_columns(*function, arguments.len(), *ordinality)
            }
            Query::Filter(_, filter) => {
                self.node(depth, &format!("Filter  ({})", expr_text(filter, &names)));
                names
            }
            Query::Project(_, exprs) => {
                let names = texts(exprs, &names);
                self.node(depth, &format!("Project  ({})", names.join(", ")));
                names
            }
            Query::Aggregate { group_by, aggregates, .. } => {
                self.node(depth, &format!("Aggregate  ({})", groups(group_by, aggregates, &names)));
                group_names(group_by, aggregates, &names)
            }
            Query::Sort { keys, limit, .. } => {
                let keys: Vec<String> = keys.iter().map(|key| sort_text(key, &names)).collect();
                let first = limit.map(|limit| format!(", first {}", row_count(limit))).unwrap_or_default();
                self.node(depth, &format!("Sort  ({}{first})", keys.join(", ")));
                names
            }
            Query::Distinct(_) => {
                self.node(depth, "Distinct");
                names
            }
            Query::Limit { offset, limit, .. } => {
                self.node(depth, &limit_text(*offset, *limit));
                names
            }
        };
        for line in measured {
            self.property(depth, line);
        }
        self.lines.extend(inputs);
        names
    }

    fn scan(
        &mut self,
        table: &TableDescriptor,
        access: (&Access, bool),
        pushed: &PushDown,
        depth: usize,
    ) -> Vec<String> {
        let names = column_names(table);
        let direction = if access.1 { ", greatest key first" } else { "" };
        self.node(depth, &format!("Scan {}{direction}", table.name));
        self.property(depth, &access_text(table, access.0));
        if let Some(filter) = &pushed.filter {
            self.property(depth, &format!("Filter at the ranges: {}", expr_text(filter, &names)));
        }
        if let Some(limit) = pushed.limit {
            self.property(depth, &format!("Limit at the ranges: {limit}"));
        }
        match (&pushed.aggregate, &pushed.project) {
            (Some(aggregate), _) => {
                let grouped = groups(&aggregate.group_by, &aggregate.aggregates, &names);
                self.property(depth, &format!("Aggregate at the ranges: {grouped}"));
                group_names(&aggregate.group_by, &aggregate.aggregates, &names)
            }
            (None, Some(project)) => {
                let sent = texts(project, &names);
                let shown = if sent.is_empty() { "nothing".to_owned() } else { sent.join(", ") };
                self.property(depth, &format!("Sent: {shown}"));
                sent
            }
            (None, None) => names,
        }
    }
}

/// Names for the columns of a function; those of the statement are not known here.
fn function_columns(function: TableFunction, arguments: usize, ordinality: bool) -> Vec<String> {
    let mut names: Vec<String> = match function {
        TableFunction::Unnest if arguments > 1 => (1..=arguments).map(|n| format!("column{n}")).collect(),
        TableFunction::Unnest | TableFunction::GenerateSeries => vec![function.name().to_owned()],
    };
    names.extend(ordinality.then(|| "ordinality".to_owned()));
    names
}

fn row_count(count: impl std::fmt::Display) -> String {
    let count = count.to_string();
    if count == "1" { "1 row".to_owned() } else { format!("{count} rows") }
}

fn limit_text(offset: u64, limit: Option<u64>) -> String {
    let rows = limit.map(row_count);
    let skipped = (offset > 0).then(|| format!("after {offset}"));
    let parts: Vec<String> = rows.into_iter().chain(skipped).collect();
    format!("Limit  ({})", parts.join(", "))
}

fn texts(exprs: &[Expr], names: &[String]) -> Vec<String> {
    exprs.iter().map(|expr| expr_text(expr, names)).collect()
}

fn group_names(group_by: &[Expr], aggregates: &[crate::expr::Aggregate], names: &[String]) -> Vec<String> {
    let aggregates = aggregates.iter().map(|aggregate| aggregate_text(aggregate, names));
    texts(group_by, names).into_iter().chain(aggregates).collect()
}

fn groups(group_by: &[Expr], aggregates: &[crate::expr::Aggregate], names: &[String]) -> String {
    let aggregates: Vec<String> =
        aggregates.iter().map(|aggregate| aggregate_text(aggregate, names)).collect();
    let by = texts(group_by, names).join(", ");
    match (by.is_empty(), aggregates.is_empty()) {
        (true, _) => aggregates.join(", "),
        (false, true) => format!("by {by}"),
        (false, false) => format!("{} by {by}", aggregates.join(", ")),
    }
}

fn sort_text(key: &SortKey, names: &[String]) -> String {
    let direction = if key.descending { " DESC" } else { "" };
    let nulls = match (key.descending, key.nulls_first) {
        (false, true) => " NULLS FIRST",
        (true, false) => " NULLS LAST",
        (false, false) | (true, true) => "",
    };
    format!("{}{direction}{nulls}", expr_text(&key.expr, names))
}

fn access_text(table: &TableDescriptor, access: &Access) -> String {
    let layout = table.layout();
    match access {
        Access::Points(points) => {
            let point = |values: &Vec<Datum>| {
                let values: Vec<String> = values
                    .iter()
                    .zip(layout.primary().positions())
                    .map(|(value, position)| literal_text(value, layout.data_type(position)))
                    .collect();
                format!("({})", values.join(", "))
            };
            format!("Points: {}", shown(points, point))
        }
        Access::Spans(spans) => {
            let layout_of = |id: u64| (id == table.id).then(|| layout.clone());
            let span = |span: &quorate_engine::kv::Span| {
                format!("[{}, {})", start_key(&span.start, layout_of), end_key(&span.end, layout_of))
            };
            format!("Spans: {}", shown(spans, span))
        }
    }
}

/// The first few of a list, and how many there are where that is not all.
fn shown<T>(all: &[T], text: impl Fn(&T) -> String) -> String {
    let mut parts: Vec<String> = all.iter().take(ACCESS_SHOWN_MAX).map(text).collect();
    if all.len() > ACCESS_SHOWN_MAX {
        parts.push(format!("… ({} in all)", all.len()));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
