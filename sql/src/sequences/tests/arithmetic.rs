//! Blocks against a count one by one.

use proptest::prelude::*;

use crate::catalog::sequence::{Place, SequenceDescriptor, SequencePosition};
use crate::sequences::block::next_block;
use crate::types::DataType;

fn sequence(bounds: (i64, i64), increment: i64, start: i64, cycles: bool) -> SequenceDescriptor {
    SequenceDescriptor {
        id: 7,
        name: "s".to_owned(),
        version: 1,
        epoch: 1,
        data_type: DataType::Int8,
        increment,
        min: bounds.0,
        max: bounds.1,
        start,
        cache: 1,
        cycles,
        origin: Place { value: start, is_called: false },
        owner: None,
    }
}

/// One value after the other, as PostgreSQL counts; `None` at the end.
fn count(sequence: &SequenceDescriptor, length: usize) -> Vec<Option<i64>> {
    let mut next = Some(i128::from(sequence.start));
    let (min, max) = (i128::from(sequence.min), i128::from(sequence.max));
    let mut values = Vec::new();
    for _ in 0..length {
        let given = next.filter(|value| (min..=max).contains(value)).or_else(|| {
            let begin = if sequence.increment > 0 { min } else { max };
            sequence.cycles.then_some(begin)
        });
        values.push(given.map(|value| i64::try_from(value).unwrap()));
        next = given.map(|value| value + i128::from(sequence.increment));
        if given.is_none() {
            next = None;
        }
    }
    values
}

/// The same by blocks, each drained to its end.
fn count_by_blocks(sequence: &SequenceDescriptor, length: usize) -> Vec<Option<i64>> {
    let mut position: Option<SequencePosition> = None;
    let mut values = Vec::new();
    while values.len() < length {
        match next_block(sequence, position) {
            Ok((mut block, behind)) => {
                behind.validate().unwrap();
                values.extend(std::iter::from_fn(|| block.take()).map(Some));
                position = Some(behind);
            }
            Err(_) => values.push(None),
        }
    }
    values.truncate(length);
    values
}

fn any_sequence() -> impl Strategy<Value = SequenceDescriptor> {
    let edge = prop_oneof![-20_i64..20, Just(i64::MIN), Just(i64::MAX), any::<i64>()];
    let increment = prop_oneof![1_i64..4, -4_i64..0, Just(i64::MAX), Just(i64::MIN), 1_i64..1_000_000];
    (edge.clone(), edge.clone(), edge, increment, any::<bool>()).prop_filter_map(
        "a sequence has room, and starts in it",
        |(a, b, c, increment, cycles)| {
            let mut sorted = [a, b, c];
            sorted.sort_unstable();
            let made = sequence((sorted[0], sorted[2]), increment, sorted[1], cycles);
            made.validate().is_ok().then_some(made)
        },
    )
}

proptest! {
    #[test]
    fn blocks_count_as_one_value_after_the_other(sequence in any_sequence()) {
        prop_assert_eq!(count_by_blocks(&sequence, 3_000), count(&sequence, 3_000));
    }
}

#[test]
fn blocks_of_a_long_sequence_have_a_thousand_values_and_of_a_short_one_few() {
    let sizes = |sequence: &SequenceDescriptor| {
        let (mut block, _) = next_block(sequence, None).unwrap();
        std::iter::from_fn(|| block.take()).count()
    };
    assert_eq!(sizes(&sequence((1, i64::MAX), 1, 1, false)), 1_000);
    assert_eq!(sizes(&sequence((1, i32::MAX.into()), 1, 1, false)), 1_000);
    assert_eq!(sizes(&sequence((1, i16::MAX.into()), 1, 1, false)), 127);
    assert_eq!(sizes(&sequence((1, 5), 1, 1, false)), 1);
    let cached = SequenceDescriptor { cache: 5_000, ..sequence((1, i64::MAX), 1, 1, false) };
    assert_eq!(sizes(&cached), 5_000);
}

#[test]
fn position_of_another_epoch_does_not_count() {
    let sequence = sequence((1, i64::MAX), 1, 1, false);
    let (_, position) = next_block(&sequence, None).unwrap();
    let first = |sequence: &SequenceDescriptor| next_block(sequence, Some(position)).unwrap().0.take();
    assert_eq!(first(&sequence), Some(1_001));
    assert_eq!(first(&sequence.restarted(Place { value: 40, is_called: false })), Some(40));
    assert_eq!(first(&sequence.restarted(Place { value: 40, is_called: true })), Some(41));
}

#[test]
fn sequence_that_is_at_its_end_says_so() {
    let error = |sequence: SequenceDescriptor| {
        let origin = Place { value: sequence.start, is_called: true };
        next_block(&sequence.restarted(origin), None).unwrap_err()
    };
    let error_up = error(sequence((1, 5), 1, 5, false));
    assert_eq!(error_up.message, "nextval: reached maximum value of sequence \"s\" (5)");
    assert_eq!(error_up.state.code(), "2200H");
    let error_down = error(sequence((-5, -1), -1, -5, false));
    assert_eq!(error_down.message, "nextval: reached minimum value of sequence \"s\" (-5)");
}
