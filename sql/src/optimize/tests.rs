//! Properties of the rules: the optimised plan gives the rows of the plan as the statement said it, over a naive
//! executor; and the keys that a condition chooses are exactly those of the rows that it keeps.

use std::cmp::Ordering;
use std::sync::Arc;

use proptest::prelude::*;
use quorate_engine::kv::Key;

use super::{fold_constants, optimize};
use crate::bind::{Bound, BoundDml};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::expr::aggregate::AggregateState;
use crate::expr::eval::{EvalContext, eval, is_true};
use crate::expr::{Aggregate, AggregateFunction, Expr, SortKey};
use crate::plan::node::{Access, Query};
use crate::script_tests::Tables;
use crate::storage::index_format::encode_key_values;
use crate::storage::layout::TableLayout;
use crate::types::compare::{GroupKey, compare};
use crate::types::{Datum, Row};

const NONE: EvalContext<'static> =
    EvalContext { parameters: &[], now_micros: 0, sequences: None, objects: None, session: None };

/// Rows of a table in memory, with their keys.
struct Data {
    layout: Arc<TableLayout>,
    rows: Vec<(Key, Row)>,
}

impl Data {
    /// Keeps one row a key, in key order.
    fn new(table: &TableDescriptor, rows: Vec<Row>) -> Self {
        let layout = Arc::clone(table.layout());
        let key_of = |row: &Row| {
            let values: Vec<Datum> =
                layout.primary().positions().map(|position| row[position].clone()).collect();
            encode_key_values(&layout, &values).unwrap()
        };
        let mut rows: Vec<(Key, Row)> = rows.into_iter().map(|row| (key_of(&row), row)).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.dedup_by(|a, b| a.0 == b.0);
        Self { layout, rows }
    }

    /// Rows that an access reads, in its order.
    fn read(&self, access: &Access, reverse: bool) -> Vec<Row> {
        let mut found: Vec<Row> = match access {
            Access::Points(points) => {
                let keys = points.iter().map(|point| encode_key_values(&self.layout, point).unwrap());
                let row =
                    |key: Key| self.rows.iter().find(|(known, _)| *known == key).map(|(_, row)| row.clone());
                keys.filter_map(row).collect()
            }
            Access::Spans(spans) => {
                assert!(
                    spans.windows(2).all(|pair| pair[0].end <= pair[1].start),
                    "spans in order and apart"
                );
                let inside = |key: &Key| spans.iter().any(|span| span.contains(key));
                self.rows.iter().filter(|(key, _)| inside(key)).map(|(_, row)| row.clone()).collect()
            }
        };
        if reverse {
            found.reverse();
        }
        found
    }

    /// Runs a tree as simply as possible.
    fn run(&self, query: &Query) -> Result<Vec<Row>, SqlError> {
        Ok(match query {
            Query::Values { rows } => rows.iter().map(|row| compute(row, &[])).collect::<Result<_, _>>()?,
            Query::Function { function, .. } => panic!("{} reads no table", function.name()),
            Query::Scan { access, reverse, pushed, .. } => {
                let mut rows = self.read(access, *reverse);
                if let Some(filter) = &pushed.filter {
                    rows = keep(rows, filter)?;
                }
                if let Some(aggregate) = &pushed.aggregate {
                    rows = group(&rows, &aggregate.group_by, &aggregate.aggregates)?;
                }
                if let Some(project) = &pushed.project {
                    rows = rows.iter().map(|row| compute(project, row)).collect::<Result<_, _>>()?;
                }
                rows.truncate(count(pushed.limit));
                rows
            }
            Query::SystemScan { .. } => Vec::new(),
            Query::Filter(input, filter) => keep(self.run(input)?, filter)?,
            Query::Project(input, exprs) => {
                self.run(input)?.iter().map(|row| compute(exprs, row)).collect::<Result<_, _>>()?
            }
            Query::Aggregate { input, group_by, aggregates } => {
                group(&self.run(input)?, group_by, aggregates)?
            }
            Query::Sort { input, keys, limit } => {
                let mut rows = self.run(input)?;
                rows.sort_by(|a, b| order(keys, a, b));
                rows.truncate(count(*limit));
                rows
            }
            Query::Distinct(input) => {
                let mut seen = std::collections::BTreeSet::new();
                self.run(input)?.into_iter().filter(|row| seen.insert(GroupKey::of(row))).collect()
            }
            Query::Limit { input, offset, limit } => {
                let rows = self.run(input)?.into_iter().skip(count(Some(*offset)));
                rows.take(count(*limit)).collect()
            }
        })
    }
}

