//! VARCHAR: TEXT that may have a limit.

use super::text::{self, written};
use crate::types::builtin::array::array_of;
use crate::types::cast::{CastKind, CastRule};
use crate::types::info::{Category, Parameters, TypeInfo, WireForm, put_optional};
use crate::types::text::{cut, fit_text, length_modifier, length_of};
use crate::types::{DataType, Datum};

/// VARCHAR. One with a limit has the number of TEXT in stored bytes.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Varchar { length_max: None },
    name: "character varying",
    catalog_name: "varchar",
    sql_names: &[],
    category: Some(Category::Text),
    is_preferred: false,
    number: 14,
    row_version: 1,
    parameters: Some(&Parameters {
        text: |data_type| length_max(data_type).map(|length| length.to_string()),
        modifier: |data_type| length_max(data_type).map_or(-1, length_modifier),
        of_modifier: |modifier| DataType::Varchar { length_max: length_of(modifier) },
        number: |data_type| {
            if length_max(data_type).is_some() { text::INFO.number } else { INFO.number }
        },
        put: |out, data_type| {
            if let Some(length) = length_max(data_type) {
                put_optional(out, Some(length));
            }
        },
        read: |_| Ok(INFO.base),
    }),
    key: text::KEY,
    wire: WireForm { oid: 1043, size: -1, read: text::read },
    from_text: |text, data_type| fit_text(text, length_max(data_type)).map(Datum::Text),
    casts: &[(DataType::Text, CastRule::Implicit), (DataType::Char { length: None }, CastRule::Implicit)],
    cast: |datum, cast| {
        let (value, length_max) = (written(datum, cast), length_max(cast.to));
        Some(match cast.kind {
            CastKind::Assignment => fit_text(&value, length_max).map(Datum::Text),
            CastKind::Explicit => Ok(Datum::Text(cut(&value, length_max))),
        })
    },
    sample: || Datum::Text(String::new()),
    array: Some(&ARRAY),
};

array_of!("character varying", "varchar", 1015);

/// Most characters.
fn length_max(data_type: DataType) -> Option<u32> {
    let DataType::Varchar { length_max } = data_type else { return None };
    length_max
}
