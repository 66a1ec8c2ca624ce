//! Sequences of messages that were changed at random: each is answered, or the connection ends with an error where it is
//! not clear any more where the next message begins. Whatever comes, the session or the server goes on.
//!
//! The seeds are fixed, so that a run can be repeated; `WIRE_FUZZ_SEED` runs one of them alone.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::local::raw::{Message, Raw, message, parse_bind_execute, query, sync};
use crate::local::server::Server;

/// How many sequences are tried.
const SEEDS: u64 = 400;
/// Most changes of one sequence.
const CHANGES_MAX: usize = 4;
/// Longest message that is thrown away rather than taken for nonsense.
const FRAME_MAX_BYTES: usize = 1 << 30;
/// Types that clients send.
const KINDS: &[u8] = b"QPBCDEFHSXcfdp";

/// Messages that make sense, in an order that does.
fn samples() -> Vec<Vec<u8>> {
    let bind = b"\0named\0\0\x02\0\0\0\x01\0\x02\0\0\0\x011\0\0\0\x08\0\0\0\0\0\0\0\x02\0\x01\0\x01";
    vec![
        query("SELECT 1; SELECT 'x'"),
        query("BEGIN"),
        message(b'P', b"named\0SELECT $1::int + $2::bigint\0\0\x02\0\0\0\x17\0\0\0\x14"),
        message(b'B', bind),
        message(b'D', b"P\0"),
        message(b'D', b"Snamed\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'C', b"Snamed\0"),
        message(b'H', b""),
        sync(),
        parse_bind_execute("INSERT INTO t VALUES (1, 'one') ON CONFLICT DO NOTHING", 0),
        parse_bind_execute("SELECT a, b FROM t ORDER BY a", 1),
        sync(),
        query("COPY t FROM STDIN"),
        message(b'd', b"2\ttwo\n"),
        message(b'c', b""),
        query("COPY t FROM STDIN"),
        message(b'f', b"no more\0"),
        query("ROLLBACK"),
        message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
    ]
}

/// Changes a sequence: its messages' order, their bytes, their lengths.
fn changed(random: &mut SmallRng) -> Vec<u8> {
    let mut messages = samples();
    for _ in 0..random.random_range(0..8) {
        let (from, to) = (random.random_range(0..messages.len()), random.random_range(0..messages.len()));
        match random.random_range(0..3) {
            0 => messages.swap(from, to),
            1 => messages.insert(to, messages[from].clone()),
            _ => drop(messages.remove(from)),
        }
    }
    if random.random_range(0..20) == 0 {
        let at = random.random_range(0..messages.len());
        messages.insert(at, message(b'X', b""));
    }
    for _ in 0..random.random_range(1..=CHANGES_MAX) {
        let index = random.random_range(0..messages.len());
        let message = &mut messages[index];
        if message.is_empty() {
            continue;
        }
        let at = random.random_range(0..message.len());
        match random.random_range(0..6) {
            0 => message[at] = random.random(),
            1 => message[at] ^= 1 << random.random_range(0..8),
            // Within the body, with a length that fits again: the framing holds.
            2 | 3 if message.len() > 6 => {
                let at = random.random_range(5..message.len());
                if random.random() {
                    message.truncate(at);
                } else {
                    let more = vec![random.random::<u8>(); at];
                    drop(message.splice(at..at, more));
                }
                let length = u32::try_from(message.len() - 1).unwrap();
                message[1..5].copy_from_slice(&length.to_be_bytes());
            }
            4 => message.truncate(at),
            _ => message.insert(at, random.random()),
        }
    }
    messages.concat()
}

/// What a server must make of these bytes.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    /// All messages end where the bytes end.
    Whole,
    /// The last message is not complete.
    Open,
    /// The client has left in the middle.
    Left,
    /// Somewhere it is not clear where the next message begins.
    Lost,
}

fn framing(mut bytes: &[u8]) -> Framing {
    while let Some(kind) = bytes.first() {
        if !KINDS.contains(kind) {
            return Framing::Lost;
        }
        let Some(length) = bytes[1..].first_chunk::<4>() else { return Framing::Open };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        if !(4..=FRAME_MAX_BYTES).contains(&length) {
            return Framing::Lost;
        }
        let Some(rest) = bytes.get(1 + length..) else { return Framing::Open };
        match kind {
            b'X' => return Framing::Left,
            // Whether it is thrown away or not depends on the messages before it.
            b'p' => return Framing::Open,
            _ => bytes = rest,
        }
    }
    Framing::Whole
}

/// Whether these messages end with an error that ends a connection.
fn end_with_fatal(messages: &[Message]) -> bool {
    messages.last().is_some_and(|last| last.kind == 'E' && last.field('S').as_deref() == Some("FATAL"))
}

async fn try_seed(server: &Server, seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let bytes = changed(&mut random);
    let expected = framing(&bytes);
    let (mut raw, _) = Raw::session(server.address).await;
    raw.try_send(&bytes).await;
    let told = match expected {
        Framing::Whole => {
            // Out of a COPY, behind a Sync, in no transaction: whatever was there, the last of these is answered.
            let probe =
                [sync(), query("SELECT 1"), sync(), query("ROLLBACK"), query("SELECT 'probe'")].concat();
            raw.send(&probe).await;
            raw.until(|message| message.kind == 'D' && message.text().ends_with("probe")).await
        }
        Framing::Open | Framing::Left | Framing::Lost => {
            raw.finish().await;
            raw.until_end().await
        }
    };
    let context =
        || format!("WIRE_FUZZ_SEED={seed}: {expected:?} {:?} → {told:?}", String::from_utf8_lossy(&bytes));
    match expected {
        Framing::Whole => assert!(!end_with_fatal(&told), "{}", context()),
        Framing::Lost => assert!(end_with_fatal(&told), "{}", context()),
        Framing::Open | Framing::Left => {}
    }
}

#[tokio::test]
async fn fuzzed_messages_fail_alone_or_end_the_connection_with_an_error() {
    let server = Server::start().await;
    let (mut witness, _) = Raw::session(server.address).await;
    witness.ask(&query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)")).await;
    if let Ok(seed) = std::env::var("WIRE_FUZZ_SEED") {
        return try_seed(&server, seed.parse().unwrap()).await;
    }
    let mut kinds = [0; 4];
    for seed in 0..SEEDS {
        let bytes = changed(&mut SmallRng::seed_from_u64(seed));
        kinds[framing(&bytes) as usize] += 1;
        try_seed(&server, seed).await;
    }
    assert!(kinds.iter().all(|count| *count > 0), "a kind of framing was not met: {kinds:?}");
    assert_eq!(witness.ask(&query("SELECT 1")).await, "T D C(SELECT 1) Z(I)", "the server lives");
}
