//! Messages of `pgwire` from values of ours: errors, notices, descriptions, states.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyInResponse, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::{
    CommandComplete, ErrorResponse, NoticeResponse, ReadyForQuery, TransactionStatus as WireStatus,
};
use pgwire::messages::startup::ParameterStatus;
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::plan::node::OutputColumn;
use quorate_sql::session::TransactionStatus;

use super::types::{Format, Formats, WireType};

/// Longest text of an error, in characters: a statement of 64 MiB is not sent back.
const TOLD_MAX_CHARACTERS: usize = 8 << 10;

/// The schema of all tables.
const SCHEMA: &str = "public";

/// How bad an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// An error with all its fields.
pub fn error(severity: Severity, error: &SqlError) -> PgWireBackendMessage {
    let mut fields = vec![
        (b'S', severity.name().to_owned()),
        (b'V', severity.name().to_owned()),
        (b'C', error.state.code().to_owned()),
        (b'M', told(&error.message)),
    ];
    let optional = [(b'D', &error.detail), (b'H', &error.hint)];
    fields.extend(optional.into_iter().filter_map(|(code, text)| Some((code, told(text.as_ref()?)))));
    fields.extend(error.position.map(|position| (b'P', position.to_string())));
    if let Some(object) = &error.object {
        fields.extend([(b's', SCHEMA.to_owned()), (b't', told(&object.table))]);
        let named = [(b'c', &object.column), (b'n', &object.constraint)];
        fields.extend(named.into_iter().filter_map(|(code, name)| Some((code, told(name.as_ref()?)))));
    }
    fields.extend(error.routine.map(|routine| (b'R', routine.to_owned())));
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields))
}

/// A message beside a result.
pub fn notice(severity: &str, state: SqlState, message: &str) -> PgWireBackendMessage {
    let fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', state.code().to_owned()),
        (b'M', told(message)),
    ];
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields))
}

/// What a person is told: not all of a large value that is wrong.
fn told(text: &str) -> String {
    match text.char_indices().nth(TOLD_MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", without_zero(text.get(..end).unwrap_or_default())),
        None => without_zero(text),
    }
}

/// A zero would end the field, and what follows would be read as another.
fn without_zero(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The end of a statement.
pub fn complete(tag: impl Into<String>) -> PgWireBackendMessage {
    PgWireBackendMessage::CommandComplete(CommandComplete::new(tag.into()))
}

/// The session waits for the next message.
pub fn ready(status: TransactionStatus) -> PgWireBackendMessage {
    let status = match status {
        TransactionStatus::Idle => WireStatus::Idle,
        TransactionStatus::Active => WireStatus::Transaction,
        TransactionStatus::Failed => WireStatus::Error,
    };
    PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status))
}

/// A parameter's value.
pub fn parameter(name: impl Into<String>, value: impl Into<String>) -> PgWireBackendMessage {
    PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name.into(), value.into()))
}

/// Columns of a result.
pub fn row_description(columns: &[OutputColumn], formats: &Formats) -> PgWireBackendMessage {
    let field = |(position, column): (usize, &OutputColumn)| {
        let wire = WireType::of(&column.data_type);
        let name = without_zero(&column.name);
        FieldDescription::new(name, 0, 0, wire.oid, wire.size, wire.modifier, formats.of(position).code())
    };
    let fields = columns.iter().enumerate().map(field).collect();
    PgWireBackendMessage::RowDescription(RowDescription::new(fields))
}

/// The client may send data now.
pub fn copy_in(columns: usize) -> PgWireBackendMessage {
    let (count, formats) = copy_formats(columns);
    PgWireBackendMessage::CopyInResponse(CopyInResponse::new(0, count, formats))
}

/// Data follows.
pub fn copy_out(columns: usize) -> PgWireBackendMessage {
    let (count, formats) = copy_formats(columns);
    PgWireBackendMessage::CopyOutResponse(CopyOutResponse::new(0, count, formats))
}

/// All columns as text. A table has fewer columns than the count can say.
fn copy_formats(columns: usize) -> (i16, Vec<i16>) {
    let count = i16::try_from(columns).unwrap_or(i16::MAX);
    (count, vec![Format::Text.code(); columns.min(usize::from(i16::MAX.unsigned_abs()))])
}
