//! [`IdBlock`]: ids that a node has taken and not given out yet.

/// Ids that this node may give out: those above `last` up to `end`.
#[derive(Debug, Default)]
pub struct IdBlock {
    /// The last one that was given out.
    pub last: u64,
    /// The last one of the block.
    pub end: u64,
}
