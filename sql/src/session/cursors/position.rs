//! Where a cursor goes for each direction, as steps forward and backward; pure.
//!
//! ```text
//! before the first ── row 1 ── row 2 ── … ── row n ── behind the last
//!       0               1        2             n            n + 1
//! ```

use crate::parser::ast::session::Direction;

/// A way in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Backward.
    pub is_backward: bool,
    /// Rows to pass; `None` for all there are.
    pub count: Option<u64>,
    /// Its rows are what the statement asks for.
    pub is_shown: bool,
}

const fn forward(count: Option<u64>, is_shown: bool) -> Step {
    Step { is_backward: false, count, is_shown }
}

const fn backward(count: Option<u64>, is_shown: bool) -> Step {
    Step { is_backward: true, count, is_shown }
}

/// The steps of a direction from a position. The last one's rows are what is asked for, and their number what is told.
pub fn steps(direction: Direction, position: u64) -> Vec<Step> {
    match direction {
        Direction::By(count) if count >= 0 => vec![forward(Some(count.unsigned_abs()), true)],
        Direction::By(count) => vec![backward(Some(count.unsigned_abs()), true)],
        Direction::ToEnd => vec![forward(None, true)],
        Direction::ToStart => vec![backward(None, true)],
        Direction::Absolute(number) => absolute(number, position),
        Direction::Relative(number) => {
            let way = if number >= 0 { forward } else { backward };
            let before = number.unsigned_abs().saturating_sub(1);
            let mut steps = Vec::new();
            steps.extend((before > 0).then(|| way(Some(before), false)));
            steps.push(way(Some(number.unsigned_abs().min(1)), true));
            steps
        }
    }
}

/// A row from the beginning is come upon forward, one from the end backward.
fn absolute(number: i64, position: u64) -> Vec<Step> {
    if number == 0 {
        return if position == 0 { Vec::new() } else { vec![backward(None, false), forward(Some(0), true)] };
    }
    let between = number.unsigned_abs() - 1;
    let mut steps = Vec::new();
    if number < 0 {
        steps.push(forward(None, false));
        steps.extend((between > 0).then(|| backward(Some(between), false)));
        steps.push(backward(Some(1), true));
        return steps;
    }
    if position < between {
        steps.push(forward(Some(between - position), false));
    } else if position > between {
        steps.push(backward(Some(position - between), false));
    }
    steps.push(forward(Some(1), true));
    steps
}
