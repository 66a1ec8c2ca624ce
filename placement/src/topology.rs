//! Who and where: ids of nodes, stores, ranges and replicas.

use std::fmt;

macro_rules! ids {
    ($($(#[doc = $doc:literal])* $name:ident = $letter:literal,)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(pub u64);

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!($letter, "{}"), self.0)
                }
            }
        )*
    };
}

ids! {
    /// A node: one process. Printed as `n1`.
    NodeId = "n",
    /// A node's store. Printed as `s1`.
    StoreId = "s",
    /// A range: one Raft group. Printed as `r1`.
    RangeId = "r",
    /// A replica of a range; never reused within it. Printed as `p1`.
    ReplicaId = "p",
}
