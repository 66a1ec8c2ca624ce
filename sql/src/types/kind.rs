//! Kinds of values: what each variant of [`Datum`](super::Datum) can do. Several types may share a kind: integers of all widths are one.
//!
//! Calls are resolved when the crate is compiled: [`match_value`] and its like are a match over all kinds, of which
//! [`each_kind`](super::builtin) has the list.

use std::cmp::Ordering;

use bytes::BytesMut;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use super::DataType;

/// What a kind of values can do, in the file of the type that it belongs to.
pub(crate) trait Kind {
    /// What the variant holds.
    type Value;

    /// Number that stands before a stored value, 1 to 15; 2 is the truth value true. Never given twice.
    const TAG: u8;
    /// How long a stored value is.
    const SHAPE: Shape;
    /// Place among kinds that have nothing to do with each other, where they are ordered at all. Never given twice.
    const RANK: u8;

    /// The tag of this value.
    fn tag(_value: &Self::Value) -> u8 {
        Self::TAG
    }

    /// Appends a value's bytes, which its shape can pass over.
    fn put(out: &mut Writer, value: &Self::Value);

    /// Reads what [`Kind::put`] wrote.
    fn read(reader: &mut Reader<'_>) -> Result<Self::Value, CodecError>;

    /// Order in SQL.
    fn compare(a: &Self::Value, b: &Self::Value) -> Ordering;

    /// Whether two are the same constant: the same text, besides being equal.
    fn is_same(a: &Self::Value, b: &Self::Value) -> bool {
        Self::compare(a, b).is_eq()
    }

    /// Appends bytes that are equal exactly where values compare as equal, and that tell where they end.
    fn append_group(bytes: &mut Vec<u8>, value: &Self::Value);

    /// Estimate of the bytes beside the value's own, as in a text's buffer.
    fn heap_bytes(_value: &Self::Value) -> usize {
        0
    }

    /// The value as PostgreSQL prints it for a type of this kind.
    fn text(value: &Self::Value, data_type: DataType) -> String;

    /// Appends PostgreSQL's binary form; `None` for what the type cannot be.
    fn put_binary(out: &mut BytesMut, value: &Self::Value, data_type: DataType) -> Option<()>;
}

/// How to pass over a stored value without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The tag says all.
    Nothing,
    /// A varint.
    Varint,
    /// Eight bytes.
    Eight,
    /// Sixteen bytes.
    Sixteen,
    /// Bytes with their length.
    Bytes,
    /// A varint, then bytes with their length.
    VarintAndBytes,
}

/// `match_value!(datum, null, Kind, value => work)`: `work` with the datum's kind and value, or `null`.
macro_rules! match_value {
    ($($arguments:tt)*) => {
        $crate::types::builtin::each_kind!([$crate::types::kind::value_arms] $($arguments)*)
    };
}

/// `match_pair!(a, b, Kind, x, y => work, other)`: `work` with the values of two datums of one kind, or `other`.
macro_rules! match_pair {
    ($($arguments:tt)*) => {
        $crate::types::builtin::each_kind!([$crate::types::kind::pair_arms] $($arguments)*)
    };
}

/// `match_tag!(tag, Kind, variant => work, other)`: `work` with the kind that has a tag and its variant, or `other`.
macro_rules! match_tag {
    ($($arguments:tt)*) => {
        $crate::types::builtin::each_kind!([$crate::types::kind::tag_arms] $($arguments)*)
    };
}

macro_rules! value_arms {
    (($datum:expr, $null:expr, $Kind:ident, $value:ident => $work:expr) $($variant:ident: $kind:ty,)*) => {
        match $datum {
            $crate::types::Datum::Null => $null,
            $($crate::types::Datum::$variant($value) => {
                type $Kind = $kind;
                $work
            })*
        }
    };
}

macro_rules! pair_arms {
    (($a:expr, $b:expr, $Kind:ident, $x:ident, $y:ident => $work:expr, $other:expr)
        $($variant:ident: $kind:ty,)*) => {
        match ($a, $b) {
            $(($crate::types::Datum::$variant($x), $crate::types::Datum::$variant($y)) => {
                type $Kind = $kind;
                $work
            })*
            _ => $other,
        }
    };
}

macro_rules! tag_arms {
    (($tag:expr, $Kind:ident, $of:ident => $work:expr, $other:expr) $($variant:ident: $kind:ty,)*) => {
        match $tag {
            $(<$kind as $crate::types::kind::Kind>::TAG => {
                type $Kind = $kind;
                let $of = $crate::types::Datum::$variant;
                $work
            })*
            _ => $other,
        }
    };
}

pub(crate) use {match_pair, match_tag, match_value, pair_arms, tag_arms, value_arms};
