//! What is known of a type: one [`TypeInfo`] each, in the type's file.

use bytes::BytesMut;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::key::{ColumnOrder, KeyDecoder, KeyEncoder};
use quorate_engine::codec::value::{Reader, Writer};

use super::cast::{CastKind, CastRule};
use super::kind::{Kind, match_value};
use super::{DataType, Datum};
use crate::error::SqlError;

/// First number of the types that are in no stored bytes, nor in any that are sent to other nodes: they have numbers only
/// to be told apart.
pub const UNSTORED_FROM: u8 = 100;

/// All that the system asks of a type, apart from its values' [kind](super::kind).
pub struct TypeInfo {
    /// The type, without length, precision and scale.
    pub base: DataType,
    /// PostgreSQL's name for people, as `format_type` prints it.
    pub name: &'static str,
    /// PostgreSQL's name in its catalog.
    pub catalog_name: &'static str,
    /// Names in SQL, in lower case, for types that take no parameters.
    pub sql_names: &'static [&'static str],
    /// Types among which values may be converted at all; `None` for what is no type yet.
    pub category: Option<Category>,
    /// The type of its category that PostgreSQL stays with once it is there.
    pub is_preferred: bool,
    /// Number in stored bytes, never given twice, below 128. Those from 12 on came with the second generation of types, those
    /// from 16 on with the third.
    pub number: u8,
    /// First version of the row format that has its values.
    pub row_version: u8,
    /// Length, or precision and scale, where the type has them.
    pub parameters: Option<&'static Parameters>,
    /// Values in keys.
    pub key: KeyCodec,
    /// Values from clients.
    pub wire: WireForm,
    /// Reads a value of text, for a column of exactly this type.
    pub from_text: fn(&str, DataType) -> Result<Datum, SqlError>,
    /// The types that may be cast to this one, and when; all types may become text and come of it.
    pub casts: &'static [(DataType, CastRule)],
    /// Casts a value, which is not NULL, and is text only for types of text; `None` where there is no such cast.
    pub cast: fn(Datum, Cast) -> Option<Result<Datum, SqlError>>,
    /// Some value.
    pub sample: fn() -> Datum,
    /// The type of its arrays; `None` for arrays, and for what is no type yet.
    pub array: Option<&'static TypeInfo>,
}

/// What a cast is between, and how strict it is.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The value's type.
    pub from: DataType,
    /// The type that it is to have.
    pub to: DataType,
    /// Who asked for it.
    pub kind: CastKind,
}

/// Types among which values may be converted at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Truth values.
    Bool,
    /// Numbers of all kinds.
    Number,
    /// Text of all kinds.
    Text,
    /// Points in time.
    Time,
    /// Arrays of all types.
    Array,
    /// UUIDs.
    Uuid,
}

/// What a type says besides its name, and how that is stored.
pub struct Parameters {
    /// As printed in parentheses behind the name.
    pub text: fn(DataType) -> Option<String>,
    /// For clients: PostgreSQL's type modifier, -1 for none.
    pub modifier: fn(DataType) -> i32,
    /// The type that has such a modifier; the one without parameters for -1.
    pub of_modifier: fn(i32) -> DataType,
    /// The type's number in stored bytes.
    pub number: fn(DataType) -> u8,
    /// Appends what follows the number.
    pub put: fn(&mut Writer, DataType),
    /// Reads what follows the number.
    pub read: fn(&mut Reader<'_>) -> Result<DataType, CodecError>,
}

/// Values in keys, whose bytes sort as the values do.
pub struct KeyCodec {
    /// A key's column gives a value back as it was.
    pub gives_back: bool,
    /// Appends a value, which is not NULL.
    pub put: fn(&mut KeyEncoder, &Datum, ColumnOrder) -> Result<(), CodecError>,
    /// Takes a value of this type off a key; `None` for NULL.
    pub take: fn(&mut KeyDecoder<'_>, DataType, ColumnOrder) -> Result<Option<Datum>, CodecError>,
}

/// The type for clients. Values are written by [`put_binary`].
pub struct WireForm {
    /// PostgreSQL's number.
    pub oid: u32,
    /// Bytes of a value, -1 where they vary.
    pub size: i16,
    /// Reads a value in PostgreSQL's binary form.
    pub read: fn(&[u8]) -> Result<Datum, BinaryError>,
}

/// Appends a value in PostgreSQL's binary form; `None` for NULL, and for what the type cannot be.
pub fn put_binary(out: &mut BytesMut, datum: &Datum, data_type: DataType) -> Option<()> {
    match_value!(datum, None, K, value => K::put_binary(out, value, data_type))
}

/// Bytes that are no value of their type.
#[derive(Clone, Debug, PartialEq)]
pub enum BinaryError {
    /// They end too early.
    Short,
    /// Some are left over.
    Long,
    /// They say what the type cannot be.
    Value(SqlError),
}

impl From<SqlError> for BinaryError {
    fn from(error: SqlError) -> Self {
        Self::Value(error)
    }
}

/// Appends a number that may be missing.
pub(super) fn put_optional(out: &mut Writer, number: Option<u32>) -> &mut Writer {
    out.varint(number.map_or(0, |number| u64::from(number) + 1))
}

/// Reads what [`put_optional`] wrote.
pub(super) fn read_optional(reader: &mut Reader<'_>) -> Result<Option<u32>, CodecError> {
    match reader.varint()? {
        0 => Ok(None),
        number => u32::try_from(number - 1).map(Some).map_err(|_| reader.invalid(number)),
    }
}

/// The bytes of a type that always has so many.
pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], BinaryError> {
    match <[u8; N]>::try_from(bytes) {
        Ok(bytes) => Ok(bytes),
        Err(_) if bytes.len() < N => Err(BinaryError::Short),
        Err(_) => Err(BinaryError::Long),
    }
}

/// The error of a value that is not of its column's type.
pub(super) fn mistyped_key() -> CodecError {
    invalid("value of another type in key")
}

/// The error of bytes of a key that no value has.
pub(super) fn invalid(what: &'static str) -> CodecError {
    CodecError::Invalid { what, found: 0 }
}
