//! Statements that come again: what is kept of them, and what a change of the catalog does to it.

use super::*;
use crate::catalog::descriptor::TableDescriptor;

async fn new_session() -> Session {
    let (node, _) = new_node();
    let mut session = node.session(SessionOptions::default());
    sql(&mut session, "CREATE TABLE t (k BIGINT PRIMARY KEY, v TEXT)").await;
    sql(&mut session, "INSERT INTO t VALUES (1, 'one'), (2, 'two')").await;
    session
}

/// Runs a text by the simple protocol; its rows.
async fn sql(session: &mut Session, text: &str) -> Vec<String> {
    let mut sink = Recorder::default();
    run_text(session, text, &mut sink).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    sink.lines()
}

async fn prepare(session: &mut Session, text: &str, types: &[Option<DataType>]) -> Prepared {
    let statements = session.parse(text).unwrap();
    session.prepare(&statements[0], types).await.unwrap()
}

async fn run(
    session: &mut Session,
    prepared: &Prepared,
    parameters: &[Datum],
) -> Result<Vec<String>, SqlError> {
    let mut sink = Recorder::default();
    session.run(prepared, parameters, &CancelToken::new(), &mut sink).await?;
    Ok(sink.lines())
}

fn is_same(a: &Prepared, b: &Prepared) -> bool {
    Arc::ptr_eq(&a.binding, &b.binding)
}

#[tokio::test]
async fn reuse_of_a_text_that_is_parsed_again() {
    let mut session = new_session().await;
    let select = "SELECT v FROM t WHERE k = $1";
    let first = prepare(&mut session, select, &[]).await;
    let again = prepare(&mut session, select, &[]).await;
    assert!(is_same(&first, &again));
    assert_eq!(run(&mut session, &again, &[Datum::Int(2)]).await.unwrap(), ["two"]);
    // Another session's catalog is the same, its user may not be.
    let mut other =
        session.node.session(SessionOptions { user: "u2".to_owned(), ..SessionOptions::default() });
    let statement = first.statement.clone();
    assert!(!is_same(&first, &other.prepare(&statement, &[]).await.unwrap()));
}

#[tokio::test]
async fn reuse_asks_for_the_same_declared_types() {
    let mut session = new_session().await;
    let text = "SELECT $1";
    let number = prepare(&mut session, text, &[Some(DataType::Int8)]).await;
    let word = prepare(&mut session, text, &[Some(DataType::TEXT)]).await;
    assert!(!is_same(&number, &word));
    assert_eq!(number.parameter_types(), [DataType::Int8]);
    assert_eq!(word.parameter_types(), [DataType::TEXT]);
    assert_eq!(run(&mut session, &number, &[Datum::Int(7)]).await.unwrap(), ["7"]);
    assert_eq!(run(&mut session, &word, &[Datum::Text("x".to_owned())]).await.unwrap(), ["x"]);
}

#[tokio::test]
async fn reuse_of_a_user_name_is_the_session_s_own() {
    let (node, _) = new_node();
    let mut statements = Vec::new();
    for user in ["ann", "ben", "ann"] {
        let options = SessionOptions { user: user.to_owned(), ..SessionOptions::default() };
        let mut session = node.session(options);
        if statements.is_empty() {
            statements = session.parse("SELECT current_user").unwrap();
        }
        for _ in 0..3 {
            let prepared = session.prepare(&statements[0], &[]).await.unwrap();
            assert_eq!(run(&mut session, &prepared, &[]).await.unwrap(), [user]);
        }
    }
}

