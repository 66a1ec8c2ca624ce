//! Plans from templates are those that planning anew gives, for all values; and statements by their key have one.

use bigdecimal::BigDecimal;
use proptest::prelude::*;

use super::*;
use crate::bind::{Bound, BoundStatement};
use crate::error::SqlError;
use crate::optimize::fold_constants;
use crate::plan::node::OnConflict;
use crate::planner::memory::{PlanMemory, Unplanned};
use crate::planner::plan;
use crate::script_tests::Tables;
use crate::types::builtin::array::Elements;

fn tables() -> Tables {
    let mut tables = Tables::default();
    tables
        .create(
            "CREATE TABLE p (id bigint PRIMARY KEY, v text, n numeric(6,2), at timestamptz DEFAULT now())",
        )
        .unwrap();
    tables
        .create("CREATE TABLE q (a text, b smallint, c float8, d int DEFAULT 1 + 1, PRIMARY KEY (b, a))")
        .unwrap();
    tables
        .create("CREATE TABLE r (id bigserial PRIMARY KEY, u uuid DEFAULT gen_random_uuid(), v text)")
        .unwrap();
    tables
}

/// Statements with a template.
const TEMPLATED: &[&str] = &[
    "SELECT v FROM p WHERE id = $1",
    "SELECT * FROM p WHERE $1 = id",
    "SELECT v || 'x', 1 + 1 FROM p WHERE id = $1 AND v <> 'y' ORDER BY v LIMIT 1",
    "SELECT count(*), max(n) FROM p WHERE id = $1 HAVING count(*) > 0",
    "SELECT c FROM q WHERE a = $1 AND b = $2",
    "SELECT c FROM q WHERE b = 5 AND a = $1 AND true",
    "SELECT c FROM q WHERE b = $2 AND a = $1 AND (c > 1 OR d IS NULL)",
    "SELECT v FROM p WHERE id = 5",
    "SELECT v FROM p WHERE id > 5 ORDER BY id LIMIT 3 OFFSET 1",
    "SELECT v FROM p WHERE id = 5 AND false",
    "SELECT 1",
    "INSERT INTO p VALUES ($1, $2, $3)",
    "INSERT INTO p (v, id) VALUES ($1 || 'x', $2 + 1), ('y', -$2) ON CONFLICT DO NOTHING",
    "INSERT INTO p (id, v) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    "INSERT INTO p (id, v) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET v = CASE WHEN $3 THEN p.v ELSE $2 END, at = now() WHERE p.n > $4",
    "INSERT INTO q (b, a, c) VALUES (1 / $1, $2, $3)",
    "INSERT INTO q (b, a) VALUES (1, now()::text)",
    "INSERT INTO r (v) VALUES ($1)",
    "INSERT INTO r VALUES (DEFAULT, DEFAULT, $1), (nextval('s'::text), DEFAULT, $2)",
    "UPDATE r SET u = gen_random_uuid(), v = $2 WHERE id = $1",
    "UPDATE p SET v = $2 WHERE id = $1",
    "UPDATE p SET n = n + $2, at = now() WHERE id = $1 AND v IS NULL",
    "UPDATE p SET v = 'x'",
    "DELETE FROM q WHERE a = $1 AND b = $2",
    "SELECT v FROM p WHERE id = ANY($1)",
    "SELECT v FROM p WHERE id = ANY($1::int[]) AND v <> 'y' LIMIT 2",
    "SELECT count(*) FROM p WHERE id = ANY($1)",
    "UPDATE p SET v = $2 WHERE id = SOME($1)",
    "DELETE FROM q WHERE a = ANY($1) AND b = $2",
    "SELECT c FROM q WHERE a = ANY($1) AND b = ANY('{2,1,NULL}')",
];

