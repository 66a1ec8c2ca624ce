//! Scan programs: bytes of every shape, damaged bytes, and runs over rows.

use bytes::Bytes;
use proptest::prelude::*;
use quorate_engine::kv::{Flow, Key, ScanProgram, ScanRun};
use quorate_engine::testing::fixture;

use super::program_format::{Program, ProgramOutput, is_new};
use super::*;
use crate::error::SqlState;
use crate::expr::in_list::InList;
use crate::expr::{Aggregate, AggregateFunction, BinaryOp, CastKind, Expr, ScalarFunction, UnaryOp};
use crate::limits::EXPR_DEPTH_MAX;
use crate::storage::encode_row;
use crate::testing::tables::{arrays, kinds, kinds_row, newer_kinds};
use crate::types::datetime::TIMESTAMP_MAX;
use crate::types::{DataType, Datum, Row};

fn column(index: usize) -> Expr {
    Expr::Column { index, data_type: kinds().columns[index].data_type }
}

fn int(value: i64) -> Expr {
    Expr::Literal(Datum::Int(value), DataType::Int8)
}

fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::Binary { op, left: Box::new(left), right: Box::new(right), data_type: DataType::Bool }
}

fn program(filter: Option<Expr>, output: ProgramOutput) -> Program {
    Program { layout: kinds().layout().clone(), filter, limit: None, output }
}

/// A program with every kind of expression.
fn everything() -> Program {
    let is_null = Expr::IsNull { operand: Box::new(column(8)), negated: true };
    let in_list = Expr::InList {
        operand: Box::new(column(1)),
        list: InList::Each(vec![int(1), int(2)]),
        negated: true,
    };
    let like = Expr::Like {
        operand: Box::new(column(3)),
        pattern: Box::new(Expr::Literal(Datum::Text("a%".to_owned()), DataType::TEXT)),
        negated: false,
        case_insensitive: true,
    };
    let case = Expr::Case {
        branches: vec![(column(0), int(1))],
        otherwise: Some(Box::new(Expr::Cast {
            operand: Box::new(column(1)),
            to: DataType::Int8,
            kind: CastKind::Assignment,
        })),
        data_type: DataType::Int8,
    };
    let call =
        Expr::Call { function: ScalarFunction::Abs, arguments: vec![column(2)], data_type: DataType::Int8 };
    let filter = binary(
        BinaryOp::And,
        is_null,
        binary(BinaryOp::Or, in_list, Expr::Unary(UnaryOp::Not, Box::new(like))),
    );
    let sum = Aggregate {
        function: AggregateFunction::Sum,
        argument: Some(case),
        distinct: false,
        data_type: DataType::NUMERIC,
    };
    let count = Aggregate {
        function: AggregateFunction::CountAll,
        argument: None,
        distinct: false,
        data_type: DataType::Int8,
    };
    let mut program = program(
        Some(filter),
        ProgramOutput::Aggregate { group_by: vec![call], aggregates: vec![sum, count] },
    );
    program.limit = Some(10);
    program
}

/// Puts rows through a program, all in one page.
fn run(program: &Program, rows: &[Row]) -> (Vec<Bytes>, u64) {
    let mut run = scan_evaluator().start(&program.encode().unwrap()).unwrap();
    feed(run.as_mut(), rows)
}

fn feed(run: &mut dyn ScanRun, rows: &[Row]) -> (Vec<Bytes>, u64) {
    let layout = kinds().layout().clone();
    let (mut out, mut read) = (Vec::new(), 0);
    for row in rows {
        let (key, value) = encode_row(&layout, row).unwrap();
        read += 1;
        if run.pair(key.as_ref(), &value, &mut out).unwrap() == Flow::Stop {
            break;
        }
    }
    run.finish(&mut out).unwrap();
    (out, read)
}

fn rows(count: i64) -> Vec<Row> {
    (0..count)
        .map(|number| {
            let mut row = kinds_row();
            (row[1], row[2]) = (Datum::Int(number % 3), Datum::Int(number));
            row
        })
        .collect()
}

