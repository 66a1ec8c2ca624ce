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
    assert_eq!(buffer.get(&key(1), Sequence::NEWEST), Some(None));
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
    assert_eq!(buffer.get(&key(1), Sequence::NEWEST), Some(Some(&value(1))));
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
    assert_eq!((buffer.bytes(), buffer.get(&key(1), Sequence::NEWEST)), (before, Some(Some(&value(1)))));
}

#[test]
fn buffer_sends_scans_elsewhere_down_with_their_program() {
    let buffer = buffer(&[(5, Some(1))]);
    let mut request = request(Span::new(key(0), key(5)), Direction::Forward);
    request.program = Some(program("count"));
    assert_eq!(buffer.plan(&request, Sequence::NEWEST), ScanPlan::Direct);
    request.span.end = key(6);
    let raw = ScanRequest { program: None, ..request.clone() };
    assert_eq!(buffer.plan(&request, Sequence::NEWEST), ScanPlan::Raw(raw));
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
        let ScanPlan::Raw(raw) = buffer.plan(&request, Sequence::NEWEST) else {
            panic!("writes lie in the span")
        };
        let page = buffer.overlay((&request, Sequence::NEWEST), answer(&raw), &TextEvaluator).unwrap();
        let outputs = outputs.into_iter().map(|text| text.to_owned().into()).collect();
        assert_eq!((page.rows, page.resume), (ScanRows::Outputs(outputs), None), "{text}");
        assert_eq!(page.served.rows_read, 3);
    }
    request.program = Some(program("fail v9"));
    let ScanPlan::Raw(raw) = buffer.plan(&request, Sequence::NEWEST) else {
        panic!("writes lie in the span")
    };
    let error = buffer.overlay((&request, Sequence::NEWEST), answer(&raw), &TextEvaluator);
    assert!(matches!(error, Err(KvError::Program(_))), "{error:?}");
}

#[test]
fn buffer_statement_does_not_see_its_own_writes() {
    let mut buffer = WriteBuffer::new(1000);
    let first = buffer.start_statement();
    buffer.write(Write::put(key(1), value(1))).unwrap();
    assert_eq!(buffer.get(&key(1), first), None);
    assert_eq!(buffer.get(&key(1), Sequence::NEWEST), Some(Some(&value(1))));
    let all = request(Span::new(key(0), Key::default()), Direction::Forward);
    // Nothing that it sees lies in the span: the program may run where the rows are.
    assert_eq!(buffer.plan(&all, first), ScanPlan::Direct);

    let second = buffer.start_statement();
    buffer.write(Write::put(key(1), value(2))).unwrap();
    buffer.write(Write::delete(key(1))).unwrap();
    buffer.write(Write::put(key(2), value(2))).unwrap();
    assert_eq!(buffer.get(&key(1), second), Some(Some(&value(1))));
    assert_eq!(buffer.get(&key(2), second), None);
    assert_eq!(buffer.get(&key(1), Sequence::NEWEST), Some(None));
    let none = || ScanPage { resume: None, ..below(&BTreeMap::new(), &all, 255) };
    let page = buffer.overlay((&all, second), none(), &TextEvaluator).unwrap();
    assert_eq!(page.rows, ScanRows::Pairs(vec![(key(1), value(1))]));

    let third = buffer.start_statement();
    assert_eq!(buffer.get(&key(1), third), Some(None));
    let page = buffer.overlay((&all, third), none(), &TextEvaluator).unwrap();
    assert_eq!(page.rows, ScanRows::Pairs(vec![(key(2), value(2))]));
}

#[test]
fn buffer_keeps_one_hidden_value_a_key_and_only_while_its_statement_runs() {
    let mut buffer = WriteBuffer::new(10_000);
    for _ in 0..5 {
        buffer.start_statement();
        for number in [1, 2, 3, 4] {
            buffer.write(Write::put(key(1), value(number))).unwrap();
        }
        assert!(buffer.writes[&key(1)].hidden.len() <= 1);
    }
    assert_eq!(buffer.bytes(), Write::put(key(1), value(4)).size_bytes());
    assert_eq!(buffer.hiding.len(), 1);
    buffer.start_statement();
    assert!(buffer.writes[&key(1)].hidden.is_empty() && buffer.hiding.is_empty());
}

