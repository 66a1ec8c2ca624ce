//! Cancel requests and the stop of a node: statements end early, commits never do.

use std::time::Duration;

use quorate::pgwire::WireOptions;
use tokio_postgres::NoTls;

use crate::local::raw::{Message, Raw, outline, packet, query};
use crate::local::server::Server;
use crate::local::{until, within};

#[tokio::test]
async fn cancel_ends_a_statement_that_waits() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    let cancel = client.cancel_token();
    server.held.send_modify(|held| held.scans = true);
    let reading = tokio::spawn(async move {
        let error = client.query("SELECT a FROM t", &[]).await.unwrap_err();
        (client, error)
    });
    until("the scan waits", || server.held.borrow().waiting == 1).await;
    cancel.cancel_query(NoTls).await.unwrap();
    let (client, error) = within("the statement ends", reading).await.unwrap();
    assert_eq!(error.code().unwrap().code(), "57014");
    server.held.send_modify(|held| held.scans = false);
    assert_eq!(client.query("SELECT a FROM t", &[]).await.unwrap().len(), 0, "the session goes on");
}

#[tokio::test]
async fn cancel_never_drops_a_commit() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    let cancel = client.cancel_token();
    server.held.send_modify(|held| held.commits = true);
    let writing = tokio::spawn(async move {
        let result = client.batch_execute("INSERT INTO t VALUES (1)").await;
        (client, result)
    });
    until("the commit waits", || server.held.borrow().waiting == 1).await;
    cancel.cancel_query(NoTls).await.unwrap();
    // The request has been taken: another session is served after it. The commit still waits.
    server.client().await.batch_execute("SELECT 1").await.unwrap();
    assert_eq!(server.held.borrow().waiting, 1, "the commit was dropped");
    server.held.send_modify(|held| held.commits = false);
    let (client, result) = within("the commit ends", writing).await.unwrap();
    result.unwrap();
    let count = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
}

/// A cancel request for the session of this greeting.
fn cancel_request(greeting: &[Message], secret: Option<&[u8]>) -> Vec<u8> {
    let key = greeting.iter().find(|message| message.kind == 'K').unwrap();
    let (number, own) = key.body.split_at(4);
    packet(&[b"\x04\xd2\x16\x2e", number, secret.unwrap_or(own)].concat())
}

#[tokio::test]
async fn cancel_ends_a_copy_that_waits_for_data() {
    let server = Server::start().await;
    let (mut raw, greeting) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await;
    raw.send(&query("COPY t FROM STDIN")).await;
    assert_eq!(raw.read().await.unwrap().kind, 'G');
    let mut other = Raw::connect(server.address).await;
    other.send(&cancel_request(&greeting, None)).await;
    assert_eq!(outline(&raw.until_ready().await), "E(57014) Z(I)");
    assert_eq!(raw.ask(&query("SELECT a FROM t")).await, "T C(SELECT 0) Z(I)");
}

#[tokio::test]
async fn cancel_with_a_wrong_secret_does_nothing() {
    let server = Server::start().await;
    let (mut raw, greeting) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await;
    server.held.send_modify(|held| held.scans = true);
    raw.send(&query("SELECT a FROM t")).await;
    until("the scan waits", || server.held.borrow().waiting == 1).await;
    let mut other = Raw::connect(server.address).await;
    other.send(&cancel_request(&greeting, Some(b"nope"))).await;
    assert_eq!(other.until_end().await, [], "a cancel request is never answered");
    server.held.send_modify(|held| held.scans = false);
    assert_eq!(outline(&raw.until_ready().await), "T C(SELECT 0) Z(I)");
}

#[tokio::test]
async fn stop_waits_for_commits_and_ends_idle_sessions() {
    let mut server = Server::start().await;
    let (mut idle, _) = Raw::session(server.address).await;
    let (mut busy, _) = Raw::session(server.address).await;
    busy.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await;
    server.held.send_modify(|held| held.commits = true);
    busy.send(&query("INSERT INTO t VALUES (1)")).await;
    until("the commit waits", || server.held.borrow().waiting == 1).await;
    server.stop();
    let end = idle.until_end().await;
    assert_eq!(outline(&end), "E(57P01)");
    server.held.send_modify(|held| held.commits = false);
    assert_eq!(outline(&busy.until_end().await), "C(INSERT 0 1) Z(I) E(57P01)");
    server.stopped().await;
}

#[tokio::test]
async fn stop_cancels_statements_that_do_not_end() {
    let options = WireOptions { drain_max: Duration::from_millis(10), ..WireOptions::default() };
    let mut server = Server::start_with(options).await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await;
    server.held.send_modify(|held| held.scans = true);
    raw.send(&query("SELECT a FROM t")).await;
    until("the scan waits", || server.held.borrow().waiting == 1).await;
    server.stop();
    assert_eq!(outline(&raw.until_end().await), "E(57P01) Z(I) E(57P01)");
    server.stopped().await;
}
