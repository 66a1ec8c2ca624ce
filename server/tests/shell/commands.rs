//! Commands with a backslash, in files and at the prompt.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{shell, with_rows};
use crate::local::server::Server;
use crate::local::within;

/// A file with this text.
fn script(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.sql");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

async fn run(server: &Server, text: &str) -> (String, String, i32) {
    let (_folder, path) = script(text);
    let (out, err, code) = shell(&server.url(), &["--format", "table", "-f", &path], "").await;
    (out, err.replace(&path, "FILE"), code)
}

#[tokio::test]
async fn shell_describes_a_table() {
    let server = Server::start().await;
    let create = "CREATE TABLE \"Odd one\" (id INT, b VARCHAR(5) NOT NULL DEFAULT 'x', PRIMARY KEY (id, b))";
    server.client().await.batch_execute(create).await.unwrap();
    let (out, err, code) = run(&server, "\\d \"Odd one\"\n").await;
    let expected = " Column |         Type         | Nullable |        Default
--------+----------------------+----------+------------------------
 id     | integer              | not null |
 b      | character varying(5) | not null | 'x'::character varying
Indexes:
    \"Odd one_pkey\" PRIMARY KEY, btree (id, b)

";
    let expected = format!("{}Table \"public.Odd one\"\n{expected}", " ".repeat(22));
    assert_eq!((out.as_str(), err.as_str(), code), (expected.as_str(), "", 0));
    let (_, err, code) = run(&server, "SELECT 1;\n\n\\d nothing\nSELECT 2;\n").await;
    assert_eq!((err.as_str(), code), ("error: FILE, line 3: there is no relation named nothing\n", 4));
}

/// Data of a COPY are no statements, whatever becomes of it; what stands behind them is.
#[tokio::test]
async fn shell_takes_the_data_of_copy_from_the_file() {
    let server = Server::start().await;
    server.client().await.batch_execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();
    let text = "COPY t FROM STDIN;\n1\tone; DROP TABLE t;\n2\ttwo\n\\.\nSELECT count(*) FROM t;\n\
        COPY t FROM STDIN;\n3\tthree\n1\tagain\n\\.\nSELECT count(*) FROM t;\n\
        COPY none FROM STDIN;\n1\n\\.\nCOPY t FROM STDIN;\n\\.\nCOPY t (a) FROM STDIN (FORMAT csv);\n5\n6\n";
    let (out, err, code) = run(&server, &format!("\\set ON_ERROR_STOP off\n{text}")).await;
    let counts: Vec<&str> = out.lines().filter(|line| line.trim().parse::<u32>().is_ok()).collect();
    assert_eq!(counts, ["     2", "     2"], "{out}");
    assert_eq!(err.matches("ERROR: ").count(), 2, "{err}");
    assert!(err.contains("23505") && err.contains("42P01"), "{err}");
    assert_eq!(code, 0, "{err}");
    let left = server.client().await.query("SELECT a FROM t ORDER BY a", &[]).await.unwrap();
    let left: Vec<i32> = left.iter().map(|row| row.get(0)).collect();
    assert_eq!(left, [1, 2, 5, 6]);
    let (out, err, code) =
        shell(&server.url(), &[], "COPY t (a) FROM STDIN;\n7\n\\.\nSELECT a FROM t WHERE a = 7;\n").await;
    assert!(out.contains('7') && err.is_empty() && code == 0, "{out} {err}");
}

#[tokio::test]
async fn shell_lists_what_there_is() {
    let server = with_rows().await;
    let (out, err, code) = run(&server, "\\dt\n\\d\n\\dt x*\n\\di\n\\l\n\\dn\n\\du\n").await;
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(out.starts_with(
        "       List of relations\n Schema | Name | Type  | Owner\n--------+------+-------+-------\n public | t    | table | root\n(1 row)\n\n"
    ), "{out}");
    for line in [
        " public | t_pkey | index | root\n",
        "List of databases\n",
        " quorate | root  | UTF8",
        " public | root\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
    let (out, _, _) = shell(&server.url(), &["-e", "\\dt"], "").await;
    assert_eq!(out, "public\tt\ttable\troot\n");
}

#[tokio::test]
async fn shell_runs_commands_of_files() {
    let server = with_rows().await;
    let (_folder, inner) = script("SELECT 7;\n\\q\nSELECT 8;\n");
    let text = format!(
        "\\echo 'it''s'\n\\x on\nSELECT a, b FROM t WHERE a = 1;\n\\x\n\\set ON_ERROR_STOP off\nSELEC;\n\\nonsense 1\n\\i {inner}\nSELECT 9;\n"
    );
    let (out, err, code) = run(&server, &text).await;
    assert_eq!(code, 0);
    assert!(out.starts_with("it's\n-[ RECORD 1 ]-\na | 1\nb | x\n\n"), "{out}");
    assert!(out.contains(" 7\n") && !out.contains(" 8\n") && out.contains(" 9\n"), "{out}");
    assert!(err.contains("ERROR: 42601"), "{err}");
    assert!(err.contains("error: FILE, line 7: \\nonsense is unknown; \\? shows what there is\n"), "{err}");
    let (out, err, code) = run(&server, "SELECT 1;\n\\nonsense\nSELECT 2;\n").await;
    assert!(out.contains(" 1\n") && !out.contains(" 2\n"), "{out}");
    assert_eq!(
        (err.as_str(), code),
        ("error: FILE, line 2: \\nonsense is unknown; \\? shows what there is\n", 4)
    );
    let (_, err, code) = run(&server, "\\set x 1\n").await;
    assert_eq!(
        (err.as_str(), code),
        ("error: FILE, line 1: there is no variable x, only ON_ERROR_STOP\n", 4)
    );
}

#[tokio::test]
async fn shell_file_that_includes_itself_ends() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loop.sql").to_str().unwrap().to_owned();
    std::fs::write(&path, format!("\\i {path}\n")).unwrap();
    let (_, err, code) = shell(&server.url(), &["-f", &path], "").await;
    assert_eq!(code, 4);
    assert!(err.contains("one includes itself"), "{err}");
}

/// What a terminal shows of a shell that gets each text once it has shown what stands before it.
async fn at_the_prompt(server: &Server, history: &str, steps: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    let shell = format!("{} sql {}", env!("CARGO_BIN_EXE_quorate"), server.url());
    command.args(["-q", "-e", "-c", &shell, "/dev/null"]);
    command.env("TERM", "xterm").env("QUORATE_SQL_HISTORY", history);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut seen) = (String::new(), 0);
    let mut chunk = vec![0; 4096];
    for (expected, typed) in steps {
        while !shown[seen..].contains(expected) {
            let read = within(expected, stdout.read(&mut chunk)).await.unwrap();
            assert!(read > 0, "no {expected}: {shown}");
            shown.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        seen = shown.len();
        stdin.write_all(typed.as_bytes()).await.unwrap();
    }
    let mut rest = Vec::new();
    within("the shell ends", stdout.read_to_end(&mut rest)).await.unwrap();
    shown + &String::from_utf8_lossy(&rest)
}

#[tokio::test]
async fn shell_prompt_shows_the_transaction_and_keeps_a_history() {
    let server = with_rows().await;
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("deep/history").to_str().unwrap().to_owned();
    let steps = [
        ("quorate=> ", "BEGIN;\r"),
        ("quorate=*> ", "SELECT a\r"),
        ("quorate-*> ", "FROM t WHERE a = 1;\r"),
        ("quorate=*> ", "SELEC;\r"),
        ("quorate=!> ", "ROLLBACK;\r"),
        ("quorate=> ", "help\r"),
        ("Ctrl-C drops the line", "\\d t\r"),
        ("Table \"public.t\"", "exit\r"),
    ];
    at_the_prompt(&server, &history, &steps).await;
    let kept = std::fs::read_to_string(&history).unwrap();
    assert!(kept.contains("BEGIN;\n") && kept.contains("FROM t WHERE a = 1;\n"), "{kept}");
}

#[tokio::test]
async fn shell_ctrl_c_drops_the_line() {
    let server = with_rows().await;
    let steps = [
        ("quorate=> ", "SELECT nothing\r"),
        ("quorate-> ", "\u{3}"),
        ("quorate=> ", "SELECT 41 + 1;\r"),
        (" 42", "\\q\r"),
    ];
    let shown = at_the_prompt(&server, "", &steps).await;
    assert!(!shown.contains("42703"), "{shown}");
}
