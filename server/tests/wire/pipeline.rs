//! Implicit transactions: the messages up to a Sync, the statements of a text.

use futures::future::join_all;

use crate::local::raw::{Raw, message, outline, parse_bind_execute, query, sync};
use crate::local::server::Server;

const TABLE: &str = "CREATE TABLE t (a INT PRIMARY KEY)";

/// Parse, Bind and Execute of an INSERT.
fn insert(number: i32) -> Vec<u8> {
    parse_bind_execute(&format!("INSERT INTO t VALUES ({number})"), 0)
}

fn run(text: &str) -> Vec<u8> {
    parse_bind_execute(text, 0)
}

fn flush() -> Vec<u8> {
    message(b'H', b"")
}

async fn start() -> (Server, Raw, Raw) {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let (other, _) = Raw::session(server.address).await;
    raw.ask(&query(TABLE)).await;
    (server, raw, other)
}

/// The numbers in the table.
async fn stored(raw: &mut Raw) -> String {
    raw.send(&query("SELECT a FROM t ORDER BY a")).await;
    let rows = raw.until_ready().await;
    let rows = rows.iter().filter(|message| message.kind == 'D');
    rows.map(|row| String::from_utf8_lossy(&row.body[6..]).into_owned()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn pipeline_is_undone_by_an_error() {
    let (_server, mut raw, mut other) = start().await;
    let all = [insert(1), insert(2), insert(1), insert(3), sync()].concat();
    assert_eq!(raw.ask(&all).await, "1 2 C(INSERT 0 1) 1 2 C(INSERT 0 1) 1 2 E(23505) Z(I)");
    assert_eq!(stored(&mut other).await, "");
    // Errors of Parse, Bind and Execute, of the last and of one in between, with and without Syncs behind them.
    for bad in [run("SELECT 1/0"), run("SELECT nothing"), run("SELEC 1"), message(b'E', b"none\0\0\0\0\0")] {
        for rest in [Vec::new(), insert(6)] {
            let answer = raw.ask(&[insert(5), bad.clone(), rest, sync()].concat()).await;
            assert!(answer.starts_with("1 2 C(INSERT 0 1)") && answer.ends_with(") Z(I)"), "{answer}");
            assert_eq!(stored(&mut other).await, "", "{answer}");
        }
    }
    assert_eq!(
        raw.ask(&[insert(1), sync(), insert(2), insert(1), sync()].concat()).await,
        "1 2 C(INSERT 0 1) Z(I)"
    );
    assert_eq!(outline(&raw.until_ready().await), "1 2 C(INSERT 0 1) 1 2 E(23505) Z(I)");
    assert_eq!(stored(&mut other).await, "1", "a Sync ends it");
}

#[tokio::test]
async fn pipeline_commits_once_and_one_statement_in_one_request() {
    let (server, mut raw, mut other) = start().await;
    let counted = || (server.held.borrow().committed, server.held.borrow().keys_read);
    let (commits, keys) = counted();
    // In one packet, message by message, and byte by byte: what is done does not depend on how it comes.
    assert_eq!(raw.ask(&[insert(1), sync()].concat()).await, "1 2 C(INSERT 0 1) Z(I)");
    raw.send(&insert(2)).await;
    assert_eq!(stored(&mut other).await, "1", "it waits for what comes next");
    assert_eq!(raw.ask(&sync()).await, "1 2 C(INSERT 0 1) Z(I)");
    for byte in [insert(3), sync()].concat() {
        raw.send(&[byte]).await;
    }
    assert_eq!(outline(&raw.until_ready().await), "1 2 C(INSERT 0 1) Z(I)");
    assert_eq!(counted(), (commits + 3, keys), "no key was read before its insert");
    let many: Vec<u8> = (10..60).flat_map(insert).chain(sync()).collect();
    assert_eq!(raw.ask(&many).await.matches("C(INSERT 0 1)").count(), 50);
    assert_eq!(counted().0, commits + 4);
    assert_eq!(stored(&mut other).await.split(' ').count(), 53);
}

#[tokio::test]
async fn pipeline_answers_at_a_flush_and_is_seen_after_the_sync() {
    let (_server, mut raw, mut other) = start().await;
    raw.send(&[insert(1), run("SELECT a FROM t"), flush()].concat()).await;
    for kind in ['1', '2', 'C', '1', '2', 'D', 'C'] {
        assert_eq!(raw.read().await.unwrap().kind, kind);
    }
    assert_eq!(stored(&mut other).await, "");
    assert_eq!(raw.ask(&sync()).await, "Z(I)");
    assert_eq!(stored(&mut other).await, "1");
    // Describe and Close between Execute and Sync.
    let close = message(b'C', b"P\0");
    assert_eq!(raw.ask(&[insert(2), close, sync()].concat()).await, "1 2 C(INSERT 0 1) 3 Z(I)");
    assert_eq!(stored(&mut other).await, "1 2");
    // A client that leaves without a Sync has not committed.
    raw.send(&[insert(3), insert(4), message(b'X', b"")].concat()).await;
    raw.until_end().await;
    assert_eq!(stored(&mut other).await, "1 2");
}

/// Parts of a run whose keys are read with those of the runs before it: what came whole is answered.
#[tokio::test]
async fn pipeline_answers_what_is_whole_while_the_rest_is_on_its_way() {
    let (_server, mut raw, _) = start().await;
    raw.ask(&query("BEGIN")).await;
    let parse = message(b'P', b"i\0INSERT INTO t VALUES ($1)\0\0\x01\0\0\0\x17");
    assert_eq!(raw.ask(&[parse, sync()].concat()).await, "1 Z(T)");
    let bind = |digit: u8| {
        let values = [b"\0i\0\0\0\0\x01\0\0\0\x01".as_slice(), &[digit], b"\0\0".as_slice()].concat();
        message(b'B', &values)
    };
    let execute = || message(b'E', b"\0\0\0\0\0");
    let run = |digit: u8| [bind(digit), execute(), sync()].concat();
    raw.send(&[run(b'1'), run(b'2'), run(b'3'), bind(b'4')].concat()).await;
    for _ in 0..3 {
        assert_eq!(outline(&raw.until_ready().await), "2 C(INSERT 0 1) Z(T)");
    }
    raw.send(&[execute(), sync(), run(b'5')].concat()).await;
    for _ in 0..2 {
        assert_eq!(outline(&raw.until_ready().await), "2 C(INSERT 0 1) Z(T)");
    }
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut raw).await, "1 2 3 4 5");
}