/// A number of rows; all where it is not limited.
fn count(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap())
}

fn compute(exprs: &[Expr], row: &[Datum]) -> Result<Row, SqlError> {
    exprs.iter().map(|expr| eval(expr, row, &NONE)).collect()
}

fn keep(rows: Vec<Row>, filter: &Expr) -> Result<Vec<Row>, SqlError> {
    let mut kept = Vec::new();
    for row in rows {
        if is_true(filter, &row, &NONE)? {
            kept.push(row);
        }
    }
    Ok(kept)
}

fn group(rows: &[Row], group_by: &[Expr], aggregates: &[Aggregate]) -> Result<Vec<Row>, SqlError> {
    let mut groups: Vec<(GroupKey, Row, Vec<Row>)> = Vec::new();
    if group_by.is_empty() {
        groups.push((GroupKey::of(&[]), Vec::new(), Vec::new()));
    }
    for row in rows {
        let values = compute(group_by, row)?;
        let key = GroupKey::of(&values);
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, members)) => members.push(row.clone()),
            None => groups.push((key, values, vec![row.clone()])),
        }
    }
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = Vec::new();
    for (_, mut values, members) in groups {
        for aggregate in aggregates {
            values.push(aggregated(aggregate, &members)?);
        }
        out.push(values);
    }
    Ok(out)
}

fn aggregated(aggregate: &Aggregate, rows: &[Row]) -> Result<Datum, SqlError> {
    let mut state = AggregateState::new(aggregate);
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        match &aggregate.argument {
            None => state.count_row(),
            Some(argument) => {
                let value = eval(argument, row, &NONE)?;
                if !aggregate.distinct || seen.insert(GroupKey::of(std::slice::from_ref(&value))) {
                    state.update(&value)?;
                }
            }
        }
    }
    assert!(aggregate.function != AggregateFunction::CountAll || aggregate.argument.is_none());
    state.finish()
}

fn order(keys: &[SortKey], a: &Row, b: &Row) -> Ordering {
    for key in keys {
        let (x, y) = (eval(&key.expr, a, &NONE).unwrap(), eval(&key.expr, b, &NONE).unwrap());
        let ordering = match (x.is_null(), y.is_null()) {
            (false, false) if key.descending => compare(&y, &x),
            (false, false) => compare(&x, &y),
            (true, true) => Ordering::Equal,
            (true, false) if key.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if key.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

fn tables() -> (Tables, Arc<TableDescriptor>) {
    let mut tables = Tables::default();
    let table = tables
        .create(
            "CREATE TABLE t (a int, b text, c float8, d date, v int, n numeric, PRIMARY KEY (a, b, c, d))",
        )
        .unwrap();
    (tables, table)
}

const TEXTS: [&str; 5] = ["", "a", "a\u{0}b", "ab", "b"];
const FLOATS: [f64; 6] = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 2.0, f64::NAN];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row =
        (-2..4_i64, 0..TEXTS.len(), 0..FLOATS.len(), -1..2_i32, proptest::option::of(0..3_i64), 0..4_i64);
    let row = row.prop_map(|(a, b, c, d, v, n)| {
        vec![
            Datum::Int(a),
            Datum::Text(TEXTS[b].to_owned()),
            Datum::Float(FLOATS[c]),
            Datum::Date(d),
            v.map_or(Datum::Null, Datum::Int),
            Datum::Numeric(n.into()),
        ]
    });
    proptest::collection::vec(row, 0..60)
}

/// A literal for a column of the table, as text.
fn literal(column: &'static str) -> BoxedStrategy<String> {
    match column {
        "a" | "v" => (-3..5_i64).prop_map(|value| value.to_string()).boxed(),
        "b" => prop_oneof!["'(a|b|ab|)'", Just("'zz'".to_owned())].boxed(),
        "c" => prop_oneof![
            Just("'NaN'"),
            Just("'-Infinity'"),
            Just("0"),
            Just("-1.5"),
            Just("1.7"),
            Just("'-0'::float8")
        ]
        .prop_map(str::to_owned)
        .boxed(),
        "d" => {
            prop_oneof![Just("'1969-12-31'"), Just("'1970-01-01'"), Just("'1970-01-02'"), Just("now()::date")]
                .prop_map(str::to_owned)
                .boxed()
        }
        _ => (0..5_i64).prop_map(|value| format!("{value}.0")).boxed(),
    }
}

fn condition() -> impl Strategy<Value = String> {
    let column = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just("v"), Just("n")];
    let op = prop_oneof![Just("="), Just("="), Just("<"), Just("<="), Just(">"), Just(">="), Just("<>")];
    let leaf = (column, op, any::<u8>()).prop_flat_map(|(column, op, form)| {
        let one = literal(column);
        let two = literal(column);
        (one, two).prop_map(move |(one, two)| match form % 8 {
            0 => format!("{column} IN ({one}, {two}, NULL)"),
            1 => format!("{column} BETWEEN {one} AND {two}"),
            2 => format!("{one} {op} {column}"),
            3 => format!("{column} NOT IN ({one}, {two})"),
            4 => format!("({column} {op} {one} OR {column} IS NULL)"),
            _ => format!("{column} {op} {one}"),
        })
    });
    proptest::collection::vec(leaf, 0..5).prop_map(|all| match all.is_empty() {
        true => "1 = 1".to_owned(),
        false => all.join(" AND "),
    })
}

