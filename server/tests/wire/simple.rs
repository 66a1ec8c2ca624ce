//! Start of a session, and texts of the simple protocol.

use crate::local::raw::{Raw, message, outline, packet, query};
use crate::local::server::Server;

#[tokio::test]
async fn session_starts_with_what_drivers_look_at() {
    let server = Server::start().await;
    let mut raw = Raw::connect(server.address).await;
    raw.send(&packet(b"\x04\xd2\x16\x2f")).await;
    assert_eq!(raw.byte().await, b'N');
    raw.send(&packet(b"\x04\xd2\x16\x30")).await;
    assert_eq!(raw.byte().await, b'N');
    raw.send(&packet(b"\0\x03\0\0user\0ann\0application_name\0me\0\0")).await;
    let greeting = raw.until_ready().await;
    assert_eq!(greeting[0].kind, 'R');
    assert_eq!(greeting[0].body, [0, 0, 0, 0]);
    let statuses: Vec<String> =
        greeting.iter().filter(|message| message.kind == 'S').map(|message| message.text()).collect();
    for status in [
        "client_encoding|UTF8|",
        "DateStyle|ISO, MDY|",
        "IntervalStyle|postgres|",
        "TimeZone|UTC|",
        "integer_datetimes|on|",
        "standard_conforming_strings|on|",
        "server_encoding|UTF8|",
        "application_name|me|",
        "is_superuser|on|",
        "session_authorization|ann|",
        "in_hot_standby|off|",
        "default_transaction_read_only|off|",
    ] {
        assert_eq!(statuses.iter().filter(|text| *text == status).count(), 1, "{status} in {statuses:?}");
    }
    let version = concat!("server_version|15.0 (Quorate ", env!("CARGO_PKG_VERSION"), ")|");
    assert!(statuses.iter().any(|text| text == version), "{statuses:?}");
    let key = greeting.iter().find(|message| message.kind == 'K').unwrap();
    assert_eq!(key.body.len(), 8, "a number and a secret of four bytes in protocol 3.0");
    assert_eq!(greeting.last().unwrap().text(), "I");
}

/// A startup message of root with these parameters.
fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let pairs: String = parameters.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
    packet(format!("\0\x03\0\0user\0root\0{pairs}\0").as_bytes())
}

#[tokio::test]
async fn session_starts_with_what_the_client_asks_for() {
    let server = Server::start().await;
    let mut raw = Raw::connect(server.address).await;
    let asked = [
        ("database", "postgres"),
        ("options", "-c statement_timeout=1234 --default-transaction-read-only=yes"),
        ("client_encoding", "'utf-8'"),
        ("DateStyle", "ISO"),
        ("TimeZone", "Etc/UTC"),
        ("extra_float_digits", "2"),
        ("search_path", "public"),
        ("application_name", "me"),
    ];
    raw.send(&startup(&asked)).await;
    let greeting = raw.until_ready().await;
    for status in ["default_transaction_read_only|on|", "TimeZone|Etc/UTC|", "application_name|me|"] {
        assert!(greeting.iter().any(|message| message.text() == status), "{status} in {greeting:?}");
    }
    for (text, answer) in [
        ("SHOW statement_timeout", "1234ms"),
        ("SET statement_timeout = '2s'; SHOW statement_timeout", "2s"),
        ("RESET statement_timeout; SHOW statement_timeout", "1234ms"),
        ("SHOW application_name", "me"),
        ("SELECT current_database()", "postgres"),
    ] {
        raw.send(&query(text)).await;
        let messages = raw.until_ready().await;
        let row = messages.iter().find(|message| message.kind == 'D').unwrap();
        assert!(row.text().ends_with(answer), "{text}: {}", row.text());
        // Alone: it cannot be undone. What was asked for at connect comes back.
        raw.send(&query("DISCARD ALL")).await;
        let discarded = raw.until_ready().await;
        assert!(discarded.iter().any(|message| message.kind == 'C'), "{discarded:?}");
    }
    assert_eq!(raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await, "E(25006) Z(I)");
}

#[tokio::test]
async fn session_does_not_start_where_what_the_client_asks_for_cannot_be() {
    let server = Server::start().await;
    for (parameter, state) in [
        (("database", "no_such_database"), "3D000"),
        (("options", "-c nonsense_name=1"), "42704"),
        (("nonsense_name", "1"), "42704"),
        (("options", "-c statement_timeout=soon"), "22023"),
        (("options", "-c server_version=16"), "55P02"),
        (("options", "-x"), "42601"),
        (("TimeZone", "Europe/Berlin"), "22023"),
        (("client_encoding", "LATIN1"), "22023"),
        (("replication", "database"), "0A000"),
    ] {
        let mut raw = Raw::connect(server.address).await;
        raw.send(&startup(&[parameter])).await;
        let messages = raw.until_end().await;
        assert_eq!(outline(&messages), format!("E({state})"), "{parameter:?}");
        assert_eq!(messages[0].field('S').as_deref(), Some("FATAL"));
    }
}