/// A table of the same name takes another's place: nothing that was kept reads or writes the old one.
#[tokio::test]
async fn reuse_ends_when_the_catalog_changes() {
    let mut session = new_session().await;
    let texts = ["SELECT v FROM t WHERE k = $1", "UPDATE t SET v = 'new' WHERE k = $1"];
    let select = prepare(&mut session, texts[0], &[]).await;
    let update = prepare(&mut session, texts[1], &[]).await;
    for _ in 0..3 {
        assert_eq!(run(&mut session, &select, &[Datum::Int(1)]).await.unwrap(), ["one"]);
        assert_eq!(sql(&mut session, "SELECT v FROM t WHERE k = 2").await, ["two"]);
        run(&mut session, &update, &[Datum::Int(3)]).await.unwrap();
    }
    let table = |session: &Session| -> Arc<TableDescriptor> {
        let catalog = session.node.catalog.snapshot();
        catalog.tables().next().cloned().expect("a table")
    };
    let old = table(&session);
    sql(&mut session, "DROP TABLE t").await;
    assert_eq!(run(&mut session, &select, &[Datum::Int(1)]).await.unwrap_err().state.code(), "42P01");
    let text_run = run_text(&mut session, "SELECT v FROM t WHERE k = 2", &mut Recorder::default()).await;
    assert_eq!(text_run.unwrap_err().state.code(), "42P01");
    // The value comes first now, and k is no key.
    sql(&mut session, "CREATE TABLE t (v TEXT PRIMARY KEY, k BIGINT)").await;
    assert_ne!(table(&session).id, old.id);
    sql(&mut session, "INSERT INTO t VALUES ('uno', 1), ('dos', 2), ('tres', 3)").await;
    for _ in 0..3 {
        assert_eq!(run(&mut session, &select, &[Datum::Int(1)]).await.unwrap(), ["uno"]);
        assert_eq!(sql(&mut session, "SELECT v FROM t WHERE k = 2").await, ["dos"]);
    }
    // A column of another type is not what the client was told.
    sql(&mut session, "DROP TABLE t").await;
    sql(&mut session, "CREATE TABLE t (k BIGINT PRIMARY KEY, v INT)").await;
    let error = run(&mut session, &select, &[Datum::Int(1)]).await.unwrap_err();
    assert_eq!(
        (error.state.code(), error.message.as_str()),
        ("0A000", "cached plan must not change result type")
    );
    assert_eq!(error.routine, Some("RevalidateCachedQuery"), "drivers look for it");
    let anew = prepare(&mut session, texts[0], &[]).await;
    assert_eq!(run(&mut session, &anew, &[Datum::Int(1)]).await.unwrap(), Vec::<String>::new());
}

/// Another session's DDL ends what this one has kept, also within a transaction.
#[tokio::test]
async fn reuse_ends_when_another_session_changes_the_catalog() {
    let mut session = new_session().await;
    let mut other = session.node.session(SessionOptions::default());
    let select = prepare(&mut session, "SELECT v FROM t WHERE k = $1", &[]).await;
    let upsert = "INSERT INTO t VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v";
    let upsert = prepare(&mut session, upsert, &[]).await;
    for _ in 0..3 {
        assert_eq!(run(&mut session, &select, &[Datum::Int(1)]).await.unwrap(), ["one"]);
        run(&mut session, &upsert, &[Datum::Int(1), Datum::Text("one".to_owned())]).await.unwrap();
    }
    sql(&mut session, "BEGIN").await;
    run(&mut session, &upsert, &[Datum::Int(2), Datum::Text("lost".to_owned())]).await.unwrap();
    sql(&mut other, "DROP TABLE t").await;
    let mut sink = Recorder::default();
    assert_eq!(run_text(&mut session, "COMMIT", &mut sink).await.unwrap_err().state.code(), "40001");
    // A table with one column more, and the key behind it.
    sql(&mut other, "CREATE TABLE t (x INT DEFAULT 7, v TEXT, k BIGINT PRIMARY KEY)").await;
    sql(&mut other, "INSERT INTO t (v, k) VALUES ('eins', 1)").await;
    for _ in 0..3 {
        assert_eq!(run(&mut session, &select, &[Datum::Int(1)]).await.unwrap(), ["eins"]);
        // Its values are for other columns now: $1 is an integer, $2 still text.
        run(&mut session, &upsert, &[Datum::Int(1), Datum::Text("two".to_owned())]).await.unwrap_err();
    }
    assert_eq!(sql(&mut other, "SELECT * FROM t").await, ["7\teins\t1"]);
}

/// A column of another type takes the values in the types that the client was told, where it takes such values at all.
#[tokio::test]
async fn reuse_keeps_the_types_of_parameters_that_were_told() {
    let mut session = new_session().await;
    let insert = prepare(&mut session, "INSERT INTO t VALUES ($1, $2)", &[]).await;
    let update = prepare(&mut session, "UPDATE t SET v = $2 WHERE k = $1", &[]).await;
    let text = |text: &str| Datum::Text(text.to_owned());
    sql(&mut session, "DROP TABLE t").await;
    sql(&mut session, "CREATE TABLE t (k TEXT PRIMARY KEY, v VARCHAR(3))").await;
    run(&mut session, &insert, &[Datum::Int(7), text("abc")]).await.unwrap();
    let error = run(&mut session, &insert, &[Datum::Int(8), text("abcd")]).await.unwrap_err();
    assert_eq!(error.state.code(), "22001");
    assert_eq!(sql(&mut session, "SELECT k, v FROM t").await, ["7\tabc"]);
    // A number is no text to compare with, and a text no number to store: as for whoever writes the types down.
    let error = run(&mut session, &update, &[Datum::Int(7), text("x")]).await.unwrap_err();
    assert_eq!(error.state.code(), "42883", "{error}");
    sql(&mut session, "DROP TABLE t").await;
    sql(&mut session, "CREATE TABLE t (k INT PRIMARY KEY, v INT)").await;
    let error = run(&mut session, &insert, &[Datum::Int(7), text("1")]).await.unwrap_err();
    assert_eq!(error.state.code(), "42804", "{error}");
    let error = run(&mut session, &update, &[Datum::Int(7), text("1")]).await.unwrap_err();
    assert_eq!(error.state.code(), "42804", "{error}");
}

