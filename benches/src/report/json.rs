//! The same for programs: an array with one object a row. Names and units are a contract.

use serde_json::{Value, json};

use super::Row;

/// The rows as JSON, with a line feed at the end.
pub fn render(rows: &[Row]) -> String {
    let rows = Value::Array(rows.iter().map(object).collect());
    format!("{rows:#}\n")
}

fn object(row: &Row) -> Value {
    let mut object = json!({
        "system": row.system,
        "op": row.op,
        "clients": row.clients,
        "ops_per_second": rounded(row.ops_per_second),
        "p50_us": rounded(row.quantiles.p50_us),
        "p99_us": rounded(row.quantiles.p99_us),
        "p999_us": rounded(row.quantiles.p999_us),
        "max_us": rounded(row.quantiles.max_us),
        "rate_per_second": row.rate,
        "errors": row.errors,
        "retries": row.retries,
        "limit": row.limit.as_ref().map(|limit| limit.name),
        "limit_per_second": row.limit.as_ref().map(|limit| rounded(limit.per_second)),
        "share_of_limit": row.share().map(fine),
    });
    if let Value::Object(object) = &mut object {
        object.extend(row.more.iter().map(|(name, value)| ((*name).to_owned(), fine(*value).into())));
    }
    object
}

/// Three digits behind the point, for what may be far below 1.
fn fine(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// One digit behind the point.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
