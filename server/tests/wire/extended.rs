//! The extended protocol: message by message, and through a driver.

use tokio_postgres::types::Type;

use crate::local::raw::{Raw, message, outline, parse_bind_execute, query, sync};
use crate::local::server::Server;

#[tokio::test]
async fn extended_messages_answer_for_themselves() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let describe = message(b'D', b"S\0");
    let all = [parse_bind_execute("SELECT 1 AS a", 0), describe, sync()].concat();
    assert_eq!(raw.ask(&all).await, "1 2 D C(SELECT 1) t T Z(I)");
    let close = message(b'C', b"Pnone\0");
    assert_eq!(raw.ask(&[close, sync()].concat()).await, "3 Z(I)");
    assert_eq!(raw.ask(&[parse_bind_execute("", 0), sync()].concat()).await, "1 2 I Z(I)");
}

#[tokio::test]
async fn extended_flush_sends_what_is_there() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.send(&[message(b'P', b"\0SELECT 1\0\0\0"), message(b'H', b"")].concat()).await;
    assert_eq!(raw.read().await.unwrap().kind, '1');
    assert_eq!(raw.ask(&sync()).await, "Z(I)");
}

#[tokio::test]
async fn extended_error_skips_to_sync() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let bad = [parse_bind_execute("SELECT nothing", 0), query("SELECT 1"), parse_bind_execute("SELECT 1", 0)];
    raw.send(&bad.concat()).await;
    let error = raw.read().await.unwrap();
    assert_eq!(
        (error.kind, error.field('C').as_deref()),
        ('E', Some("42703")),
        "the error does not wait for Sync"
    );
    assert_eq!(raw.ask(&sync()).await, "Z(I)");
    for (bytes, state) in [
        (message(b'B', b"\0none\0\0\0\0\0\0\0"), "26000"),
        (message(b'E', b"none\0\0\0\0\0"), "34000"),
        (message(b'D', b"Pnone\0"), "34000"),
        (message(b'P', b"\0SELECT 1; SELECT 2\0\0\0"), "42601"),
        (message(b'P', b"\0SELECT $1\0\0\x01\0\0\x02\x58"), "0A000"),
        (message(b'P', b"\0SELECT '\xff'\0\0\0"), "22021"),
    ] {
        let answer = raw.ask(&[bytes.clone(), sync()].concat()).await;
        assert_eq!(answer, format!("E({state}) Z(I)"), "{bytes:?}");
    }
    let named = message(b'P', b"s\0SELECT 1\0\0\0");
    assert_eq!(raw.ask(&[named.clone(), named, sync()].concat()).await, "1 E(42P05) Z(I)");
    let too_few =
        [message(b'P', b"\0SELECT $1::int\0\0\0"), message(b'B', b"\0\0\0\0\0\0\0\0"), sync()].concat();
    assert_eq!(raw.ask(&too_few).await, "1 E(08P01) Z(I)");
}

#[tokio::test]
async fn extended_portal_has_one_name_and_one_run() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let parse = |text: &str| message(b'P', format!("\0{text}\0\0\0").as_bytes());
    let bind = message(b'B', b"p\0\0\0\0\0\0\0\0");
    let execute = message(b'E', b"p\0\0\0\0\0");
    let twice_bound = [parse("SELECT 1"), bind.clone(), bind.clone(), sync()].concat();
    assert_eq!(raw.ask(&twice_bound).await, "1 2 E(42P03) Z(I)");
    let parts = [parse("SET application_name = 'x'"), bind.clone(), execute.clone(), execute.clone(), sync()];
    assert_eq!(raw.ask(&parts.concat()).await, "1 2 C(SET) E(55000) Z(I)");
    let parts = [parse("SELECT 1"), bind, execute.clone(), execute, sync()];
    assert_eq!(raw.ask(&parts.concat()).await, "1 2 D C(SELECT 1) C(SELECT 0) Z(I)");
}