#[tokio::test]
async fn pipeline_becomes_a_block_and_ends_early() {
    let (_server, mut raw, mut other) = start().await;
    let begun = [insert(1), run("BEGIN"), insert(2), sync()].concat();
    assert_eq!(raw.ask(&begun).await, "1 2 C(INSERT 0 1) 1 2 C(BEGIN) 1 2 C(INSERT 0 1) Z(T)");
    assert_eq!(stored(&mut other).await, "");
    let ended = [insert(3), run("COMMIT"), insert(4), insert(4), sync()].concat();
    assert_eq!(raw.ask(&ended).await, "1 2 C(INSERT 0 1) 1 2 C(COMMIT) 1 2 C(INSERT 0 1) 1 2 E(23505) Z(I)");
    assert_eq!(stored(&mut other).await, "1 2 3");
    let warned = [insert(5), run("COMMIT"), insert(6), run("ROLLBACK"), insert(7), sync()].concat();
    let answer = raw.ask(&warned).await;
    assert_eq!(
        answer,
        "1 2 C(INSERT 0 1) 1 2 N C(COMMIT) 1 2 C(INSERT 0 1) 1 2 N C(ROLLBACK) 1 2 C(INSERT 0 1) Z(I)"
    );
    assert_eq!(stored(&mut other).await, "1 2 3 5 7");
    let failed = [run("BEGIN"), insert(8), insert(8), run("ROLLBACK"), sync()].concat();
    assert_eq!(raw.ask(&failed).await, "1 2 C(BEGIN) 1 2 C(INSERT 0 1) 1 2 E(23505) Z(E)");
    assert_eq!(raw.ask(&[insert(9), sync()].concat()).await, "E(25P02) Z(E)");
    assert_eq!(raw.ask(&[run("ROLLBACK"), sync()].concat()).await, "1 2 C(ROLLBACK) Z(I)");
    assert_eq!(stored(&mut other).await, "1 2 3 5 7");
}

#[tokio::test]
async fn pipeline_is_ended_by_a_text_as_by_a_sync() {
    let (_server, mut raw, mut other) = start().await;
    let answer = raw.ask(&[insert(1), query("INSERT INTO t VALUES (2)")].concat()).await;
    assert_eq!(answer, "1 2 C(INSERT 0 1) C(INSERT 0 1) Z(I)");
    assert_eq!(stored(&mut other).await, "1 2");
    let answer = raw.ask(&[insert(3), query("INSERT INTO t VALUES (1)")].concat()).await;
    assert_eq!(answer, "1 2 C(INSERT 0 1) E(23505) Z(I)");
    assert_eq!(stored(&mut other).await, "1 2");
}