/// What is kept of a statement does not depend on settings: they count as of each run.
#[tokio::test]
async fn reuse_sees_settings_as_they_are() {
    let mut session = new_session().await;
    let mut show = Vec::new();
    for value in ["1s", "2s", "3s"] {
        sql(&mut session, &format!("SET statement_timeout = '{value}'")).await;
        sql(&mut session, &format!("SET CLUSTER SETTING test.setting = '{value}'")).await;
        show.extend(sql(&mut session, "SHOW statement_timeout").await);
        show.extend(sql(&mut session, "SHOW CLUSTER SETTINGS").await);
    }
    let setting = |value: &str| format!("test.setting\t{value}\t1\tDoes nothing.");
    assert_eq!(show, ["1s", &setting("1s"), "2s", &setting("2s"), "3s", &setting("3s")]);
    // A statement that has a plan is refused where it may not write, and goes on afterwards.
    let insert = "INSERT INTO t VALUES (9, 'nine') ON CONFLICT DO NOTHING";
    for _ in 0..3 {
        sql(&mut session, insert).await;
    }
    sql(&mut session, "BEGIN READ ONLY").await;
    let error = run_text(&mut session, insert, &mut Recorder::default()).await.unwrap_err();
    assert_eq!(error.state.code(), "25006");
    sql(&mut session, "ROLLBACK").await;
    sql(&mut session, insert).await;
}

/// Statements whose plan depends on the values: each run has its own.
#[tokio::test]
async fn reuse_of_a_statement_that_is_planned_each_time() {
    let mut session = new_session().await;
    sql(&mut session, "INSERT INTO t VALUES (3, 'three'), (4, 'four')").await;
    let above = prepare(&mut session, "SELECT v FROM t WHERE k > $1 ORDER BY k LIMIT $2", &[]).await;
    let runs: [(i64, Datum, &[&str]); 5] = [
        (2, Datum::Int(1), &["three"]),
        (0, Datum::Int(2), &["one", "two"]),
        (3, Datum::Null, &["four"]),
        (1, Datum::Int(0), &[]),
        (1, Datum::Int(5), &["two", "three", "four"]),
    ];
    for (key, limit, wanted) in runs {
        assert_eq!(run(&mut session, &above, &[Datum::Int(key), limit]).await.unwrap(), wanted);
    }
    let error = run(&mut session, &above, &[Datum::Int(1), Datum::Int(-1)]).await.unwrap_err();
    assert_eq!(error.state.code(), "2201W");
    let word = prepare(&mut session, "SELECT k FROM t WHERE v LIKE $1 OR k = $2 ORDER BY k", &[]).await;
    for (pattern, key, wanted) in
        [("t%", 1, vec!["1", "2", "3"]), ("x", 4, vec!["4"]), ("%e", 9, vec!["1", "3"])]
    {
        let parameters = [Datum::Text(pattern.to_owned()), Datum::Int(key)];
        assert_eq!(run(&mut session, &word, &parameters).await.unwrap(), wanted);
    }
}

/// Values of all kinds through a statement that is planned once.
#[tokio::test]
async fn reuse_of_a_plan_reads_and_writes_what_its_parameters_say() {
    let mut session = new_session().await;
    let select = prepare(&mut session, "SELECT v FROM t WHERE k = $1", &[]).await;
    let upsert = "INSERT INTO t VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = t.v || '+' || excluded.v";
    let upsert = prepare(&mut session, upsert, &[]).await;
    for key in [1, 2, 3, 1, 3] {
        run(&mut session, &upsert, &[Datum::Int(key), Datum::Text(format!("k{key}"))]).await.unwrap();
    }
    for (key, wanted) in [(1, vec!["one+k1+k1"]), (2, vec!["two+k2"]), (3, vec!["k3+k3"]), (4, vec![])] {
        assert_eq!(run(&mut session, &select, &[Datum::Int(key)]).await.unwrap(), wanted);
    }
    assert!(run(&mut session, &select, &[Datum::Null]).await.unwrap().is_empty());
    let error = run(&mut session, &upsert, &[Datum::Null, Datum::Null]).await.unwrap_err();
    assert_eq!(error.state.code(), "23502");
    assert_eq!(run(&mut session, &select, &[]).await.unwrap_err().state.code(), "42P02");
}

/// `now()` is each transaction's own, also in a statement without parameters.
#[tokio::test]
async fn reuse_does_not_keep_the_time() {
    let mut session = new_session().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        seen.extend(sql(&mut session, "SELECT now() FROM t WHERE k = 1").await);
        session.node.clock.sleep(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}
