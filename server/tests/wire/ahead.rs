//! Runs of one INSERT that have come are done ahead of their turns, as one statement: nobody can tell, but by the time it takes.

use crate::local::raw::{Raw, message, outline, query, sync};
use crate::local::server::Server;

/// Answer of a run.
const DONE: &str = "2 C(INSERT 0 1)";

/// Bind of the statement `put` to a portal, with one parameter as text.
fn bind(portal: &str, value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    let names = [portal.as_bytes(), b"\0put\0\0\0\0\x01".as_slice()].concat();
    message(b'B', &[names.as_slice(), &length, value.as_bytes(), b"\0\0"].concat())
}

fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()].concat())
}

fn put(value: &str) -> Vec<u8> {
    [bind("", value), execute("", 0)].concat()
}

fn flush() -> Vec<u8> {
    message(b'H', b"")
}

/// A table of numbers with this INSERT as `put`, and a session that looks on.
async fn start(insert: &str) -> (Server, Raw, Raw) {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let (other, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL DEFAULT 0)")).await;
    prepare(&mut raw, insert).await;
    (server, raw, other)
}

async fn prepare(raw: &mut Raw, insert: &str) {
    let parse = message(b'P', &[b"put\0", insert.as_bytes(), b"\0\0\0"].concat());
    assert_eq!(raw.ask(&[parse, sync()].concat()).await, "1 Z(I)");
}

async fn begin(raw: &mut Raw) {
    assert_eq!(raw.ask(&query("BEGIN")).await, "C(BEGIN) Z(T)");
}

/// The numbers in the table.
async fn stored(raw: &mut Raw) -> String {
    raw.send(&query("SELECT a FROM t ORDER BY a")).await;
    let rows = raw.until_ready().await;
    let rows = rows.iter().filter(|message| message.kind == 'D');
    rows.map(|row| String::from_utf8_lossy(&row.body[6..]).into_owned()).collect::<Vec<_>>().join(" ")
}

const PLAIN: &str = "INSERT INTO t VALUES ($1)";

/// Whatever stands between Bind and Execute, and however often: a run is done once, and only where its Execute is.
#[tokio::test]
async fn run_ahead_of_its_turn_has_its_turn() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    begin(&mut raw).await;
    // The second Bind is never run, the fourth in a portal of its own and behind another.
    let all = [put("1"), bind("", "2"), put("3"), bind("p", "4"), put("5"), execute("p", 0), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("{DONE} 2 {DONE} 2 {DONE} C(INSERT 0 1) Z(T)"));
    // With a number of rows, a Flush and Describes.
    let describe = message(b'D', b"P\0");
    let seven = [bind("", "7"), describe, execute("", 9)].concat();
    let all = [put("6"), seven, flush(), put("8"), sync(), put("9"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} 2 n C(INSERT 0 1) {DONE} Z(T)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} Z(T)"));
    assert_eq!(stored(&mut raw).await, "1 3 4 5 6 7 8 9");
    assert_eq!(stored(&mut other).await, "");
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut other).await, "1 3 4 5 6 7 8 9");
    // A portal runs once.
    begin(&mut raw).await;
    let all = [put("10"), put("11"), execute("", 0), put("12"), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("{DONE} {DONE} E(55000) Z(E)"));
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut other).await, "1 3 4 5 6 7 8 9");
}

/// What was done ahead goes with its transaction, or with what comes behind its savepoint.
#[tokio::test]
async fn run_ahead_whose_turn_never_comes_is_undone() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    raw.ask(&query("BEGIN; INSERT INTO t VALUES (100); SAVEPOINT a")).await;
    let all = [put("1"), put("2"), execute("none", 0), put("3"), put("4"), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("{DONE} {DONE} E(34000) Z(E)"));
    assert_eq!(raw.ask(&query("ROLLBACK TO a")).await, "C(ROLLBACK) Z(T)");
    assert_eq!(stored(&mut raw).await, "100");
    let all = [put("1"), put("2"), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("{DONE} {DONE} Z(T)"));
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut other).await, "1 2 100");
    // The client leaves in the middle, and before its COMMIT.
    begin(&mut raw).await;
    raw.send(&[put("5"), put("6"), message(b'X', b"")].concat()).await;
    raw.until_end().await;
    assert_eq!(stored(&mut other).await, "1 2 100");
}