/// Statements whose plan depends on values.
const PLANNED_EACH_TIME: &[&str] = &[
    "SELECT v FROM p WHERE id > $1",
    "SELECT v FROM p WHERE id IN ($1, $2)",
    "SELECT v FROM p WHERE id = $1 AND id = $2",
    "SELECT v FROM p WHERE id = $1 AND id < 7",
    "SELECT v FROM p WHERE id = $1 AND n > $2",
    "SELECT v FROM p WHERE id = $1 AND false",
    "SELECT v FROM p WHERE id = $1 AND now() > at",
    "SELECT v FROM p WHERE id = $1 OR id = 3",
    "SELECT v FROM p WHERE id = $1 + 1",
    "SELECT v FROM p WHERE id::text = $1",
    "SELECT v FROM p WHERE NOT (id = $1)",
    "SELECT $2 || v FROM p WHERE id = $1",
    "SELECT now(), v FROM p WHERE id = $1",
    "SELECT v FROM p WHERE id = $1 LIMIT $2",
    "SELECT v FROM p WHERE id = $1 OFFSET $2",
    "SELECT v FROM p LIMIT -1",
    "SELECT c FROM q WHERE b = $1",
    "SELECT c FROM q WHERE b = $1 AND a > $2",
    "SELECT count(*) FROM p GROUP BY v HAVING count(*) > $1",
    "INSERT INTO p (id) SELECT b FROM q WHERE a = $1",
    "UPDATE p SET v = 'x' WHERE id > $1",
    "DELETE FROM p WHERE v = $1",
    "SELECT v FROM p WHERE id = ANY($1) ORDER BY id",
    "SELECT v FROM p WHERE id = ALL($1)",
    "SELECT v FROM p WHERE id <> ALL($1)",
    "SELECT v FROM p WHERE id > ANY($1)",
    "SELECT v FROM p WHERE id = ANY($1) AND id = ANY($2)",
    "SELECT v FROM p WHERE id = ANY(ARRAY[$1, 2])",
    "SELECT c FROM q WHERE b = ANY($1)",
    "SELECT * FROM unnest($1::int[])",
];