#[tokio::test]
async fn extended_returning_is_described_and_fetched_like_a_query() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)")).await;
    let parse = |text: &str| message(b'P', format!("\0{text}\0\0\0").as_bytes());
    let bind = || message(b'B', b"\0\0\0\0\0\0\0\0");
    let execute = |rows: u8| message(b'E', &[0, 0, 0, 0, rows]);
    let describe = |what: &[u8]| message(b'D', what);
    let insert = parse("INSERT INTO t VALUES (1), (2), (3) RETURNING a");
    let parts = [
        insert,
        describe(b"S\0"),
        bind(),
        describe(b"P\0"),
        execute(1),
        execute(1),
        execute(5),
        execute(5),
        sync(),
    ];
    let answer = raw.ask(&parts.concat()).await;
    assert_eq!(answer, "1 t T 2 T D s D s D C(INSERT 0 1) C(INSERT 0 0) Z(I)");
    let parts = [parse("INSERT INTO t VALUES (4), (5) RETURNING a"), bind(), execute(2), execute(2), sync()];
    assert_eq!(raw.ask(&parts.concat()).await, "1 2 D D s C(INSERT 0 0) Z(I)");
    let parts = [parse("DELETE FROM t WHERE a > 3"), describe(b"S\0"), bind(), execute(1), sync()];
    assert_eq!(raw.ask(&parts.concat()).await, "1 t n 2 C(DELETE 2) Z(I)");
    let parts = [parse("UPDATE t SET b = 'x' RETURNING a"), bind(), execute(0), execute(0), sync()];
    assert_eq!(raw.ask(&parts.concat()).await, "1 2 D D D C(UPDATE 3) C(UPDATE 0) Z(I)");
}

#[tokio::test]
async fn extended_portals_behind_a_savepoint_go_with_it() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")).await;
    let run = |text: &str| parse_bind_execute(text, 0);
    let portal = || {
        let parse = message(b'P', b"\0SELECT a FROM t\0\0\0");
        [parse, message(b'B', b"c\0\0\0\0\0\0\0\0")].concat()
    };
    let fetch = || message(b'E', b"c\0\0\0\0\x01");
    // Opened before: it goes on, also after an error.
    let parts = [run("BEGIN"), portal(), fetch(), run("SAVEPOINT x"), sync()];
    assert_eq!(raw.ask(&parts.concat()).await, "1 2 C(BEGIN) 1 2 D s 1 2 C(SAVEPOINT) Z(T)");
    assert_eq!(raw.ask(&[run("SELECT 1/0"), sync()].concat()).await, "1 2 E(22012) Z(E)");
    assert_eq!(raw.ask(&[run("RELEASE x"), sync()].concat()).await, "E(25P02) Z(E)");
    assert_eq!(raw.ask(&[run("ROLLBACK TO x"), sync()].concat()).await, "1 2 C(ROLLBACK) Z(T)");
    assert_eq!(raw.ask(&[fetch(), sync()].concat()).await, "D s Z(T)");
    // Opened behind it: it is gone.
    let parts = [
        run("ROLLBACK"),
        run("BEGIN"),
        run("SAVEPOINT x"),
        portal(),
        fetch(),
        run("ROLLBACK TO x"),
        fetch(),
        sync(),
    ];
    let answer = raw.ask(&parts.concat()).await;
    assert_eq!(answer, "1 2 C(ROLLBACK) 1 2 C(BEGIN) 1 2 C(SAVEPOINT) 1 2 D s 1 2 C(ROLLBACK) E(34000) Z(E)");
}

#[tokio::test]
async fn extended_columns_have_a_limit() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let select = |columns: usize| query(&format!("SELECT {}", vec!["1"; columns].join(",")));
    assert_eq!(raw.ask(&select(1_665)).await, "E(54011) Z(I)");
    assert_eq!(raw.ask(&select(1_664)).await, "T D C(SELECT 1) Z(I)");
    let create = |columns: usize| {
        let columns: Vec<_> = (0..columns).map(|number| format!("c{number} INT")).collect();
        query(&format!("CREATE TABLE wide{0} ({1})", columns.len(), columns.join(",")))
    };
    assert_eq!(raw.ask(&create(1_601)).await, "E(54011) Z(I)");
    assert_eq!(raw.ask(&create(1_600)).await, "C(CREATE TABLE) Z(I)");
}

