//! First packets: what they mean, and what is refused.

use bytes::BytesMut;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::frame::{FrameError, FrameReader};
use super::super::memory::MessageMemory;
use super::super::out::Out;
use super::{Hello, Wish, read, wish};
use crate::limits::FRAME_PROGRESS_MAX;

fn packet(body: &[u8]) -> Vec<u8> {
    let mut packet = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
    packet.extend_from_slice(body);
    packet
}

fn startup(version: [u8; 4], parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_vec();
    for (name, value) in parameters {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    packet(&body)
}

const V30: [u8; 4] = [0, 3, 0, 0];

fn hello(packet: &[u8]) -> Hello {
    match wish(BytesMut::from(packet)) {
        Ok(Wish::Session(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

fn refusal(packet: &[u8]) -> String {
    wish(BytesMut::from(packet)).unwrap_err().to_string()
}

#[test]
fn startup_gives_the_options_of_a_session() {
    let options = hello(&startup(V30, &[("user", "ann")])).options;
    assert_eq!((options.user.as_str(), options.database.as_str()), ("ann", "quorate"));
    assert_eq!(hello(&startup(V30, &[("user", "a"), ("database", "d")])).options.database, "d");
}

#[test]
fn startup_gives_every_setting_that_is_asked_for() {
    let parameters = [
        ("user", "ann"),
        ("TimeZone", "UTC"),
        ("nonsense", ""),
        ("options", "-c geqo=off --statement-timeout=5s"),
        ("replication", "false"),
        ("_pq_.x", "1"),
    ];
    let settings = hello(&startup(V30, &parameters)).settings;
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [("geqo", "off"), ("statement_timeout", "5s"), ("TimeZone", "UTC"), ("nonsense", "")];
    assert_eq!(settings, expected);
    let error = refusal(&startup(V30, &[("user", "a"), ("options", "-x")]));
    assert!(error.contains("42601") && error.contains("-x"), "{error}");
    for (value, state) in [("true", "0A000"), ("database", "0A000"), ("maybe", "22023")] {
        let error = refusal(&startup(V30, &[("user", "a"), ("replication", value)]));
        assert!(error.contains(state), "{error}");
    }
}

#[test]
fn startup_negotiates_the_version() {
    let user = ("user", "a");
    let plain = hello(&startup(V30, &[user]));
    assert!(plain.negotiated.is_none() && !plain.long_secret);
    let newest = hello(&startup([0, 3, 0, 2], &[user]));
    assert!(newest.negotiated.is_none() && newest.long_secret);
    let future = hello(&startup([0, 3, 0x27, 0x0f], &[user]));
    assert_eq!(future.negotiated.unwrap().version, 3 << 16 | 2);
    let options = hello(&startup(V30, &[user, ("_pq_.x", "1")])).negotiated.unwrap();
    assert_eq!((options.version, options.unknown), (3 << 16, vec!["_pq_.x".to_owned()]));
}

#[test]
fn startup_refuses_what_makes_no_sense() {
    assert!(refusal(&startup([0, 2, 0, 0], &[])).contains("unsupported frontend protocol 2.0"));
    assert!(refusal(&startup(V30, &[("database", "d")])).contains("no user name"));
    assert!(refusal(&packet(&[0, 3, 0])).contains("invalid length"));
    assert!(refusal(&packet(b"\0\x03\0\0user\0ann")).contains("terminator"));
    assert!(refusal(&packet(b"\0\x03\0\0user\0")).contains("terminator"));
    assert!(refusal(&packet(b"\0\x03\0\0user\0\xff\0\0")).contains("22021"));
}

#[test]
fn startup_recognises_cancel_requests() {
    let request = packet(b"\x04\xd2\x16\x2e\0\0\0\x07abcd");
    match wish(BytesMut::from(&request[..])) {
        Ok(Wish::Cancel { number: 7, secret }) => assert_eq!(secret.bytes(), b"abcd"),
        other => panic!("{other:?}"),
    }
    assert!(refusal(&packet(b"\x04\xd2\x16\x2e\0\0\0\x07")).contains("invalid cancel request"));
}

#[tokio::test]
async fn startup_declines_encryption_twice_and_not_for_ever() {
    let (mut client, server) = duplex(1024);
    let (server_read, server_write) = tokio::io::split(server);
    let (mut reader, mut out) = (
        FrameReader::new(server_read, FRAME_PROGRESS_MAX, MessageMemory::new(0, FRAME_PROGRESS_MAX)),
        Out::new(server_write),
    );
    let (tls, gss) = (packet(b"\x04\xd2\x16\x2f"), packet(b"\x04\xd2\x16\x30"));
    client.write_all(&[&tls[..], &gss, &startup(V30, &[("user", "a")])].concat()).await.unwrap();
    assert!(matches!(read(&mut reader, &mut out).await, Ok(Wish::Session(_))));
    let mut answers = [0; 2];
    client.read_exact(&mut answers).await.unwrap();
    assert_eq!(&answers, b"NN");
    client.write_all(&[&tls[..], &tls, &tls].concat()).await.unwrap();
    assert!(matches!(read(&mut reader, &mut out).await, Err(FrameError::Violation(_))));
}

proptest! {
    #[test]
    fn startup_of_any_bytes_does_not_panic(body in prop::collection::vec(any::<u8>(), 0..64), version in prop::sample::select(&[0x0003_0000_u32, 0x0003_0002, 80_877_102][..])) {
        let _ = wish(BytesMut::from(&packet(&body)[..]));
        let _ = wish(BytesMut::from(&packet(&[&version.to_be_bytes()[..], &body].concat())[..]));
    }
}
