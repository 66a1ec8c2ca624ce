//! Rows of a COPY outside BEGIN, or into a table that nobody else knows: committed in parts that fit one command, one of them
//! in flight.
//!
//! Invariant: parts are committed in the order of their lines, so that "stored up to line n" is the whole truth.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, KvError, Transaction, TransactionOptions, Write, keyspace};

use crate::cancel::CancelToken;
use crate::catalog::lease::CatalogWait;
use crate::error::{SqlError, SqlState};
use crate::exec::rows::duplicate;
use crate::kv_error::sql_error;
use crate::limits::COPY_PART_MAX_BYTES;
use crate::node::SqlNode;
use crate::retry::Attempts;

use super::row::with_context;
use crate::catalog::descriptor::TableDescriptor;

/// Rows that are committed together.
#[derive(Default)]
struct Part {
    writes: Vec<Write>,
    bytes: usize,
    /// The line of each key.
    lines: HashMap<Key, u64>,
    last_line: u64,
}

type Flight = Pin<Box<dyn Future<Output = Result<Timestamp, SqlError>> + Send>>;

/// Commits rows part by part.
pub struct Parts {
    node: Arc<SqlNode>,
    table: Arc<TableDescriptor>,
    /// Nobody else knows the table: the catalog need not be asked for it.
    is_own: bool,
    part: Part,
    /// The part on its way, with its last line.
    flight: Option<(Flight, u64)>,
    committed_line: u64,
    committed_at: Timestamp,
}

impl Parts {
    /// Nothing committed yet.
    pub fn new(node: Arc<SqlNode>, table: Arc<TableDescriptor>) -> Self {
        let (part, committed_at) = (Part::default(), Timestamp::MIN);
        Self { node, table, is_own: false, part, flight: None, committed_line: 0, committed_at }
    }

    /// The same for a table that the open transaction has made, and nobody else knows.
    pub fn of_own_table(node: Arc<SqlNode>, table: Arc<TableDescriptor>) -> Self {
        Self { is_own: true, ..Self::new(node, table) }
    }

    /// Whether the table is one that nobody else knows.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// When the last part was committed.
    pub fn committed_at(&self) -> Timestamp {
        self.committed_at
    }

    /// Takes a row, whose writes are committed together; may wait for a part to be committed.
    ///
    /// # Errors
    /// 23505 for a key that an earlier line has; those of committing a part.
    pub async fn add(&mut self, writes: Vec<Write>, line: u64) -> Result<(), SqlError> {
        let bytes = writes.iter().map(Write::size_bytes).sum::<usize>();
        if self.part.bytes + bytes > COPY_PART_MAX_BYTES && !self.part.writes.is_empty() {
            self.launch().await?;
        }
        for write in &writes {
            if let Some(earlier) = self.part.lines.insert(write.key.clone(), line) {
                let place =
                    format!("COPY {}, line {line} (the same key is on line {earlier}).", self.table.name);
                return Err(with_context(duplicate(&self.table, &write.key), &place));
            }
        }
        self.part.bytes += bytes;
        self.part.last_line = line;
        self.part.writes.extend(writes);
        Ok(())
    }

    /// Takes all that a transaction has buffered for the table, which is its own.
    ///
    /// # Errors
    /// As [`Parts::add`].
    pub async fn add_own(&mut self, transaction: &mut dyn Transaction) -> Result<(), SqlError> {
        assert!(self.is_own, "only rows of own tables are stored before COMMIT");
        for write in transaction.take_writes(&keyspace::table_span(self.table.id)) {
            self.add(vec![write], 0).await?;
        }
        Ok(())
    }

    /// Lets the part in flight go on, without waiting for it.
    ///
    /// # Errors
    /// Its own.
    pub async fn poll(&mut self) -> Result<(), SqlError> {
        let Some((flight, last_line)) = &mut self.flight else { return Ok(()) };
        if let std::task::Poll::Ready(result) = futures::poll!(flight.as_mut()) {
            let last_line = *last_line;
            self.flight = None;
            self.landed(result?, last_line);
        }
        Ok(())
    }