/// A row that cannot be added, or computed, takes nothing with it that came before.
#[tokio::test]
async fn run_that_fails_fails_in_its_turn() {
    let (_server, mut raw, mut other) =
        start("INSERT INTO t VALUES ($1::int, 60 / nullif($1::int, 9))").await;
    raw.ask(&query("INSERT INTO t VALUES (3, 3)")).await;
    for (bad, state) in [("3", "23505"), ("1", "23505"), ("0", "22012"), ("9", "23502"), ("x", "22P02")] {
        begin(&mut raw).await;
        let all = [put("1"), put("2"), put(bad), put("4"), sync(), put("5"), sync()].concat();
        raw.send(&all).await;
        let binds = if state == "22P02" { "" } else { "2 " };
        let expected = format!("{DONE} {DONE} {binds}E({state}) Z(E)");
        assert_eq!(outline(&raw.until_ready().await), expected);
        assert_eq!(outline(&raw.until_ready().await), "E(25P02) Z(E)");
        raw.ask(&query("ROLLBACK")).await;
        assert_eq!(stored(&mut other).await, "3");
    }
    raw.ask(&query("BEGIN READ ONLY")).await;
    assert_eq!(raw.ask(&[put("1"), put("2"), sync()].concat()).await, "2 E(25006) Z(E)");
    raw.ask(&query("ROLLBACK")).await;
}

/// Rows are told by each run; those of a cursor that is open are the ones of before.
#[tokio::test]
async fn run_ahead_tells_its_own_rows() {
    let (_server, mut raw, mut other) = start("INSERT INTO t VALUES ($1::int), ($1::int + 1)").await;
    begin(&mut raw).await;
    let all = [put("10"), put("20"), put("30"), sync()].concat();
    let two = "2 C(INSERT 0 2)";
    assert_eq!(raw.ask(&all).await, format!("{two} {two} {two} Z(T)"));
    raw.ask(&query("DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a")).await;
    let all = [put("40"), put("50"), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("{two} {two} Z(T)"));
    assert_eq!(raw.ask(&query("FETCH ALL FROM c")).await.matches('D').count(), 6);
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut other).await, "10 11 20 21 30 31 40 41 50 51");
}

/// RETURNING, and rows that may be there: each run looks for itself.
#[tokio::test]
async fn run_of_another_kind_of_insert_is_told_what_it_did() {
    let (_server, mut raw, mut other) = start("INSERT INTO t VALUES ($1) ON CONFLICT DO NOTHING").await;
    begin(&mut raw).await;
    let all = [put("1"), put("1"), put("2"), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("{DONE} 2 C(INSERT 0 0) {DONE} Z(T)"));
    raw.ask(&query("COMMIT; DEALLOCATE put")).await;
    prepare(&mut raw, "INSERT INTO t VALUES ($1) RETURNING a").await;
    begin(&mut raw).await;
    let all = [put("3"), put("4"), put("4"), sync()].concat();
    assert_eq!(raw.ask(&all).await, "2 D C(INSERT 0 1) 2 D C(INSERT 0 1) 2 E(23505) Z(E)");
    raw.ask(&query("ROLLBACK")).await;
    assert_eq!(stored(&mut other).await, "1 2");
}

/// Without a block the messages up to a Sync are one transaction, which its last run commits, and is done once as well.
#[tokio::test]
async fn run_ahead_outside_of_a_block_ends_with_its_sync() {
    let (server, mut raw, mut other) = start(PLAIN).await;
    let commits = server.held.borrow().committed;
    let all: Vec<u8> = (0..9).flat_map(|number| put(&number.to_string())).chain(sync()).collect();
    assert_eq!(raw.ask(&all).await, format!("{} Z(I)", [DONE; 9].join(" ")));
    assert_eq!(server.held.borrow().committed, commits + 1);
    assert_eq!(stored(&mut other).await, "0 1 2 3 4 5 6 7 8");
    let all = [put("20"), put("21"), put("22"), put("3"), sync(), put("30"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} {DONE} {DONE} 2 E(23505) Z(I)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} Z(I)"));
    assert_eq!(stored(&mut other).await, "0 1 2 3 4 5 6 7 8 30");
}

