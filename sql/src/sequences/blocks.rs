//! [`Blocks`]: the blocks that this node has.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::block::Block;

/// Most sequences whose blocks are kept. Beyond it all are dropped: what is left of them is never given out.
const SEQUENCES_MAX: usize = 10_000;

/// The blocks of a node, by sequence.
#[derive(Debug, Default)]
pub struct Blocks {
    places: Mutex<HashMap<u64, Arc<BlockPlace>>>,
}

/// Where the block of one sequence is.
#[derive(Debug, Default)]
pub struct BlockPlace {
    block: Mutex<Option<Versioned>>,
    /// Held by whoever takes the next block, so that others wait for it and take none themselves.
    pub(super) taking: tokio::sync::Mutex<()>,
}

/// A block, and the version of the descriptor that it was taken by.
#[derive(Debug)]
struct Versioned {
    version: u64,
    block: Block,
}

impl Blocks {
    /// The place of a sequence.
    pub fn place(&self, sequence_id: u64) -> Arc<BlockPlace> {
        let mut places = self.places.lock();
        if places.len() >= SEQUENCES_MAX && !places.contains_key(&sequence_id) {
            places.clear();
        }
        Arc::clone(places.entry(sequence_id).or_default())
    }

    /// Drops what is left of a sequence's block; whether there was a place for it.
    pub fn forget(&self, sequence_id: u64) -> bool {
        self.places.lock().remove(&sequence_id).is_some()
    }
}

impl BlockPlace {
    /// The next value of a block that was taken by this version, or a newer one that the catalog here does not know yet;
    /// `None` where there is none.
    pub fn draw(&self, version: u64) -> Option<i64> {
        let mut block = self.block.lock();
        block.as_mut().filter(|block| block.version >= version)?.block.take()
    }

    /// Puts a block there that was taken by this version.
    pub fn put(&self, version: u64, block: Block) {
        *self.block.lock() = Some(Versioned { version, block });
    }

    /// Whether the place has a value of this version, or a newer one.
    pub fn has(&self, version: u64) -> bool {
        self.block.lock().as_ref().is_some_and(|block| block.version >= version && !block.block.is_empty())
    }
}