#[test]
fn program_fixture_reads_back() {
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "scan_program", &everything().encode().unwrap().0);
    assert_eq!(Program::decode(&ScanProgram(bytes.into())).unwrap(), everything());
}

#[test]
fn program_of_version_2_reads_back() {
    let newer = Program {
        layout: newer_kinds().layout().clone(),
        filter: None,
        limit: None,
        output: ProgramOutput::Project(vec![
            Expr::Literal(Datum::Char("x  ".to_owned()), DataType::Char { length: Some(3) }),
            Expr::Literal(Datum::Timestamp(TIMESTAMP_MAX), DataType::Timestamp),
        ]),
    };
    let bytes = newer.encode().unwrap().0;
    assert_eq!(
        (everything().encode().unwrap().0[0], bytes[0]),
        (1, 2),
        "only new types need the new version"
    );
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "scan_program_2", &bytes);
    assert_eq!(Program::decode(&ScanProgram(bytes.into())).unwrap(), newer);
}

#[test]
fn program_of_version_3_reads_back() {
    let (layout, ints) = (arrays().layout().clone(), DataType::Int4.array().unwrap());
    let numbers = Expr::Column { index: 1, data_type: ints };
    let any = Expr::Quantified {
        op: BinaryOp::Less,
        operand: Box::new(int(2)),
        array: Box::new(numbers.clone()),
        all: false,
    };
    let appended = Expr::Call {
        function: ScalarFunction::ArrayAppend,
        arguments: vec![numbers, Expr::Literal(Datum::Int(7), DataType::Int4)],
        data_type: ints,
    };
    let output = ProgramOutput::Project(vec![appended]);
    let newer = Program { layout, filter: Some(any), limit: None, output };
    let encoded = newer.encode().unwrap();
    assert!(is_new(&encoded) && !is_new(&everything().encode().unwrap()));
    let bytes = encoded.0;
    assert_eq!(bytes[0], 3, "arrays need the new version");
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "scan_program_3", &bytes);
    assert_eq!(Program::decode(&ScanProgram(bytes.into())).unwrap(), newer);
}

#[test]
fn program_filters_and_projects() {
    let filter = binary(BinaryOp::GreaterOrEqual, column(2), int(8));
    let sum = Expr::Binary {
        op: BinaryOp::Add,
        left: Box::new(column(2)),
        right: Box::new(int(100)),
        data_type: DataType::Int8,
    };
    let (out, read) = run(&program(Some(filter), ProgramOutput::Project(vec![sum, column(3)])), &rows(10));
    assert_eq!(read, 10);
    let decoded: Vec<Row> = out.iter().map(|bytes| output_format::decode(bytes, 2).unwrap()).collect();
    let name = kinds_row()[3].clone();
    assert_eq!(decoded, [vec![Datum::Int(108), name.clone()], vec![Datum::Int(109), name]]);
}

#[test]
fn program_puts_whole_rows_out_and_stops_at_its_limit() {
    let mut program = program(None, ProgramOutput::AllColumns);
    program.limit = Some(3);
    let (out, read) = run(&program, &rows(10));
    assert_eq!((out.len(), read), (3, 3));
    assert_eq!(output_format::decode(&out[1], 9).unwrap(), rows(2)[1]);
}

#[test]
fn program_counts_groups() {
    let aggregates = vec![
        Aggregate {
            function: AggregateFunction::CountAll,
            argument: None,
            distinct: false,
            data_type: DataType::Int8,
        },
        Aggregate {
            function: AggregateFunction::Max,
            argument: Some(column(2)),
            distinct: false,
            data_type: DataType::Int8,
        },
    ];
    let output = ProgramOutput::Aggregate { group_by: vec![column(1)], aggregates };
    let (out, _) = run(&program(None, output), &rows(10));
    let groups: Vec<Row> = out.iter().map(|bytes| output_format::decode(bytes, 3).unwrap()).collect();
    let group = |key, count, max| vec![Datum::Int(key), Datum::Int(count), Datum::Int(max)];
    assert_eq!(groups, [group(0, 4, 9), group(1, 3, 7), group(2, 3, 8)]);
}

