//! The rows that a cursor keeps, and where it stands among them.
//!
//! A cursor that goes forward alone keeps what its query yielded in the last batch and was not asked for yet. One with
//! SCROLL keeps all that it has read. Invariant: all of a transaction keep no more than an operator may
//! (`OPERATOR_MEMORY_MAX_BYTES`).

use std::collections::VecDeque;

use crate::error::{SqlError, SqlState};
use crate::exec::memory::{Share, row_bytes};
use crate::types::Row;

/// A cursor's rows and position.
pub struct CursorRows {
    /// It keeps rows that it has passed.
    is_scrollable: bool,
    /// Rows that were read: with SCROLL all, else those ahead.
    rows: VecDeque<Row>,
    kept: Share,
    /// Rows before the position, the one that it stands on included.
    passed: u64,
    /// It stands behind the last row.
    is_behind: bool,
}

impl CursorRows {
    /// Before the first row; `kept` is the cursor's share of the budget.
    pub fn new(is_scrollable: bool, kept: Share) -> Self {
        Self { is_scrollable, rows: VecDeque::new(), kept, passed: 0, is_behind: false }
    }

    /// Where it stands: 0 before the first row.
    pub fn position(&self) -> u64 {
        self.passed + u64::from(self.is_behind)
    }

    /// Whether it stands on a row.
    pub fn is_on_row(&self) -> bool {
        self.passed > 0 && !self.is_behind
    }

    /// The row on which it stands.
    ///
    /// # Errors
    /// 55000 where it cannot be read again.
    pub fn current(&self) -> Result<Option<Row>, SqlError> {
        if !self.is_on_row() {
            return Ok(None);
        }
        self.check_backward()?;
        Ok(self.row(self.passed))
    }

    /// Takes rows that were read.
    ///
    /// # Errors
    /// 53200 where they are too many to keep.
    pub fn add(&mut self, rows: Vec<Row>) -> Result<(), SqlError> {
        self.kept.add(bytes_of(&rows))?;
        self.rows.extend(rows);
        Ok(())
    }

    /// Whether the next row is not there.
    pub fn is_short(&self) -> bool {
        !self.is_behind && self.ahead() == 0
    }

    fn ahead(&self) -> u64 {
        let kept = self.rows.len() as u64;
        if self.is_scrollable { kept.saturating_sub(self.passed) } else { kept }
    }

    /// Passes so many rows, at most those that are there; it stands behind the last where it gives none.
    pub fn forward(&mut self, count: u64) -> Vec<Row> {
        if self.is_behind {
            return Vec::new();
        }
        let count = count.min(self.ahead());
        if count == 0 {
            self.is_behind = true;
            return Vec::new();
        }
        let rows: Vec<Row> = if self.is_scrollable {
            (1..=count).filter_map(|further| self.row(self.passed + further)).collect()
        } else {
            let taken = usize::try_from(count).unwrap_or(usize::MAX).min(self.rows.len());
            let rows: Vec<Row> = self.rows.drain(..taken).collect();
            self.kept.give_back(bytes_of(&rows));
            rows
        };
        self.passed += count;
        rows
    }

    /// Goes back over so many rows, the nearest first; it stands before the first where it gives none.
    ///
    /// # Errors
    /// 55000 without SCROLL.
    pub fn backward(&mut self, count: u64) -> Result<Vec<Row>, SqlError> {
        self.check_backward()?;
        let nearest = self.position().saturating_sub(1);
        let count = count.min(nearest);
        self.is_behind = false;
        if count == 0 {
            self.passed = 0;
            return Ok(Vec::new());
        }
        self.passed = nearest - count + 1;
        Ok((0..count).filter_map(|further| self.row(nearest - further)).collect())
    }

    fn check_backward(&self) -> Result<(), SqlError> {
        if self.is_scrollable {
            return Ok(());
        }
        let message = "cursor can only scan forward";
        Err(SqlError::new(SqlState::ObjectNotInPrerequisiteState, message)
            .with_hint("Declare it with SCROLL option to enable backward scan."))
    }

    /// With SCROLL, the row of this number, from 1.
    fn row(&self, number: u64) -> Option<Row> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.rows.get(index).cloned()
    }
}

