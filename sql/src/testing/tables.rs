//! A table with a column of every type, and rows for it.

use bigdecimal::BigDecimal;

use crate::catalog::descriptor::{ColumnDescriptor, Identity, TableDescriptor};
use crate::catalog::index_descriptor::IndexDescriptor;
use crate::catalog::sequence::{Place, SequenceDescriptor, SequenceOwner};
use crate::expr::{CastKind, Expr, ScalarFunction};
use crate::types::builtin::array::Elements;
use crate::types::datetime::{DATE_MINUS_INFINITY, EPOCH_2000_MICROS, TIMESTAMP_INFINITY, TIMESTAMP_MAX};
use crate::types::{DataType, Datum, Row};

/// `CREATE TABLE kinds (…, PRIMARY KEY (name, amount, at))` with id 104; column ids are not positions.
pub fn kinds() -> TableDescriptor {
    let column = |id, name: &str, data_type| ColumnDescriptor {
        id,
        name: name.to_owned(),
        data_type,
        nullable: true,
        default: None,
        hidden: false,
        identity: None,
    };
    let mut columns = vec![
        column(1, "flag", DataType::Bool),
        column(2, "small", DataType::Int2),
        column(4, "big", DataType::Int8),
        column(3, "name", DataType::Varchar { length_max: Some(20) }),
        column(5, "ratio", DataType::Float8),
        column(40, "amount", DataType::Numeric { precision: Some(12), scale: 2 }),
        column(41, "day", DataType::Date),
        column(42, "at", DataType::TimestampTz),
        column(43, "note", DataType::TEXT),
    ];
    if let Some(last) = columns.last_mut() {
        last.default = Some(Expr::Literal(Datum::Text("none".to_owned()), DataType::TEXT));
    }
    let indexes = vec![IndexDescriptor::primary("kinds", [3, 40, 42])];
    TableDescriptor { id: 104, version: 7, ..TableDescriptor::new("kinds".to_owned(), columns, indexes) }
}

/// A row of [`kinds`].
pub fn kinds_row() -> Row {
    vec![
        Datum::Bool(true),
        Datum::Int(-7),
        Datum::Int(i64::MAX),
        Datum::Text("a\0b".to_owned()),
        Datum::Float(-0.5),
        Datum::Numeric(BigDecimal::new(1_250.into(), 2)),
        Datum::Date(15_706),
        Datum::Timestamp(1_357_034_400_000_000 - EPOCH_2000_MICROS),
        Datum::Null,
    ]
}

/// A table with the types that came with version 2 of the formats; `PRIMARY KEY (code, at)`, id 105.
pub fn newer_kinds() -> TableDescriptor {
    let column = |id, name: &str, data_type| ColumnDescriptor {
        id,
        name: name.to_owned(),
        data_type,
        nullable: true,
        default: None,
        hidden: false,
        identity: None,
    };
    let columns = vec![
        column(1, "code", DataType::Char { length: Some(4) }),
        column(2, "at", DataType::Timestamp),
        column(3, "ratio", DataType::Float4),
        column(4, "mark", DataType::Char { length: Some(3) }),
        column(5, "name", DataType::Varchar { length_max: None }),
        column(6, "until", DataType::TimestampTz),
        column(7, "day", DataType::Date),
    ];
    let indexes = vec![IndexDescriptor::primary("newer_kinds", [1, 2])];
    TableDescriptor {
        id: 105,
        version: 1,
        ..TableDescriptor::new("newer_kinds".to_owned(), columns, indexes)
    }
}

/// [`newer_kinds`] with a name for its primary index that version 3 of the descriptor's format came for.
pub fn named_key() -> TableDescriptor {
    let mut table = newer_kinds();
    for index in &mut table.indexes {
        "codes".clone_into(&mut index.name);
    }
    table
}

