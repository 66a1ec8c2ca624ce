//! Keys and rows to bytes and back.

use std::hint::black_box;

use criterion::Criterion;
use quorate_engine::codec::key::{ColumnOrder, KeyDecoder, KeyEncoder};

const ASCENDING: ColumnOrder = ColumnOrder::ASCENDING;

/// All of this file.
pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let prefix = [2, 0, 0, 0, 0, 0, 0, 0, 101];
    let encode = |number: i64, text: &str| {
        let mut encoder = KeyEncoder::new(&prefix);
        encoder.i64(Some(number), ASCENDING).text(Some(text), ASCENDING);
        encoder.finish()
    };
    group.bench_function("key encode: int8, text", |bench| {
        bench.iter(|| encode(black_box(123_456), black_box("a key of some letters")));
    });
    let key = encode(123_456, "a key of some letters");
    let columns = key.as_ref().strip_prefix(&prefix).expect("the prefix");
    group.bench_function("key decode: int8, text", |bench| {
        bench.iter(|| {
            let mut decoder = KeyDecoder::new(black_box(columns));
            let number = decoder.i64(ASCENDING).expect("an integer");
            (number, decoder.text(ASCENDING).expect("a text"))
        });
    });
    group.finish();
}
