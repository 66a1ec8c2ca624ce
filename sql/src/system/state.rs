//! [`SystemState`]: what the system catalogs are computed from.

use std::fmt;
use std::sync::Arc;

use crate::catalog::snapshot::CatalogSnapshot;
use crate::node::SqlNode;
use crate::session::variables::Variables;

/// What the rows are computed from: a look at the session and its node. It is made for each statement, and costs nothing.
#[derive(Clone, Copy)]
pub struct SystemState<'a> {
    /// The node.
    pub node: &'a SqlNode,
    /// The catalog of the open transaction; the node's newest where there is none.
    pub catalog: Option<&'a Arc<CatalogSnapshot>>,
    /// The session's variables.
    pub variables: &'a Variables,
    /// The session's user.
    pub user: &'a str,
    /// The database, by the name that the client has for it.
    pub database: &'a str,
    /// Whether the statement's transaction may not write.
    pub read_only: bool,
}

impl SystemState<'_> {
    /// The catalog.
    pub fn catalog(&self) -> Arc<CatalogSnapshot> {
        self.catalog.map_or_else(|| self.node.catalog.snapshot(), Arc::clone)
    }
}

impl fmt::Debug for SystemState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemState").field("user", &self.user).finish_non_exhaustive()
    }
}
