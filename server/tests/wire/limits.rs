//! What ends a connection, and what never becomes one.

use std::time::Duration;

use quorate::pgwire::WireOptions;
use quorate_sql::error::{SqlError, SqlState};

use crate::local::raw::{Message, Raw, message, outline, packet, query, sync};
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
async fn lost_framing_ends_the_connection_with_an_error() {
    let server = Server::start().await;
    for bytes in [
        &b"!\0\0\0\x04"[..],  // a type that there is not
        b"Q\0\0\0\x03",       // a length shorter than itself
        b"B\x7f\xff\xff\xff", // a length that nobody means
        b"P\xff\xff\xff\xff",
        b"p\0\0\0\x05\0", // a password that nobody asked for
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
async fn malformed_messages_fail_alone() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let cases: &[(&[u8], &str)] = &[
        (b"Q\0\0\0\x08SELE", "E(08P01) Z(I)"), // text without an end
        (b"S\0\0\0\x05\0", "E(08P01) Z(I)"),   // Sync with a body
        (b"F\0\0\0\x0e\0\0\0\0\0\0\0\0\0\0", "E(0A000) Z(I)"), // a call of a function
        (b"P\0\0\0\x08\0\0\0\x01", "E(08P01)"), // a type that is counted and missing
        (b"B\0\0\0\x0a\0\0\0\x01\0\0", "E(08P01)"), // a format that is counted and missing
        (b"B\0\0\0\x13\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0\0\0\0", "E(08P01)"), // a value longer than its message
        (b"B\0\0\0\x12\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0\0\0", "E(08P01)"),   // a value of length -2
        (b"D\0\0\0\x06X\0", "E(08P01)"), // Describe of neither statement nor portal
        (b"E\0\0\0\x05\0", "E(08P01)"),  // Execute without its number of rows
        (b"C\0\0\0\x06S\xff", "E(08P01)"), // Close of a name without an end
        (b"H\0\0\0\x05\0", "E(08P01)"),  // Flush with a body
    ];
    for (bytes, answer) in cases.iter().copied() {
        let mut all = bytes.to_vec();
        let mut expected = answer.to_owned();
        if !answer.contains('Z') {
            // In the extended protocol everything up to Sync is thrown away, malformed or not.
            all.extend([bytes, &query("SELECT 1"), b"D\0\0\0\x06X\0", &sync()].concat());
            expected.push_str(" Z(I)");
        }
        assert_eq!(raw.ask(&all).await, expected, "{bytes:?}");
        assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)", "{bytes:?}");
    }
}

#[tokio::test]
async fn malformed_binary_values_fail_their_bind() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let cases: &[(&str, &[u8])] =
        &[("INT8", b"\0\0\x01"), ("FLOAT8", b"x"), ("TEXT", b"\xff"), ("NUMERIC", b"\0\x09")];
    for (kind, value) in cases.iter().copied() {
        let parse = message(b'P', format!("\0SELECT $1::{kind}\0\0\0").as_bytes());
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        let bind = [&b"\0\0\0\x01\0\x01\0\x01"[..], &length, value, b"\0\0"].concat();
        let execute = message(b'E', b"\0\0\0\0\0");
        raw.send(&[parse, message(b'B', &bind), execute, sync()].concat()).await;
        let messages = raw.until_ready().await;
        let kinds: String = messages.iter().map(|message| message.kind).collect();
        assert_eq!(kinds, "1EZ", "{kind}: {messages:?}");
        assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
    }
}