#[test]
fn buffer_goes_back_to_a_mark_and_again() {
    let mut buffer = WriteBuffer::new(1000);
    buffer.write(Write::insert(key(1), value(1))).unwrap();
    let outer = buffer.mark();
    buffer.write(Write::put(key(1), value(2))).unwrap();
    let inner = buffer.mark();
    buffer.write(Write::delete(key(1))).unwrap();
    buffer.write(Write::put(key(2), value(2))).unwrap();
    buffer.go_back_to(inner);
    assert_eq!((buffer.get(&key(1), Sequence::NEWEST), buffer.len()), (Some(Some(&value(2))), 1));
    buffer.write(Write::insert(key(2), value(3))).unwrap();
    // An outer one takes the inner one along.
    buffer.go_back_to(outer);
    assert_eq!((buffer.get(&key(1), Sequence::NEWEST), buffer.len()), (Some(Some(&value(1))), 1));
    buffer.go_back_to(outer);
    buffer.release(outer);
    let write = buffer.take().pop().unwrap();
    assert_eq!((write.value, write.condition), (Some(value(1)), WriteCondition::Absent));
}

#[test]
fn buffer_keeps_no_more_for_marks_than_it_may() {
    let mut buffer = WriteBuffer::new(3_000);
    let large = || Value::from(vec![0; 1_000]);
    // One after the other: what no mark asks for any more counts no longer.
    for _ in 0..20 {
        buffer.write(Write::put(key(1), large())).unwrap();
        let mark = buffer.mark();
        buffer.write(Write::put(key(1), large())).unwrap();
        buffer.release(mark);
    }
    let outer = buffer.mark();
    for _ in 0..20 {
        let mark = buffer.mark();
        buffer.write(Write::put(key(1), large())).unwrap();
        buffer.release(mark);
    }
    buffer.go_back_to(outer);
    // Nested: each keeps one.
    let mut kept = 0;
    let error = loop {
        buffer.mark();
        match buffer.write(Write::put(key(1), large())) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, KvError::TooLarge { what: "history kept for savepoints", .. }), "{error}");
    assert_eq!(kept, 2);
    buffer.go_back_to(outer);
    assert_eq!(buffer.len(), 1);
}

/// What a transaction does to its buffer.
#[derive(Clone, Debug)]
enum Op {
    Statement,
    Write(u8, Option<u8>),
    Insert(u8, u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        1 => Just(Op::Statement),
        4 => (0u8..12, prop::option::of(0u8..9)).prop_map(|(at, new)| Op::Write(at, new)),
        1 => (0u8..12, 0u8..9).prop_map(|(at, new)| Op::Insert(at, new)),
    ];
    prop::collection::vec(op, 0..40)
}

/// What was written, by key: the naive buffer, of which each statement copies all.
type Naive = BTreeMap<u8, Option<u8>>;

/// Does the same to both; returns the naive buffers at the statement's start and now.
fn apply(buffer: &mut WriteBuffer, ops: &[Op]) -> (Sequence, Naive, Naive) {
    let (mut start, mut now) = (Naive::new(), Naive::new());
    let mut as_of = buffer.start_statement();
    for op in ops {
        match op {
            Op::Statement => {
                as_of = buffer.start_statement();
                start = now.clone();
            }
            Op::Write(at, new) => {
                let write = Write { key: key(*at), value: new.map(value), condition: WriteCondition::None };
                buffer.write(write).unwrap();
                now.insert(*at, *new);
            }
            Op::Insert(at, new) => {
                let written = buffer.write(Write::insert(key(*at), value(*new)));
                let is_taken = matches!(now.get(at), Some(Some(_)));
                assert_eq!(written.is_err(), is_taken);
                if !is_taken {
                    now.insert(*at, Some(*new));
                }
            }
        }
    }
    (as_of, start, now)
}

