//! The table for people.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::Row;

const HEAD: [&str; 11] =
    ["system", "op", "clients", "ops/s", "p50", "p99", "p999", "max", "of the limit", "errors", "more"];
/// Columns from here on are numbers, and stand at the right.
const FIRST_NUMBER: usize = 2;

/// The rows with a line of names, columns aligned.
pub fn render(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width_of = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width_of).collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width.saturating_sub(cell.width()));
            // Writing to a string cannot fail.
            let _ = if column < FIRST_NUMBER {
                write!(shown, "{cell}{space}  ")
            } else {
                write!(shown, "{space}{cell}  ")
            };
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [String; 11] {
    let more: Vec<String> =
        row.more.iter().map(|(name, value)| format!("{name}={}", figure(*value))).collect();
    let op = match row.rate {
        None => row.op.clone(),
        Some(rate) => format!("{} at {}/s", row.op, number(rate)),
    };
    let limit = match (&row.limit, row.share()) {
        (Some(limit), Some(share)) => format!("{share:.2} {}", limit.name),
        _ => String::new(),
    };
    let errors = match (row.errors, row.retries) {
        (0, 0) => String::new(),
        (errors, 0) => errors.to_string(),
        (errors, retries) => format!("{errors} (+{retries} retried)"),
    };
    let quantiles = row.quantiles;
    // A row of figures of another kind has no operations.
    let is_measured = quantiles.max_us > 0.0;
    let shown = |micros| if is_measured { time(micros) } else { String::new() };
    [
        row.system.clone(),
        op,
        if row.clients == 0 { String::new() } else { row.clients.to_string() },
        if is_measured { number(row.ops_per_second) } else { String::new() },
        shown(quantiles.p50_us),
        shown(quantiles.p99_us),
        shown(quantiles.p999_us),
        shown(quantiles.max_us),
        limit,
        errors,
        more.join(" "),
    ]
}

/// A figure of any kind: it may be far below 1.
fn figure(value: f64) -> String {
    if value < 1.0 { format!("{value:.3}") } else { number(value) }
}

/// A number with as many digits as say something.
pub fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in the unit that fits it.
pub fn time(micros: f64) -> String {
    match micros {
        micros if micros < 100.0 => format!("{micros:.1} µs"),
        micros if micros < 1_000.0 => format!("{micros:.0} µs"),
        micros if micros < 100_000.0 => format!("{:.2} ms", micros / 1e3),
        micros if micros < 1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}
