//! The shape of a message's body: strings end and are UTF-8, counts fit, nothing is left over.
//!
//! `pgwire` decodes a body that passed here without running over its end; without this check a short body would end the
//! connection's task, and a string without an end would swallow the next message.

use bytes::BytesMut;
use pgwire::messages::{DecodeContext, PgWireFrontendMessage, ProtocolVersion};
use quorate_sql::error::SqlError;
use quorate_sql::types::text::utf8;

use super::frame::violation;

/// Bytes of a message before its body: type and length.
const HEAD_BYTES: usize = 5;

/// Decodes a whole frame.
///
/// # Errors
/// 08P01 for a body that does not fit its type, 22021 for text that is not UTF-8, 0A000 for a call of a function: the
/// error of this message, where the next one begins is known.
pub fn decode(mut frame: BytesMut) -> Result<PgWireFrontendMessage, SqlError> {
    let kind = frame.first().copied().unwrap_or_default();
    let mut body = Body { kind, rest: frame.get(HEAD_BYTES..).unwrap_or_default() };
    check(&mut body)?;
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    match PgWireFrontendMessage::decode(&mut frame, &context) {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(malformed(kind)),
        Err(error) => Err(violation(error.to_string())),
    }
}

fn check(body: &mut Body<'_>) -> Result<(), SqlError> {
    match body.kind {
        b'Q' => body.text()?,
        b'P' => {
            body.text()?;
            body.text()?;
            let types = body.count()?;
            body.skip(types * 4)?;
        }
        b'B' => check_bind(body)?,
        b'C' | b'D' => {
            body.target()?;
            body.text()?;
        }
        b'E' => {
            body.text()?;
            body.skip(4)?;
        }
        b'f' => body.text()?,
        b'F' => {
            return Err(
                SqlError::unsupported("a FunctionCall message").with_hint("Call functions with SELECT.")
            );
        }
        // Data and passwords are any bytes.
        b'd' | b'p' => return Ok(()),
        // Messages without a body.
        _ => {}
    }
    body.end()
}

fn check_bind(body: &mut Body<'_>) -> Result<(), SqlError> {
    body.text()?;
    body.text()?;
    let formats = body.count()?;
    body.skip(formats * 2)?;
    for _ in 0..body.count()? {
        body.value()?;
    }
    let formats = body.count()?;
    body.skip(formats * 2)
}

fn malformed(kind: u8) -> SqlError {
    violation(format!("invalid message format of type '{}'", char::from(kind)))
}

/// What is left of a body.
struct Body<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn malformed(&self) -> SqlError {
        malformed(self.kind)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], SqlError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), SqlError> {
        self.take(count).map(|_| ())
    }

    /// An unsigned count of two bytes.
    fn count(&mut self) -> Result<usize, SqlError> {
        let bytes = self.take(2)?;
        let bytes = bytes.first_chunk::<2>().ok_or_else(|| self.malformed())?;
        Ok(usize::from(u16::from_be_bytes(*bytes)))
    }

    /// A value: its length, -1 for NULL, and its bytes.
    fn value(&mut self) -> Result<(), SqlError> {
        let bytes = self.take(4)?;
        let length = i32::from_be_bytes(*bytes.first_chunk::<4>().ok_or_else(|| self.malformed())?);
        match usize::try_from(length) {
            Ok(length) => self.skip(length),
            Err(_) if length == -1 => Ok(()),
            Err(_) => Err(self.malformed()),
        }
    }

    /// What Close and Describe are about.
    fn target(&mut self) -> Result<(), SqlError> {
        match self.take(1)? {
            [b'S' | b'P'] => Ok(()),
            _ => Err(self.malformed()),
        }
    }

    /// Text that ends with a zero.
    fn text(&mut self) -> Result<(), SqlError> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.malformed())?;
        let text = self.take(end)?;
        self.skip(1)?;
        utf8(text).map(|_| ())
    }

    fn end(&self) -> Result<(), SqlError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}

#[cfg(test)]
mod tests;
