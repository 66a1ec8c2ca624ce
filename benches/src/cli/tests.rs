//! What can be typed, and what is refused.

use super::*;

fn kv(words: &str) -> Result<KvArguments, String> {
    let line = format!("quorate-bench kv {words}");
    let cli = Cli::read(line.split_whitespace()).map_err(|error| error.to_string())?;
    let Command::Kv(arguments) = cli.command else { panic!("{line} is another command") };
    Ok(arguments)
}

#[test]
fn lists_and_defaults_are_read() {
    let arguments = kv("--clients 1,64,256 --peer etcd,postgres --rate 5000").unwrap();
    assert_eq!(arguments.common.clients, [1, 64, 256]);
    assert_eq!(arguments.common.peer, [Peer::Etcd, Peer::Postgres]);
    assert_eq!(arguments.common.rate, Some(5_000.0));
    assert_eq!((arguments.keys, arguments.value_bytes), (100_000, 256));
    assert_eq!(arguments.common.load().measured, Duration::from_secs(5));
}

#[test]
fn faults_are_refused_before_anything_runs() {
    for words in [
        "--clients 0",
        "--clients many",
        "--seconds 0",
        "--peer oracle",
        "--rate 0",
        "--rate nan",
        "--value-bytes 10",
        "--distribution normal",
        "--embedded --target postgres://x",
    ] {
        assert!(kv(words).is_err(), "{words}");
    }
}

#[test]
fn systems_without_sql_are_refused_where_sql_is_needed() {
    for peer in ["etcd", "postgres,etcd"] {
        assert!(kv(&format!("--peer {peer}")).unwrap().common.check_sql().is_err(), "{peer}");
    }
    assert!(kv("--embedded").unwrap().common.check_sql().is_err());
    assert!(kv("--peer postgres").unwrap().common.check_sql().is_ok());
}