#[tokio::test]
async fn extended_portal_is_fetched_in_parts() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3), (4), (5)")).await;
    let more = |rows: i32| message(b'E', &[&b"\0"[..], &rows.to_be_bytes()].concat());
    let first = parse_bind_execute("SELECT a FROM t ORDER BY a", 2);
    let all = [first.clone(), more(2), more(2), more(2), sync()].concat();
    assert_eq!(raw.ask(&all).await, "1 2 D D s D D s D C(SELECT 1) C(SELECT 0) Z(I)");
    assert_eq!(raw.ask(&[first.clone(), more(0), sync()].concat()).await, "1 2 D D s D D D C(SELECT 3) Z(I)");
    assert_eq!(raw.ask(&[first, sync(), more(2), sync()].concat()).await, "1 2 D D s Z(I)");
    assert_eq!(outline(&raw.until_ready().await), "E(34000) Z(I)", "a portal ends with its transaction");
}

#[tokio::test]
async fn extended_portal_lives_as_long_as_its_transaction() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client
        .batch_execute("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")
        .await
        .unwrap();
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT a FROM t ORDER BY a", &[]).await.unwrap();
    let first = transaction.query_portal(&portal, 2).await.unwrap();
    assert_eq!(first.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [1, 2]);
    transaction.execute("INSERT INTO t VALUES (4)", &[]).await.unwrap();
    let rest = transaction.query_portal(&portal, 2).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [3]);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn driver_binds_and_reads_every_plain_type() {
    let server = Server::start().await;
    let client = server.client().await;
    client
        .batch_execute(
            "CREATE TABLE t (a INT2, b INT4 PRIMARY KEY, c INT8, d FLOAT8, e BOOL, f TEXT, g VARCHAR(9))",
        )
        .await
        .unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7)").await.unwrap();
    assert_eq!(
        insert.params()[..6],
        [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT8, Type::BOOL, Type::TEXT]
    );
    let count = client
        .execute(&insert, &[&-2_i16, &1_i32, &(1_i64 << 40), &0.1_f64, &true, &"é", &"x"])
        .await
        .unwrap();
    assert_eq!(count, 1);
    let none: Option<&str> = None;
    client.execute(&insert, &[&0_i16, &2_i32, &0_i64, &f64::INFINITY, &false, &none, &""]).await.unwrap();
    let rows = client.query("SELECT a, b, c, d, e, f, g FROM t ORDER BY b", &[]).await.unwrap();
    let row = &rows[0];
    assert_eq!((row.get::<_, i16>(0), row.get::<_, i32>(1), row.get::<_, i64>(2)), (-2, 1, 1 << 40));
    assert_eq!((row.get::<_, f64>(3), row.get::<_, bool>(4)), (0.1, true));
    assert_eq!((row.get::<_, &str>(5), row.get::<_, &str>(6)), ("é", "x"));
    assert_eq!(rows[1].get::<_, Option<&str>>(5), None);
    assert_eq!(rows[1].get::<_, f64>(3), f64::INFINITY);
    let one = client.query_one("SELECT f FROM t WHERE b = $1 AND e = $2", &[&1_i32, &true]).await.unwrap();
    assert_eq!(one.get::<_, &str>(0), "é");
}

