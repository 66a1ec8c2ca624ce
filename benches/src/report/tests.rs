//! What is printed, written and drawn.

use std::time::Duration;

use super::*;

fn latencies(micros: &[u64]) -> Latencies {
    let mut latencies = Latencies::default();
    for micros in micros {
        latencies.record(Duration::from_micros(*micros));
    }
    latencies
}

fn row() -> Row {
    let row = Row::new("quorate", "put", 64, &latencies(&[100, 200, 300_000]), 0.5);
    Row { limit: Some(Limit { name: "store puts", per_second: 12.0 }), errors: 1, ..row }
}

#[test]
fn table_shows_figures_with_units_and_shares() {
    let text = table::render(&[row(), Row { rate: Some(5_000.0), limit: None, errors: 0, ..row() }]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("quorate  put "), "{text}");
    for part in ["6.0", "200 µs", "300 ms", "0.50 store puts"] {
        assert!(lines[1].contains(part), "{part}: {text}");
    }
    assert!(lines[2].contains("put at 5,000/s"), "{text}");
}

#[test]
fn numbers_and_times_have_the_unit_that_fits() {
    let numbers = [1.26, 99.0, 100.4, 54_321.0, 1_234_567.0].map(table::number);
    assert_eq!(numbers, ["1.3", "99.0", "100", "54,321", "1,234,567"]);
    let times = [1.26, 123.4, 1_234.0, 123_456.0, 12_345_678.0].map(table::time);
    assert_eq!(times, ["1.3 µs", "123 µs", "1.23 ms", "123 ms", "12.35 s"]);
}

#[test]
fn json_has_the_names_of_the_contract() {
    let value: serde_json::Value = serde_json::from_str(&json::render(&[row()])).unwrap();
    let first = &value[0];
    assert_eq!(
        (&first["system"], &first["op"], &first["clients"]),
        (&"quorate".into(), &"put".into(), &64.into())
    );
    assert_eq!(first["ops_per_second"], 6.0);
    assert!((first["p50_us"].as_f64().unwrap() - 200.0).abs() < 1.0);
    assert!(first["p99_us"].as_f64().unwrap() > 299_000.0);
    assert_eq!(first["share_of_limit"], 0.5);
}

#[test]
fn chart_has_a_line_for_each_series() {
    let slot =
        |second: u64| Slot { at: Duration::from_secs(second), count: 10 * second, p50_us: 1.0, p99_us: 2.0 };
    let series =
        ["one", "two"].map(|name| Series { name: name.to_owned(), slots: (1..5).map(slot).collect() });
    let text = chart::render(&series).unwrap();
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    for name in ["one", "two", "Throughput", "Latency"] {
        assert!(text.contains(name), "{name}");
    }
    assert!(text.matches("<polyline").count() >= 4, "{text}");
    chart::render(&[]).unwrap();
}

#[test]
fn outcome_gives_a_row_for_each_kind_that_happened() {
    let mut report = Report::default();
    let outcome = Outcome {
        latencies: vec![latencies(&[1, 2]), latencies(&[]), latencies(&[3])],
        errors: Errors { count: 4, retries: 5, first: Vec::new() },
        slots: Vec::new(),
        seconds: 2.0,
    };
    report.add_outcome(&Row { op: "ycsb a".to_owned(), ..row() }, &["read", "scan", "update"], outcome);
    let rows: Vec<(&str, f64, u64)> =
        report.rows().iter().map(|row| (row.op.as_str(), row.ops_per_second, row.errors)).collect();
    assert_eq!(rows, [("read", 1.0, 4), ("update", 0.5, 0)]);
}
