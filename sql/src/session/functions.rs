//! What functions ask of the session while a statement runs, and what they change in it.
//!
//! Changes go to a copy of the variables, which the session takes when the statement has ended: a statement that changes
//! none costs no lock and no copy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::variables::Variables;
use super::variables::definitions::READ_ONLY;
use super::variables::values::shown_bool;
use crate::error::SqlError;
use crate::expr::eval::SessionAccess;

/// One statement's view of its session.
#[derive(Debug)]
pub(crate) struct SessionFunctions<'a> {
    variables: &'a Variables,
    is_read_only: bool,
    changed: Mutex<Option<Box<Variables>>>,
    asleep_micros: AtomicU64,
}

impl<'a> SessionFunctions<'a> {
    /// Of a transaction that may write or not.
    pub fn new(variables: &'a Variables, is_read_only: bool) -> Self {
        Self { variables, is_read_only, changed: Mutex::default(), asleep_micros: AtomicU64::new(0) }
    }

    /// The variables, where a function has changed one.
    pub fn into_changed(self) -> Option<Box<Variables>> {
        self.changed.into_inner()
    }
}

impl SessionAccess for SessionFunctions<'_> {
    fn setting(&self, name: &str) -> Result<String, SqlError> {
        if name.eq_ignore_ascii_case(READ_ONLY) {
            return Ok(shown_bool(self.is_read_only).to_owned());
        }
        match self.changed.lock().as_deref() {
            Some(changed) => changed.get(name),
            None => self.variables.get(name),
        }
    }

    fn set(&self, name: &str, value: Option<&str>, local: bool) -> Result<String, SqlError> {
        if name.eq_ignore_ascii_case(READ_ONLY) {
            return Err(SqlError::unsupported(format!("set_config of {READ_ONLY}"))
                .with_hint("Use SET TRANSACTION READ ONLY."));
        }
        let mut changed = self.changed.lock();
        let variables = changed.get_or_insert_with(|| Box::new(self.variables.clone()));
        variables.set(name, value, local)?;
        variables.get(name)
    }

    fn sleep(&self, micros: u64) {
        let add = |asleep: u64| Some(asleep.saturating_add(micros));
        let _ = self.asleep_micros.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    fn take_sleep(&self) -> Option<Duration> {
        // Almost no statement sleeps: looking is cheaper than taking.
        if self.asleep_micros.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(Duration::from_micros(self.asleep_micros.swap(0, Ordering::Relaxed)))
    }
}
