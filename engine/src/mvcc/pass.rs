//! From one user key to the next: by steps, and where its history is long by a seek.

use super::MvccError;
use super::key_format::data_prefix_end;
use crate::store::Cursor;

/// Versions of one key that are stepped over before a seek is cheaper.
pub(super) const STEPS_MAX: usize = 4;

/// Moves forward to the first version of the next user key; `step` hears of each version that is stepped over.
pub(super) fn pass(cursor: &mut dyn Cursor, prefix: &[u8], mut step: impl FnMut()) -> Result<(), MvccError> {
    for _ in 0..STEPS_MAX {
        if cursor.key().is_none_or(|key| !key.starts_with(prefix)) {
            return Ok(());
        }
        step();
        cursor.next()?;
    }
    if cursor.key().is_some_and(|key| key.starts_with(prefix)) {
        cursor.seek(&data_prefix_end(prefix))?;
    }
    Ok(())
}