#[tokio::test]
async fn pipeline_undoes_ddl_and_settings() {
    let (_server, mut raw, mut other) = start().await;
    let all = [
        run("SET application_name = 'inside'"),
        run("CREATE TABLE made (a INT PRIMARY KEY)"),
        run("INSERT INTO made VALUES (1)"),
        run("DROP TABLE t"),
        run("SELECT 1/0"),
        sync(),
    ];
    raw.send(&all.concat()).await;
    let messages = raw.until_ready().await;
    assert_eq!(
        outline(&messages),
        "1 2 C(SET) 1 2 C(CREATE TABLE) 1 2 C(INSERT 0 1) 1 2 C(DROP TABLE) 1 2 E(22012) Z(I)"
    );
    assert_eq!(raw.ask(&query("SELECT a FROM made")).await, "E(42P01) Z(I)");
    assert_eq!(stored(&mut other).await, "");
    let all = [run("DROP TABLE t"), run(TABLE), insert(1), sync()].concat();
    assert_eq!(raw.ask(&all).await, "1 2 C(DROP TABLE) 1 2 C(CREATE TABLE) 1 2 C(INSERT 0 1) Z(I)");
    assert_eq!(stored(&mut other).await, "1");
    assert_eq!(raw.ask(&query("DROP TABLE t; SELECT 1/0")).await, "C(DROP TABLE) E(22012) Z(I)");
    assert_eq!(stored(&mut other).await, "1");
}

/// Bind and Execute of the statement `put`.
fn put(number: &str) -> Vec<u8> {
    let length = u32::try_from(number.len()).unwrap().to_be_bytes();
    let bind = [b"\0put\0\0\0\0\x01", &length[..], number.as_bytes(), b"\0\0"].concat();
    [message(b'B', &bind), message(b'E', b"\0\0\0\0\0")].concat()
}

/// All of them have come before the first runs: each error is that of its own Execute all the same, in a block, over Syncs,
/// behind a savepoint, and where a value cannot be read.
#[tokio::test]
async fn pipeline_of_one_insert_tells_each_error_where_it_is() {
    let (_server, mut raw, mut other) = start().await;
    let parse = message(b'P', b"put\0INSERT INTO t VALUES ($1)\0\0\0");
    assert_eq!(raw.ask(&[parse, sync()].concat()).await, "1 Z(I)");
    assert_eq!(raw.ask(&query("BEGIN; SAVEPOINT a")).await, "C(BEGIN) C(SAVEPOINT) Z(T)");
    let all: Vec<Vec<u8>> = [put("1"), put("2"), put("3"), put("2"), put("4"), sync()].into();
    let inserted = "2 C(INSERT 0 1)";
    let answer = format!("{inserted} {inserted} {inserted} 2 E(23505) Z(E)");
    assert_eq!(raw.ask(&all.concat()).await, answer);
    assert_eq!(raw.ask(&query("ROLLBACK TO a")).await, "C(ROLLBACK) Z(T)");
    let all = [
        put("1"),
        sync(),
        put("5"),
        sync(),
        put("six"),
        put("7"),
        sync(),
        query("ROLLBACK TO a"),
        put("8"),
        sync(),
    ];
    raw.send(&all.concat()).await;
    for expected in [
        format!("{inserted} Z(T)"),
        format!("{inserted} Z(T)"),
        "E(22P02) Z(E)".to_owned(),
        "C(ROLLBACK) Z(T)".to_owned(),
        format!("{inserted} Z(T)"),
    ] {
        assert_eq!(outline(&raw.until_ready().await), expected);
    }
    assert_eq!(raw.ask(&query("COMMIT")).await, "C(COMMIT) Z(I)");
    // Without a block all up to a Sync are one transaction, and what comes behind it is none of theirs.
    let all = [put("9"), put("10"), sync(), put("11"), put("8"), put("12"), sync(), put("13"), sync()];
    raw.send(&all.concat()).await;
    for expected in [
        format!("{inserted} {inserted} Z(I)"),
        format!("{inserted} 2 E(23505) Z(I)"),
        format!("{inserted} Z(I)"),
    ] {
        assert_eq!(outline(&raw.until_ready().await), expected);
    }
    assert_eq!(stored(&mut other).await, "8 9 10 13");
}

/// Statements of many clients, sent at once: each is a transaction of its own.
#[tokio::test]
async fn pipeline_of_a_driver_is_one_transaction_a_statement() {
    let (server, _raw, mut other) = start().await;
    let client = server.client().await;
    let statement = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
    let numbers = [1_i32, 2, 1, 3];
    let inserts = numbers.iter().map(|number| client.execute_raw(&statement, [number]));
    let results = join_all(inserts).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    assert_eq!(stored(&mut other).await, "1 2 3");
}
