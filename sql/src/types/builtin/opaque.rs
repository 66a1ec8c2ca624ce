//! Types that only columns of the system catalogs have: they are shown, and compared as text or as numbers. No table stores
//! them.

use super::{int, text};
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// A type whose values are text.
const fn of_text(base: DataType, name: &'static str, number: u8, oid: u32) -> TypeInfo {
    TypeInfo {
        base,
        name,
        catalog_name: name,
        sql_names: &[],
        category: Some(Category::Text),
        is_preferred: false,
        number,
        row_version: 1,
        parameters: None,
        key: text::KEY,
        wire: WireForm { oid, size: -1, read: text::read },
        from_text: |text, _| Ok(Datum::Text(text.to_owned())),
        casts: &[],
        cast: |_, _| None,
        sample: || Datum::Text(String::new()),
        array: None,
    }
}

/// INT2VECTOR: numbers of columns.
pub mod int2vector {
    use super::{DataType, TypeInfo};

    /// INT2VECTOR.
    pub static INFO: TypeInfo = super::of_text(DataType::Int2Vector, "int2vector", 110, 22);
}

/// OIDVECTOR: several OIDs.
pub mod oidvector {
    use super::{DataType, TypeInfo};

    /// OIDVECTOR.
    pub static INFO: TypeInfo = super::of_text(DataType::OidVector, "oidvector", 111, 30);
}

/// PG_NODE_TREE: an expression; here its text, which `pg_get_expr` gives.
pub mod pg_node_tree {
    use super::{DataType, TypeInfo};

    /// PG_NODE_TREE.
    pub static INFO: TypeInfo = super::of_text(DataType::NodeTree, "pg_node_tree", 112, 194);
}

/// XID: the number of a transaction, of which Quorate's have none.
pub mod xid {
    use super::{DataType, Datum, TypeInfo, WireForm, fixed, int};

    /// XID.
    pub static INFO: TypeInfo = TypeInfo {
        base: DataType::Xid,
        name: "xid",
        catalog_name: "xid",
        sql_names: &["xid"],
        category: None,
        is_preferred: false,
        number: 113,
        row_version: 1,
        parameters: None,
        key: int::KEY,
        wire: WireForm {
            oid: 28,
            size: 4,
            read: |bytes| Ok(Datum::Int(u32::from_be_bytes(fixed(bytes)?).into())),
        },
        from_text: |text, data_type| int::parse(text, data_type, 0..=u32::MAX.into()),
        casts: &[],
        cast: |_, _| None,
        sample: || Datum::Int(0),
        array: None,
    };
}
