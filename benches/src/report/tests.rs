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
fn small_figures_of_another_kind_keep_their_digits() {
    let row = Row { more: vec![("cores_per_node", 0.0083), ("memory_mib_per_node", 132.26)], ..row() };
    let text = table::render(std::slice::from_ref(&row));
    assert!(text.contains("cores_per_node=0.008 memory_mib_per_node=132"), "{text}");
    let value: serde_json::Value = serde_json::from_str(&json::render(&[row])).unwrap();
    assert_eq!(
        (&value[0]["cores_per_node"], &value[0]["memory_mib_per_node"]),
        (&0.008.into(), &132.26.into())
    );
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

/// Slots of a second each; nothing has ended in those of `empty`.
fn series(name: &str, empty: &[u64], marks: &[u64]) -> Series {
    let slot = |second: u64| {
        let count = if empty.contains(&second) { 0 } else { 10 * second };
        Slot { at: Duration::from_secs(second), count, p50_us: 1.0, p99_us: 2.0 }
    };
    let mark = |second: &u64| Mark { at: Duration::from_secs(*second), what: "kill" };
    Series {
        name: name.to_owned(),
        slots: (1..=8).map(slot).collect(),
        marks: marks.iter().map(mark).collect(),
    }
}

/// The value of an attribute at the beginning of an element's text.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let element = element.split('>').next().unwrap();
    element.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap()
}

/// Colour and points of all lines of a chart.
fn paths(text: &str) -> Vec<(String, Vec<(i32, i32)>)> {
    let number = |text: &str| text.parse().unwrap();
    let point = |text: &str| text.split_once(',').map(|(x, y)| (number(x), number(y))).unwrap();
    let path = |element: &str| {
        let points = attribute(element, "points").split_whitespace().map(point).collect();
        (attribute(element, "stroke").to_owned(), points)
    };
    text.split("<polyline").skip(1).map(path).collect()
}

#[test]
fn chart_has_a_line_for_each_series() {
    let text = chart::render(&["one", "two"].map(|name| series(name, &[], &[])), &[]).unwrap();
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    for name in ["one", "two", "Throughput", "Latency"] {
        assert!(text.contains(name), "{name}");
    }
    assert_eq!(paths(&text).iter().filter(|(_, points)| points.len() == 8).count(), 4, "{text}");
    assert_eq!(text.matches("<circle").count(), 0);
    chart::render(&[], &[]).unwrap();
}

#[test]
fn chart_marks_what_was_done_at_its_time() {
    let series = [series("one", &[], &[]), series("two", &[2, 4, 5], &[2, 6])];
    let text = chart::render(&series, &[]).unwrap();
    let paths = paths(&text);
    // The one has all its slots in both charts; of the other three have a throughput of 0, and interrupt the latencies:
    // one slot before them, one between them, three behind.
    let lines: Vec<_> = paths.iter().filter(|(_, points)| points.len() > 2).collect();
    let lengths: Vec<usize> = lines.iter().map(|(_, points)| points.len()).collect();
    assert_eq!(lengths, [8, 8, 8, 3]);
    assert_eq!(text.matches("<circle").count(), 2);
    let (colour, points) = lines[1];
    assert!(points[3].1 > points[2].1 + 10, "{points:?}");
    assert_ne!(colour, &lines[0].0);
    let is_mark =
        |of: &str, path: &[(i32, i32)]| path[0].0 == path[1].0 && path[0].1 > path[1].1 + 200 && of == colour;
    let marks = paths.iter().filter(|(of, points)| points.len() == 2 && is_mark(of, points));
    let marked: Vec<i32> = marks.map(|(_, points)| points[0].0).collect();
    assert_eq!(marked, [points[1].0, points[5].0, points[1].0, points[5].0]);
    assert!(text.contains("two: kill") && !text.contains("one: kill"), "{text}");
}

#[test]
fn chart_shows_what_ranges_cost_by_their_number() {
    let row = |(ranges, memory, cores)| {
        let more = vec![("ranges", ranges), ("memory_mib_per_node", memory), ("cores_per_node", cores)];
        Row { more, ..Row::new("quorate", "idle ranges", 0, &latencies(&[]), 1.0) }
    };
    let rows = [(100.0, 90.0, 0.1), (500.0, 45.0, 0.2), (1_000.0, 180.0, 0.4)].map(row);
    let text = chart::render(&[], &rows).unwrap();
    assert!(text.contains("Memory") && text.contains("Processor time"), "{text}");
    assert!(!text.contains("Time to start") && !text.contains("Throughput"), "{text}");
    let paths = paths(&text);
    let lines: Vec<_> = paths.iter().filter(|(_, points)| points.len() == 3).collect();
    let (memory, cores) = (&lines[0].1, &lines[1].1);
    for line in [memory, cores] {
        // 400 and 500 ranges between them.
        let (first, second) = (f64::from(line[1].0 - line[0].0), f64::from(line[2].0 - line[1].0));
        assert!((first / second - 0.8).abs() < 0.02, "{line:?}");
    }
    // Coordinates grow downwards: half as much memory as before, then four times as much.
    let (down, up) = (f64::from(memory[1].1 - memory[0].1), f64::from(memory[1].1 - memory[2].1));
    assert!((up / down - 3.0).abs() < 0.1, "{memory:?}");
    assert!(cores[0].1 > cores[1].1 && cores[1].1 > cores[2].1, "{cores:?}");
    assert_eq!(text.matches("<circle").count(), 6);
}

#[test]
fn measurement_gives_a_row_for_each_kind_that_happened() {
    let mut report = Report::default();
    let measured = Measurement {
        latencies: vec![latencies(&[1, 2]), latencies(&[]), latencies(&[3])],
        errors: Errors { count: 4, retries: 5, first: Vec::new() },
        slots: Vec::new(),
        seconds: 2.0,
    };
    report.add_measurement(&Row { op: "ycsb a".to_owned(), ..row() }, &["read", "scan", "update"], measured);
    let rows: Vec<(&str, f64, u64)> =
        report.rows().iter().map(|row| (row.op.as_str(), row.ops_per_second, row.errors)).collect();
    assert_eq!(rows, [("read", 1.0, 4), ("update", 0.5, 0)]);
}
