//! Well-formed messages pass, and every cut or change of their lengths is refused without a panic.

use bytes::{BufMut, BytesMut};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Flush, Parse, Sync};
use pgwire::messages::simplequery::Query;
use proptest::prelude::*;

use super::decode;
use quorate_sql::error::SqlState;

fn encoded(message: &PgWireFrontendMessage) -> BytesMut {
    let mut frame = BytesMut::new();
    message.encode(&mut frame).unwrap();
    frame
}

fn samples() -> Vec<PgWireFrontendMessage> {
    use PgWireFrontendMessage as M;
    let text = |text: &str| Some(text.to_owned());
    let values = vec![Some(b"1"[..].into()), None, Some(b""[..].into())];
    vec![
        M::Query(Query::new("SELECT 'é'".to_owned())),
        M::Parse(Parse::new(text("s"), "SELECT $1".to_owned(), vec![23, 0])),
        M::Bind(Bind::new(text("p"), text("s"), vec![0, 1, 0], values, vec![0])),
        M::Bind(Bind::new(None, None, vec![], vec![], vec![])),
        M::Describe(Describe::new(b'S', text("s"))),
        M::Close(Close::new(b'P', None)),
        M::Execute(Execute::new(text("p"), 10)),
        M::Flush(Flush::new()),
        M::Sync(Sync::new()),
        M::CopyData(CopyData::new(b"\x00\xff"[..].into())),
        M::CopyDone(CopyDone::new()),
        M::CopyFail(CopyFail::new("why".to_owned())),
    ]
}

/// The frame with its body cut or lengthened, its length made to fit.
fn with_body_length(frame: &BytesMut, length: usize) -> BytesMut {
    let mut changed = BytesMut::new();
    changed.put_u8(frame[0]);
    changed.put_u32(u32::try_from(length + 4).unwrap());
    changed.extend_from_slice(&frame[5..]);
    changed.resize(5 + length, 0);
    changed
}

#[test]
fn shape_lets_well_formed_messages_pass() {
    for message in samples() {
        let decoded = decode(encoded(&message)).unwrap();
        assert_eq!(format!("{decoded:?}"), format!("{message:?}"));
    }
}

#[test]
fn shape_refuses_bodies_that_are_too_short_or_too_long() {
    for message in samples() {
        let frame = encoded(&message);
        let body = frame.len() - 5;
        let is_free = matches!(message, PgWireFrontendMessage::CopyData(_));
        for length in (0..body + 3).filter(|length| *length != body && !is_free) {
            let result = decode(with_body_length(&frame, length));
            let state = result.as_ref().map_err(|error| error.state);
            assert_eq!(state.unwrap_err(), SqlState::ProtocolViolation, "{message:?}: {length} of {body}");
        }
    }
}

#[test]
fn shape_tells_bad_text_from_bad_messages() {
    let state = |bytes: &[u8]| decode(BytesMut::from(bytes)).unwrap_err().state;
    assert_eq!(state(b"Q\x00\x00\x00\x08\xff\xfe1\x00"), SqlState::CharacterNotInRepertoire);
    assert_eq!(state(b"Q\x00\x00\x00\x08\xff\xfe11"), SqlState::ProtocolViolation);
    let negative = b"B\x00\x00\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00\x00\x00";
    assert_eq!(state(negative), SqlState::ProtocolViolation);
    assert_eq!(state(b"F\x00\x00\x00\x04"), SqlState::FeatureNotSupported);
}

proptest! {
    /// Any bytes of any type: an answer, never a panic.
    #[test]
    fn shape_never_panics(kind in prop::sample::select(&b"QPBCDEFHSXcfdp"[..]), body in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut frame = BytesMut::new();
        frame.put_u8(kind);
        frame.put_u32(u32::try_from(body.len() + 4).unwrap());
        frame.extend_from_slice(&body);
        let _ = decode(frame);
    }
}
