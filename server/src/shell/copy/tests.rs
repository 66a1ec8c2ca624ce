//! Which statements copy, and what `\copy` becomes.

use std::path::PathBuf;

use super::{Direction, FileCopy, direction, parse};

#[test]
fn copy_direction_is_that_of_the_statement() {
    assert_eq!(direction("COPY t FROM STDIN WITH (FORMAT csv)"), Some(Direction::In));
    assert_eq!(direction("copy t (a, b) from stdin;"), Some(Direction::In));
    assert_eq!(direction("-- c\nCOPY (SELECT 1) TO STDOUT;"), Some(Direction::Out));
    assert_eq!(direction("COPY t FROM '/file'"), None);
    assert_eq!(direction("SELECT 'COPY t FROM STDIN'"), None);
}

#[test]
fn copy_with_a_file_becomes_a_statement_and_a_path() {
    let copy = |statement: &str, direction, file: Option<&str>| {
        Some(FileCopy { statement: statement.to_owned(), direction, file: file.map(PathBuf::from) })
    };
    assert_eq!(
        parse("flights FROM 'my flights.csv' WITH (FORMAT csv, HEADER true, NULL 'NA')"),
        copy(
            "COPY flights FROM STDIN WITH (FORMAT csv, HEADER true, NULL 'NA')",
            Direction::In,
            Some("my flights.csv")
        )
    );
    assert_eq!(
        parse("(SELECT a FROM t) to out.csv csv;"),
        copy("COPY (SELECT a FROM t) TO STDOUT csv", Direction::Out, Some("out.csv"))
    );
    assert_eq!(
        parse("t from stdin"),
        copy("COPY t from STDIN".replace("from", "FROM").as_str(), Direction::In, None)
    );
    assert_eq!(parse("\"from\" FROM x"), copy("COPY \"from\" FROM STDIN", Direction::In, Some("x")));
    assert_eq!(parse("t"), None);
    assert_eq!(parse("t FROM"), None);
}