#[test]
fn program_flushes_when_groups_are_too_many() {
    let count = Aggregate {
        function: AggregateFunction::CountAll,
        argument: None,
        distinct: false,
        data_type: DataType::Int8,
    };
    let output = ProgramOutput::Aggregate { group_by: vec![column(2)], aggregates: vec![count] };
    let many = i64::try_from(crate::limits::GROUPS_MAX).unwrap() + 5;
    let mut run = scan_evaluator().start(&program(None, output).encode().unwrap()).unwrap();
    let layout = kinds().layout().clone();
    let mut out = Vec::new();
    for row in rows(many) {
        let (key, value) = encode_row(&layout, &row).unwrap();
        run.pair(key.as_ref(), &value, &mut out).unwrap();
    }
    assert_eq!(out.len(), crate::limits::GROUPS_MAX, "the first groups left before the end");
    run.finish(&mut out).unwrap();
    assert_eq!(out.len(), crate::limits::GROUPS_MAX + 5);
}

#[test]
fn program_error_is_the_statements_error() {
    let divide = Expr::Binary {
        op: BinaryOp::Divide,
        left: Box::new(int(1)),
        right: Box::new(column(2)),
        data_type: DataType::Int8,
    };
    let program = program(None, ProgramOutput::Project(vec![divide])).encode().unwrap();
    let mut run = scan_evaluator().start(&program).unwrap();
    let (key, value) = encode_row(kinds().layout(), &rows(1)[0]).unwrap();
    let error = run.pair(key.as_ref(), &value, &mut Vec::new()).unwrap_err();
    assert_eq!(error.sqlstate, "22012");
}

#[test]
fn program_nested_too_deeply_is_refused_on_both_sides() {
    let nested = |depth| (0..depth).fold(column(0), |expr, _| Expr::Unary(UnaryOp::Not, Box::new(expr)));
    let fits = program(Some(nested(EXPR_DEPTH_MAX - 1)), ProgramOutput::AllColumns);
    assert_eq!(Program::decode(&fits.encode().unwrap()).unwrap(), fits);
    let error = program(Some(nested(EXPR_DEPTH_MAX)), ProgramOutput::AllColumns).encode().unwrap_err();
    assert_eq!(error.state, SqlState::ProgramLimitExceeded);
    // What another node could send: the same bytes with many more levels of NOT before the column.
    let mut bytes = program(Some(column(0)), ProgramOutput::AllColumns).encode().unwrap().0.to_vec();
    let place = bytes.len() - 5;
    assert_eq!(bytes[place], 2, "the column's kind");
    bytes.splice(place..place, [4, 2].repeat(1_000_000));
    assert!(Program::decode(&ScanProgram(bytes.into())).is_err());
}

#[test]
fn program_with_a_column_that_the_table_lacks_is_refused() {
    for bad in [
        Expr::Column { index: 9, data_type: DataType::Bool },
        Expr::Parameter { index: 0, data_type: DataType::Bool },
    ] {
        let program = program(Some(bad), ProgramOutput::AllColumns).encode().unwrap();
        assert!(scan_evaluator().start(&program).is_err());
    }
}

proptest! {
    #[test]
    fn damaged_programs_give_errors(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = everything().encode().unwrap().0.to_vec();
        for (index, byte) in flips {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(mut run) = scan_evaluator().start(&ScanProgram(bytes.into())) {
            let (key, value) = encode_row(kinds().layout(), &kinds_row()).unwrap();
            let _ = run.pair(key.as_ref(), &value, &mut Vec::new());
            let _ = run.pair(Key::default().as_ref(), &Bytes::new(), &mut Vec::new());
        }
    }

    #[test]
    fn noise_is_no_program(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = scan_evaluator().start(&ScanProgram(bytes.into()));
    }
}