#[tokio::test]
async fn bind_of_more_parameters_than_can_be_counted_fails_alone() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    assert_eq!(raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY, b INT)")).await, "C(CREATE TABLE) Z(I)");
    // The count is two bytes: beyond 65,535 drivers wrap it around, and send all values nevertheless.
    for (count, answer) in [(33_000_u32, "1 2 C(INSERT 0 16500) Z(I)"), (65_540, "E(42P02) Z(I)")] {
        let rows: Vec<String> =
            (0..count / 2).map(|row| format!("(${},${})", 2 * row + 1, 2 * row + 2)).collect();
        let parse = message(b'P', format!("\0INSERT INTO t VALUES {}\0\0\0", rows.join(",")).as_bytes());
        let mut bind = b"\0\0\0\0".to_vec();
        bind.extend_from_slice(&u16::try_from(count % 65_536).unwrap().to_be_bytes());
        for value in 0..count {
            let text = (value / 2).to_string();
            bind.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
            bind.extend_from_slice(text.as_bytes());
        }
        bind.extend_from_slice(b"\0\0");
        let execute = message(b'E', b"\0\0\0\0\0");
        let all = [parse, message(b'B', &bind), execute, sync()].concat();
        assert_eq!(raw.ask(&all).await, answer, "{count}");
    }
    assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn oversized_messages_fail_alone() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let text = "x".repeat(65 << 20);
    raw.send(&query(&format!("SELECT '{text}'"))).await;
    let messages = raw.until_ready().await;
    assert_eq!(outline(&messages), "E(54000) Z(I)");
    assert!(messages[0].field('M').unwrap().contains("beyond the limit"), "{}", messages[0].text());
    assert!(messages[0].field('H').unwrap().contains("COPY"), "{}", messages[0].text());
    let parse = message(b'P', format!("\0SELECT '{text}'\0\0\0").as_bytes());
    assert_eq!(raw.ask(&[parse, query("SELECT 1"), sync()].concat()).await, "E(54000) Z(I)");
    assert_eq!(raw.ask(&[message(b'D', &[b'S'; 20_000]), sync()].concat()).await, "E(54000) Z(I)");
    raw.ask(&query("CREATE TABLE t (a TEXT PRIMARY KEY)")).await;
    let copy = [query("COPY t FROM STDIN"), message(b'd', text.as_bytes()), message(b'c', b"")];
    assert_eq!(raw.ask(&copy.concat()).await, "G E(54000) Z(I)");
    assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn largest_statements_and_parameters_are_accepted() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let text = format!("SELECT 1 -- {}", "x".repeat((64 << 20) - 100));
    assert_eq!(raw.ask(&query(&text)).await, "T D C(SELECT 1) Z(I)");
    let value = vec![b'y'; 40 << 20];
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    let bind = [&b"\0\0\0\0\0\x01"[..], &length, &value, b"\0\0"].concat();
    let parse = message(b'P', b"\0SELECT length($1::text)\0\0\0");
    let all = [parse, message(b'B', &bind), message(b'E', b"\0\0\0\0\0"), sync()].concat();
    raw.send(&all).await;
    let messages = raw.until_ready().await;
    assert_eq!(outline(&messages), "1 2 D C(SELECT 1) Z(I)");
    assert!(messages[2].text().ends_with(&(40 << 20).to_string()), "{}", messages[2].text());
}

#[tokio::test]
async fn large_messages_of_many_connections_share_a_budget() {
    let wait = Duration::from_millis(50);
    let options =
        WireOptions { messages_max_bytes: 14 << 20, memory_wait_max: wait, ..WireOptions::default() };
    let server = Server::start_with(options).await;
    let (mut first, _) = Raw::session(server.address).await;
    let (mut second, _) = Raw::session(server.address).await;
    let comment = "x".repeat(5 << 20);
    let large = message(b'P', format!("s\0SELECT 1 -- {comment}\0\0\0").as_bytes());
    // What a prepared statement was made from is held as long as it is.
    assert_eq!(first.ask(&[large.clone(), sync()].concat()).await, "1 Z(I)");
    second.send(&[large.clone(), sync()].concat()).await;
    let messages = second.until_ready().await;
    assert_eq!(outline(&messages), "E(53200) Z(I)");
    assert!(messages[0].field('H').unwrap().contains("prepared statements"), "{}", messages[0].text());
    assert_eq!(second.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)", "small ones need no share");
    // A text of the simple protocol gives its share back with its answer, and a closed statement does.
    assert_eq!(first.ask(&[message(b'C', b"Ss\0"), sync()].concat()).await, "3 Z(I)");
    for _ in 0..3 {
        assert_eq!(second.ask(&query(&format!("SELECT 1 -- {comment}"))).await, "T D C(SELECT 1) Z(I)");
    }
    // A connection that ends gives back what it holds.
    assert_eq!(first.ask(&[large.clone(), sync()].concat()).await, "1 Z(I)");
    drop(first);
    crate::local::within("the share is free again", async {
        while second.ask(&[large.clone(), sync()].concat()).await != "1 Z(I)" {}
    })
    .await;
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
async fn too_many_sockets_are_refused_at_once() {
    let options = WireOptions { connections_max: 1, starting_max: 1, ..WireOptions::default() };
    let server = Server::start_with(options).await;
    let (mut session, _) = Raw::session(server.address).await;
    let _silent = Raw::connect(server.address).await;
    for _ in 0..3 {
        let mut raw = Raw::connect(server.address).await;
        assert_eq!(fatal(&mut raw).await.field('C').as_deref(), Some("53300"));
    }
    assert_eq!(session.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
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
