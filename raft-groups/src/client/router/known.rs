//! What a node knows of where ranges lie: range 1, and a cache of the others.

use std::sync::Arc;

use parking_lot::Mutex;
use quorate_engine::kv::Key;
use quorate_placement::topology::NodeId;

use super::SYSTEM_RANGE;
use crate::client::range_cache::{CachedRange, RangeCache};
use crate::descriptor::RangeDescriptor;
use crate::limits::RANGES_CACHED_MAX;

/// Descriptors, each the newest that was learnt, and who led last.
pub(super) struct KnownRanges {
    system: Mutex<Arc<RangeDescriptor>>,
    cache: Mutex<RangeCache>,
}

impl KnownRanges {
    /// Range 1 alone.
    pub fn new(system: RangeDescriptor) -> Self {
        Self { system: Mutex::new(Arc::new(system)), cache: Mutex::new(RangeCache::new(RANGES_CACHED_MAX)) }
    }

    /// Range 1.
    pub fn system(&self) -> Arc<RangeDescriptor> {
        Arc::clone(&self.system.lock())
    }

    /// Takes note of a descriptor; whether it is newer than what was known.
    pub fn learn(&self, descriptor: RangeDescriptor) -> bool {
        if descriptor.range_id != SYSTEM_RANGE {
            return self.cache.lock().learn(descriptor);
        }
        let mut system = self.system.lock();
        let is_newer = descriptor.generation > system.generation;
        if is_newer {
            *system = Arc::new(descriptor);
        }
        is_newer
    }

    /// Forgets what is cached about a range.
    pub fn forget(&self, descriptor: &RangeDescriptor) {
        let RangeDescriptor { range_id, generation, span, .. } = descriptor;
        self.cache.lock().forget(*range_id, *generation, &span.start);
    }

    /// The cached range that holds a key.
    pub fn lookup(&self, key: &Key) -> Option<CachedRange> {
        self.cache.lock().lookup(key)
    }

    /// The cached range that holds the greatest keys below `end`.
    pub fn lookup_before(&self, end: &Key) -> Option<CachedRange> {
        self.cache.lock().lookup_before(end)
    }

    /// Who answered last as a range's leaseholder.
    pub fn leaseholder(&self, descriptor: &RangeDescriptor) -> Option<NodeId> {
        self.lookup(&descriptor.span.start).and_then(|cached| cached.leaseholder)
    }

    /// A node answered as a range's leaseholder.
    pub fn set_leaseholder(&self, descriptor: &RangeDescriptor, node: NodeId) {
        self.cache.lock().set_leaseholder(descriptor, Some(node));
    }
}
