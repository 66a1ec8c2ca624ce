//! Limits of the parser, and that no text brings it down.

use proptest::prelude::*;

use super::ast::{QueryBody, SelectItem, Statement};
use super::parse;
use crate::error::SqlState;
use crate::limits::STATEMENT_MAX_BYTES;

fn state(text: &str) -> Option<SqlState> {
    parse(text).err().map(|error| error.state)
}

/// Its clauses are taken out of the text in one pass.
#[test]
fn table_of_many_identity_columns_is_read_in_time() {
    let columns = vec!["a int generated always as identity"; 100_000].join(", ");
    assert_eq!(state(&format!("CREATE TABLE t ({columns})")), None, "the binder refuses that many columns");
}

#[test]
fn deep_statements_are_refused_and_wide_ones_are_not() {
    let chain = |op: &str, count: usize| format!("SELECT {}", vec!["1"; count].join(op));
    assert_eq!(state(&chain(" + ", 300)), None);
    assert_eq!(state(&chain(" + ", 100_000)), Some(SqlState::StatementTooComplex));
    assert_eq!(state(&chain(" = 1 OR ", 2_000)), None);
    assert_eq!(state(&chain(" = 1 OR ", 100_000)), Some(SqlState::StatementTooComplex));
    assert_eq!(state(&chain(", ", 10_000)), None);
    let nested = |count: usize| format!("SELECT {}1{}", "(".repeat(count), ")".repeat(count));
    assert_eq!(state(&nested(64)), None);
    assert_eq!(state(&nested(65)), Some(SqlState::StatementTooComplex));
    assert_eq!(state(&nested(100_000)), Some(SqlState::StatementTooComplex));
    assert_eq!(
        state(&format!("SELECT {} true", "NOT ".repeat(100_000))),
        Some(SqlState::StatementTooComplex)
    );
    let cases =
        |count: usize| format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(count), " END".repeat(count));
    assert_eq!(state(&cases(64)), None);
    assert_eq!(state(&cases(65)), Some(SqlState::StatementTooComplex));
    assert_eq!(state(&cases(50_000)), Some(SqlState::StatementTooComplex));
    assert_eq!(state(&format!("SELECT {}1", "EXPLAIN ".repeat(100))), Some(SqlState::SyntaxError));
    assert_eq!(state(&format!("{}SELECT 1", "EXPLAIN ".repeat(50_000))), Some(SqlState::FeatureNotSupported));
    assert_eq!(state(&format!("COPY {}", "(COPY ".repeat(50_000))), Some(SqlState::SyntaxError));
    // What follows an expression, a type or a query again and again makes a tree as deep as the text is long.
    let follows = [
        ("SELECT 1", " IN (1)"),
        ("SELECT 1", " IS NULL"),
        ("SELECT 1", " ISNULL"),
        ("SELECT 1", "::int"),
        ("SELECT 1", " COLLATE \"C\""),
        ("SELECT now()", " AT TIME ZONE 'UTC'"),
        ("SELECT a", "[1]"),
        ("SELECT NULL::int", "[]"),
        ("CREATE TABLE t (a int", "[]"),
        ("SELECT 'a'", " LIKE 'a'"),
        ("SELECT 1", " UNION SELECT 1"),
    ];
    for (start, part) in follows {
        let text = format!("{start}{}", part.repeat(100_000));
        assert_eq!(state(&text), Some(SqlState::StatementTooComplex), "{start}{part}…");
    }
    let types = format!("PREPARE p (int{}) AS SELECT 1", "[]".repeat(100_000));
    assert_eq!(state(&types), Some(SqlState::StatementTooComplex));
    let copies = format!("COPY {}SELECT 1{} TO STDOUT", "(COPY (".repeat(9_000), "))".repeat(9_000));
    assert_eq!(state(&copies), Some(SqlState::FeatureNotSupported));
}

#[test]
fn long_condition_is_a_balanced_tree() {
    let text = format!("SELECT {}", vec!["a"; 1_024].join(" AND "));
    let statements = parse(&text).unwrap();
    let [Statement::Query(query)] = statements.as_slice() else { panic!("no query") };
    let QueryBody::Select(select) = &query.body else { panic!("no select") };
    let [SelectItem::Expr { expr, .. }] = select.items.as_slice() else { panic!("no expression") };
    fn depth(expr: &super::ast::Expr) -> usize {
        match &expr.kind {
            super::ast::ExprKind::Binary(_, left, right) => 1 + depth(left).max(depth(right)),
            _ => 0,
        }
    }
    assert_eq!(depth(expr), 10);
}

#[test]
fn statement_beyond_the_limit_is_refused() {
    let text = format!("SELECT '{}'", "x".repeat(STATEMENT_MAX_BYTES));
    assert_eq!(state(&text), Some(SqlState::ProgramLimitExceeded));
}

#[test]
fn many_rows_are_read() {
    let text = format!("INSERT INTO t VALUES {}", vec!["(1, 'a', NULL)"; 20_000].join(", "));
    assert_eq!(state(&text), None);
}

proptest! {
    #[test]
    fn any_words_are_statements_or_errors_within_the_text(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "SELECT", "FROM", "WHERE", "t", "a", ",", "(", ")", "1", "'x'", "*", "=", "AND", "IN", "BETWEEN", "CASE", "WHEN",
            "END", "COPY", "STDIN", "WITH", "SET", "SHOW", "BEGIN", "INSERT", "INTO", "VALUES", "DEFAULT", "\"q\"", "$1", "::",
            "int", "ORDER", "BY", "LIMIT", "ON", "CONFLICT", "DO", "UPDATE", "DELETE", "CREATE", "TABLE", "NOT", "NULL", ";",
            "-", "ä", "\n", "EXPLAIN", "DROP", "--c\n", "DATE", "count", "IS",
        ]), 0..14))
    {
        let text = words.join(" ");
        if let Err(error) = parse(&text) {
            let end = u32::try_from(text.chars().count()).unwrap() + 1;
            prop_assert!(error.position.is_none_or(|position| position >= 1 && position <= end), "{} {:?}", text, error);
        }
    }
}
