//! NAME: text of at most 63 bytes, the type of names in the catalog; longer text is cut. No table stores it yet.

use super::array::array_of;
use super::text;
use crate::types::cast::CastRule;
use crate::types::info::{Category, TypeInfo, WireForm};
use crate::types::{DataType, Datum};

/// Most bytes of a value, as in PostgreSQL.
const NAME_MAX_BYTES: usize = 63;

/// NAME.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Name,
    name: "name",
    catalog_name: "name",
    sql_names: &["name"],
    category: Some(Category::Text),
    is_preferred: false,
    number: 101,
    row_version: 1,
    parameters: None,
    key: text::KEY,
    wire: WireForm { oid: 19, size: 64, read: text::read },
    from_text: |text, _| Ok(Datum::Text(cut(text).to_owned())),
    casts: &[
        (DataType::Text, CastRule::Implicit),
        (DataType::Varchar { length_max: None }, CastRule::Implicit),
        (DataType::Char { length: None }, CastRule::Implicit),
    ],
    cast: |_, _| None,
    sample: || Datum::Text(String::new()),
    array: Some(&ARRAY),
};

array_of!("name", "name", 1003);

/// The characters that fit.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(NAME_MAX_BYTES)).unwrap_or(text)
}
