//! `quorate demo -e`: rows alone on stdout, everything else on stderr, and an end.

use crate::support::{quorate, text_of};

#[test]
fn demo_answers_and_ends() {
    let count = "SELECT count(*) FROM flights";
    let airline = "SELECT carrier, name FROM airlines WHERE carrier = 'AA'";
    let output = quorate().args(["demo", "-e", count, "-e", airline]).output().expect("demo");
    assert!(output.status.success(), "{}", text_of(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "27004\nAA\tAmerican Airlines Inc.\n");
    assert!(!output.stderr.is_empty(), "progress is told on stderr");
}

#[test]
fn demo_without_data_has_no_tables_and_errors_end_it() {
    let output = quorate().args(["demo", "--data", "none", "-e", "SELECT 1 + 1"]).output().expect("demo");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n", "{}", text_of(&output));
    let output =
        quorate().args(["demo", "--data", "none", "-e", "SELECT * FROM flights"]).output().expect("demo");
    assert!(!output.status.success() && text_of(&output).contains("42P01"), "{}", text_of(&output));
}