    /// Commits what is left.
    ///
    /// # Errors
    /// Those of committing a part.
    pub async fn finish(&mut self) -> Result<(), SqlError> {
        if !self.part.writes.is_empty() {
            self.launch().await?;
        }
        self.land().await
    }

    /// Commits what is left; gives when the last part was, where there was any.
    ///
    /// # Errors
    /// Those of committing a part.
    pub async fn finished(mut self) -> Result<Option<Timestamp>, SqlError> {
        self.finish().await?;
        Ok((self.committed_at > Timestamp::MIN).then_some(self.committed_at))
    }

    /// Waits for the part in flight, after an error: the client is told what is stored.
    pub async fn settle(&mut self) -> u64 {
        // Its error would hide the first one; the line that is stored tells the truth either way.
        let _ = self.land().await;
        self.committed_line
    }

    /// Sends the part off, when the one before has been committed.
    async fn launch(&mut self) -> Result<(), SqlError> {
        self.land().await?;
        let part = std::mem::take(&mut self.part);
        let last_line = part.last_line;
        let flight = commit(Arc::clone(&self.node), Arc::clone(&self.table), self.is_own, part);
        self.flight = Some((Box::pin(flight), last_line));
        self.poll().await
    }

    async fn land(&mut self) -> Result<(), SqlError> {
        let Some((flight, last_line)) = self.flight.take() else { return Ok(()) };
        let committed = flight.await?;
        self.landed(committed, last_line);
        Ok(())
    }

    fn landed(&mut self, at: Timestamp, last_line: u64) {
        self.committed_line = last_line;
        self.committed_at = self.committed_at.max(at);
    }
}

async fn commit(
    node: Arc<SqlNode>,
    table: Arc<TableDescriptor>,
    is_own: bool,
    part: Part,
) -> Result<Timestamp, SqlError> {
    let mut attempts = Attempts::new(&node);
    let mut since = None;
    loop {
        let mut under_way = node.commits.begin();
        let deadline = if is_own {
            None
        } else {
            // The lease comes first: it may be for a newer catalog than the one that the COPY began with.
            let lease = CatalogWait::new(&node, &CancelToken::new()).lease().await?;
            check_table(&node, &table)?;
            under_way.sent(lease);
            Some(lease)
        };
        let attempt = async {
            let options = TransactionOptions { since, ..TransactionOptions::default() };
            let mut transaction = node.database.begin(options).await?;
            since.get_or_insert(transaction.read_timestamp());
            transaction.start_statement();
            for write in &part.writes {
                transaction.write(write.clone())?;
            }
            transaction.commit(deadline).await
        };
        let committed = attempt.await;
        under_way.answered(&committed);
        match committed {
            Ok(committed) => return Ok(committed.timestamp),
            Err(KvError::ConditionFailed { key }) => {
                let error = duplicate(&table, &key);
                return Err(match part.lines.get(&key) {
                    Some(line) => with_context(error, &format!("COPY {}, line {line}.", table.name)),
                    None => error,
                });
            }
            Err(error @ KvError::Ambiguous { .. }) => {
                let first = part.lines.values().min().copied().unwrap_or_default();
                let place =
                    format!("This concerns lines {first} to {} of COPY {}.", part.last_line, table.name);
                return Err(with_context(sql_error(error, None), &place));
            }
            Err(error) => attempts.after(error).await?,
        }
    }
}

/// Fails where the table is not the one any more that the rows are encoded for.
fn check_table(node: &SqlNode, table: &TableDescriptor) -> Result<(), SqlError> {
    let catalog = node.catalog.snapshot();
    if catalog.table_by_id(table.id).is_some_and(|now| now.version == table.version) {
        return Ok(());
    }
    let message = format!("table \"{}\" was dropped or changed while rows were copied into it", table.name);
    Err(SqlError::new(SqlState::UndefinedTable, message))
}
