//! The first packets of a connection: requests for encryption are declined, a cancel request is recognised, and a
//! startup message becomes the options of a session and the settings that the client asks for.
//!
//! Everything that a startup message names is either a setting of the session, whose value `sql` checks, or one of the
//! protocol's own; nothing is dropped.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::{GssEncRequest, SslRequest, Startup};
use pgwire::messages::{DecodeContext, Message, ProtocolVersion};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::node::DATABASE;
use quorate_sql::session::SessionOptions;
use quorate_sql::session::variables::values::boolean;
use tokio::io::{AsyncRead, AsyncWrite};

use super::cancel::Secret;
use super::frame::{FrameError, FrameReader, violation};
use super::out::Out;

/// The answer to a request for encryption: no, go on without.
const DECLINED: u8 = b'N';
/// Requests for encryption answered before a startup message: one for TLS, one for GSSAPI.
const ENCRYPTION_REQUESTS_MAX: usize = 2;
/// Bytes before the parameters of a startup message: length and version.
const HEAD_BYTES: usize = 8;
/// Newest minor version of protocol 3 that is spoken.
const MINOR_NEWEST: u16 = 2;
/// Parameters of the protocol itself begin so; none is known.
const PROTOCOL_OPTION: &str = "_pq_.";

/// What a new connection wants.
#[derive(Debug)]
pub enum Wish {
    /// A session.
    Session(Hello),
    /// To cancel what runs in another session.
    Cancel {
        /// Number of the session.
        number: i32,
        /// What it was told as its secret.
        secret: Secret,
    },
}

/// A startup message, understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who the client is.
    pub options: SessionOptions,
    /// Settings that it asks for, in the order in which they apply.
    pub settings: Vec<(String, String)>,
    /// Whether secrets may be longer than four bytes.
    pub long_secret: bool,
    /// Where the client asked for a newer protocol or for options of it: what it gets.
    pub negotiated: Option<Negotiated>,
}

/// What the server makes of a newer protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The version spoken, as a number.
    pub version: i32,
    /// Options of the protocol that are not known.
    pub unknown: Vec<String>,
}

/// Reads packets until the wish is clear.
pub async fn read<R, W>(reader: &mut FrameReader<R>, out: &mut Out<W>) -> Result<Wish, FrameError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    for _ in 0..=ENCRYPTION_REQUESTS_MAX {
        let packet = reader.startup_packet().await?;
        if is_encryption_request(&packet) {
            out.raw_byte(DECLINED).await.map_err(FrameError::Io)?;
            continue;
        }
        return wish(packet).map_err(FrameError::Violation);
    }
    Err(FrameError::Violation(violation("too many requests for encryption")))
}

fn is_encryption_request(packet: &[u8]) -> bool {
    packet.len() == HEAD_BYTES
        && (SslRequest::is_ssl_request_packet(packet) || GssEncRequest::is_gss_enc_request_packet(packet))
}

fn wish(mut packet: BytesMut) -> Result<Wish, SqlError> {
    if CancelRequest::is_cancel_request_packet(&packet) {
        let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
        let request = CancelRequest::decode(&mut packet, &context);
        let request = request.ok().flatten().ok_or_else(|| violation("invalid cancel request"))?;
        let secret = Secret::received(&request.secret_key.to_bytes());
        return Ok(Wish::Cancel { number: request.pid, secret });
    }
    check(&packet)?;
    let startup = Startup::decode(&mut packet, &DecodeContext::new(ProtocolVersion::PROTOCOL3_0));
    let startup = startup.ok().flatten().ok_or_else(|| violation("invalid startup packet"))?;
    hello(startup).map(Wish::Session)
}

/// The shape of a startup message: version 3, then pairs of texts, then a zero.
fn check(packet: &[u8]) -> Result<(), SqlError> {
    let version = packet.get(4..HEAD_BYTES).map(|mut bytes| (bytes.get_u16(), bytes.get_u16()));
    let (major, minor) = version.ok_or_else(|| violation("invalid length of startup packet"))?;
    if major != 3 {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_NEWEST}"),
        ));
    }
    let parameters = packet.get(HEAD_BYTES..).unwrap_or_default();
    let invalid = || violation("invalid startup packet layout: expected terminator as last byte");
    let pairs = parameters.strip_suffix(&[0]).ok_or_else(invalid)?;
    if pairs.is_empty() {
        return Ok(());
    }
    let texts: Vec<&[u8]> = pairs.strip_suffix(&[0]).ok_or_else(invalid)?.split(|byte| *byte == 0).collect();
    let names_are_there = texts.iter().step_by(2).all(|name| !name.is_empty());
    if !texts.len().is_multiple_of(2) || !names_are_there {
        return Err(invalid());
    }
    if texts.iter().any(|text| std::str::from_utf8(text).is_err()) {
        return Err(SqlError::new(SqlState::CharacterNotInRepertoire, "the startup packet is not UTF-8"));
    }
    Ok(())
}

fn hello(startup: Startup) -> Result<Hello, SqlError> {
    let parameters = startup.parameters;
    let given = |name: &str| parameters.get(name).filter(|value| !value.is_empty()).cloned();
    let user = given("user").ok_or_else(|| violation("no user name specified in startup packet"))?;
    let database = given("database").unwrap_or_else(|| DATABASE.to_owned());
    let minor = startup.protocol_number_minor;
    Ok(Hello {
        negotiated: negotiate(minor, &parameters),
        long_secret: minor >= MINOR_NEWEST,
        settings: settings(&parameters)?,
        options: SessionOptions { user, database, backend_pid: 0 },
    })
}

/// What is asked for: first in `options`, then by parameters of the message, which win.
fn settings(parameters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, SqlError> {
    let mut settings = options::parse(parameters.get("options").map_or("", String::as_str))?;
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" | "options" => {}
            "replication" => check_replication(value)?,
            name if name.starts_with(PROTOCOL_OPTION) => {}
            name => settings.push((name.to_owned(), value.clone())),
        }
    }
    Ok(settings)
}

/// A connection for replication is another protocol.
fn check_replication(value: &str) -> Result<(), SqlError> {
    match boolean(value) {
        Some(false) => Ok(()),
        Some(true) => Err(SqlError::unsupported("a connection for replication")),
        None if value == "database" => Err(SqlError::unsupported("a connection for replication")),
        None => {
            let message = format!("invalid value for parameter \"replication\": \"{value}\"");
            Err(SqlError::new(SqlState::InvalidParameterValue, message))
        }
    }
}

/// Versions 3.0 and 3.2 are spoken as they are; another is told the next lower of them.
fn negotiate(minor: u16, parameters: &BTreeMap<String, String>) -> Option<Negotiated> {
    let unknown: Vec<String> =
        parameters.keys().filter(|name| name.starts_with(PROTOCOL_OPTION)).cloned().collect();
    if unknown.is_empty() && (minor == 0 || minor == MINOR_NEWEST) {
        return None;
    }
    let version =
        if minor >= MINOR_NEWEST { ProtocolVersion::PROTOCOL3_2 } else { ProtocolVersion::PROTOCOL3_0 };
    Some(Negotiated { version: version.into(), unknown })
}

mod options;

#[cfg(test)]
mod tests;
