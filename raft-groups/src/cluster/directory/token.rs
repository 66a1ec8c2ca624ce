//! The row of the cluster's token: its hash.

use quorate_engine::kv::{Database, KvError, TransactionOptions, Write};

use super::{Directory, rows};
use crate::cluster::admin_format::{TOKEN_HASH_BYTES, decode_token_hash, encode_token_hash, token_key};

impl Directory {
    /// The hash that is kept from now on.
    ///
    /// # Errors
    /// Range 1 was not written.
    pub async fn set_token_hash(&self, hash: [u8; TOKEN_HASH_BYTES]) -> Result<(), KvError> {
        self.write(&[Write::put(token_key(), encode_token_hash(hash).into())]).await
    }

    /// The hash that is kept; `None` before there is one.
    ///
    /// # Errors
    /// Range 1 cannot be read, or holds bytes that cannot.
    pub async fn token_hash(&self) -> Result<Option<[u8; TOKEN_HASH_BYTES]>, KvError> {
        let mut transaction = self.database.begin(TransactionOptions::reading()).await?;
        let row = transaction.get_many(vec![token_key()]).await?.pop().flatten();
        row.map(|row| decode_token_hash(&row).map_err(|error| rows::damaged(&token_key(), &error)))
            .transpose()
    }
}
