//! Which values a block has, by arithmetic alone.

use crate::catalog::sequence::{Place, SequenceDescriptor, SequencePosition};
use crate::error::{SqlError, SqlState};
use crate::limits::SEQUENCE_BLOCK_VALUES;

/// What of the values that are left a block takes at most: so that a short sequence does not lose its end where a node does.
const SHARE_OF_REST: i128 = 256;

/// Values that one node may give out, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    next: i64,
    increment: i64,
    /// Values from `next` on.
    left: u64,
}

impl Block {
    /// Whether it is used up.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next value; `None` where it is used up.
    pub fn take(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let value = self.next;
        // Behind the last one there may be no number.
        self.next = value.saturating_add(self.increment);
        Some(value)
    }
}

/// The block behind a position, and the position behind it. Without a position the sequence has given out nothing since its
/// epoch began.
///
/// # Errors
/// 2200H where no value is left.
pub fn next_block(
    sequence: &SequenceDescriptor,
    position: Option<SequencePosition>,
) -> Result<(Block, SequencePosition), SqlError> {
    let place = position.filter(|position| position.epoch == sequence.epoch);
    let first = first_behind(sequence, place.map_or(sequence.origin, |position| position.place))?;
    let (increment, end) = (i128::from(sequence.increment), i128::from(end_of(sequence)));
    let left = (end - i128::from(first)) / increment + 1;
    let wanted = i128::from(sequence.cache).max(i128::from(SEQUENCE_BLOCK_VALUES));
    let count = wanted.min(left / SHARE_OF_REST).max(1);
    let last = i128::from(first) + increment * (count - 1);
    // Both are between the sequence's bounds, and above zero, by the lines above.
    let (Ok(count), Ok(last)) = (u64::try_from(count), i64::try_from(last)) else {
        return Err(exhausted(sequence));
    };
    let position = SequencePosition { epoch: sequence.epoch, place: Place { value: last, is_called: true } };
    Ok((Block { next: first, increment: sequence.increment, left: count }, position))
}

/// The bound that a sequence goes to.
fn end_of(sequence: &SequenceDescriptor) -> i64 {
    if sequence.increment > 0 { sequence.max } else { sequence.min }
}

/// The value behind a place. One that lies before all that a changed sequence may give is followed by the first of these.
fn first_behind(sequence: &SequenceDescriptor, place: Place) -> Result<i64, SqlError> {
    let next = match place.is_called {
        true => place.value.checked_add(sequence.increment),
        false => Some(place.value),
    };
    let (begin, is_beyond) = if sequence.increment > 0 {
        (sequence.min, next.is_none_or(|next| next > sequence.max))
    } else {
        (sequence.max, next.is_none_or(|next| next < sequence.min))
    };
    match next {
        Some(next) if !is_beyond && (sequence.min..=sequence.max).contains(&next) => Ok(next),
        Some(_) if !is_beyond => Ok(begin),
        Some(_) | None if sequence.cycles => Ok(begin),
        Some(_) | None => Err(exhausted(sequence)),
    }
}

fn exhausted(sequence: &SequenceDescriptor) -> SqlError {
    let bound = if sequence.increment > 0 { "maximum" } else { "minimum" };
    let message =
        format!("nextval: reached {bound} value of sequence \"{}\" ({})", sequence.name, end_of(sequence));
    SqlError::new(SqlState::SequenceGeneratorLimitExceeded, message)
}