fn statement() -> impl Strategy<Value = String> {
    let list = prop_oneof![
        Just("*"),
        Just("v, a + 1"),
        Just("count(*), sum(v), min(b), avg(n)"),
        Just("v, count(*), max(a) GROUP v"),
        Just("count(DISTINCT v), sum(c)"),
        Just("DISTINCT v, n"),
    ];
    let keys = ["a", "b", "c", "d", "v", "a DESC", "b DESC", "c DESC", "d DESC", "v DESC NULLS LAST"];
    let order = proptest::collection::vec(proptest::sample::select(keys.to_vec()), 0..5);
    let limit = proptest::option::of((0..6_u64, 0..4_u64));
    (list, condition(), order, limit).prop_map(|(list, condition, order, limit)| {
        let (items, group) = list.split_once(" GROUP ").unwrap_or((list, ""));
        let mut text = format!("SELECT {items} FROM t WHERE {condition}");
        if !group.is_empty() {
            text.push_str(&format!(" GROUP BY {group} ORDER BY {group}"));
        } else if items.starts_with("DISTINCT") {
            text.push_str(" ORDER BY v, n");
        } else if !items.starts_with("count") {
            // A whole key at the end makes the order total, so that a limit cuts the same rows.
            let order: Vec<&str> = order.into_iter().chain(["a", "b", "c", "d"]).collect();
            text.push_str(&format!(" ORDER BY {}", order.join(", ")));
        }
        if let Some((limit, offset)) = limit {
            text.push_str(&format!(" LIMIT {limit} OFFSET {offset}"));
        }
        text
    })
}

fn tree_of(tables: &Tables, text: &str) -> Query {
    let Bound::Dml(BoundDml::Query(query)) = tables.bind(text).unwrap().kind else { panic!("{text}") };
    let constants = |expr: Option<&Expr>| match expr.map(|expr| eval(expr, &[], &NONE).unwrap()) {
        Some(Datum::Int(count)) => u64::try_from(count).ok(),
        _ => None,
    };
    let (limit, offset) = (constants(query.limit.as_ref()), constants(query.offset.as_ref()));
    Query::Limit { input: Box::new(query.tree), offset: offset.unwrap_or(0), limit }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// All rules together: same rows in the same order as the tree that the statement says.
    #[test]
    fn optimized_plan_gives_the_same_rows(text in statement(), rows in rows()) {
        let (tables, table) = tables();
        let data = Data::new(&table, rows);
        let plain = tree_of(&tables, &text);
        let folded = plain.clone().map_exprs(&mut |expr| fold_constants(expr, &NONE)).unwrap();
        let optimized = optimize(folded);
        let shown = |rows: Vec<Row>| format!("{rows:?}");
        let wanted = data.run(&plain).unwrap();
        prop_assert_eq!(shown(data.run(&optimized).unwrap()), shown(wanted), "{} {:?}", text, optimized);
    }

    /// Points and spans alone: they hold every row that the whole condition keeps, and what is taken out of the filter
    /// is true for every row that they hold.
    #[test]
    fn access_holds_exactly_what_its_conditions_keep(condition in condition(), rows in rows()) {
        let (tables, table) = tables();
        let data = Data::new(&table, rows);
        let plain = tree_of(&tables, &format!("SELECT * FROM t WHERE {condition}"));
        let folded = plain.clone().map_exprs(&mut |expr| fold_constants(expr, &NONE)).unwrap();
        let Query::Limit { input, .. } = optimize(folded) else { panic!("no limit") };
        let Query::Scan { access, pushed, .. } = *input else { panic!("no scan alone: {input:?}") };
        let mut found = data.read(&access, false);
        if let Some(filter) = &pushed.filter {
            found = keep(found, filter).unwrap();
        }
        prop_assert_eq!(format!("{found:?}"), format!("{:?}", data.run(&plain).unwrap()));
    }
}

