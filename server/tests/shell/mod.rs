//! `quorate sql` as a process.

mod commands;

use std::process::Stdio;

use quorate_sql::error::{SqlError, SqlState};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::local::server::Server;
use crate::local::within;

/// What the shell printed to stdout and stderr, and its exit code.
async fn shell(url: &str, arguments: &[&str], input: &str) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.arg("sql").arg(url).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A shell with statements of its own reads none.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = within("the shell ends", child.wait_with_output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

/// A server with a table of three rows.
async fn with_rows() -> Server {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT, c BOOL)").await.unwrap();
    client
        .batch_execute("INSERT INTO t VALUES (1, 'x', true), (2, NULL, false), (3, '', NULL)")
        .await
        .unwrap();
    server
}

#[tokio::test]
async fn shell_prints_rows_alone_when_piped() {
    let server = with_rows().await;
    let select = "SELECT a, b, c FROM t ORDER BY a";
    let (out, err, code) = shell(&server.url(), &["-e", select], "").await;
    assert_eq!((out.as_str(), err.as_str(), code), ("1\tx\tt\n2\t\\N\tf\n3\t\t\\N\n", "", 0));
    let (out, err, code) =
        shell(&server.url(), &[], &format!("{select};\nINSERT INTO t VALUES (4);\nSELECT 5")).await;
    assert_eq!((out.as_str(), err.as_str(), code), ("1\tx\tt\n2\t\\N\tf\n3\t\t\\N\n5\n", "", 0));
}

#[tokio::test]
async fn shell_prints_every_format() {
    let server = with_rows().await;
    let select = "SELECT a, b, c FROM t WHERE a < 3 ORDER BY a";
    let formatted = async |format| shell(&server.url(), &["--format", format, "-e", select], "").await.0;
    assert_eq!(
        formatted("table").await,
        " a |  b   | c\n---+------+---\n 1 | x    | t\n 2 | NULL | f\n(2 rows)\n\n"
    );
    assert_eq!(formatted("csv").await, "a,b,c\n1,x,t\n2,,f\n");
    let json = "[\n  {\"a\": 1, \"b\": \"x\", \"c\": true},\n  {\"a\": 2, \"b\": null, \"c\": false}\n]\n";
    assert_eq!(formatted("json").await, json);
    let (out, _, _) =
        shell(&server.url(), &["--format", "table", "-e", "DELETE FROM t WHERE a = 3"], "").await;
    assert_eq!(out, "DELETE 1\n");
}

#[tokio::test]
async fn shell_stops_at_the_first_error_and_points_at_it() {
    let server = with_rows().await;
    let (out, err, code) =
        shell(&server.url(), &["-e", "SELECT 1;\nSELECT\n nothing; SELECT 2", "-e", "SELECT 3"], "").await;
    assert_eq!((out.as_str(), code), ("1\n", 1));
    assert!(err.starts_with("ERROR: 42703 column \"nothing\" does not exist\n"), "{err}");
    assert!(err.contains(":  nothing;\n") && err.lines().any(|line| line.trim() == "^"), "{err}");
    let (out, err, code) = shell(&server.url(), &["--format", "json"], "SELECT nothing;\nSELECT 1;\n").await;
    assert_eq!((out.as_str(), code), ("", 1), "{err}");
    assert!(err.starts_with("ERROR: 42703"), "{err}");
}

#[tokio::test]
async fn shell_runs_a_file_and_copies() {
    let server = with_rows().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("in.csv"), "10,ten\n11,eleven\n").unwrap();
    let script = format!(
        "-- a script\n\\copy t (a, b) FROM '{}' WITH (FORMAT csv)\n\\copy t TO '{}'\nSELECT count(*)\nFROM t;\n",
        path("in.csv"),
        path("out")
    );
    std::fs::write(path("script.sql"), script).unwrap();
    let (out, err, code) = shell(&server.url(), &["-f", &path("script.sql")], "").await;
    assert_eq!((out.as_str(), err.as_str(), code), ("5\n", "", 0));
    let written = std::fs::read_to_string(path("out")).unwrap();
    assert!(written.ends_with("10\tten\t\\N\n11\televen\t\\N\n"), "{written}");
    let (out, err, code) =
        shell(&server.url(), &["-e", "COPY t (a) FROM STDIN; SELECT count(*) FROM t"], "20\n21\n").await;
    assert_eq!((out.as_str(), err.as_str(), code), ("7\n", "", 0));
    let (out, _, _) = shell(&server.url(), &["-e", "COPY t TO STDOUT"], "").await;
    assert!(out.starts_with("1\tx\tt\n2\t\\N\tf\n"), "{out}");
    let (_, err, code) = shell(&server.url(), &["-f", &path("none.sql")], "").await;
    assert_eq!(code, 4);
    assert!(err.contains("none.sql"), "{err}");
}

#[tokio::test]
async fn shell_says_what_to_do_where_it_cannot_connect() {
    let server = Server::start().await;
    let error = SqlError::new(SqlState::CannotConnectNow, "this node belongs to no cluster yet")
        .with_hint("quorate init --host 127.0.0.1:7001");
    server.gate.set(Some(error));
    let (_, err, code) = shell(&server.url(), &["-e", "SELECT 1"], "").await;
    assert_eq!(code, 2);
    assert!(err.contains("57P03") && err.contains("quorate init --host 127.0.0.1:7001"), "{err}");

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, err, code) = shell(&format!("postgres://root@{free}/quorate"), &["-e", "SELECT 1"], "").await;
    assert_eq!(code, 2);
    assert!(err.contains("nothing listens there") && err.contains("quorate start"), "{err}");

    for url in ["nonsense", "postgres://root@/quorate", "postgres://root@h/d?sslmode=require"] {
        let (_, err, code) = shell(url, &["-e", "SELECT 1"], "").await;
        assert_eq!(code, 4, "{url}: {err}");
        assert!(err.contains("do: "), "{err}");
    }
}

#[tokio::test]
async fn shell_tells_another_service_from_a_node() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let other = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let (_, err, code) = shell(&format!("postgres://root@{address}/quorate"), &["-e", "SELECT 1"], "").await;
    other.await.unwrap();
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("do: "), "{err}");
}

#[tokio::test]
async fn shell_tells_that_the_connection_is_lost() {
    let mut server = Server::start().await;
    server.client().await.batch_execute("CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    server.held.send_modify(|held| held.scans = true);
    let url = server.url();
    let running = tokio::spawn(async move { shell(&url, &["-e", "SELECT a FROM t; SELECT 1"], "").await });
    crate::local::until("the scan waits", || server.held.borrow().waiting == 1).await;
    server.stop();
    server.held.send_modify(|held| held.scans = false);
    let (_, err, code) = running.await.unwrap();
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("57P01") || err.contains("is lost"), "{err}");
    server.stopped().await;
}