fn bound(tables: &Tables, text: &str) -> BoundStatement {
    tables.bind(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn dml(bound: &BoundStatement) -> &BoundDml {
    let Bound::Dml(dml) = &bound.kind else { panic!("nothing to plan") };
    dml
}

#[test]
fn templates_are_for_statements_whose_plans_differ_in_a_key_alone() {
    let tables = tables();
    for (texts, is_wanted) in [(TEMPLATED, true), (PLANNED_EACH_TIME, false)] {
        for text in texts {
            let bound = bound(&tables, text);
            let template = Template::of(dml(&bound), &bound.parameter_types);
            assert_eq!(template.is_some(), is_wanted, "{text}");
        }
    }
}

#[test]
fn templates_are_not_made_of_long_inserts() {
    let tables = tables();
    let has_template = |rows: usize| {
        let text = format!("INSERT INTO p (id) VALUES {}", vec!["($1)"; rows].join(", "));
        let bound = bound(&tables, &text);
        Template::of(dml(&bound), &bound.parameter_types).is_some()
    };
    assert!(has_template(INSERT_ROWS_MAX) && !has_template(INSERT_ROWS_MAX + 1));
}

#[test]
fn templates_are_not_used_for_null_and_for_values_that_are_missing() {
    let tables = tables();
    let bound = bound(&tables, "SELECT v FROM p WHERE id = $1");
    let template = Template::of(dml(&bound), &bound.parameter_types).unwrap();
    let fill = |parameters: &[Datum]| template.fill(&EvalContext { parameters, ..EvalContext::default() });
    assert!(fill(&[Datum::Int(5)]).is_some());
    assert!(fill(&[Datum::Null]).is_none());
    assert!(fill(&[]).is_none());
    // In a row that is written NULL is a value like others.
    let insert = tables.bind("INSERT INTO p (id, v) VALUES (1, $1)").unwrap();
    let template = Template::of(dml(&insert), &insert.parameter_types).unwrap();
    let fill = |parameters: &[Datum]| template.fill(&EvalContext { parameters, ..EvalContext::default() });
    assert!(fill(&[Datum::Null]).is_some());
    assert!(fill(&[]).is_none());
}

/// A value of a type; NULL at times.
fn value(data_type: DataType, seed: i64) -> Datum {
    if seed % 5 == 0 {
        return Datum::Null;
    }
    if let Some(element) = data_type.element() {
        let elements = (0..seed.rem_euclid(4)).map(|more| value(element, seed + more)).collect();
        return Datum::Array(Elements::new(elements).unwrap());
    }
    match (data_type.info().sample)() {
        Datum::Bool(_) => Datum::Bool(seed % 2 == 0),
        Datum::Int(_) => Datum::Int(seed),
        Datum::Float(_) => Datum::Float(if seed % 7 == 0 { f64::NAN } else { seed as f64 / 2.0 }),
        Datum::Numeric(_) => Datum::Numeric(BigDecimal::new(seed.into(), 1)),
        Datum::Text(_) => Datum::Text(format!("{seed}")),
        Datum::Char(_) => Datum::Char(format!("{seed}")),
        Datum::Date(_) => Datum::Date(i32::try_from(seed).unwrap()),
        Datum::Timestamp(_) => Datum::Timestamp(seed),
        Datum::Uuid(_) => Datum::Uuid(uuid::Uuid::from_u64_pair(0, seed.unsigned_abs())),
        other @ (Datum::Null | Datum::Array(_) | Datum::Reg(_)) => other,
    }
}

/// The plan with constants wherever the executor would compute them: what it does, whoever has computed them.
fn computed(plan: Plan, context: &EvalContext<'_>) -> Result<Plan, SqlError> {
    let mut fold = |expr| fold_constants(expr, context);
    let assigned = |assignments: Vec<(usize, Expr)>| {
        let folded = |(column, value)| Ok((column, fold_constants(value, context)?));
        assignments.into_iter().map(folded).collect::<Result<Vec<_>, SqlError>>()
    };
    let returned = |exprs: Option<Vec<Expr>>| {
        let folded = |exprs: Vec<Expr>| exprs.into_iter().map(|expr| fold_constants(expr, context)).collect();
        exprs.map(folded).transpose()
    };
    Ok(match plan {
        Plan::Query { query } => Plan::Query { query: query.map_exprs(&mut fold)? },
        Plan::Insert { table, source, on_conflict, returning } => Plan::Insert {
            table,
            source: source.map_exprs(&mut fold)?,
            on_conflict: match on_conflict {
                OnConflict::Update { assignments, filter } => OnConflict::Update {
                    assignments: assigned(assignments)?,
                    filter: filter.map(fold).transpose()?,
                },
                other @ (OnConflict::Error | OnConflict::Nothing | OnConflict::Replace) => other,
            },
            returning: returned(returning)?,
        },
        Plan::Update { table, source, assignments, returning } => {
            let (assignments, returning) = (assigned(assignments)?, returned(returning)?);
            Plan::Update { table, source, assignments, returning }
        }
        Plan::Delete { table, source, returning } => {
            Plan::Delete { table, source, returning: returned(returning)? }
        }
    })
}

proptest! {
    /// With a memory, the second run and those after it give the plan that planning anew gives, or its error.
    #[test]
    fn templates_give_the_plans_of_planning_anew(
        index in 0..TEMPLATED.len() + PLANNED_EACH_TIME.len(),
        runs in proptest::collection::vec((proptest::collection::vec(-20..20_i64, 4), 0..3_i64), 2..5),
    ) {
        let tables = tables();
        let text = TEMPLATED.iter().chain(PLANNED_EACH_TIME).nth(index).unwrap();
        let bound = bound(&tables, text);
        let memory = PlanMemory::new(bound.parameter_types.clone());
        for (seeds, now_micros) in runs {
            let typed = bound.parameter_types.iter().zip(&seeds);
            let parameters: Vec<Datum> = typed.map(|(data_type, seed)| value(*data_type, *seed)).collect();
            let context = EvalContext { parameters: &parameters, now_micros, ..EvalContext::default() };
            let unplanned = Unplanned { statement: dml(&bound), memory: Some(&memory), changes_session: false };
            let remembered = unplanned.plan(&context);
            let remembered = remembered.and_then(|plan| computed(plan, &context));
            let anew = plan(dml(&bound), &context).and_then(|plan| computed(plan, &context));
            // By their text, in which NaN equals itself.
            prop_assert_eq!(format!("{remembered:?}"), format!("{anew:?}"), "{}", text);
        }
    }
}
