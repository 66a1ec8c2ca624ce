//! Every intent is gone in bounded time after its transaction's end.

use quorate_engine::store::{Family, Store};

use super::{Broken, View};

/// No machine has an intent left.
pub fn gone(view: &View) -> Result<(), Broken> {
    for seen in &view.machines {
        let snapshot = seen.store.snapshot();
        let mut cursor = snapshot.cursor(Family::Lock, b"", b"");
        cursor.next().expect("a store in memory");
        if let Some(key) = cursor.key() {
            let detail = format!("m{} has one at {}", seen.machine, key.escape_ascii());
            return Err(("every intent is gone in bounded time", detail));
        }
    }
    Ok(())
}