/// Three values are kept for three marks; two of these go, and with the next write what was kept for them.
#[test]
fn buffer_drops_what_was_kept_for_marks_that_are_released() {
    let mut buffer = WriteBuffer::new(1 << 20);
    buffer.start_statement();
    let mut marks = Vec::new();
    for number in 0..3 {
        buffer.write(Write::put(key(5), value(number))).unwrap();
        marks.push(buffer.mark());
    }
    buffer.write(Write::put(key(5), value(3))).unwrap();
    buffer.release(marks[1]);
    buffer.write(Write::put(key(5), value(4))).unwrap();
    let hidden = |buffer: &WriteBuffer| buffer.writes[&key(5)].hidden.len();
    assert_eq!(hidden(&buffer), 2, "one for the mark that is left, one for the running statement");
    buffer.start_statement();
    assert_eq!(hidden(&buffer), 1);
    buffer.go_back_to(marks[0]);
    assert_eq!(buffer.get(&key(5), Sequence::NEWEST), Some(Some(&value(0))));
}

/// What a transaction with marks does; marks by their number, the first one again behind the last.
#[derive(Clone, Debug)]
enum MarkOp {
    Op(Op),
    Mark,
    GoBack(usize),
    Release(usize),
}

fn mark_ops() -> impl Strategy<Value = Vec<MarkOp>> {
    let op = prop_oneof![
        1 => Just(Op::Statement).prop_map(MarkOp::Op),
        6 => (0u8..6, prop::option::of(0u8..9)).prop_map(|(at, new)| MarkOp::Op(Op::Write(at, new))),
        2 => (0u8..6, 0u8..9).prop_map(|(at, new)| MarkOp::Op(Op::Insert(at, new))),
        2 => Just(MarkOp::Mark),
        1 => (0usize..5).prop_map(MarkOp::GoBack),
        1 => (0usize..5).prop_map(MarkOp::Release),
    ];
    prop::collection::vec(op, 0..60)
}

/// Values with the conditions of their keys' first writes.
type NaiveWrites = BTreeMap<u8, (Option<u8>, WriteCondition)>;

/// A buffer of which each mark copies all.
#[derive(Default)]
struct NaiveMarks {
    now: NaiveWrites,
    marks: Vec<(Sequence, NaiveWrites)>,
    /// How many marks there were when a key was written last: what is hidden goes with the next write at the latest.
    at_write: BTreeMap<u8, usize>,
}

impl NaiveMarks {
    fn write(&mut self, at: u8, new: Option<u8>, condition: WriteCondition) {
        self.now.entry(at).or_insert((new, condition)).0 = new;
        self.at_write.insert(at, self.marks.len());
    }

    /// Does the same to both.
    fn apply(&mut self, buffer: &mut WriteBuffer, op: &MarkOp) {
        let marks = self.marks.len();
        match op {
            MarkOp::Op(Op::Statement) => drop(buffer.start_statement()),
            MarkOp::Op(Op::Write(at, new)) => {
                let write = Write { key: key(*at), value: new.map(value), condition: WriteCondition::None };
                buffer.write(write).unwrap();
                self.write(*at, *new, WriteCondition::None);
            }
            MarkOp::Op(Op::Insert(at, new)) => {
                let written = buffer.write(Write::insert(key(*at), value(*new)));
                let is_taken = matches!(self.now.get(at), Some((Some(_), _)));
                assert_eq!(written.is_err(), is_taken);
                if !is_taken {
                    self.write(*at, Some(*new), WriteCondition::Absent);
                }
            }
            MarkOp::Mark => self.marks.push((buffer.mark(), self.now.clone())),
            MarkOp::GoBack(_) | MarkOp::Release(_) if marks == 0 => {}
            MarkOp::GoBack(number) => {
                self.marks.truncate(number % marks + 1);
                let (mark, then) = self.marks.last().unwrap();
                buffer.go_back_to(*mark);
                self.now = then.clone();
            }
            MarkOp::Release(number) => {
                buffer.release(self.marks[number % marks].0);
                self.marks.truncate(number % marks);
            }
        }
    }

