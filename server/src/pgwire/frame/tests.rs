//! Frames over a pipe: cut anywhere, and refused before they are read.

use tokio::io::{AsyncWriteExt, duplex};

use super::{
    FRAME_PROGRESS_MAX, FrameError, FrameReader, MESSAGE_MAX_BYTES, SMALL_MESSAGE_MAX_BYTES,
    STARTUP_MAX_BYTES,
};

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
    let mut reader = FrameReader::new(server, FRAME_PROGRESS_MAX);
    assert_eq!(&reader.message().await.unwrap()[..], b"Q\x00\x00\x00\x06a\x00");
    assert_eq!(&reader.message().await.unwrap()[..], b"S\x00\x00\x00\x04");
    assert!(matches!(reader.message().await, Err(FrameError::Closed)));
    writer.await.unwrap();
}

#[tokio::test]
async fn frames_survive_a_dropped_read() {
    let (mut client, server) = duplex(64);
    let mut reader = FrameReader::new(server, FRAME_PROGRESS_MAX);
    client.write_all(b"Q\x00\x00").await.unwrap();
    tokio::select! {
        biased;
        _ = reader.message() => panic!("half a frame was read"),
        () = std::future::ready(()) => {}
    }
    client.write_all(b"\x00\x06a\x00").await.unwrap();
    assert_eq!(&reader.message().await.unwrap()[..], b"Q\x00\x00\x00\x06a\x00");
}

/// The violation of a head whose body never comes: it is refused by its length alone.
async fn refusal(head: &[u8], starts: bool) -> String {
    let (mut client, server) = duplex(64);
    client.write_all(head).await.unwrap();
    let mut reader = FrameReader::new(server, FRAME_PROGRESS_MAX);
    let read = if starts { reader.startup_packet().await } else { reader.message().await };
    match read {
        Err(FrameError::Violation(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_are_refused_by_their_length_before_their_body_comes() {
    let beyond = |max: usize| u32::try_from(max + 1).unwrap();
    for (kind, max) in [(b'Q', MESSAGE_MAX_BYTES), (b'd', MESSAGE_MAX_BYTES), (b'D', SMALL_MESSAGE_MAX_BYTES)]
    {
        let text = refusal(&frame(kind, beyond(max)), false).await;
        assert!(text.contains(&max.to_string()) && text.contains("08P01"), "{text}");
    }
    let text = refusal(&beyond(STARTUP_MAX_BYTES).to_be_bytes(), true).await;
    assert!(text.contains(&STARTUP_MAX_BYTES.to_string()), "{text}");
    assert!(refusal(&frame(b'Q', 3), false).await.contains("invalid message length 3"));
    assert!(refusal(&frame(b'Q', u32::MAX), false).await.contains("beyond the limit"));
    assert!(refusal(b"!", false).await.contains("invalid frontend message type 33"));
    assert!(refusal(b"GET / HTTP/1.1", true).await.contains("beyond the limit"));
}

#[tokio::test]
async fn frames_that_are_not_finished_in_time_are_refused() {
    let (mut client, server) = duplex(64);
    client.write_all(b"Q\x00\x00\x00\x06a").await.unwrap();
    let mut reader = FrameReader::new(server, std::time::Duration::from_millis(1));
    match reader.message().await {
        Err(FrameError::Violation(error)) => {
            assert!(error.message.contains("did not come in time"), "{error}")
        }
        other => panic!("{other:?}"),
    }
}
