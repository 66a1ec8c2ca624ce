//! COPY in both forms: quoting, NULL, line ends, the end marker, escapes, and lines of any size.

use proptest::prelude::*;

use super::decode::{Decoded, Decoder, Record};
use super::output::put_line;
use crate::error::SqlState;
use crate::parser::ast::{CopyFormat, CopyOptions};

type Line = Vec<Option<String>>;

fn csv() -> CopyOptions {
    let (delimiter, quote, escape) = (b',', b'"', b'"');
    CopyOptions { format: CopyFormat::Csv, header: false, null: "NA".to_owned(), delimiter, quote, escape }
}

fn text() -> CopyOptions {
    CopyOptions { format: CopyFormat::Text, null: r"\N".to_owned(), delimiter: b'\t', ..csv() }
}

/// Decodes data that comes in pieces of these sizes, over and over.
fn decode(options: &CopyOptions, data: &[u8], sizes: &[usize]) -> Result<Vec<(u64, Line)>, SqlState> {
    let mut decoder = Decoder::new(options);
    let (mut record, mut lines, mut rest) = (Record::default(), Vec::new(), data);
    let mut sizes = sizes.iter().cycle();
    'pieces: while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        rest = behind;
        loop {
            match decoder.step(piece, &mut record).map_err(|error| error.state)? {
                Decoded::More => break,
                Decoded::End => break 'pieces,
                Decoded::Line(used) => {
                    lines.push(take(&mut record));
                    piece = &piece[used..];
                }
            }
        }
    }
    if decoder.finish(&mut record).map_err(|error| error.state)? {
        lines.push(take(&mut record));
    }
    Ok(lines)
}

fn take(record: &mut Record) -> (u64, Line) {
    let fields = record.fields().map(|field| field.map(|field| String::from_utf8(field.to_vec()).unwrap()));
    let line = (record.line, fields.collect());
    record.clear();
    line
}

/// Decodes in one piece; the fields with NULL as `None`.
fn lines(options: &CopyOptions, data: &str) -> Result<Vec<Line>, SqlState> {
    Ok(decode(options, data.as_bytes(), &[usize::MAX])?.into_iter().map(|(_, line)| line).collect())
}

fn fields(fields: &[&str]) -> Line {
    fields.iter().map(|field| (*field != "NULL").then(|| (*field).to_owned())).collect()
}

#[test]
fn csv_null_is_matched_only_without_quotes() {
    assert_eq!(lines(&csv(), "NA,\"NA\",,\"\"\n").unwrap(), [fields(&["NULL", "NA", "", ""])]);
    let empty = CopyOptions { null: String::new(), ..csv() };
    assert_eq!(lines(&empty, "NA,\"NA\",,\"\"\n").unwrap(), [fields(&["NA", "NA", "NULL", ""])]);
}

