//! What the peers have shown on a quiet machine with two cores: a peer far below that is set up wrong, or the machine is
//! busy, and a comparison with it would flatter us.

use crate::report::Row;

/// Share of what was seen below which the reader is warned.
const ENOUGH: f64 = 0.7;

/// System, operation, clients, operations a second.
const SEEN: [(&str, &str, usize, f64); 7] = [
    ("etcd", "put", 1, 907.0),
    ("etcd", "put", 64, 6_300.0),
    ("etcd", "put", 256, 9_500.0),
    ("etcd", "get", 64, 8_000.0),
    ("postgres", "put", 1, 1_700.0),
    ("postgres", "put", 64, 10_000.0),
    ("postgres", "get", 32, 54_000.0),
];

/// A warning for each peer that is slower than it should be.
pub fn notes(rows: &[Row]) -> Vec<String> {
    let closed = rows.iter().filter(|row| row.rate.is_none());
    closed.filter_map(note).collect()
}

fn note(row: &Row) -> Option<String> {
    let (_, _, _, seen) = SEEN
        .iter()
        .find(|(system, op, clients, _)| *system == row.system && *op == row.op && *clients == row.clients)?;
    (row.ops_per_second < seen * ENOUGH).then(|| {
        format!(
            "warning: {} {} with {} clients: {:.0}/s is {:.0} % below what it did on a quiet machine with two cores \
             ({seen:.0}/s): it is set up wrong, or this machine is slower, or busy",
            row.system,
            row.op,
            row.clients,
            row.ops_per_second,
            (1.0 - row.ops_per_second / seen) * 100.0,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latencies;

    #[test]
    fn notes_warn_of_slow_peers_only() {
        let row = |system: &str, ops_per_second| Row {
            ops_per_second,
            ..Row::new(system, "put", 64, &Latencies::default(), 1.0)
        };
        let notes = notes(&[
            row("etcd", 3_000.0),
            row("etcd", 6_000.0),
            row("quorate", 1.0),
            row("postgres", 7_100.0),
        ]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("etcd put with 64 clients: 3000/s is 52 % below"), "{notes:?}");
    }
}
