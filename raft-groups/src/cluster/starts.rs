//! What this node remembers of the others: the last start of each that was believed, and how far that store was synced.
//!
//! A store that comes back with less than it has told as synced has forgotten what it acknowledged; one that says a
//! start which another process has taken is a copy. Neither must vote, so that nobody who remembers better listens to
//! it (design.md section 5; section 15, "Forgotten syncs").
//!
//! Pure. A new start is written down before it counts ([`Starts::with`]), positions every few seconds: what was heard
//! since is lost with this process, and others, or the store's own marks, know of it.
//!
//! Bytes under range id 0 and kind 25 of the family `range`, version 1: a list of node id, incarnation, mark, synced.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_placement::topology::NodeId;

use super::hello::{Hello, HelloError};
use crate::decode::{put_list, take_list};
use crate::safeguard::{self, Safeguard};

/// Newest version of the stored bytes.
const STARTS_VERSION: u8 = 1;
/// Range id 0 (what belongs to the store as a whole) and a kind of its own.
const STARTS_KEY: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 25];
/// Starts that a node may have had beyond what is known here: a week of one every two seconds has fewer. A greeting far
/// beyond is nobody's, and believing it would keep the real node out.
pub const STARTS_AHEAD_MAX: u64 = 1 << 20;

/// What is remembered of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownStart {
    /// Its last start that was believed.
    pub incarnation: u64,
    /// The random mark of that start.
    pub mark: u64,
    /// The last position that its store has told as synced.
    pub synced: u64,
}

/// What is remembered of all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    known: BTreeMap<NodeId, KnownStart>,
}

impl Starts {
    /// Whether to believe a greeting; `registered` is the start in the node's row of the registry.
    ///
    /// # Errors
    /// [`HelloError`]: an old start, a start of another process, one from nowhere, or a store that has forgotten.
    pub fn check(&self, hello: &Hello, registered: u64) -> Result<(), HelloError> {
        let known = self.known.get(&hello.node_id).copied().unwrap_or_default();
        let node_id = hello.node_id;
        let latest = known.incarnation.max(registered);
        if hello.incarnation < latest {
            return Err(HelloError::OldCopy { node_id, said: hello.incarnation, known: latest });
        }
        if latest > 0 && hello.incarnation - latest > STARTS_AHEAD_MAX {
            return Err(HelloError::FarAhead { node_id, said: hello.incarnation, known: latest });
        }
        if hello.incarnation == known.incarnation {
            return match known.mark == hello.mark {
                true => Ok(()),
                false => Err(HelloError::Twin { node_id, incarnation: hello.incarnation }),
            };
        }
        if hello.opened < known.synced && safeguard::holds(Safeguard::SyncedRemembered) {
            return Err(HelloError::Forgot { node_id, opened: hello.opened, synced: known.synced });
        }
        Ok(())
    }

    /// Whether a greeting is that of the start that is remembered.
    pub fn knows(&self, hello: &Hello) -> bool {
        self.known
            .get(&hello.node_id)
            .is_some_and(|known| (known.incarnation, known.mark) == (hello.incarnation, hello.mark))
    }

    /// With the start of a greeting that was believed.
    #[must_use]
    pub fn with(&self, hello: &Hello) -> Self {
        let mut starts = self.clone();
        let known = starts.known.entry(hello.node_id).or_default();
        assert!(known.incarnation <= hello.incarnation, "an older start is never believed");
        known.incarnation = hello.incarnation;
        known.mark = hello.mark;
        known.synced = known.synced.max(hello.opened);
        starts
    }

    /// A node has told that its store is synced this far; whether that is news.
    pub fn heard(&mut self, node: NodeId, synced: u64) -> bool {
        let Some(known) = self.known.get_mut(&node).filter(|known| known.synced < synced) else {
            return false;
        };
        known.synced = synced;
        true
    }

    /// What is remembered of a node.
    pub fn of(&self, node: NodeId) -> Option<KnownStart> {
        self.known.get(&node).copied()
    }
}