#[test]
fn csv_quotes_and_escapes() {
    assert_eq!(lines(&csv(), "\"a\"\"b\",\"c,\nd\",e\"f\"g\n").unwrap(), [fields(&["a\"b", "c,\nd", "efg"])]);
    let backslash = CopyOptions { escape: b'\\', ..csv() };
    assert_eq!(lines(&backslash, r#""a\"b\\c\d""e","#).unwrap(), [fields(&["a\"b\\c\\de", ""])]);
    assert_eq!(lines(&csv(), "\"a\nb"), Err(SqlState::BadCopyFileFormat));
}

#[test]
fn csv_line_ends() {
    assert_eq!(
        lines(&csv(), "a,b\r\nc,\"d\r\ne\"\r\nf,g").unwrap(),
        [fields(&["a", "b"]), fields(&["c", "d\r\ne"]), fields(&["f", "g"])]
    );
    assert_eq!(lines(&csv(), "a\rb\n"), Err(SqlState::BadCopyFileFormat));
    assert_eq!(lines(&csv(), "a\n\nb\n").unwrap(), [fields(&["a"]), fields(&[""]), fields(&["b"])]);
    assert_eq!(lines(&csv(), "").unwrap(), Vec::<Line>::new());
}

#[test]
fn lines_end_as_the_first_one_does() {
    for options in [csv(), text()] {
        let read = |data: &str| lines(&options, data);
        let two = [fields(&["a"]), fields(&["b"])];
        for data in ["a\rb\r", "a\rb", "a\nb\n", "a\r\nb\r\n"] {
            assert_eq!(read(data).unwrap(), two, "{data:?}");
        }
        for data in ["a\rb\n", "a\nb\r\n", "a\r\nb\n", "a\r\nb\rc\r\n", "a\nb\rc\n"] {
            assert_eq!(read(data), Err(SqlState::BadCopyFileFormat), "{data:?}");
        }
    }
    assert_eq!(lines(&csv(), "\"a\rb\"\rc\r").unwrap(), [fields(&["a\rb"]), fields(&["c"])]);
}

#[test]
fn end_marker_within_a_line() {
    let read = |data: &str| lines(&text(), data);
    assert_eq!(read("a\tb\\.\nc\td\n").unwrap(), [fields(&["a", "b"])], "what stands before it is a line");
    for data in ["a\tb\\.x\n", "a\\.b\tc\n", "a\n\\.\r\n"] {
        assert_eq!(read(data), Err(SqlState::BadCopyFileFormat), "{data:?}");
    }
    assert_eq!(read("a\\\\.b\n").unwrap(), [fields(&["a\\.b"])]);
    assert_eq!(lines(&csv(), "a\\.b\n\\.x\n").unwrap(), [fields(&["a\\.b"]), fields(&["\\.x"])]);
}

#[test]
fn end_marker_ends_the_data() {
    assert_eq!(lines(&csv(), "a\n\\.\nb\n").unwrap(), [fields(&["a"])]);
    assert_eq!(lines(&csv(), "a\n\"\\.\"\n").unwrap(), [fields(&["a"]), fields(&["\\."])]);
    assert_eq!(lines(&text(), "a\n\\.\nb\n").unwrap(), [fields(&["a"])]);
    assert_eq!(lines(&text(), "a\n\\.").unwrap(), [fields(&["a"])]);
}

#[test]
fn lines_are_numbered_as_an_editor_does() {
    let data = b"a,\"x\ny\"\nb,c\n\"\n\n\",d\ne,f\n";
    let numbers: Vec<u64> = decode(&csv(), data, &[3]).unwrap().iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [1, 3, 4, 7]);
    let numbers: Vec<u64> =
        decode(&text(), b"a\\\nb\nc\n", &[2]).unwrap().iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [1, 3]);
}

#[test]
fn text_escapes() {
    let line = "tab\\tnew\\nback\\\\\toct\\101hex\\x41x\\xg\\q\t\\N\t\\\\N\n";
    let expected = fields(&["tab\tnew\nback\\", "octAhexAxxgq", "NULL", "\\N"]);
    assert_eq!(lines(&text(), line).unwrap(), [expected]);
    assert_eq!(lines(&text(), "a\\\nb\tc\r\n").unwrap(), [fields(&["a\nb", "c"])]);
    assert_eq!(lines(&text(), "a\rb\n"), Err(SqlState::BadCopyFileFormat));
}

#[test]
fn line_beyond_the_limit_is_refused_before_it_ends() {
    let endless = "x".repeat(crate::limits::COPY_LINE_MAX_BYTES + 10);
    assert_eq!(lines(&csv(), &endless), Err(SqlState::ProgramLimitExceeded));
    assert_eq!(lines(&text(), &endless), Err(SqlState::ProgramLimitExceeded));
}

/// Fields of the bytes that mean something, and of others.
fn any_field() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some("NA".to_owned())),
        1 => Just(Some("\\.".to_owned())),
        4 => "[ab\",\\\\\n\r\t.Nüx1]{0,6}".prop_map(Some),
    ]
}

fn any_lines() -> impl Strategy<Value = Vec<Line>> {
    (1_usize..4).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(any_field(), width), 0..6))
}

proptest! {
    #[test]
    fn lines_come_back_in_any_pieces(
        lines in any_lines(),
        sizes in prop::collection::vec(1_usize..9, 1..5),
        is_csv: bool,
        backslash: bool,
    ) {
        let escape = if backslash { b'\\' } else { b'"' };
        let options = if is_csv { CopyOptions { escape, ..csv() } } else { text() };
        let mut data = Vec::new();
        for line in &lines {
            put_line(&mut data, line.clone().into_iter(), &options);
        }
        let decoded: Vec<Line> = decode(&options, &data, &sizes).unwrap().into_iter().map(|(_, line)| line).collect();
        prop_assert_eq!(decoded, lines);
    }

    #[test]
    fn pieces_do_not_change_what_is_read(
        data in "[ab\",\\\\\n\r\t.N]{0,40}",
        sizes in prop::collection::vec(1_usize..9, 1..5),
        is_csv: bool,
    ) {
        let options = if is_csv { csv() } else { text() };
        prop_assert_eq!(decode(&options, data.as_bytes(), &[usize::MAX]), decode(&options, data.as_bytes(), &sizes));
    }
}