/// Parse of the statement without a name, with one parameter.
fn parse(text: &str) -> Vec<u8> {
    message(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"].concat())
}

/// Bind of the statement without a name, and Execute.
fn run(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    let bind = [b"\0\0\0\0\0\x01".as_slice(), &length, value.as_bytes(), b"\0\0"].concat();
    [message(b'B', &bind), execute("", 0)].concat()
}

/// What stands between a run and the next may make that another.
#[tokio::test]
async fn run_behind_another_parse_is_not_done_ahead() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    begin(&mut raw).await;
    let insert = parse(PLAIN);
    let delete = parse("DELETE FROM t WHERE a = $1");
    let all = [insert.clone(), run("7"), delete, run("42"), insert.clone(), run("8"), sync()].concat();
    assert_eq!(raw.ask(&all).await, "1 2 C(INSERT 0 1) 1 2 C(DELETE 0) 1 2 C(INSERT 0 1) Z(T)");
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut other).await, "7 8");
    // Each Parse makes a statement of its own, where the transaction has changed the catalog.
    raw.ask(&query("BEGIN; CREATE TABLE u (a INT PRIMARY KEY)")).await;
    let insert = parse("INSERT INTO u VALUES ($1)");
    let all = [insert.clone(), run("1"), insert.clone(), run("2"), insert, run("3"), sync()].concat();
    assert_eq!(raw.ask(&all).await, "1 2 C(INSERT 0 1) 1 2 C(INSERT 0 1) 1 2 C(INSERT 0 1) Z(T)");
    raw.ask(&query("ROLLBACK")).await;
}

#[tokio::test]
async fn run_behind_a_sync_is_of_the_next_transaction() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    // The one behind the Sync is refused, and takes nothing along.
    let all = [put("1"), put("2"), put("3"), sync(), put("4"), put("1"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} {DONE} {DONE} Z(I)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} 2 E(23505) Z(I)"));
    assert_eq!(stored(&mut other).await, "1 2 3");
    let close = message(b'C', b"P\0");
    let all = [put("4"), put("5"), close, put("6"), sync(), put("7"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} {DONE} 3 {DONE} Z(I)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} Z(I)"));
    let all = [put("8"), put("9"), put("10"), sync(), put("11"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} {DONE} {DONE} Z(I)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} Z(I)"));
    assert_eq!(stored(&mut other).await, "1 2 3 4 5 6 7 8 9 10 11");
}

#[tokio::test]
async fn run_behind_a_text_is_not_done_before_it() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    for (number, (text, end, kept)) in [
        ("ROLLBACK; BEGIN", "COMMIT", "2"),
        ("ROLLBACK TO a", "COMMIT", "2"),
        ("COMMIT; BEGIN", "ROLLBACK", "1"),
        ("COMMIT", "SELECT 1", "1 2"),
    ]
    .into_iter()
    .enumerate()
    {
        raw.ask(&query("BEGIN; SAVEPOINT a")).await;
        let all = [put("1"), query(text), put("2"), sync()].concat();
        raw.send(&all).await;
        let first = outline(&raw.until_ready().await);
        assert!(first.starts_with(DONE), "{number}: {first}");
        let second = outline(&raw.until_ready().await);
        assert!(second.starts_with(DONE), "{number}: {second}");
        raw.ask(&query(end)).await;
        assert_eq!(stored(&mut other).await, kept, "{text}");
        raw.ask(&query("TRUNCATE t")).await;
        raw.ask(&query("DEALLOCATE put")).await;
        prepare(&mut raw, PLAIN).await;
    }
    // Without a block a text ends the transaction of what is before it.
    let all = [put("0"), put("1"), query("SELECT 1"), put("2"), put("1"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} {DONE} T D C(SELECT 1) Z(I)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} 2 E(23505) Z(I)"));
    assert_eq!(stored(&mut other).await, "0 1");
}

