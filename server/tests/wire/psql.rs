//! psql, as it is installed.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::local::server::Server;
use crate::local::within;

/// What psql printed to stdout and stderr, and its exit code.
async fn psql(server: &Server, arguments: &[&str], input: &str) -> (String, String, i32) {
    let connection =
        format!("host=127.0.0.1 port={} user=root dbname=quorate connect_timeout=20", server.address.port());
    let mut command = Command::new("psql");
    command.arg(connection).args(["--no-psqlrc", "--no-align", "--tuples-only"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("psql is installed (Debian: postgresql-client)");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = within("psql ends", child.wait_with_output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

#[tokio::test]
async fn psql_runs_several_statements() {
    let server = Server::start().await;
    let text = "CREATE TABLE t (a INT PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL); SELECT * FROM t ORDER BY a";
    let (out, err, code) = psql(&server, &["-c", text], "").await;
    assert_eq!((out.as_str(), err.as_str(), code), ("CREATE TABLE\nINSERT 0 2\n1|x\n2|\n", "", 0));
    let (out, err, code) = psql(&server, &[], "SELECT count(*) FROM t;\nSELECT 1 + 1;\n").await;
    assert_eq!((out.as_str(), err.as_str(), code), ("2\n2\n", "", 0));
}

#[tokio::test]
async fn psql_points_at_the_error() {
    let server = Server::start().await;
    let (_, err, code) =
        psql(&server, &["-v", "ON_ERROR_STOP=1"], "SELECT 1,\n  nothing;\nSELECT 2;\n").await;
    assert_eq!(code, 3);
    assert!(err.contains("ERROR:  column \"nothing\" does not exist"), "{err}");
    assert!(err.contains("LINE 2:   nothing;\n          ^"), "{err}");
}

#[tokio::test]
async fn psql_goes_on_after_an_error() {
    let server = Server::start().await;
    let (out, err, code) =
        psql(&server, &[], "SELEC 1;\nBEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;\nSELECT 7;\n").await;
    assert_eq!((out.as_str(), code), ("BEGIN\nROLLBACK\n7\n", 0), "{err}");
    assert!(err.contains("syntax error") && err.contains("division by zero"), "{err}");
    assert!(err.contains("current transaction is aborted"), "{err}");
}

#[tokio::test]
async fn psql_copies_files_in_and_out() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut csv = String::from("a,b\n");
    for n in 0..5_000 {
        csv += &if n % 10 == 0 { format!("{n},NA\n") } else { format!("{n},\"row, {n}\"\n") };
    }
    std::fs::write(path("in.csv"), &csv).unwrap();
    let options = "WITH (FORMAT csv, HEADER true, NULL 'NA')";
    let script = format!(
        "CREATE TABLE t (a INT PRIMARY KEY, b TEXT);\n\\copy t FROM '{}' {options}\nSELECT count(*), count(b) FROM t;\n\
         \\copy t TO '{}' {options}\n",
        path("in.csv"),
        path("out.csv")
    );
    let (out, err, code) = psql(&server, &[], &script).await;
    assert_eq!(
        (out.as_str(), err.as_str(), code),
        ("CREATE TABLE\nCOPY 5000\n5000|4500\nCOPY 5000\n", "", 0)
    );
    assert!(std::fs::read_to_string(path("out.csv")).unwrap() == csv, "what came back differs");

    std::fs::write(path("bad.csv"), "a,b\n5000,x\nfive,y\n").unwrap();
    let script = format!("\\copy t FROM '{}' {options}\nSELECT 1;\n", path("bad.csv"));
    let (out, err, _) = psql(&server, &[], &script).await;
    assert_eq!(out, "1\n", "{err}");
    assert!(err.contains("five"), "{err}");
}

#[tokio::test]
async fn psql_lists_databases_and_schemas() {
    let server = Server::start().await;
    let (out, err, code) = psql(&server, &["-c", "\\l", "-c", "\\dn"], "").await;
    assert_eq!((out.as_str(), err.as_str(), code), ("quorate|root|UTF8|C|C||libc|\npublic|root\n", "", 0));
}
