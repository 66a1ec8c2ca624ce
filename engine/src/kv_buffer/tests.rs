//! The buffer against a naive map: pages of any size, either way, over any ranges.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::evaluator::{TextEvaluator, program};

fn key(number: u8) -> Key {
    Key::from(vec![number])
}

fn value(number: u8) -> Value {
    Value::copy_from_slice(format!("v{number}").as_bytes())
}

fn buffer(writes: &[(u8, Option<u8>)]) -> WriteBuffer {
    let mut buffer = WriteBuffer::new(1 << 20);
    for (at, new) in writes {
        buffer
            .write(Write { key: key(*at), value: new.map(value), condition: WriteCondition::None })
            .unwrap();
    }
    buffer
}

fn request(span: Span, direction: Direction) -> ScanRequest {
    ScanRequest { span, direction, program: None, rows_max: u64::MAX, bytes_max: u64::MAX }
}

/// Answers a request from a map cut into ranges of `width` keys, one range a page.
fn below(base: &BTreeMap<Key, Value>, request: &ScanRequest, width: u8) -> ScanPage {
    let ranges: Vec<Span> = (0..=u8::MAX / width)
        .map(|range| {
            let end = range.checked_add(1).and_then(|next| next.checked_mul(width));
            let start = if range == 0 { Key::default() } else { key(range * width) };
            Span::new(start, end.map(key).unwrap_or_default())
        })
        .collect();
    let overlapping = ranges.iter().filter_map(|range| range.intersection(&request.span));
    let (part, rest) = match request.direction {
        Direction::Forward => {
            let part = overlapping.min().unwrap_or(request.span.clone());
            let rest = Span::new(part.end.clone(), request.span.end.clone());
            let is_last = part.end == request.span.end;
            (part, (!is_last).then_some(rest))
        }
        Direction::Reverse => {
            let part = overlapping.max().unwrap_or(request.span.clone());
            let rest = Span::new(request.span.start.clone(), part.start.clone());
            let is_last = part.start == request.span.start;
            (part, (!is_last).then_some(rest))
        }
    };
    let mut pairs: Vec<(&Key, &Value)> = base.iter().filter(|(key, _)| part.contains(key)).collect();
    if request.direction == Direction::Reverse {
        pairs.reverse();
    }
    let mut page = PageBuilder::new(request, &TextEvaluator).unwrap();
    for (key, value) in pairs {
        if page.push(key, value.clone()).unwrap() != PageFlow::More {
            return page.finish(remaining(&request.span, request.direction, key)).unwrap();
        }
    }
    page.finish(rest).unwrap()
}

#[test]
fn buffer_replaces_and_keeps_the_first_condition() {
    let mut buffer = WriteBuffer::new(1000);
    buffer.write(Write::insert(key(1), value(1))).unwrap();
    buffer.write(Write::put(key(1), value(2))).unwrap();
    buffer.write(Write::delete(key(1))).unwrap();
    assert_eq!(buffer.get(&key(1)), Some(None));
    assert_eq!(buffer.bytes(), Write::delete(key(1)).size_bytes());
    let write = buffer.take().pop().unwrap();
    assert_eq!((write.value, write.condition), (None, WriteCondition::Absent));
    assert_eq!((buffer.len(), buffer.bytes()), (0, 0));
}

#[test]
fn buffer_insert_looks_at_the_buffered_write() {
    let mut buffer = WriteBuffer::new(1000);
    buffer.write(Write::put(key(1), value(1))).unwrap();
    let error = buffer.write(Write::insert(key(1), value(2))).unwrap_err();
    assert!(matches!(error, KvError::ConditionFailed { .. }), "{error}");
    assert_eq!(buffer.get(&key(1)), Some(Some(&value(1))));
    buffer.write(Write::delete(key(1))).unwrap();
    buffer.write(Write::insert(key(1), value(3))).unwrap();
    let write = buffer.take().pop().unwrap();
    // The deletion was no statement about what is below, and neither is the insert behind it.
    assert_eq!((write.value, write.condition), (Some(value(3)), WriteCondition::None));
}

#[test]
fn buffer_refuses_what_is_too_large_and_stays_as_it_was() {
    let mut buffer = WriteBuffer::new(100);
    buffer.write(Write::put(key(1), value(1))).unwrap();
    let before = buffer.bytes();
    let large = |bytes: usize| Value::from(vec![0; bytes]);
    for (write, what) in [
        (Write::put(Key::from(vec![0; KEY_MAX_BYTES + 1]), value(1)), "key"),
        (Write::put(key(1), large(VALUE_MAX_BYTES + 1)), "value"),
        (Write::put(key(1), large(100)), "transaction"),
    ] {
        let error = buffer.write(write).unwrap_err();
        assert!(matches!(error, KvError::TooLarge { what: found, .. } if found == what), "{error}");
    }
    assert_eq!((buffer.bytes(), buffer.get(&key(1))), (before, Some(Some(&value(1)))));
}