/// Where it lies in the family `range`.
pub fn starts_key() -> Bytes {
    Bytes::from_static(&STARTS_KEY)
}

/// The bytes.
pub fn encode_starts(starts: &Starts) -> Vec<u8> {
    let mut writer = Writer::versioned(STARTS_VERSION);
    let known: Vec<_> = starts.known.iter().collect();
    put_list(&mut writer, &known, |writer, (node, known)| {
        writer.varint(node.0).varint(known.incarnation).u64(known.mark).varint(known.synced);
    });
    writer.finish()
}

/// Reads the bytes.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_starts(bytes: &[u8]) -> Result<Starts, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, STARTS_VERSION, "starts of other nodes")?;
    let known = take_list(&mut reader, |reader| {
        let node = NodeId(reader.varint()?);
        let (incarnation, mark, synced) = (reader.varint()?, reader.u64()?, reader.varint()?);
        Ok((node, KnownStart { incarnation, mark, synced }))
    })?;
    reader.finish()?;
    Ok(Starts { known: known.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use quorate_engine::testing::fixture;
    use quorate_placement::topology::StoreId;
    use uuid::Uuid;

    use super::*;
    use crate::versions::PROTOCOLS;

    const NODE: NodeId = NodeId(2);

    fn hello(incarnation: u64, mark: u64, opened: u64) -> Hello {
        let (cluster_id, store_id, address) = (Uuid::from_u128(1), StoreId(7), "b:1".to_owned());
        Hello {
            cluster_id,
            node_id: NODE,
            store_id,
            incarnation,
            mark,
            opened,
            address,
            protocols: PROTOCOLS,
        }
    }

    /// Of start 4, mark 44, opened at 100 and synced up to 150.
    fn known() -> Starts {
        let mut starts = Starts::default().with(&hello(4, 44, 100));
        assert!(starts.heard(NODE, 150));
        starts
    }

    #[test]
    fn starts_grow_and_are_taken_once() {
        let known = known();
        assert_eq!(known.check(&hello(4, 44, 100), 0), Ok(()), "the same process comes again");
        assert_eq!(known.check(&hello(5, 55, 150), 0), Ok(()));
        let twin = known.check(&hello(4, 45, 200), 0).unwrap_err();
        assert_eq!(twin, HelloError::Twin { node_id: NODE, incarnation: 4 });
        let old = known.check(&hello(3, 33, 200), 0).unwrap_err();
        assert_eq!(old, HelloError::OldCopy { node_id: NODE, said: 3, known: 4 });
        let old = known.check(&hello(5, 55, 200), 6).unwrap_err();
        assert_eq!(old, HelloError::OldCopy { node_id: NODE, said: 5, known: 6 }, "by the registry");
    }

    #[test]
    fn starts_grow_by_steps() {
        let far = hello(4 + STARTS_AHEAD_MAX + 1, 9, 999);
        assert!(matches!(known().check(&far, 0), Err(HelloError::FarAhead { .. })));
        assert_eq!(known().check(&hello(4 + STARTS_AHEAD_MAX, 9, 999), 0), Ok(()));
        assert_eq!(Starts::default().check(&far, 0), Ok(()), "of a stranger nothing is known");
    }

    #[test]
    fn starts_with_less_than_was_synced_are_not_believed() {
        let forgot = known().check(&hello(5, 55, 149), 0).unwrap_err();
        assert_eq!(forgot, HelloError::Forgot { node_id: NODE, opened: 149, synced: 150 });
        let later = known().with(&hello(5, 55, 170));
        assert_eq!(later.of(NODE).unwrap().synced, 170, "what it opened with was there");
        assert!(!later.clone().heard(NODE, 160), "positions only grow");
        assert!(!Starts::default().heard(NODE, 160), "of a stranger nothing is remembered");
    }

    #[test]
    fn starts_bytes_are_as_in_the_fixture() {
        let bytes = encode_starts(&known());
        let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "peer_starts", &bytes);
        assert_eq!(decode_starts(&stored), Ok(known()));
        assert!(decode_starts(&stored[..stored.len() - 1]).is_err());
    }
}
