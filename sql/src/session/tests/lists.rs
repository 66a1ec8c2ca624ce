//! IN lists that are large: right rows, by requests of a bounded size.

use super::attempts::{session_with_rows, sql};
use crate::error::SqlState;
use crate::limits::LIST_MAX;

/// Numbers with commas, every third from 0.
fn list(count: usize) -> String {
    (0..count).map(|number| (number * 3).to_string()).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn list_of_keys_is_fetched_a_thousand_at_a_time() {
    let (mut session, script, _) = session_with_rows(3_000).await;
    let text = format!("SELECT count(*), min(a), max(a) FROM t WHERE a IN ({}, NULL, 0, 3)", list(20_000));
    assert_eq!(sql(&mut session, &text).await.unwrap(), ["1000\t0\t2997"]);
    assert_eq!(script.lock().keys_read, 20_000);
    assert_eq!(script.lock().keys_at_once, 1_000);
    let text = format!("SELECT count(*) FROM t WHERE a NOT IN ({})", list(20_000));
    assert_eq!(sql(&mut session, &text).await.unwrap(), ["2000"]);
    let text = format!("UPDATE t SET b = -1 WHERE a IN ({})", list(20_000));
    sql(&mut session, &text).await.unwrap();
    assert_eq!(sql(&mut session, "SELECT count(*) FROM t WHERE b = -1").await.unwrap(), ["1000"]);
}

#[tokio::test]
async fn array_of_keys_is_fetched_as_a_list() {
    let (mut session, script, _) = session_with_rows(3_000).await;
    let array = format!("'{{{},NULL,0,3}}'", list(20_000));
    let text = format!("SELECT count(*), min(a), max(a) FROM t WHERE a = ANY({array})");
    assert_eq!(sql(&mut session, &text).await.unwrap(), ["1000\t0\t2997"]);
    assert_eq!(script.lock().keys_read, 20_000);
    assert_eq!(script.lock().keys_at_once, 1_000);
    let text = format!("SELECT count(*) FROM t WHERE a <> ALL('{{{}}}')", list(20_000));
    assert_eq!(sql(&mut session, &text).await.unwrap(), ["2000"]);
    let text = format!("INSERT INTO t SELECT x + 3000, 1 FROM unnest('{{{}}}'::int[]) AS n(x)", list(20_000));
    sql(&mut session, &text).await.unwrap();
    assert_eq!(sql(&mut session, "SELECT count(*) FROM t").await.unwrap(), ["23000"]);
}

#[tokio::test]
async fn list_of_values_is_not_sent_with_each_page() {
    let (mut session, script, _) = session_with_rows(3_000).await;
    let cases = [
        (format!("SELECT count(*), sum(a) FROM t WHERE b IN ({})", list(20_000)), "1020\t1529490"),
        (format!("SELECT sum(a) FROM t WHERE b IN ({}) AND a < 100", list(20_000)), "1683"),
        (format!("SELECT a FROM t WHERE b IN ({}) ORDER BY a DESC LIMIT 1", list(20_000)), "2999"),
        (format!("SELECT count(*) FROM t WHERE b NOT IN ({}, NULL)", list(20_000)), "0"),
    ];
    for (text, wanted) in cases {
        assert_eq!(sql(&mut session, &text).await.unwrap(), [wanted], "{}", &text[..60]);
    }
    assert!(script.lock().program_bytes < 64 << 10, "{} bytes", script.lock().program_bytes);
    let explained =
        sql(&mut session, &format!("EXPLAIN SELECT a FROM t WHERE b IN ({})", list(20_000))).await;
    let line = explained.unwrap().into_iter().find(|line| line.contains(" IN (")).unwrap();
    assert!(line.ends_with("IN (0, … 20000 values)"), "{line}");
}

#[tokio::test]
async fn list_beyond_the_limit_is_refused() {
    let (mut session, _, _) = session_with_rows(1).await;
    let text = format!("SELECT a FROM t WHERE a IN ({}1)", "1,".repeat(LIST_MAX));
    let error = sql(&mut session, &text).await.unwrap_err();
    assert_eq!(error.state, SqlState::ProgramLimitExceeded);
    assert!(error.message.contains("a list of 1048577 values is beyond the limit"), "{error}");
}
