//! Bytes of requests to ranges and of their answers, as they travel between nodes (`Service::Range`).
//!
//! A version byte, then the pieces of `engine::codec::value` in the order of the fields; each enum is a byte
//! of its own, from 1. Decoding trusts nothing: damaged bytes are a [`CodecError`], never a panic and never a large
//! reservation.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer, owned};
use quorate_engine::kv::{Key, ScanProgram, Span};
use quorate_engine::kv_reads::ReadSpan;

use crate::api::{RangeError, RangeRequest, Response};

mod error;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod transact;

/// Newest version of these bytes.
const API_VERSION: u8 = 2;

/// The bytes of a request.
pub fn encode_request(request: &RangeRequest) -> Vec<u8> {
    let mut writer = Writer::versioned(API_VERSION);
    request::put(&mut writer, request);
    writer.finish()
}

/// Reads a request.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_request(bytes: &[u8]) -> Result<RangeRequest, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, API_VERSION, "range request")?;
    let request = request::take(&mut reader)?;
    reader.finish()?;
    Ok(request)
}

/// The bytes of an answer.
pub fn encode_answer(answer: &Result<Response, RangeError>) -> Vec<u8> {
    let mut writer = Writer::versioned(API_VERSION);
    match answer {
        Ok(response) => response::put(writer.bool(true), response),
        Err(error) => error::put(writer.bool(false), error),
    }
    writer.finish()
}

/// Reads an answer.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_answer(bytes: &[u8]) -> Result<Result<Response, RangeError>, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, API_VERSION, "range answer")?;
    let answer =
        if reader.bool()? { Ok(response::take(&mut reader)?) } else { Err(error::take(&mut reader)?) };
    reader.finish()?;
    Ok(answer)
}

/// Appends a key.
pub(crate) fn put_key(writer: &mut Writer, key: &Key) {
    writer.bytes(key.as_ref());
}

/// Reads a key.
pub(crate) fn take_key(reader: &mut Reader<'_>) -> Result<Key, CodecError> {
    reader.bytes().map(Key::from)
}

/// Appends a span.
pub(crate) fn put_span(writer: &mut Writer, span: &Span) {
    put_key(writer, &span.start);
    put_key(writer, &span.end);
}

/// Reads a span.
pub(crate) fn take_span(reader: &mut Reader<'_>) -> Result<Span, CodecError> {
    let start = take_key(reader)?;
    Ok(Span::new(start, take_key(reader)?))
}

/// Appends a span that was read.
fn put_read_span(writer: &mut Writer, read: &ReadSpan) {
    put_span(writer, &read.span);
    writer.optional_bytes(read.filter.as_ref().map(|program| program.0.as_ref()));
}

/// Reads a span that was read.
fn take_read_span(reader: &mut Reader<'_>) -> Result<ReadSpan, CodecError> {
    Ok(ReadSpan { span: take_span(reader)?, filter: take_value(reader)?.map(ScanProgram) })
}

/// Appends a list with its length before it.
pub(crate) fn put_list<T>(writer: &mut Writer, items: &[T], put: impl Fn(&mut Writer, &T)) {
    writer.count(items.len());
    for item in items {
        put(writer, item);
    }
}

/// Reads a list. Memory grows with the items read, not with the number claimed.
pub(crate) fn take_list<T>(
    reader: &mut Reader<'_>,
    take: impl Fn(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = reader.items()?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(take(reader)?);
    }
    Ok(items)
}

/// Reads bytes that may be missing into a buffer of their own.
fn take_value(reader: &mut Reader<'_>) -> Result<Option<bytes::Bytes>, CodecError> {
    Ok(reader.optional_bytes()?.map(owned))
}
