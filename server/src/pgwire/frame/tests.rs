//! Frames over a pipe: cut anywhere, and refused before they are read.

use tokio::io::{AsyncWriteExt, duplex};

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quorate_sql::error::SqlState;
use tokio::io::DuplexStream;

use super::{Frame, FrameError, FrameReader, READ_BYTES};
use crate::limits::{
    CLIENT_FRAME_MAX_BYTES, CLIENT_MESSAGE_MAX_BYTES, FRAME_PROGRESS_MAX, SMALL_MESSAGE_MAX_BYTES,
    STARTUP_MAX_BYTES,
};
use crate::pgwire::memory::MessageMemory;

fn memory(bytes: usize) -> Arc<MessageMemory> {
    MessageMemory::new(bytes, Duration::from_millis(20))
}

fn reader(source: DuplexStream) -> FrameReader<DuplexStream> {
    FrameReader::new(source, FRAME_PROGRESS_MAX, memory(128 << 20))
}

/// The next message, none skipped.
async fn next(reader: &mut FrameReader<DuplexStream>) -> Result<Frame, FrameError> {
    reader.message(|_| false).await
}

/// The bytes of a message that came.
async fn whole(reader: &mut FrameReader<DuplexStream>) -> BytesMut {
    match next(reader).await.unwrap() {
        Frame::Whole { bytes, .. } => bytes,
        refused @ Frame::Refused { .. } => panic!("{refused:?}"),
    }
}

/// A message that was thrown away: its type, and why.
async fn refused(reader: &mut FrameReader<DuplexStream>) -> (u8, SqlState) {
    match next(reader).await.unwrap() {
        Frame::Refused { kind, error } => (kind, error.state),
        Frame::Whole { .. } => panic!("it was not refused"),
    }
}

fn frame(kind: u8, length: u32) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes
}

#[tokio::test]
async fn frames_are_read_whole_however_they_come() {
    let (mut client, server) = duplex(1);
    let writer = tokio::spawn(async move {
        client.write_all(b"Q\x00\x00\x00\x06a\x00S\x00\x00\x00\x04").await.unwrap();
    });
    let mut reader = reader(server);
    assert_eq!(&whole(&mut reader).await[..], b"Q\x00\x00\x00\x06a\x00");
    assert_eq!(&whole(&mut reader).await[..], b"S\x00\x00\x00\x04");
    assert!(matches!(next(&mut reader).await, Err(FrameError::Closed)));
    writer.await.unwrap();
}

#[tokio::test]
async fn frames_survive_a_dropped_read() {
    let (mut client, server) = duplex(64);
    let mut reader = reader(server);
    client.write_all(b"Q\x00\x00").await.unwrap();
    tokio::select! {
        biased;
        _ = next(&mut reader) => panic!("half a frame was read"),
        () = std::future::ready(()) => {}
    }
    client.write_all(b"\x00\x06a\x00").await.unwrap();
    assert_eq!(&whole(&mut reader).await[..], b"Q\x00\x00\x00\x06a\x00");
}

