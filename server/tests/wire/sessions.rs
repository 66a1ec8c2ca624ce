//! Cursors, prepared statements and settings through the wire: what drivers and pools send.

use crate::local::raw::{Message, Raw, message, outline, parse_bind_execute, query, sync};
use crate::local::server::Server;

/// A number of rows of a portal.
fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()].concat())
}

fn describe(target: char, name: &str) -> Vec<u8> {
    message(b'D', format!("{target}{name}\0").as_bytes())
}

/// The rows, each value behind the four bytes of its length.
fn rows(messages: &[Message]) -> Vec<String> {
    let rows = messages.iter().filter(|message| message.kind == 'D');
    rows.map(|row| String::from_utf8_lossy(&row.body[2..]).into_owned()).collect()
}

#[tokio::test]
async fn session_is_released_to_a_pool_as_it_was() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("SET application_name = 'borrowed'; SET app.tenant = 'x'")).await;
    let release = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;";
    raw.send(&query(release)).await;
    let answer = raw.until_ready().await;
    assert_eq!(outline(&answer), "T D C(SELECT 1) C(CLOSE CURSOR ALL) C(UNLISTEN) C(RESET) S Z(I)");
    let void = &answer[0].body;
    let oid = u32::from_be_bytes(void[void.len() - 12..void.len() - 8].try_into().unwrap());
    assert_eq!(oid, 2278, "the type is void");
    raw.send(&query("SHOW application_name; SELECT current_setting('app.tenant') = ''")).await;
    assert_eq!(rows(&raw.until_ready().await).concat(), "\0\0\0\x03raw\0\0\0\x01t");
    assert_eq!(
        raw.ask(&query("BEGIN; DECLARE c CURSOR FOR SELECT 1")).await,
        "C(BEGIN) C(DECLARE CURSOR) Z(T)"
    );
    let in_block = "T D C(SELECT 1) C(CLOSE CURSOR ALL) C(UNLISTEN) C(RESET) Z(T)";
    assert_eq!(raw.ask(&query(release)).await, in_block);
    assert_eq!(raw.ask(&query("FETCH c")).await, "E(34000) Z(E)");
}

#[tokio::test]
async fn session_shares_names_of_statements_between_both_protocols() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let parse = message(b'P', b"s1\0SELECT $1::int + 1 AS next\0\0\0");
    assert_eq!(raw.ask(&[parse, sync()].concat()).await, "1 Z(I)");
    assert_eq!(raw.ask(&query("EXECUTE s1(4)")).await, "T D C(SELECT 1) Z(I)");
    assert_eq!(raw.ask(&query("PREPARE s1 AS SELECT 1")).await, "E(42P05) Z(I)");
    assert_eq!(raw.ask(&query("PREPARE s2 (int) AS SELECT $1 * 2 AS twice")).await, "C(PREPARE) Z(I)");
    let bind = message(b'B', b"\0s2\0\0\0\0\x01\0\0\0\x014\0\0");
    raw.send(&[describe('S', "s2"), bind, execute("", 0), sync()].concat()).await;
    let answer = raw.until_ready().await;
    assert_eq!(outline(&answer), "t T 2 D C(SELECT 1) Z(I)");
    assert_eq!(answer[0].body, b"\0\x01\0\0\0\x17", "one parameter, an integer");
    assert_eq!(rows(&answer), ["\0\0\0\x018"]);
    let through_execute = [parse_bind_execute("EXECUTE s2(6)", 0), describe('P', ""), sync()].concat();
    assert_eq!(raw.ask(&through_execute).await, "1 2 D C(SELECT 1) T Z(I)");
    assert_eq!(
        raw.ask(&query("DEALLOCATE s1; DEALLOCATE PREPARE s2")).await,
        "C(DEALLOCATE) C(DEALLOCATE) Z(I)"
    );
    let gone = [message(b'B', b"\0s1\0\0\0\0\0\0\0"), sync()].concat();
    assert_eq!(raw.ask(&gone).await, "E(26000) Z(I)");
}