/// An expression over the columns `v` (int) and `w` (text), as text.
fn scalar() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("v".to_owned()),
        Just("NULL::int".to_owned()),
        (-3..4_i64).prop_map(|value| format!("({value})")),
        Just("2147483647".to_owned())
    ];
    number.prop_recursive(4, 24, 3, |inner| {
        let truth = (inner.clone(), inner.clone(), 0..8_u8).prop_map(|(a, b, op)| match op {
            0 => format!("{a} = {b}"),
            1 => format!("{a} < {b}"),
            2 => format!("{a} IN ({b}, 1, NULL)"),
            3 => format!("({a} > {b} AND {b} <> 0)"),
            4 => format!("({a} > {b} OR {a} IS NULL)"),
            5 => format!("NOT ({a} = {b})"),
            6 => format!("({a} = {b}) IS NOT TRUE"),
            _ => format!("{a} IS DISTINCT FROM {b}"),
        });
        prop_oneof![
            (inner.clone(), inner.clone(), 0..5_u8).prop_map(|(a, b, op)| {
                format!("({a} {} {b})", ["+", "-", "*", "/", "%"][usize::from(op)])
            }),
            (truth, inner.clone(), inner.clone())
                .prop_map(|(when, then, other)| format!("CASE WHEN {when} THEN {then} ELSE {other} END")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("nullif({a}, {b})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Folding gives the same value. Where the plain expression fails, folding may have seen that the part that fails
    /// is not needed; then another part may fail. It never makes an error of its own.
    #[test]
    fn folding_gives_the_same_value(text in scalar(), v in proptest::option::of(-3..4_i64)) {
        let (tables, _) = tables();
        let Bound::Dml(BoundDml::Query(query)) = tables.bind(&format!("SELECT {text} FROM t")).unwrap().kind else {
            panic!("no query")
        };
        let Query::Project(_, exprs) = &query.tree else { panic!("no projection") };
        let mut row = vec![Datum::Null; 6];
        row[4] = v.map_or(Datum::Null, Datum::Int);
        let folded = fold_constants(exprs[0].clone(), &NONE).unwrap();
        match (eval(&exprs[0], &row, &NONE), eval(&folded, &row, &NONE)) {
            (Ok(plain), folded) => prop_assert_eq!(Ok(plain), folded, "{}", text),
            (Err(_), Err(folded)) => {
                let mut states = Vec::new();
                exprs[0].walk(&mut |part| states.extend(eval(part, &row, &NONE).err().map(|error| error.state)));
                prop_assert!(states.contains(&folded.state), "{} of no part of {}", folded, text);
            }
            (Err(_), Ok(_)) => {}
        }
    }
}

/// The deepest expressions that the parser lets through are bound, folded, printed and evaluated within the stack of a
/// test's thread (2 MiB, as tokio's workers).
#[test]
fn deepest_expressions_fit_the_stack() {
    let (tables, table) = tables();
    let data = Data::new(&table, Vec::new());
    let chain = format!("v{}", " + 1".repeat(398));
    let cases = format!("{}1{}", "CASE WHEN v = 1 THEN ".repeat(64), " END".repeat(64));
    let ands = vec!["v = 1"; 2_000].join(" OR ");
    for expr in [chain, cases, ands] {
        let tree = tree_of(&tables, &format!("SELECT {expr} AS x FROM t WHERE a = 1 ORDER BY 1"));
        let folded = tree.map_exprs(&mut |expr| fold_constants(expr, &NONE)).unwrap();
        let plan = crate::plan::node::Plan::Query { query: optimize(folded) };
        assert!(!crate::plan::explain::explain(&plan, &Default::default()).is_empty());
        let crate::plan::node::Plan::Query { query } = plan else { panic!("no query") };
        assert!(data.run(&query).unwrap().is_empty());
    }
}
