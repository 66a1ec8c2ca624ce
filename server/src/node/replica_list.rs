//! Which replicas a node has, in a small file beside its store: whoever finds that the store opens no more is told what is
//! lost with it.
//!
//! ```text
//!   <data directory>/REPLICAS      quorate replicas 1
//!                                  n2: r1 r7 r12
//! ```
//!
//! It is for people, and is never read for anything else: a list that is some seconds old does no harm.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::store::StoreError;
use quorate_placement::topology::{NodeId, RangeId};
use quorate_raft_groups::blocking::Blocking;
use quorate_raft_groups::local_ranges::LocalRanges as _;

use super::host::Host;

/// Name of the file.
const FILE_NAME: &str = "REPLICAS";
/// First line of it: what it is, and its version.
const HEAD: &str = "quorate replicas 1";
/// How often the node's replicas are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Ranges that are named in an error; the rest is counted.
const RANGES_TOLD_MAX: usize = 20;

fn text_of(node: NodeId, ranges: &[RangeId]) -> String {
    let names: Vec<String> = ranges.iter().map(RangeId::to_string).collect();
    format!("{HEAD}\n{node}: {}\n", names.join(" "))
}

fn write(folder: &Path, text: &str) -> io::Result<()> {
    let new = folder.join("REPLICAS.new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, folder.join(FILE_NAME))
}

/// Keeps the list as the replicas come and go.
pub(super) async fn keep(host: Arc<Host>, folder: PathBuf) {
    let (mut written, blocking) = (String::new(), Blocking::threads());
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some((node, ranges)) = host.member_ranges() else { continue };
        let ranges: Vec<RangeId> =
            ranges.statuses().iter().map(|status| status.descriptor.range_id).collect();
        let text = text_of(node, &ranges);
        if text == written {
            continue;
        }
        let (folder, next) = (folder.clone(), text.clone());
        match blocking.run(move || write(&folder, &next)).await {
            Ok(Ok(())) => written = text,
            Ok(Err(error)) => tracing::debug!(%error, "the list of replicas cannot be written"),
            // The node stops.
            Err(_) => return,
        }
    }
}

/// What is lost with the store in a folder, as far as the list tells.
fn lost(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(FILE_NAME)).ok()?;
    let (node, ranges) = text.strip_prefix(HEAD)?.trim().split_once(": ")?;
    let ranges: Vec<&str> = ranges.split_whitespace().collect();
    let told = ranges.get(..RANGES_TOLD_MAX).unwrap_or(&ranges).join(", ");
    let rest = match ranges.len().saturating_sub(RANGES_TOLD_MAX) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    Some(format!("lost with it are the replicas of {node}: {told}{rest}"))
}

/// The error of a store that opens no more, with what is lost.
pub(super) fn with_what_is_lost(folder: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Corruption(detail) => match lost(folder) {
            Some(lost) => StoreError::Corruption(format!("{detail}; {lost}")),
            None => StoreError::Corruption(detail),
        },
        error @ (StoreError::Device { .. } | StoreError::Damaged { .. } | StoreError::Locked { .. }) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_that_opens_no_more_says_which_replicas_are_lost() {
        let folder = tempfile::tempdir().unwrap();
        let damaged = || StoreError::Corruption("bad manifest".to_owned());
        assert_eq!(with_what_is_lost(folder.path(), damaged()), damaged());
        write(folder.path(), &text_of(NodeId(2), &[RangeId(1), RangeId(7)])).unwrap();
        let told = with_what_is_lost(folder.path(), damaged()).to_string();
        assert!(told.ends_with("bad manifest; lost with it are the replicas of n2: r1, r7"), "{told}");
        let many: Vec<RangeId> = (1..=23).map(RangeId).collect();
        write(folder.path(), &text_of(NodeId(2), &many)).unwrap();
        let told = with_what_is_lost(folder.path(), damaged()).to_string();
        assert!(told.ends_with("r19, r20 and 3 more"), "{told}");
        fs::write(folder.path().join(FILE_NAME), "something else").unwrap();
        assert_eq!(with_what_is_lost(folder.path(), damaged()), damaged());
    }
}
