//! COPY in both directions and both protocols, and its failures.

use std::pin::pin;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};

use crate::local::raw::{Raw, message, parse_bind_execute, query, sync};
use crate::local::server::Server;

const TABLE: &str = "CREATE TABLE t (a INT PRIMARY KEY, b TEXT)";

fn data(bytes: &[u8]) -> Vec<u8> {
    message(b'd', bytes)
}

fn done() -> Vec<u8> {
    message(b'c', b"")
}

#[tokio::test]
async fn copy_in_takes_data_cut_anywhere() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query(TABLE)).await;
    raw.send(&query("COPY t FROM STDIN WITH (FORMAT csv)")).await;
    let begin = raw.read().await.unwrap();
    assert_eq!((begin.kind, &begin.body[..]), ('G', &b"\0\0\x02\0\0\0\0"[..]));
    for piece in ["1,on", "e\n2,\"t", "wo\"\n", "", "3,"] {
        raw.send(&data(piece.as_bytes())).await;
    }
    assert_eq!(raw.ask(&done()).await, "C(COPY 3) Z(I)");
    raw.send(&query("COPY t TO STDOUT")).await;
    let messages = raw.until_ready().await;
    let text: String =
        messages.iter().filter(|m| m.kind == 'd').map(crate::local::raw::Message::text).collect();
    assert_eq!(text, "1\tone\n2\ttwo\n3\t\\N\n");
    assert_eq!(crate::local::raw::outline(&messages[messages.len() - 3..]), "c C(COPY 3) Z(I)");
}

#[tokio::test]
async fn copy_in_fails_when_its_client_says_so() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query(TABLE)).await;
    raw.send(&[query("COPY t FROM STDIN"), data(b"1\tx\n")].concat()).await;
    assert_eq!(raw.read().await.unwrap().kind, 'G');
    raw.send(&message(b'f', b"changed my mind\0")).await;
    let error = raw.read().await.unwrap();
    assert_eq!(error.field('C').as_deref(), Some("57014"));
    assert!(error.field('M').unwrap().contains("changed my mind"), "{}", error.text());
    assert_eq!(raw.read().await.unwrap().kind, 'Z');
    assert_eq!(raw.ask(&query("SELECT count(*) FROM t")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn copy_in_that_failed_swallows_what_still_comes() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query(TABLE)).await;
    let copy = query("COPY t FROM STDIN");
    raw.send(
        &[copy, data(b"one\tx\n"), data(b"2\ty\n"), data(b"3\tz\n"), done(), query("SELECT 1")].concat(),
    )
    .await;
    assert_eq!(raw.read().await.unwrap().kind, 'G');
    let error = raw.read().await.unwrap();
    assert_eq!(error.field('C').as_deref(), Some("22P02"), "{}", error.text());
    assert_eq!(raw.read().await.unwrap().kind, 'Z');
    assert_eq!(crate::local::raw::outline(&raw.until_ready().await), "T D C(SELECT 1) Z(I)");
    // In the extended protocol everything up to Sync is thrown away.
    let bad =
        [parse_bind_execute("COPY t FROM STDIN", 0), data(b"one\tx\n"), done(), sync(), query("SELECT 1")];
    assert_eq!(raw.ask(&bad.concat()).await, "1 2 G E(22P02) Z(I)");
    assert_eq!(crate::local::raw::outline(&raw.until_ready().await), "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn copy_in_fails_on_a_message_that_does_not_belong_which_is_answered_for_itself() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query(TABLE)).await;
    raw.send(&[query("COPY t FROM STDIN"), data(b"1\tx\n"), query("SELECT a FROM t")].concat()).await;
    assert_eq!(crate::local::raw::outline(&raw.until_ready().await), "G E(08P01) Z(I)");
    assert_eq!(crate::local::raw::outline(&raw.until_ready().await), "T C(SELECT 0) Z(I)");
    // In the extended protocol it is thrown away, like all up to Sync.
    let copy = parse_bind_execute("COPY t FROM STDIN", 0);
    let other = parse_bind_execute("SELECT 1", 0);
    assert_eq!(raw.ask(&[copy, data(b"1\tx\n"), other, sync()].concat()).await, "1 2 G E(08P01) Z(I)");
    // A message that cannot be read fails the copy, and nothing else.
    let broken = crate::local::raw::message(b'f', b"no end");
    let all = [query("COPY t FROM STDIN"), data(b"1\tx\n"), broken];
    assert_eq!(raw.ask(&all.concat()).await, "G E(08P01) Z(I)");
    assert_eq!(raw.ask(&query("SELECT a FROM t")).await, "T C(SELECT 0) Z(I)");
}

#[tokio::test]
async fn copy_in_stands_between_statements_of_one_text() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let text = format!("{TABLE}; COPY t FROM STDIN; SELECT count(*) FROM t");
    raw.send(&[query(&text), data(b"1\tx\n2\ty\n"), done()].concat()).await;
    let messages = raw.until_ready().await;
    assert_eq!(crate::local::raw::outline(&messages), "C(CREATE TABLE) G C(COPY 2) T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn copy_in_a_transaction_is_all_or_nothing() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute(TABLE).await.unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    let mut sink = pin!(client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.unwrap());
    sink.send(Bytes::from_static(b"1\tx\n2\ty\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 2);
    client.batch_execute("ROLLBACK").await.unwrap();
    let count = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn copy_through_a_driver_goes_there_and_back() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute(TABLE).await.unwrap();
    let mut sink = pin!(client.copy_in::<_, Bytes>("COPY t FROM STDIN WITH (FORMAT csv)").await.unwrap());
    let lines: String = (0..20_000).map(|n| format!("{n},row {n}\n")).collect();
    for chunk in lines.as_bytes().chunks(7_777) {
        sink.send(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 20_000);
    let stream = client.copy_out("COPY t TO STDOUT WITH (FORMAT csv)").await.unwrap();
    let chunks: Vec<Bytes> = stream.map(Result::unwrap).collect().await;
    assert!(chunks.concat() == lines.as_bytes(), "what came back differs");
    let whole = |chunk: &Bytes| chunk.ends_with(b"\n");
    assert!(chunks.iter().all(whole) && chunks.len() == lines.lines().count(), "a message is not one row");
}
