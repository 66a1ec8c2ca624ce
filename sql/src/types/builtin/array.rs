//! Arrays: values of one type, or NULL, in one dimension, counted from 1. Each type's file has the type of its arrays
//! ([`array_of`]); what all arrays share is here.
//!
//! An array's type is its element's, parameters included, in a few bytes ([`ElementType`]); a value is shared by its
//! copies. Invariant: no element is an array; more dimensions are refused wherever a value comes from. A stored value is
//! the number of its elements and each with its tag.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::key::{ColumnOrder, KeyDecoder};
use quorate_engine::codec::value::{Reader, Writer};

use super::boolean::TAG_TRUE;
use crate::error::{SqlError, SqlState};
use crate::limits::{ARRAY_ELEMENTS_MAX, ARRAY_MAX_BYTES};
use crate::types::cast::cast as cast_value;
use crate::types::compare::{append_group, compare};
use crate::types::info::{Cast, KeyCodec, TypeInfo, invalid, mistyped_key};
use crate::types::kind::{Kind, Shape, match_tag, match_value};
use crate::types::{DataType, Datum};

mod literal;
mod wire;

pub(super) use literal::parse;
pub(super) use wire::read;

/// Added to a type's number in stored bytes, it is that of the type's arrays.
pub(super) const NUMBER_BIT: u8 = 128;

/// The type of an array's elements: a type's number, and PostgreSQL's modifier for its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ElementType {
    number: u8,
    modifier: i32,
}

impl ElementType {
    /// The type with this number, without parameters.
    pub(super) const fn plain(number: u8) -> Self {
        Self { number, modifier: -1 }
    }

    /// A type as that of elements; `None` where it has no arrays.
    pub fn of(data_type: DataType) -> Option<Self> {
        let info = data_type.info();
        info.array?;
        let modifier = info.parameters.map_or(-1, |parameters| (parameters.modifier)(data_type));
        Some(Self { number: info.number, modifier })
    }

    fn info(self) -> Option<&'static TypeInfo> {
        TypeInfo::by_number(self.number)
    }

    /// The type of the elements.
    pub fn data_type(self) -> DataType {
        let Some(info) = self.info() else { return DataType::Unknown };
        info.parameters.map_or(info.base, |parameters| (parameters.of_modifier)(self.modifier))
    }

    /// What is known of the arrays.
    pub(super) fn array_info(self) -> &'static TypeInfo {
        self.info().and_then(|info| info.array).unwrap_or_else(|| DataType::Unknown.info())
    }
}

/// The elements of an array.
#[derive(Clone)]
pub struct Elements(Arc<Stored>);

struct Stored {
    elements: Vec<Datum>,
    /// Estimate of all their bytes.
    bytes: usize,
}

impl Elements {
    /// These, none of which is an array.
    ///
    /// # Errors
    /// 54000 for too many elements, or too many bytes of them.
    pub fn new(elements: Vec<Datum>) -> Result<Self, SqlError> {
        if elements.len() > ARRAY_ELEMENTS_MAX {
            return Err(too_many());
        }
        let inner: usize = elements.iter().map(Datum::heap_bytes).sum();
        let bytes = inner.saturating_add(elements.len().saturating_mul(size_of::<Datum>()));
        if bytes > ARRAY_MAX_BYTES {
            let message =
                format!("an array of {bytes} bytes in memory is beyond the limit of {ARRAY_MAX_BYTES}");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
        }
        Ok(Self(Arc::new(Stored { elements, bytes })))
    }

    /// None.
    pub fn empty() -> Self {
        Self(Arc::new(Stored { elements: Vec::new(), bytes: 0 }))
    }
}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl std::ops::Deref for Elements {
    type Target = [Datum];

    fn deref(&self) -> &[Datum] {
        &self.0.elements
    }
}

/// The error of an array with more elements than any may have.
fn too_many() -> SqlError {
    let message = format!("array size exceeds the maximum allowed ({ARRAY_ELEMENTS_MAX})");
    SqlError::new(SqlState::ProgramLimitExceeded, message)
}

/// The error of arrays of arrays.
pub fn multidimensional() -> SqlError {
    SqlError::unsupported("a multidimensional array")
}

/// Arrays of any type.
pub(crate) struct Array;

impl Kind for Array {
    type Value = Elements;

    const TAG: u8 = 11;
    const SHAPE: Shape = Shape::Bytes;
    const RANK: u8 = 11;

    fn put(out: &mut Writer, value: &Elements) {
        let mut inner = Writer::new();
        inner.count(value.len());
        for element in value.iter() {
            inner.u8(match_value!(element, 0, K, value => K::tag(value)));
            match_value!(element, {}, K, value => K::put(&mut inner, value));
        }
        out.bytes(&inner.finish());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Elements, CodecError> {
        let mut inner = Reader::new(reader.bytes()?, "array");
        let count = inner.items()?;
        // Grown as elements are read: a count is paid for by bytes, but an element takes more memory than a byte.
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(read_element(&mut inner)?);
        }
        inner.finish()?;
        Elements::new(elements).map_err(|_| invalid("array"))
    }