#[tokio::test]
async fn cursor_is_described_and_closed_as_a_portal() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let declare = "DECLARE c SCROLL CURSOR FOR VALUES (1), (2), (3)";
    let all = [parse_bind_execute("BEGIN", 0), parse_bind_execute(declare, 0), describe('P', "c"), sync()];
    assert_eq!(raw.ask(&all.concat()).await, "1 2 C(BEGIN) 1 2 C(DECLARE CURSOR) T Z(T)");
    let parse = message(b'P', b"\0FETCH 2 FROM c\0\0\0");
    let binary = message(b'B', b"\0\0\0\0\0\0\0\x01\0\x01");
    let fetch = [parse, describe('S', ""), binary, execute("", 0), sync()].concat();
    raw.send(&fetch).await;
    let answer = raw.until_ready().await;
    assert_eq!(outline(&answer), "1 t T 2 D D C(FETCH 2) Z(T)");
    assert_eq!(rows(&answer), ["\0\0\0\x04\0\0\0\x01", "\0\0\0\x04\0\0\0\x02"]);
    assert_eq!(raw.ask(&query("MOVE BACKWARD ALL c; FETCH c")).await, "C(MOVE 1) T D C(FETCH 1) Z(T)");
    let close = [message(b'C', b"Pc\0"), sync()].concat();
    assert_eq!(raw.ask(&close).await, "3 Z(T)");
    let gone = [parse_bind_execute("FETCH c", 0), sync()].concat();
    assert_eq!(raw.ask(&gone).await, "1 2 E(34000) Z(E)");
}

#[tokio::test]
async fn cursor_of_binary_rows_is_binary_in_the_simple_protocol() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.send(&query("BEGIN; DECLARE c BINARY CURSOR FOR SELECT 7 AS a; FETCH c")).await;
    let answer = raw.until_ready().await;
    assert_eq!(outline(&answer), "C(BEGIN) C(DECLARE CURSOR) T D C(FETCH 1) Z(T)");
    assert!(answer[2].body.ends_with(b"\0\x01"), "the description says so");
    assert_eq!(rows(&answer), ["\0\0\0\x04\0\0\0\x07"]);
}

#[tokio::test]
async fn portal_with_a_limit_reads_as_it_is_fetched() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3), (4), (5)")).await;
    assert_eq!(raw.ask(&query("BEGIN")).await, "C(BEGIN) Z(T)");
    let parse = message(b'P', b"\0SELECT a FROM t ORDER BY a\0\0\0");
    let bind = message(b'B', b"p\0\0\0\0\0\0\0\0");
    let first = [parse.clone(), bind.clone(), describe('P', "p"), execute("p", 2), sync()].concat();
    assert_eq!(raw.ask(&first).await, "1 2 T D D s Z(T)");
    assert_eq!(raw.ask(&query("DECLARE p CURSOR FOR SELECT 1")).await, "E(42P03) Z(E)");
    assert_eq!(raw.ask(&query("ROLLBACK")).await, "C(ROLLBACK) Z(I)");
    assert_eq!(raw.ask(&query("BEGIN")).await, "C(BEGIN) Z(T)");
    assert_eq!(raw.ask(&[parse, bind, execute("p", 2), sync()].concat()).await, "1 2 D D s Z(T)");
    assert_eq!(raw.ask(&query("UPDATE t SET a = a + 10 WHERE a > 3")).await, "C(UPDATE 2) Z(T)");
    raw.send(&[execute("p", 2), execute("p", 0), execute("p", 0), sync()].concat()).await;
    let answer = raw.until_ready().await;
    assert_eq!(outline(&answer), "D D s D C(SELECT 1) C(SELECT 0) Z(T)");
    assert_eq!(rows(&answer), ["\0\0\0\x013", "\0\0\0\x014", "\0\0\0\x015"], "as it was when it began");
    assert_eq!(raw.ask(&query("COMMIT")).await, "C(COMMIT) Z(I)");
    assert_eq!(raw.ask(&[execute("p", 2), sync()].concat()).await, "E(34000) Z(I)");
}

#[tokio::test]
async fn session_knows_the_number_that_cancels_it() {
    let server = Server::start().await;
    let (mut raw, greeting) = Raw::session(server.address).await;
    let key = greeting.iter().find(|message| message.kind == 'K').unwrap();
    let number = i32::from_be_bytes(key.body[..4].try_into().unwrap());
    raw.send(&query("SELECT pg_backend_pid()")).await;
    assert!(rows(&raw.until_ready().await)[0].ends_with(&number.to_string()));
}

#[tokio::test]
async fn driver_uses_cursors_and_prepared_statements_as_its_users_do() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let insert = transaction.prepare("INSERT INTO t VALUES ($1, $2)").await.unwrap();
    for number in 0..2_500_i32 {
        transaction.execute(&insert, &[&number, &"text"]).await.unwrap();
    }
    transaction.execute("DECLARE c CURSOR FOR SELECT a FROM t WHERE a >= $1", &[&100_i32]).await.unwrap();
    let mut seen = 0;
    loop {
        let rows = transaction.query("FETCH FORWARD 1000 FROM c", &[]).await.unwrap();
        seen += rows.len();
        if rows.is_empty() {
            break;
        }
        transaction.execute("DELETE FROM t WHERE a = $1", &[&rows[0].get::<_, i32>(0)]).await.unwrap();
    }
    assert_eq!(seen, 2_400);
    transaction.execute("CLOSE c", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    let left = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 2_497);
}
