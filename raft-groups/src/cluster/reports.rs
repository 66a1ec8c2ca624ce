//! How often nodes report, and what their silence means: what the agent and the leader's work agree on.

use std::time::Duration;

/// How often a node reports (design.md section 12).
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports missed for this long make a node suspect (design.md section 12).
pub(super) const SUSPECT_AFTER: Duration = Duration::from_secs(3);
const _: () = assert!(REPORT_INTERVAL.as_millis() < SUSPECT_AFTER.as_millis());
