//! TIMESTAMP WITH TIME ZONE: a TIMESTAMP in UTC.

use super::timestamp;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::datetime::parse::parse_timestamptz;
use crate::types::info::{Category, TypeInfo, WireForm};
use crate::types::{DataType, Datum};

/// TIMESTAMPTZ.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::TimestampTz,
    name: "timestamp with time zone",
    catalog_name: "timestamptz",
    sql_names: &["timestamp with time zone", "timestamptz"],
    category: Some(Category::Time),
    is_preferred: true,
    number: 10,
    row_version: 1,
    parameters: None,
    key: timestamp::KEY,
    wire: WireForm { oid: 1184, size: 8, read: timestamp::read },
    from_text: |text, _| parse_timestamptz(text).map(Datum::Timestamp),
    casts: &[(DataType::Date, CastRule::Implicit), (DataType::Timestamp, CastRule::Implicit)],
    cast: timestamp::cast,
    sample: || Datum::Timestamp(0),
    array: Some(&ARRAY),
};

array_of!("timestamp with time zone", "timestamptz", 1185);