/// A table with what came with version 4 of the descriptor's format; `PRIMARY KEY (id, key)`, id 106.
pub fn identified() -> TableDescriptor {
    let mut table = newer_kinds();
    table.columns.truncate(3);
    for (column, (name, data_type)) in table.columns.iter_mut().zip([
        ("id", DataType::Int4),
        ("key", DataType::Uuid),
        ("other", DataType::Uuid),
    ]) {
        (column.name, column.data_type) = (name.to_owned(), data_type);
    }
    if let [id, _, other] = table.columns.as_mut_slice() {
        id.identity = Some(Identity::ByDefault);
        let operand = Box::new(Expr::next_value(107));
        id.default = Some(Expr::Cast { operand, to: DataType::Int4, kind: CastKind::Assignment });
        let function = ScalarFunction::RandomUuid;
        other.default = Some(Expr::Call { function, arguments: Vec::new(), data_type: DataType::Uuid });
    }
    TableDescriptor { id: 106, name: "identified".to_owned(), ..table }
}

/// A row of [`identified`].
pub fn identified_row() -> Row {
    let uuid = |bits| Datum::Uuid(uuid::Uuid::from_u128(bits));
    vec![Datum::Int(-1), uuid(0x0123_4567_89ab_cdef_0011_2233_4455_6677), uuid(u128::MAX)]
}

/// The sequence of a table's column, with nothing as usual.
pub fn counted() -> SequenceDescriptor {
    SequenceDescriptor {
        id: 107,
        name: "identified_id_seq".to_owned(),
        version: 9,
        epoch: 3,
        data_type: DataType::Int4,
        increment: -7,
        min: -1_000_000,
        max: -1,
        start: -1,
        cache: 20,
        cycles: true,
        origin: Place { value: -8, is_called: true },
        owner: Some(SequenceOwner { table_id: 106, column_id: 1, is_identity: true }),
    }
}

/// A row of [`newer_kinds`].
pub fn newer_kinds_row() -> Row {
    vec![
        Datum::Char("ab  ".to_owned()),
        Datum::Timestamp(TIMESTAMP_MAX),
        Datum::Float(0.100_000_001_490_116_12),
        Datum::Char("x  ".to_owned()),
        Datum::Text("é".to_owned()),
        Datum::Timestamp(TIMESTAMP_INFINITY),
        Datum::Date(DATE_MINUS_INFINITY),
    ]
}

/// A table with arrays, which came with the third generation of types; `PRIMARY KEY (id)`, id 107.
pub fn arrays() -> TableDescriptor {
    let column = |(id, name, data_type): (u32, &str, DataType)| ColumnDescriptor {
        id,
        name: name.to_owned(),
        data_type,
        nullable: id != 1,
        default: None,
        hidden: false,
        identity: None,
    };
    let array = |element: DataType| element.array().unwrap_or(element);
    let columns = [
        (1, "id", DataType::Int8),
        (2, "numbers", array(DataType::Int4)),
        (3, "words", array(DataType::Varchar { length_max: Some(9) })),
        (4, "marks", array(DataType::Char { length: Some(2) })),
        (5, "prices", array(DataType::Numeric { precision: Some(5), scale: 2 })),
        (6, "flags", array(DataType::Bool)),
    ]
    .map(column);
    let default = |column: ColumnDescriptor| match column.id {
        2 => {
            let default = Expr::Literal(array_of([Datum::Int(1)]), array(DataType::Int4));
            ColumnDescriptor { default: Some(default), ..column }
        }
        _ => column,
    };
    let columns = columns.into_iter().map(default).collect();
    let indexes = vec![IndexDescriptor::primary("arrays", [1])];
    TableDescriptor { id: 107, version: 1, ..TableDescriptor::new("arrays".to_owned(), columns, indexes) }
}

/// A row of [`arrays`].
pub fn arrays_row() -> Row {
    vec![
        Datum::Int(1),
        array_of([Datum::Int(1), Datum::Null, Datum::Int(-300)]),
        array_of([Datum::Text("a b".to_owned()), Datum::Text(String::new())]),
        array_of([Datum::Char("x ".to_owned())]),
        array_of([Datum::Numeric(BigDecimal::new(150.into(), 2))]),
        array_of([Datum::Bool(true), Datum::Bool(false), Datum::Null]),
    ]
}

/// An array of these elements.
pub fn array_of(elements: impl IntoIterator<Item = Datum>) -> Datum {
    Elements::new(elements.into_iter().collect()).map_or(Datum::Null, Datum::Array)
}
