//! The apply of a split: one range becomes two, in one batch, and no data moves.
//!
//! The left side keeps its id, its replicas and its log; the right side gets the same replicas, and starts with the
//! state of Raft that [`crate::raft::seed_granted`] writes: its first term is its proposer's. What the left leaseholder had served of
//! the right span goes over as the right side's mark: its leaders write above it, and close above what was closed.

use std::sync::Arc;

use super::EntryOutcome;
use crate::applied_state::AppliedState;
use crate::command_format::SplitCommand;
use crate::descriptor::RangeDescriptor;

/// Divides a range whose command was evaluated under its present descriptor. Gives the right side; the left one stays
/// in `state`. Every replica comes to the same.
///
/// # Errors
/// The outcome where nothing is done: while members change, or where a side would be empty.
pub(super) fn divide(state: &mut AppliedState, split: &SplitCommand) -> Result<AppliedState, EntryOutcome> {
    let whole = Arc::clone(&state.descriptor);
    let is_inside = whole.span.contains(&split.at) && split.at > whole.span.start;
    if state.is_joint || !is_inside || split.right_id == whole.range_id {
        return Err(EntryOutcome::NotSplit);
    }
    let generation = whole.generation + 1;
    let mut left = RangeDescriptor { generation, ..RangeDescriptor::clone(&whole) };
    left.span.end = split.at.clone();
    let mut right =
        RangeDescriptor { range_id: split.right_id, generation, ..RangeDescriptor::clone(&whole) };
    right.span.start = split.at.clone();
    assert!(
        left.span.end == right.span.start && right.span.end == whole.span.end,
        "no key is lost by a split"
    );
    assert!(!left.span.overlaps(&right.span), "after a split each key is on one side");
    assert!(left.generation > whole.generation, "a split raises the generation");
    state.descriptor = Arc::new(left);
    state.size_bytes = split.left_bytes;
    Ok(AppliedState {
        descriptor: Arc::new(right),
        is_joint: false,
        size_bytes: split.right_bytes,
        newest_write: state.newest_write,
        end_lease_mark: state.end_lease_mark.max(split.right_read),
        closed: state.closed.max(split.right_closed),
    })
}