/// The violation of a head whose body never comes: it is refused by its length alone.
async fn violation(head: &[u8], starts: bool) -> String {
    let (mut client, server) = duplex(64);
    client.write_all(head).await.unwrap();
    let mut reader = reader(server);
    let result =
        if starts { reader.startup_packet().await.map(|_| ()) } else { next(&mut reader).await.map(|_| ()) };
    match result {
        Err(FrameError::Violation(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_that_cannot_be_are_refused_before_their_body_comes() {
    let beyond = |max: usize| u32::try_from(max + 1).unwrap();
    let text = violation(&beyond(STARTUP_MAX_BYTES).to_be_bytes(), true).await;
    assert!(text.contains(&STARTUP_MAX_BYTES.to_string()), "{text}");
    assert!(violation(&frame(b'Q', 3), false).await.contains("invalid message length 3"));
    assert!(
        violation(&frame(b'Q', beyond(CLIENT_FRAME_MAX_BYTES)), false).await.contains("beyond the limit")
    );
    assert!(violation(b"!", false).await.contains("invalid frontend message type 33"));
    assert!(violation(b"GET / HTTP/1.1", true).await.contains("beyond the limit"));
}

#[tokio::test]
async fn frames_that_are_too_long_are_thrown_away_and_the_next_one_is_read() {
    for (kind, max) in
        [(b'Q', CLIENT_MESSAGE_MAX_BYTES), (b'd', CLIENT_MESSAGE_MAX_BYTES), (b'D', SMALL_MESSAGE_MAX_BYTES)]
    {
        let (mut client, server) = duplex(1 << 20);
        let mut bytes = frame(kind, u32::try_from(max + 1).unwrap());
        bytes.resize(bytes.len() + max + 1 - 4, b'x');
        bytes.extend_from_slice(b"S\x00\x00\x00\x04");
        let writer = tokio::spawn(async move { client.write_all(&bytes).await.unwrap() });
        let mut reader = reader(server);
        assert_eq!(refused(&mut reader).await, (kind, SqlState::ProgramLimitExceeded));
        assert!(reader.buffer.capacity() <= 4 * READ_BYTES, "{} bytes were kept", reader.buffer.capacity());
        assert_eq!(&whole(&mut reader).await[..], b"S\x00\x00\x00\x04");
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn frames_that_are_skipped_are_not_looked_at() {
    let (mut client, server) = duplex(1 << 20);
    // A length beyond its type's limit, and a body that makes no sense.
    let mut bytes = frame(b'B', 100_000);
    bytes.resize(bytes.len() + 100_000 - 4, 0xff);
    bytes.extend_from_slice(b"D\x00\x00\x80\x00");
    bytes.resize(bytes.len() + 0x8000 - 4, 0xff);
    bytes.extend_from_slice(b"S\x00\x00\x00\x04");
    client.write_all(&bytes).await.unwrap();
    let mut reader = FrameReader::new(server, FRAME_PROGRESS_MAX, memory(0));
    match reader.message(|kind| kind != b'S').await.unwrap() {
        Frame::Whole { bytes, memory: None } => assert_eq!(&bytes[..], b"S\x00\x00\x00\x04"),
        other @ (Frame::Whole { .. } | Frame::Refused { .. }) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_that_are_large_take_memory_and_leave_none_behind() {
    let large = |length: usize| {
        let mut bytes = frame(b'Q', u32::try_from(length + 4).unwrap());
        bytes.resize(bytes.len() + length, b'x');
        bytes.extend_from_slice(b"S\x00\x00\x00\x04");
        bytes
    };
    let (mut client, server) = duplex(4 << 20);
    let memory = memory(1 << 20);
    let mut reader = FrameReader::new(server, FRAME_PROGRESS_MAX, Arc::clone(&memory));
    client.write_all(&large(900_000)).await.unwrap();
    let Frame::Whole { bytes, memory: Some(held) } = next(&mut reader).await.unwrap() else {
        panic!("refused")
    };
    assert_eq!(bytes.len(), 900_005);
    drop(bytes);
    assert!(reader.buffer.capacity() <= 4 * READ_BYTES, "{} bytes were kept", reader.buffer.capacity());
    assert_eq!(&whole(&mut reader).await[..], b"S\x00\x00\x00\x04");
    // What is held still leaves too little for another.
    client.write_all(&large(900_000)).await.unwrap();
    assert_eq!(refused(&mut reader).await, (b'Q', SqlState::OutOfMemory));
    assert_eq!(&whole(&mut reader).await[..], b"S\x00\x00\x00\x04");
    drop(held);
    client.write_all(&large(900_000)).await.unwrap();
    assert_eq!(whole(&mut reader).await.len(), 900_005);
}

#[tokio::test]
async fn frames_that_are_not_finished_in_time_are_refused() {
    for head in [&b"Q\x00\x00\x00\x06a"[..], b"Q\x00\x10\x00\x00a", b"Q\x10\x00\x00\x00a"] {
        let (mut client, server) = duplex(64);
        client.write_all(head).await.unwrap();
        let mut reader = FrameReader::new(server, Duration::from_millis(1), memory(16 << 20));
        match next(&mut reader).await {
            Err(FrameError::Violation(error)) => {
                assert!(error.message.contains("did not come in time"), "{error}")
            }
            other => panic!("{other:?}"),
        }
    }
}