    fn check(&self, buffer: &WriteBuffer) {
        for (as_of, then) in &self.marks {
            for at in 0..6 {
                let found = buffer.get(&key(at), *as_of).map(|found| found.cloned());
                assert_eq!(found, then.get(&at).map(|(new, _)| new.map(value)), "as of a mark");
            }
        }
        assert_eq!(buffer.bytes(), buffer.iter().map(Write::size_bytes).sum::<usize>());
        assert_eq!(buffer.hidden_bytes, buffer.writes.values().map(Written::hidden_bytes).sum::<usize>());
        for (at, marks) in &self.at_write {
            let hidden = buffer.writes.get(&key(*at)).map_or(0, |written| written.hidden.len());
            assert!(hidden <= marks + 1, "what no mark asks for goes");
        }
    }
}

proptest! {
    #[test]
    fn buffer_with_marks_is_as_if_each_had_copied_it(ops in mark_ops()) {
        let (mut buffer, mut naive) = (WriteBuffer::new(1 << 20), NaiveMarks::default());
        buffer.start_statement();
        for op in &ops {
            naive.apply(&mut buffer, op);
            naive.check(&buffer);
        }
        let sent: Vec<_> = buffer.take().into_iter().map(|write| (write.key, write.value, write.condition)).collect();
        let wanted: Vec<_> =
            naive.now.into_iter().map(|(at, (new, condition))| (key(at), new.map(value), condition)).collect();
        prop_assert_eq!(sent, wanted);
    }

    #[test]
    fn buffer_reads_as_of_a_statement_and_as_of_now(ops in ops()) {
        let mut buffer = WriteBuffer::new(1 << 20);
        let (as_of, start, now) = apply(&mut buffer, &ops);
        for at in 0..12 {
            for (as_of, naive) in [(as_of, &start), (Sequence::NEWEST, &now)] {
                let wanted = naive.get(&at).map(|new| new.map(value));
                prop_assert_eq!(buffer.get(&key(at), as_of).map(|found| found.cloned()), wanted);
            }
        }
        prop_assert_eq!(buffer.bytes(), buffer.iter().map(Write::size_bytes).sum::<usize>());
        let sent: Vec<_> = buffer.take().into_iter().map(|write| (write.key, write.value)).collect();
        let wanted: Vec<_> = now.into_iter().map(|(at, new)| (key(at), new.map(value))).collect();
        prop_assert_eq!(sent, wanted);
    }

    #[test]
    fn buffer_pages_add_up_to_the_merged_map(
        base in prop::collection::btree_map(0u8..60, 0u8..9, 0..30),
        writes in prop::collection::vec((0u8..60, prop::option::of(0u8..9)), 0..15),
        own in prop::collection::vec((0u8..60, prop::option::of(0u8..9)), 0..15),
        sees_own: bool,
        (start, end) in (0u8..60, 0u8..70),
        is_reverse: bool,
        (rows_max, bytes_max, width) in (1u64..8, 1u64..40, 7u8..80),
    ) {
        let base: BTreeMap<Key, Value> = base.into_iter().map(|(at, new)| (key(at), value(new))).collect();
        let mut buffer = buffer(&writes);
        let statement = buffer.start_statement();
        let as_of = if sees_own { Sequence::NEWEST } else { statement };
        for (at, new) in &own {
            let write = Write { key: key(*at), value: new.map(value), condition: WriteCondition::None };
            buffer.write(write).unwrap();
        }
        let end = if end >= 60 { Key::default() } else { key(end.max(start)) };
        let direction = if is_reverse { Direction::Reverse } else { Direction::Forward };
        let span = Span::new(key(start), end);

        let mut merged = base.clone();
        for (at, new) in writes.iter().chain(own.iter().filter(|_| sees_own)) {
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
            let page = match buffer.plan(&request, as_of) {
                ScanPlan::Direct => below(&base, &request, width),
                ScanPlan::Raw(raw) => {
                    let page = below(&base, &raw, width);
                    buffer.overlay((&request, as_of), page, &TextEvaluator).unwrap()
                }
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