#[test]
fn buffer_sends_scans_elsewhere_down_with_their_program() {
    let buffer = buffer(&[(5, Some(1))]);
    let mut request = request(Span::new(key(0), key(5)), Direction::Forward);
    request.program = Some(program("count"));
    assert_eq!(buffer.plan(&request), ScanPlan::Direct);
    request.span.end = key(6);
    let raw = ScanRequest { program: None, ..request.clone() };
    assert_eq!(buffer.plan(&request), ScanPlan::Raw(raw));
}

#[test]
fn buffer_runs_the_program_over_both() {
    let base: BTreeMap<Key, Value> = [1, 3, 5].map(|number| (key(number), value(number))).into();
    let buffer = buffer(&[(2, Some(2)), (3, None), (5, Some(9))]);
    let mut request = request(Span::new(key(0), Key::default()), Direction::Forward);
    // One range holds all keys.
    let answer = |raw: &ScanRequest| ScanPage { resume: None, ..below(&base, raw, 255) };
    for (text, outputs) in [
        ("show", vec!["\\x01=v1", "\\x02=v2", "\\x05=v9"]),
        ("count", vec!["3"]),
        ("limit 2", vec!["\\x01=v1", "\\x02=v2"]),
    ] {
        request.program = Some(program(text));
        let ScanPlan::Raw(raw) = buffer.plan(&request) else { panic!("writes lie in the span") };
        let page = buffer.overlay(&request, answer(&raw), &TextEvaluator).unwrap();
        let outputs = outputs.into_iter().map(|text| text.to_owned().into()).collect();
        assert_eq!((page.rows, page.resume), (ScanRows::Outputs(outputs), None), "{text}");
        assert_eq!(page.served.rows_read, 3);
    }
    request.program = Some(program("fail v9"));
    let ScanPlan::Raw(raw) = buffer.plan(&request) else { panic!("writes lie in the span") };
    let error = buffer.overlay(&request, answer(&raw), &TextEvaluator);
    assert!(matches!(error, Err(KvError::Program(_))), "{error:?}");
}

proptest! {
    #[test]
    fn buffer_pages_add_up_to_the_merged_map(
        base in prop::collection::btree_map(0u8..60, 0u8..9, 0..30),
        writes in prop::collection::vec((0u8..60, prop::option::of(0u8..9)), 0..15),
        (start, end) in (0u8..60, 0u8..70),
        is_reverse: bool,
        (rows_max, bytes_max, width) in (1u64..8, 1u64..40, 7u8..80),
    ) {
        let base: BTreeMap<Key, Value> = base.into_iter().map(|(at, new)| (key(at), value(new))).collect();
        let buffer = buffer(&writes);
        let end = if end >= 60 { Key::default() } else { key(end.max(start)) };
        let direction = if is_reverse { Direction::Reverse } else { Direction::Forward };
        let span = Span::new(key(start), end);

        let mut merged = base.clone();
        for (at, new) in &writes {
            match new {
                Some(new) => merged.insert(key(*at), value(*new)),
                None => merged.remove(&key(*at)),
            };
        }
        let mut wanted: Vec<(Key, Value)> =
            merged.into_iter().filter(|(key, _)| span.contains(key)).collect();
        if is_reverse {
            wanted.reverse();
        }

        let mut found = Vec::new();
        let mut rest = Some(span).filter(|span| !span.is_empty());
        let mut pages = 0;
        while let Some(span) = rest {
            let request = ScanRequest { span, direction, program: None, rows_max, bytes_max };
            let page = match buffer.plan(&request) {
                ScanPlan::Direct => below(&base, &request, width),
                ScanPlan::Raw(raw) => buffer.overlay(&request, below(&base, &raw, width), &TextEvaluator).unwrap(),
            };
            let ScanRows::Pairs(pairs) = page.rows else { panic!("pairs were asked for") };
            prop_assert!(pairs.len() as u64 <= rows_max);
            found.extend(pairs);
            rest = page.resume;
            pages += 1;
            prop_assert!(pages < 500, "the scan does not end");
        }
        prop_assert_eq!(found, wanted);
    }
}