#[tokio::test]
async fn session_ends_when_its_client_is_silent_for_too_long() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    let set = "SET idle_in_transaction_session_timeout = '50ms'";
    assert_eq!(raw.ask(&query(set)).await, "C(SET) Z(I)");
    assert_eq!(raw.ask(&query("BEGIN")).await, "C(BEGIN) Z(T)");
    assert_eq!(outline(&raw.until_end().await), "E(25P03)");
    let (mut raw, _) = Raw::session(server.address).await;
    assert_eq!(raw.ask(&query("SET idle_session_timeout = '50ms'")).await, "C(SET) Z(I)");
    assert_eq!(outline(&raw.until_end().await), "E(57P05)");
}

#[tokio::test]
async fn session_of_a_newer_protocol_is_negotiated() {
    let server = Server::start().await;
    let mut raw = Raw::connect(server.address).await;
    raw.send(&packet(b"\0\x03\x27\x0fuser\0ann\0\0")).await;
    let greeting = raw.until_ready().await;
    assert_eq!(greeting[0].kind, 'v');
    assert_eq!(greeting[0].body, [0, 3, 0, 2, 0, 0, 0, 0]);
    let key = greeting.iter().find(|message| message.kind == 'K').unwrap();
    assert_eq!(key.body.len(), 4 + 32);
    assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn simple_texts_answer_statement_by_statement() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    assert_eq!(raw.ask(&query("")).await, "I Z(I)");
    assert_eq!(raw.ask(&query(" ; -- nothing")).await, "I Z(I)");
    assert_eq!(raw.ask(&query("SELECT 1; SELECT 2, NULL")).await, "T D C(SELECT 1) T D C(SELECT 1) Z(I)");
    assert_eq!(raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)")).await, "C(CREATE TABLE) Z(I)");
    assert_eq!(raw.ask(&query("INSERT INTO t VALUES (1, 'x'), (2, NULL)")).await, "C(INSERT 0 2) Z(I)");
    raw.send(&query("SELECT a, b FROM t ORDER BY a")).await;
    let messages = raw.until_ready().await;
    assert_eq!(outline(&messages), "T D D C(SELECT 2) Z(I)");
    assert_eq!(messages[1].body, b"\0\x02\0\0\0\x011\0\0\0\x01x");
    assert_eq!(messages[2].body, b"\0\x02\0\0\0\x012\xff\xff\xff\xff");
    // Name, table, column, type int4, four bytes, no modifier, text.
    assert_eq!(&messages[0].body[..22], b"\0\x02a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0");
}

#[tokio::test]
async fn simple_error_ends_the_text_and_undoes_it() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await;
    let text = "INSERT INTO t VALUES (1); SELECT nothing; INSERT INTO t VALUES (2)";
    assert_eq!(raw.ask(&query(text)).await, "C(INSERT 0 1) E(42703) Z(I)");
    raw.send(&query("SELECT a FROM t")).await;
    assert_eq!(outline(&raw.until_ready().await), "T C(SELECT 0) Z(I)");

    raw.send(&query("SELECT nothing")).await;
    let error = raw.until_ready().await.remove(0);
    assert_eq!(error.field('S').as_deref(), Some("ERROR"));
    assert_eq!(error.field('V').as_deref(), Some("ERROR"));
    assert_eq!(error.field('P').as_deref(), Some("8"));
    assert!(error.field('M').unwrap().contains("nothing"), "{}", error.text());
    assert_eq!(raw.ask(&query("SELEC 1")).await, "E(42601) Z(I)");
}

#[tokio::test]
async fn simple_transactions_show_their_status() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.ask(&query("CREATE TABLE t (a INT PRIMARY KEY)")).await;
    assert_eq!(raw.ask(&query("BEGIN")).await, "C(BEGIN) Z(T)");
    assert_eq!(raw.ask(&query("INSERT INTO t VALUES (1)")).await, "C(INSERT 0 1) Z(T)");
    assert_eq!(raw.ask(&query("SELECT 1/0")).await, "T E(22012) Z(E)".replace("T E", "E"));
    assert_eq!(raw.ask(&query("SELECT 1")).await, "E(25P02) Z(E)");
    assert_eq!(raw.ask(&query("COMMIT")).await, "C(ROLLBACK) Z(I)");
    assert_eq!(
        raw.ask(&query("BEGIN; INSERT INTO t VALUES (2); COMMIT")).await,
        "C(BEGIN) C(INSERT 0 1) C(COMMIT) Z(I)"
    );
    let answer = raw.ask(&query("SELECT a FROM t")).await;
    assert_eq!(answer, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn simple_text_that_is_not_utf8_is_an_error_and_no_end() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    assert_eq!(raw.ask(&message(b'Q', b"SELECT '\xff'\0")).await, "E(22021) Z(I)");
    assert_eq!(raw.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)");
}

#[tokio::test]
async fn set_tells_the_client_what_changed() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.send(&query("SET application_name = 'other'")).await;
    let messages = raw.until_ready().await;
    assert_eq!(outline(&messages), "C(SET) S Z(I)");
    assert_eq!(messages[1].text(), "application_name|other|");
}

#[tokio::test]
async fn terminate_ends_the_connection() {
    let server = Server::start().await;
    let (mut raw, _) = Raw::session(server.address).await;
    raw.send(&message(b'X', b"")).await;
    assert_eq!(raw.until_end().await, []);
}
