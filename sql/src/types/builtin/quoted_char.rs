//! `"char"`: one byte, or none; the catalog's type for its own kinds of things. No table stores it yet.

use super::array::array_of;
use super::text;
use crate::types::cast::CastRule;
use crate::types::info::{Category, TypeInfo, WireForm};
use crate::types::{DataType, Datum};

/// `"char"`.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::QuotedChar,
    name: "\"char\"",
    catalog_name: "char",
    sql_names: &["\"char\""],
    category: Some(Category::Text),
    is_preferred: false,
    number: 102,
    row_version: 1,
    parameters: None,
    key: text::KEY,
    wire: WireForm { oid: 18, size: 1, read: text::read },
    from_text: |text, _| Ok(Datum::Text(first(text).to_owned())),
    casts: &[(DataType::Text, CastRule::Assignment)],
    cast: |_, _| None,
    sample: || Datum::Text(String::new()),
    array: Some(&ARRAY),
};

array_of!("\"char\"", "char", 1002);

/// The first character. PostgreSQL takes a byte; a character that has several stays whole here.
fn first(text: &str) -> &str {
    text.chars().next().and_then(|first| text.get(..first.len_utf8())).unwrap_or_default()
}