#[tokio::test]
async fn driver_goes_on_after_an_error() {
    let server = Server::start().await;
    let client = server.client().await;
    let error = client.query("SELECT nothing", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42703");
    assert!(error.as_db_error().unwrap().position().is_some());
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    client.execute("INSERT INTO t VALUES ($1)", &[&1_i32]).await.unwrap();
    let error = client.execute("INSERT INTO t VALUES ($1)", &[&1_i32]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
    let told = error.as_db_error().unwrap();
    assert_eq!((told.schema(), told.table(), told.constraint()), (Some("public"), Some("t"), Some("t_pkey")));
    let error = client.batch_execute("INSERT INTO t VALUES (NULL)").await.unwrap_err();
    let told = error.as_db_error().unwrap();
    assert_eq!((told.table(), told.column(), told.constraint()), (Some("t"), Some("a"), None));
    let statement = client.prepare("SELECT a FROM t").await.unwrap();
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 1);
    client.batch_execute("DROP TABLE t").await.unwrap();
    let error = client.query(&statement, &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01", "a prepared statement is bound again");
}

#[tokio::test]
async fn driver_reads_many_rows() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();
    for part in 0..10 {
        let rows: Vec<String> =
            (0..500).map(|n| format!("({}, '{}')", part * 500 + n, "x".repeat(100))).collect();
        client.batch_execute(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await.unwrap();
    }
    let rows = client.query("SELECT a, b FROM t ORDER BY a", &[]).await.unwrap();
    assert_eq!(rows.len(), 5_000);
    assert!(rows.iter().zip(0..).all(|(row, n): (_, i32)| row.get::<_, i32>(0) == n));
}

#[tokio::test]
async fn extended_arrays_go_there_and_back() {
    let server = Server::start().await;
    let client = server.client().await;
    client
        .batch_execute("CREATE TABLE t (k INT PRIMARY KEY, v TEXT, tags TEXT[], at TIMESTAMPTZ[])")
        .await
        .unwrap();
    let insert = "INSERT INTO t (k, v) SELECT * FROM unnest($1::int[], $2::text[]) ON CONFLICT DO NOTHING";
    let insert = client.prepare(insert).await.unwrap();
    assert_eq!(insert.params(), [Type::INT4_ARRAY, Type::TEXT_ARRAY]);
    let (keys, values) = (vec![1, 2, 3], vec![Some("a"), None, Some("c")]);
    assert_eq!(client.execute(&insert, &[&keys, &values]).await.unwrap(), 3);
    assert_eq!(client.execute(&insert, &[&keys, &values]).await.unwrap(), 0);

    let select = client.prepare("SELECT k, v FROM t WHERE k = ANY($1) ORDER BY k").await.unwrap();
    assert_eq!(select.params(), [Type::INT4_ARRAY]);
    for (wanted, found) in [(vec![3, 1, 9], vec![1, 3]), (vec![], vec![]), (vec![2, 2], vec![2])] {
        let rows = client.query(&select, &[&wanted]).await.unwrap();
        let keys: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(keys, found, "{wanted:?}");
    }
    let update = "UPDATE t SET tags = $2, at = '{2020-01-01,NULL}' WHERE k <> ALL($1)";
    let tags = vec![Some("x y".to_owned()), None, Some("NULL".to_owned())];
    assert_eq!(client.execute(update, &[&vec![1, 2], &tags]).await.unwrap(), 1);
    let row = client.query_one("SELECT tags, at, tags[1], ARRAY[k] FROM t WHERE k = 3", &[]).await.unwrap();
    assert_eq!(row.columns()[0].type_(), &Type::TEXT_ARRAY);
    assert_eq!(row.columns()[1].type_(), &Type::TIMESTAMPTZ_ARRAY);
    assert_eq!(row.get::<_, Vec<Option<String>>>(0), tags);
    assert_eq!(row.get::<_, Vec<Option<std::time::SystemTime>>>(1).len(), 2);
    assert_eq!((row.get::<_, String>(2), row.get::<_, Vec<i32>>(3)), ("x y".to_owned(), vec![3]));
    let error = client.query("SELECT $1::int[]", &[&vec!["text"]]).await.unwrap_err();
    assert!(error.to_string().contains("serializing parameter"), "{error}");
}