/// An Execute between two runs takes none of their turns; nor does one behind a Sync that cannot be read.
#[tokio::test]
async fn run_between_other_executes_keeps_its_turn() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    begin(&mut raw).await;
    let all = [bind("p", "4"), put("5"), execute("p", 0), put("6"), sync()].concat();
    assert_eq!(raw.ask(&all).await, format!("2 {DONE} C(INSERT 0 1) {DONE} Z(T)"));
    raw.ask(&query("COMMIT")).await;
    assert_eq!(stored(&mut other).await, "4 5 6");
    raw.ask(&query("BEGIN; SAVEPOINT a")).await;
    let all = [put("1"), bind("", "2"), message(b'S', b"x"), execute("", 0), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} 2 E(08P01) Z(E)"));
    assert_eq!(outline(&raw.until_ready().await), "E(25P02) Z(E)");
    raw.ask(&query("ROLLBACK")).await;
    assert_eq!(stored(&mut other).await, "4 5 6");
}

/// Answers wait for runs that are done already, and for nothing else.
#[tokio::test]
async fn run_is_answered_before_a_text_behind_the_next_one() {
    let (server, mut raw, _) = start(PLAIN).await;
    begin(&mut raw).await;
    server.held.send_modify(|held| held.scans = true);
    let all = [put("1"), sync(), put("2"), query("SELECT a FROM t"), put("3"), sync()].concat();
    raw.send(&all).await;
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} Z(T)"));
    server.held.send_modify(|held| held.scans = false);
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} T D D C(SELECT 2) Z(T)"));
    assert_eq!(outline(&raw.until_ready().await), format!("{DONE} Z(T)"));
}

/// What an error of the store ends is ended, savepoints or not.
#[tokio::test]
async fn run_ahead_that_is_to_be_tried_again_ends_its_transaction() {
    let (_server, mut raw, mut other) = start(PLAIN).await;
    raw.ask(&query("BEGIN; SAVEPOINT a; SELECT a FROM t")).await;
    other.ask(&query("INSERT INTO t VALUES (9); CREATE TABLE late (a INT PRIMARY KEY)")).await;
    let late = message(b'P', b"late\0INSERT INTO late VALUES ($1)\0\0\0");
    assert_eq!(raw.ask(&[late, sync()].concat()).await, "1 Z(T)");
    let bind = |value: &str| {
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        message(b'B', &[b"\0late\0\0\0\0\x01".as_slice(), &length, value.as_bytes(), b"\0\0"].concat())
    };
    let all = [bind("1"), execute("", 0), bind("2"), execute("", 0), sync()].concat();
    assert_eq!(raw.ask(&all).await, "2 E(40001) Z(E)");
    assert_eq!(raw.ask(&query("ROLLBACK TO a")).await, "E(40001) Z(E)");
    raw.ask(&query("ROLLBACK")).await;
}

/// Rows that are together more than a part, and more than a transaction: each is told whether it fits.
#[tokio::test]
async fn run_of_a_large_row_fails_where_it_does_alone() {
    let insert = format!("INSERT INTO large VALUES ($1, '{}')", "x".repeat(150_000));
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE large (a INT PRIMARY KEY, v TEXT)")).await;
    prepare(&mut raw, &insert).await;
    begin(&mut raw).await;
    let mut alone = 0;
    while raw.ask(&[put(&alone.to_string()), sync()].concat()).await == format!("{DONE} Z(T)") {
        alone += 1;
    }
    assert!((400..450).contains(&alone), "{alone} rows of 150 kB fit into 64 MiB");
    raw.ask(&query("ROLLBACK; BEGIN")).await;
    let all: Vec<u8> = (0..500).flat_map(|number| put(&number.to_string())).chain(sync()).collect();
    let answer = raw.ask(&all).await;
    assert_eq!(answer.matches(DONE).count(), alone, "{answer}");
    assert!(answer.ends_with("2 E(54000) Z(E)"), "{answer}");
}
