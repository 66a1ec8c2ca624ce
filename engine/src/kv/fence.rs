//! [`Fence`]: what must hold for a call that no transaction of the caller's covers to take effect.

use super::{Key, KvError, Transaction, Value};

/// A row must begin with these bytes. Whoever does what was asked reads it in the transaction that does it, so that the call of
/// somebody who was replaced meanwhile changes nothing, however late it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The row.
    pub key: Key,
    /// What its value must begin with.
    pub prefix: Value,
}

impl Fence {
    /// Whether it holds, as the transaction sees it.
    ///
    /// # Errors
    /// The row cannot be read.
    pub async fn holds(&self, transaction: &mut dyn Transaction) -> Result<bool, KvError> {
        let row = transaction.get_many(vec![self.key.clone()]).await?.pop().flatten();
        Ok(row.is_some_and(|row| row.starts_with(&self.prefix)))
    }
}