fn bytes_of(rows: &[Row]) -> usize {
    rows.iter().map(|row| row_bytes(row)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::position::steps;
    use super::*;
    use crate::parser::ast::session::Direction;
    use crate::types::Datum;

    fn numbers(rows: &[Row]) -> Vec<i64> {
        rows.iter().map(|row| if let [Datum::Int(number)] = row.as_slice() { *number } else { 0 }).collect()
    }

    /// Goes a direction over rows that are all there; the rows asked for.
    fn fetch(rows: &mut CursorRows, direction: Direction) -> Result<Vec<i64>, SqlError> {
        let mut shown = Vec::new();
        for step in steps(direction, rows.position()) {
            let mut left = step.count.unwrap_or(u64::MAX);
            shown.clear();
            while left > 0 {
                let some =
                    if step.is_backward { rows.backward(left.min(2))? } else { rows.forward(left.min(2)) };
                if some.is_empty() {
                    break;
                }
                left -= some.len() as u64;
                shown.extend(numbers(&some));
            }
        }
        Ok(shown)
    }

    fn of(count: i64, is_scrollable: bool) -> CursorRows {
        let mut rows = CursorRows::new(is_scrollable, Share::default());
        rows.add((1..=count).map(|number| vec![Datum::Int(number)]).collect()).unwrap();
        rows
    }

    fn directions() -> impl Strategy<Value = Direction> {
        prop_oneof![
            (-4..5_i64).prop_filter("stays", |by| *by != 0).prop_map(Direction::By),
            (-7..8_i64).prop_map(Direction::Absolute),
            (-4..5_i64).prop_filter("stays", |by| *by != 0).prop_map(Direction::Relative),
            Just(Direction::ToEnd),
            Just(Direction::ToStart),
        ]
    }

    /// The rows that a direction asks for, and the place to which it leads, said without steps.
    fn expected(count: i64, place: i64, direction: Direction) -> (Vec<i64>, i64) {
        let clamp = |place: i64| place.clamp(0, count + 1);
        let one = |place: i64| if (1..=count).contains(&place) { vec![place] } else { Vec::new() };
        match direction {
            Direction::By(by) if by > 0 => {
                let to = clamp(place + by);
                ((place + 1..=to.min(count)).collect(), to)
            }
            Direction::By(by) => {
                let to = clamp(place + by);
                ((to.max(1)..place).rev().collect(), to)
            }
            Direction::ToEnd => ((place + 1..=count).collect(), count + 1),
            Direction::ToStart => ((1..place).rev().collect(), 0),
            Direction::Absolute(to) if to >= 0 => (one(to), clamp(to)),
            Direction::Absolute(to) => (one(count + 1 + to), clamp(count + 1 + to)),
            Direction::Relative(by) => (one(clamp(place + by)), clamp(place + by)),
        }
    }

    proptest! {
        #[test]
        fn cursors_go_where_the_direction_says(
            count in 1..6_i64,
            way in prop::collection::vec(directions(), 1..12),
        ) {
            let mut rows = of(count, true);
            let mut place = 0;
            for direction in way {
                let (shown, to) = expected(count, place, direction);
                prop_assert_eq!(fetch(&mut rows, direction).unwrap(), shown, "{:?} from {}", direction, place);
                prop_assert_eq!(rows.position(), to.unsigned_abs(), "{:?} from {}", direction, place);
                place = to;
            }
        }
    }

    #[test]
    fn cursors_share_what_they_may_keep_and_give_it_back() {
        let wide = || vec![vec![Datum::Text("x".repeat(20 << 20))]];
        let all = Share::default();
        let mut first = CursorRows::new(true, all.another());
        let mut second = CursorRows::new(false, all.another());
        first.add(wide()).unwrap();
        second.add(wide()).unwrap();
        second.add(wide()).unwrap();
        let refused = first.add(wide()).unwrap_err();
        assert_eq!(refused.state, SqlState::OutOfMemory, "{refused}");
        assert_eq!(second.forward(1).len(), 1, "what is passed is given back");
        first.add(wide()).unwrap();
        assert!(second.add(wide()).is_err());
        drop(first);
        second.add(wide()).unwrap();
        second.add(wide()).unwrap();
    }

    #[test]
    fn cursors_without_scroll_go_forward_alone_and_keep_nothing_behind() {
        let mut rows = of(5, false);
        assert_eq!(fetch(&mut rows, Direction::By(2)).unwrap(), [1, 2]);
        assert_eq!(rows.rows.len(), 3);
        assert_eq!(fetch(&mut rows, Direction::Absolute(4)).unwrap(), [4]);
        assert_eq!(rows.current().unwrap_err().state, SqlState::ObjectNotInPrerequisiteState);
        for direction in
            [Direction::By(-1), Direction::Absolute(4), Direction::Absolute(-1), Direction::ToStart]
        {
            let state = fetch(&mut rows, direction).unwrap_err().state;
            assert_eq!(state, SqlState::ObjectNotInPrerequisiteState, "{direction:?}");
        }
    }
}
