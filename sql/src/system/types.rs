//! `pg_type`: the types that there are.

use super::roles::OWNER_OID;
use super::type_facts;
use super::values::{NULL, flag, function, nulls, number, text};
use crate::catalog::system::Schema;
use crate::types::Row;
use crate::types::builtin::TYPES;
use crate::types::info::TypeInfo;

/// `pg_type`. A type names that of its arrays where there is one.
pub fn types() -> Vec<Row> {
    TYPES.iter().flat_map(|info| [Some(*info), info.array]).flatten().filter_map(row).collect()
}

fn row(info: &TypeInfo) -> Option<Row> {
    let facts = type_facts::of(info.wire.oid)?;
    let array = TypeInfo::by_oid(facts.array).map_or(0, |array| array.wire.oid);
    let procedure = |place: usize| {
        let (name, oid) = facts.functions.get(place).copied().unwrap_or(("-", 0));
        function(name, oid)
    };
    let mut row = vec![number(facts.oid), text(info.catalog_name), number(Schema::Catalog.oid())];
    row.extend([number(OWNER_OID), number(facts.length), flag(facts.by_value), text(facts.form)]);
    row.extend([text(facts.category), flag(info.is_preferred), flag(true), text(","), number(0)]);
    row.extend([procedure(6), number(facts.element), number(array)]);
    row.extend((0..6).map(procedure));
    // No type is analysed in a way of its own.
    row.extend([function("-", 0), text(facts.alignment), text(facts.storage), flag(false), number(0)]);
    row.extend([number(-1), number(0), number(facts.collation), NULL]);
    row.extend(nulls(2));
    Some(row)
}
