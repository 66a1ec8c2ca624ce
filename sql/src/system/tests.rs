//! Each row of each system relation is one of its columns.

use std::sync::Arc;

use super::relation::Relation;
use super::state::SystemState;
use super::{own_rows, rows_of};
use crate::catalog::snapshot::CatalogSnapshot;
use crate::catalog::system::SystemTable;
use crate::session::tests::new_node;
use crate::session::variables::Variables;
use crate::testing::tables::{arrays, identified, kinds, newer_kinds};
use crate::types::{DataType, Datum, Row};

/// Whether a value may stand in a column of a type.
fn is_of(value: &Datum, data_type: DataType) -> bool {
    if value.is_null() {
        return true;
    }
    let sample = (data_type.info().sample)();
    std::mem::discriminant(&sample) == std::mem::discriminant(value)
}

fn check(table: SystemTable, row: &Row) {
    let columns = &table.descriptor().columns;
    assert_eq!(row.len(), columns.len(), "{}: {row:?}", table.name());
    for (column, value) in columns.iter().zip(row) {
        assert!(column.nullable || !value.is_null(), "{}.{} is NULL", table.name(), column.name);
        assert!(is_of(value, column.data_type), "{}.{}: {value:?}", table.name(), column.name);
    }
}

#[tokio::test]
async fn rows_have_the_types_of_their_columns() {
    let (node, _cluster) = new_node();
    let catalog = Arc::new(CatalogSnapshot::new(
        Default::default(),
        vec![kinds(), newer_kinds(), arrays(), identified()],
    ));
    let state = SystemState {
        node: &node,
        catalog: Some(&catalog),
        variables: &Variables::new("ann"),
        user: "ann",
        database: "quorate",
        read_only: false,
    };
    for table in SystemTable::ALL {
        let mut rows = own_rows(*table, &state);
        for system in SystemTable::ALL {
            rows.extend(rows_of(*table, &Relation::System(*system), &state));
        }
        for user in catalog.tables() {
            rows.extend(rows_of(*table, &Relation::User(user), &state));
        }
        rows.iter().for_each(|row| check(*table, row));
    }
}
