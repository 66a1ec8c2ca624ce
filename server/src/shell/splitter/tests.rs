//! Where statements end, in one piece and cut at every byte.

use super::{Splitter, leading_words};

/// Statements of a whole text.
fn split(text: &str) -> Vec<String> {
    let mut splitter = Splitter::default();
    splitter.push(text);
    let mut statements: Vec<String> = std::iter::from_fn(|| splitter.next_statement()).collect();
    statements.extend(std::iter::from_fn(|| splitter.finish()));
    statements
}

#[test]
fn split_at_semicolons_outside_of_quotes_and_comments() {
    let cases: &[(&str, &[&str])] = &[
        ("SELECT 1; SELECT 2", &["SELECT 1;", "SELECT 2"]),
        ("SELECT 1;\n\n SELECT\n2;\n", &["SELECT 1;", "SELECT\n2;"]),
        ("SELECT ';';", &["SELECT ';';"]),
        ("SELECT 'it''s;';", &["SELECT 'it''s;';"]),
        (r"SELECT E'\';';", &[r"SELECT E'\';';"]),
        (r"SELECT 'a\';SELECT 1;", &[r"SELECT 'a\';", "SELECT 1;"]),
        (r"SELECT typE'\';", &[r"SELECT typE'\';"]),
        (r#"SELECT ";" FROM t;"#, &[r#"SELECT ";" FROM t;"#]),
        ("-- a;b\nSELECT 1;", &["-- a;b\nSELECT 1;"]),
        ("/* a; /* b; */ c; */ SELECT 1;", &["/* a; /* b; */ c; */ SELECT 1;"]),
        ("SELECT $$a;b$$;SELECT $t$;$$;$t$;", &["SELECT $$a;b$$;", "SELECT $t$;$$;$t$;"]),
        ("SELECT $1;SELECT a$b;c$;", &["SELECT $1;", "SELECT a$b;", "c$;"]),
        (";;  ; -- nothing\n /* at all */", &[]),
        ("SELECT 5-", &["SELECT 5-"]),
        ("SELECT 'open;", &["SELECT 'open;"]),
        ("SELECT 'ü;é';SELECT 2;", &["SELECT 'ü;é';", "SELECT 2;"]),
    ];
    for (text, expected) in cases {
        assert_eq!(split(text), *expected, "{text}");
        assert_eq!(split_by_char(text), *expected, "{text}, one character at a time");
    }
}

fn split_by_char(text: &str) -> Vec<String> {
    let mut splitter = Splitter::default();
    let mut statements = Vec::new();
    for c in text.chars() {
        splitter.push(c.encode_utf8(&mut [0; 4]));
        statements.extend(std::iter::from_fn(|| splitter.next_statement()));
    }
    statements.extend(std::iter::from_fn(|| splitter.finish()));
    statements
}

#[test]
fn split_knows_when_a_statement_is_open() {
    let mut splitter = Splitter::default();
    assert!(!splitter.is_open());
    splitter.push("SELECT 1\n");
    assert!(splitter.next_statement().is_none() && splitter.is_open());
    splitter.push(";\n");
    assert!(splitter.next_statement().is_some());
    assert!(splitter.next_statement().is_none() && !splitter.is_open());
    splitter.push("/* open\n");
    assert!(splitter.next_statement().is_none() && splitter.is_open());
}

#[test]
fn leading_words_skip_comments() {
    assert_eq!(leading_words("-- x\n /* y */ create table t", 2), ["CREATE", "TABLE"]);
    assert_eq!(leading_words("(SELECT 1)", 1), Vec::<String>::new());
    assert_eq!(leading_words("COMMIT;", 2), ["COMMIT"]);
}