    /// Element by element, NULL above everything; what begins the other comes first.
    fn compare(a: &Elements, b: &Elements) -> Ordering {
        let different = a.iter().zip(b.iter()).map(|(a, b)| compare(a, b)).find(|ordering| ordering.is_ne());
        different.unwrap_or_else(|| a.len().cmp(&b.len()))
    }

    fn is_same(a: &Elements, b: &Elements) -> bool {
        **a == **b
    }

    fn append_group(bytes: &mut Vec<u8>, value: &Elements) {
        bytes.extend_from_slice(&value.len().to_be_bytes());
        value.iter().for_each(|element| append_group(bytes, element));
    }

    fn heap_bytes(value: &Elements) -> usize {
        value.0.bytes
    }

    fn text(value: &Elements, data_type: DataType) -> String {
        literal::print(value, element_of(data_type))
    }

    fn put_binary(out: &mut BytesMut, value: &Elements, data_type: DataType) -> Option<()> {
        wire::put(out, value, element_of(data_type))
    }
}

fn read_element(reader: &mut Reader<'_>) -> Result<Datum, CodecError> {
    match reader.u8()? {
        0 => Ok(Datum::Null),
        TAG_TRUE => Ok(Datum::Bool(true)),
        Array::TAG => Err(invalid("array in an array")),
        tag => match_tag!(tag, K, of => K::read(reader).map(of), Err(reader.invalid(u64::from(tag)))),
    }
}

/// Type of an array type's elements.
fn element_of(data_type: DataType) -> DataType {
    data_type.element().unwrap_or(DataType::Unknown)
}

/// No key holds an array: CREATE TABLE refuses it.
pub(super) const KEY: KeyCodec = KeyCodec { gives_back: true, put: |_, _, _| Err(mistyped_key()), take };

fn take(_: &mut KeyDecoder<'_>, _: DataType, _: ColumnOrder) -> Result<Option<Datum>, CodecError> {
    Err(invalid("type of a key column"))
}

/// Casts each element.
pub(super) fn cast(datum: Datum, cast: Cast) -> Option<Result<Datum, SqlError>> {
    let Datum::Array(elements) = datum else { return None };
    let (from, to) = (cast.from.element()?, cast.to.element()?);
    let changed = elements.iter().map(|element| cast_value(element.clone(), from, to, cast.kind));
    Some(changed.collect::<Result<Vec<_>, _>>().and_then(Elements::new).map(Datum::Array))
}

/// Reads the parameters of a stored array type whose elements are of this type.
pub(super) fn read_type(reader: &mut Reader<'_>, element: &TypeInfo) -> Result<DataType, CodecError> {
    let element = element.parameters.map_or(Ok(element.base), |parameters| (parameters.read)(reader))?;
    element.array().ok_or(invalid("type of an array"))
}

/// Appends what follows the number of a stored array type.
pub(super) fn put_type(out: &mut Writer, data_type: DataType) {
    let element = element_of(data_type);
    if let Some(parameters) = element.info().parameters {
        (parameters.put)(out, element);
    }
}

/// Number of an array type in stored bytes.
pub(super) fn number(data_type: DataType) -> u8 {
    let element = element_of(data_type);
    let info = element.info();
    info.parameters.map_or(info.number, |parameters| (parameters.number)(element)) | NUMBER_BIT
}

/// PostgreSQL's modifier of an array type, which is its element's.
pub(super) fn modifier(data_type: DataType) -> i32 {
    let element = element_of(data_type);
    element.info().parameters.map_or(-1, |parameters| (parameters.modifier)(element))
}

/// Declares `ARRAY`, the type of a type's arrays: `array_of!("integer", "int4", 1007)` with the names and the number that
/// PostgreSQL has for the type, and its number of the arrays.
macro_rules! array_of {
    ($name:literal, $catalog_name:literal, $oid:literal) => {
        /// Its arrays.
        pub static ARRAY: $crate::types::info::TypeInfo = $crate::types::info::TypeInfo {
            base: $crate::types::DataType::Array($crate::types::builtin::array::ElementType::plain(
                INFO.number,
            )),
            name: concat!($name, "[]"),
            catalog_name: concat!("_", $catalog_name),
            sql_names: &[concat!("_", $catalog_name)],
            category: Some($crate::types::info::Category::Array),
            is_preferred: false,
            number: INFO.number | $crate::types::builtin::array::NUMBER_BIT,
            row_version: 3,
            parameters: Some(&$crate::types::info::Parameters {
                text: |_| None,
                modifier: $crate::types::builtin::array::modifier,
                of_modifier: |_| ARRAY.base,
                number: $crate::types::builtin::array::number,
                put: $crate::types::builtin::array::put_type,
                read: |reader| $crate::types::builtin::array::read_type(reader, &INFO),
            }),
            key: $crate::types::builtin::array::KEY,
            wire: $crate::types::info::WireForm {
                oid: $oid,
                size: -1,
                read: |bytes| $crate::types::builtin::array::read(bytes, &INFO),
            },
            from_text: $crate::types::builtin::array::parse,
            casts: &[],
            cast: $crate::types::builtin::array::cast,
            sample: || {
                let elements = $crate::types::builtin::array::Elements::new(vec![(INFO.sample)()]);
                elements.map_or($crate::types::Datum::Null, $crate::types::Datum::Array)
            },
            array: None,
        };
    };
}
pub(super) use array_of;

#[cfg(test)]
mod tests;
