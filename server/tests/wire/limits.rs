//! What ends a connection, and what never becomes one.

use std::time::Duration;

use quorate::pgwire::WireOptions;
use quorate_sql::error::{SqlError, SqlState};

use crate::local::raw::{Message, Raw, message, outline, packet, query};
use crate::local::server::Server;

/// The one FATAL error that a connection ended with.
async fn fatal(raw: &mut Raw) -> Message {
    let mut messages = raw.until_end().await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let error = messages.remove(0);
    assert_eq!(error.field('S').as_deref(), Some("FATAL"), "{}", error.text());
    error
}

#[tokio::test]
async fn malformed_messages_end_the_connection() {
    let server = Server::start().await;
    for bytes in [
        &b"!\0\0\0\x04"[..],                                    // a type that there is not
        b"Q\0\0\0\x03",                                         // a length shorter than itself
        b"Q\0\0\0\x08SELE",                                     // text without an end
        b"P\0\0\0\x08\0\0\0\x01",                               // a type that is counted and missing
        b"B\0\0\0\x0a\0\0\0\x01\0\0",                           // a format that is counted and missing
        b"B\0\0\0\x13\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0\0\0\0", // a value longer than its message
        b"D\0\0\0\x06X\0",                                      // Describe of neither statement nor portal
        b"E\0\0\0\x05\0",                                       // Execute without its number of rows
        b"S\0\0\0\x05\0",                                       // Sync with a body
        b"p\0\0\0\x05\0",                                       // a password that nobody asked for
    ] {
        let (mut raw, _) = Raw::session(server.address).await;
        raw.send(bytes).await;
        let error = fatal(&mut raw).await;
        assert_eq!(error.field('C').as_deref(), Some("08P01"), "{bytes:?}: {}", error.text());
    }
    let (mut raw, _) = Raw::session(server.address).await;
    assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)", "others go on");
}

#[tokio::test]
async fn oversized_messages_are_refused_by_their_length() {
    let server = Server::start().await;
    for head in
        [&b"Q\x01\0\0\x01"[..], b"d\x01\0\0\x01", b"B\x7f\xff\xff\xff", b"D\0\x01\0\0", b"P\xff\xff\xff\xff"]
    {
        let (mut raw, _) = Raw::session(server.address).await;
        raw.send(head).await;
        let error = fatal(&mut raw).await;
        assert_eq!(error.field('C').as_deref(), Some("08P01"), "{head:?}");
        assert!(error.field('M').unwrap().contains("beyond the limit"), "{}", error.text());
    }
}

#[tokio::test]
async fn oversized_statement_is_answered_though_its_client_still_sends() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.try_send(&query(&format!("SELECT '{}'", "x".repeat(20 << 20)))).await;
    let error = fatal(&mut raw).await;
    assert_eq!(error.field('C').as_deref(), Some("08P01"));
    assert!(error.field('H').unwrap().contains("COPY"), "{}", error.text());
}

#[tokio::test]
async fn largest_statement_is_accepted() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let text = format!("SELECT 1 -- {}", "x".repeat((16 << 20) - 100));
    assert_eq!(raw.ask(&query(&text)).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn startup_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    for (bytes, state) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "08P01"),
        (packet(&[0; 9_997]), "08P01"),
        (packet(b"\0\x02\0\0"), "0A000"),
        (packet(b"\0\x03\0\0"), "08P01"),
        (packet(b"\0\x03\0\0user\0\0"), "08P01"),
        (packet(b"\0\x03\0\0user"), "08P01"),
        (b"\0\0\0\x03".to_vec(), "08P01"),
    ] {
        let mut raw = Raw::connect(server.address).await;
        raw.send(&bytes).await;
        let error = fatal(&mut raw).await;
        assert_eq!(error.field('C').as_deref(), Some(state), "{bytes:?}: {}", error.text());
    }
}

#[tokio::test]
async fn slow_startups_and_slow_messages_end() {
    let short = Duration::from_millis(50);
    let options = WireOptions { startup_max: short, message_progress_max: short, ..WireOptions::default() };
    let server = Server::start_with(options).await;
    let (mut idle, _) = Raw::session(server.address).await;
    let mut raw = Raw::connect(server.address).await;
    assert!(fatal(&mut raw).await.text().contains("did not come in time"));
    let (mut raw, _) = Raw::session(server.address).await;
    raw.send(b"Q\0\0\0\x10SELECT").await;
    assert!(fatal(&mut raw).await.text().contains("did not come in time"));
    assert_eq!(idle.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)", "an idle session stays");
}

#[tokio::test]
async fn too_many_sessions_are_refused_with_advice() {
    let server = Server::start_with(WireOptions { connections_max: 2, ..WireOptions::default() }).await;
    let (mut first, _) = Raw::session(server.address).await;
    let (second, _) = Raw::session(server.address).await;
    let mut third = Raw::connect(server.address).await;
    third.send(&packet(b"\0\x03\0\0user\0root\0\0")).await;
    let error = fatal(&mut third).await;
    assert_eq!(error.field('C').as_deref(), Some("53300"));
    assert!(error.field('H').unwrap().contains("another node"), "{}", error.text());
    drop(second);
    crate::local::within("a place is free again", async {
        loop {
            let mut raw = Raw::connect(server.address).await;
            raw.send(&packet(b"\0\x03\0\0user\0root\0\0")).await;
            if raw.read().await.is_some_and(|message| message.kind == 'R') {
                return;
            }
        }
    })
    .await;
    assert_eq!(first.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn closed_gate_is_told_to_the_client() {
    let server = Server::start().await;
    let error = SqlError::new(SqlState::CannotConnectNow, "this node belongs to no cluster yet")
        .with_hint("quorate init --host 127.0.0.1:7001");
    server.gate.set(Some(error));
    let mut raw = Raw::connect(server.address).await;
    raw.send(&packet(b"\0\x03\0\0user\0root\0\0")).await;
    let error = fatal(&mut raw).await;
    assert_eq!(error.field('C').as_deref(), Some("57P03"));
    assert_eq!(error.field('H').as_deref(), Some("quorate init --host 127.0.0.1:7001"));
    server.gate.set(None);
    let (mut raw, _) = Raw::session(server.address).await;
    assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn session_survives_what_is_sent_in_single_bytes() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    for byte in [query("SELECT 1"), message(b'S', b"")].concat() {
        raw.send(&[byte]).await;
    }
    assert_eq!(outline(&raw.until_ready().await), "T D C(SELECT 1) Z(I)");
    assert_eq!(outline(&raw.until_ready().await), "Z(I)");
}
