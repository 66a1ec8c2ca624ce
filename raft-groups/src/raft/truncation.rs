//! How far a group's log may be cut off: pure.
//!
//! ```text
//!   purged ─┤············ cut ├──────────── kept ────────────┤ last
//!            applied, synced ─┘  a follower's next entry, a snapshot's, or as many bytes as are kept for those behind
//! ```
//!
//! Logs are cut by bytes: a follower that needs what is cut off gets a snapshot, which costs as much as the whole range,
//! so that a follower a little behind finds its entries, and one that is dead for long does not fill the disk.

use super::log_sizes::LogSizes;
use crate::limits::{KEPT_BY_FOLLOWER_MAX, KEPT_FOR_DEAD_MAX, KEPT_FOR_LIVE_MAX, KEPT_FOR_SNAPSHOT_MAX};

/// Bytes below which a log is left alone.
const LOG_BYTES_MIN: u64 = 1 << 20;
/// Bytes that a cut must be worth.
const CUT_BYTES_MIN: u64 = 256 << 10;
/// What is left of these when all logs of the store together take more than half of what they may.
const PRESSED_SHARE: u64 = 16;

/// A follower, as its leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FollowerLog {
    /// The last entry that it is known to have.
    pub(crate) matched: Option<u64>,
    /// Whether it has answered lately.
    pub(crate) is_live: bool,
}

/// What a cut depends on.
pub(crate) struct LogView<'a> {
    pub(crate) sizes: &'a LogSizes,
    /// The last applied entry; what it changed is synced before the cut is made.
    pub(crate) applied: u64,
    /// The oldest entry after which a snapshot on its way needs them all.
    pub(crate) held: Option<u64>,
    /// The others, if this replica leads.
    pub(crate) followers: Option<Vec<FollowerLog>>,
    /// Whether the store's logs take too much.
    pub(crate) is_pressed: bool,
}

/// The index up to which entries are to be cut off now; `None` where it is not worth it.
pub(crate) fn cut(view: &LogView<'_>) -> Option<u64> {
    let sizes = view.sizes;
    if sizes.total() < LOG_BYTES_MIN && !view.is_pressed {
        return None;
    }
    let keep = |bytes: u64| sizes.cut_for(if view.is_pressed { bytes / PRESSED_SHARE } else { bytes });
    let wanted = match &view.followers {
        Some(followers) => for_followers(followers, keep).unwrap_or(view.applied),
        None => keep(KEPT_BY_FOLLOWER_MAX),
    };
    let held = view.held.filter(|held| sizes.after(*held) <= KEPT_FOR_SNAPSHOT_MAX);
    let cut = wanted.min(view.applied).min(held.unwrap_or(u64::MAX));
    assert!(cut <= view.applied, "nothing is cut off that is not applied");
    assert!(held.is_none_or(|held| cut <= held), "nothing is cut off that a snapshot leads on from");
    (sizes.total() - sizes.after(cut) >= CUT_BYTES_MIN).then_some(cut)
}

/// What the followers need: all of them as long as that is little, those that answer for longer. None without any.
fn for_followers(followers: &[FollowerLog], keep: impl Fn(u64) -> u64) -> Option<u64> {
    let matched = |follower: &FollowerLog| follower.matched.unwrap_or(0);
    let by_all = followers.iter().map(matched).min()?;
    let by_live = followers.iter().filter(|follower| follower.is_live).map(matched).min();
    let past_dead = keep(KEPT_FOR_DEAD_MAX).min(by_live.unwrap_or(u64::MAX));
    Some(by_all.max(past_dead).max(keep(KEPT_FOR_LIVE_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries 1 to `mebibytes`, one MiB each.
    fn log(mebibytes: u64) -> LogSizes {
        let mut sizes = LogSizes::default();
        (1..=mebibytes).for_each(|index| sizes.push(index, index, 1 << 20));
        sizes
    }

    fn live(matched: u64) -> FollowerLog {
        FollowerLog { matched: Some(matched), is_live: true }
    }

    fn dead(matched: u64) -> FollowerLog {
        FollowerLog { matched: Some(matched), is_live: false }
    }

    fn leader(mebibytes: u64, followers: &[FollowerLog]) -> Option<u64> {
        let sizes = log(mebibytes);
        let followers = Some(followers.to_vec());
        cut(&LogView { sizes: &sizes, applied: mebibytes, held: None, followers, is_pressed: false })
    }

    #[test]
    fn cut_leaves_what_followers_need() {
        assert_eq!(leader(10, &[live(10), live(10)]), Some(10));
        assert_eq!(leader(10, &[live(7), live(10)]), Some(7));
        assert_eq!(leader(10, &[live(10), dead(3)]), Some(3), "little is kept for the dead too");
        assert_eq!(leader(10, &[dead(0), live(10)]), None);
        assert_eq!(leader(10, &[]), Some(10), "nobody else needs any");
    }

    #[test]
    fn cut_passes_the_dead_first_and_the_slow_later() {
        assert_eq!(leader(40, &[live(40), dead(3)]), Some(24), "16 MiB are kept");
        assert_eq!(leader(40, &[live(9), dead(3)]), Some(9));
        assert_eq!(leader(100, &[live(9), dead(3)]), Some(36), "64 MiB are kept");
        let empty = FollowerLog { matched: None, is_live: true };
        assert_eq!(leader(50, &[live(50), empty]), None, "it may get a snapshot that needs what follows");
        assert_eq!(leader(90, &[live(90), empty]), Some(26));
    }

    #[test]
    fn cut_stops_at_applied_and_at_snapshots_on_their_way() {
        let sizes = log(20);
        let view = |applied, held| LogView {
            sizes: &sizes,
            applied,
            held,
            followers: Some(vec![live(20)]),
            is_pressed: false,
        };
        assert_eq!(cut(&view(12, None)), Some(12));
        assert_eq!(cut(&view(12, Some(5))), Some(5));
        let sizes = log(300);
        let view = LogView { sizes: &sizes, applied: 300, held: Some(5), followers: None, is_pressed: false };
        assert_eq!(cut(&view), Some(296), "too much to keep for a snapshot");
    }

    #[test]
    fn cut_is_not_made_for_little_unless_the_store_is_pressed() {
        let mut sizes = LogSizes::default();
        sizes.push(1, 10, LOG_BYTES_MIN - 1);
        let view = |is_pressed| LogView {
            sizes: &sizes,
            applied: 10,
            held: None,
            followers: Some(vec![live(10)]),
            is_pressed,
        };
        assert_eq!(cut(&view(false)), None);
        assert_eq!(cut(&view(true)), Some(10));
        let sizes = log(10);
        let view =
            |is_pressed| LogView { sizes: &sizes, applied: 10, held: None, followers: None, is_pressed };
        assert_eq!((cut(&view(false)), cut(&view(true))), (Some(6), Some(10)));
    }
}
