//! The types, one a file, and the two lists of them.
//!
//! To add one: its file here with its arrays (`array_of!`), its variant of [`DataType`], and its line in `types!`. Where none of the kinds of values is
//! its own, also a variant of [`Datum`](super::Datum) and a line in `each_kind!`. Its casts to older types stand in their
//! files; operators and functions in `bind` and `functions`.
//!
//! What older nodes cannot read needs the next version of the formats that hold types (table descriptors, scan programs)
//! and, for a kind of values, of rows: once for all types of a release.

use super::DataType;
use super::info::TypeInfo;

pub mod array;
pub mod boolean;
pub mod bpchar;
pub mod date;
pub mod float;
pub mod float4;
pub mod float8;
pub mod int;
pub mod int2;
pub mod int4;
pub mod int8;
pub mod name;
pub mod numeric;
pub mod oid;
pub mod opaque;
pub mod quoted_char;
pub mod reg;
pub mod text;
pub mod timestamp;
pub mod timestamptz;
pub mod unknown;
pub mod uuid;
pub mod varchar;
pub mod void;

use opaque::{int2vector, oidvector, pg_node_tree, xid};
use reg::{regclass, regnamespace, regproc, regtype};

/// The kinds of values: each variant of `Datum` with what it can do.
macro_rules! each_kind {
    ([$($arms:tt)*] $($arguments:tt)*) => {
        $($arms)*! { ($($arguments)*)
            Bool: $crate::types::builtin::boolean::Bool,
            Int: $crate::types::builtin::int::Int,
            Float: $crate::types::builtin::float::Float,
            Numeric: $crate::types::builtin::numeric::Numeric,
            Text: $crate::types::builtin::text::Text,
            Char: $crate::types::builtin::bpchar::Char,
            Date: $crate::types::builtin::date::Date,
            Timestamp: $crate::types::builtin::timestamp::Timestamp,
            Reg: $crate::types::builtin::reg::Reg,
            Uuid: $crate::types::builtin::uuid::Uuid,
            Array: $crate::types::builtin::array::Array,
        }
    };
}
pub(crate) use each_kind;

/// Writes the list of types once, for both directions.
macro_rules! types {
    ($($variant:ident: $file:ident,)*) => {
        /// All types but arrays, of which each type knows its own.
        pub static TYPES: &[&TypeInfo] = &[$(&$file::INFO),*];

        impl DataType {
            /// What is known of it.
            pub fn info(self) -> &'static TypeInfo {
                match self {
                    $(Self::$variant { .. } => &$file::INFO,)*
                    Self::Array(element) => element.array_info(),
                }
            }
        }
    };
}

types! {
    Bool: boolean,
    Int2: int2,
    Int4: int4,
    Int8: int8,
    Float4: float4,
    Float8: float8,
    Numeric: numeric,
    Text: text,
    Varchar: varchar,
    Char: bpchar,
    Date: date,
    Timestamp: timestamp,
    TimestampTz: timestamptz,
    Uuid: uuid,
    Unknown: unknown,
    Oid: oid,
    Name: name,
    QuotedChar: quoted_char,
    Regclass: regclass,
    Regtype: regtype,
    Regproc: regproc,
    Regnamespace: regnamespace,
    Int2Vector: int2vector,
    OidVector: oidvector,
    NodeTree: pg_node_tree,
    Xid: xid,
    Void: void,
}

impl TypeInfo {
    /// The type with this number in stored bytes.
    pub fn by_number(number: u8) -> Option<&'static Self> {
        Self::find(|info| info.number == number)
    }

    /// The type with this number of PostgreSQL.
    pub fn by_oid(oid: u32) -> Option<&'static Self> {
        Self::find(|info| info.wire.oid == oid)
    }

    /// The type with this name in PostgreSQL's catalog.
    pub fn by_catalog_name(name: &str) -> Option<&'static Self> {
        TYPES.iter().copied().find(|info| info.catalog_name == name)
    }

    /// The type with this name for people.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TYPES.iter().copied().find(|info| info.name == name)
    }

    /// The type with this name in SQL, in any case.
    pub fn by_sql_name(name: &str) -> Option<&'static Self> {
        let is_it = |known: &&str| known.eq_ignore_ascii_case(name);
        Self::find(|info| info.sql_names.iter().any(is_it))
    }

    /// All types, each with its arrays behind it.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TYPES.iter().flat_map(|info| std::iter::once(*info).chain(info.array))
    }

    fn find(is_wanted: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        Self::all().find(|info| is_wanted(info))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::types::kind::{Kind, match_tag};

    /// How many of them are different.
    fn distinct<T: Ord>(of: impl Fn(&TypeInfo) -> T) -> usize {
        TypeInfo::all().map(of).collect::<BTreeSet<T>>().len()
    }

    #[test]
    fn types_are_told_apart_by_each_of_their_numbers_and_names() {
        assert_eq!(distinct(|info| info.number), TypeInfo::all().count());
        assert_eq!(distinct(|info| info.wire.oid), TypeInfo::all().count());
        assert_eq!(distinct(|info| info.catalog_name), TypeInfo::all().count());
        for info in TypeInfo::all() {
            assert_eq!(info.base.info().number, info.number, "{}", info.name);
            assert_eq!(info.base.base(), info.base);
            assert!(info.casts.iter().all(|(from, _)| *from == from.base() && *from != info.base));
        }
    }

    #[test]
    fn kinds_have_ranks_of_their_own() {
        let ranks: Vec<u8> =
            (0..16_u8).filter_map(|tag| match_tag!(tag, K, _of => Some(K::RANK), None)).collect();
        assert_eq!(ranks.iter().collect::<BTreeSet<_>>().len(), ranks.len());
    }
}
