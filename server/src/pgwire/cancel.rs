//! Cancel requests: they come on connections of their own and name a session by its number and secret.
//!
//! A request sets the token of the statement that runs in that session, and nothing else: a commit that was sent is
//! awaited to its end. Between statements a request has no effect, as in PostgreSQL.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_sql::cancel::{CancelReason, CancelToken};
use uuid::Uuid;

/// A session's secret: as long as the protocol's version can carry.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret of {} bytes", self.0.len())
    }
}

/// Bytes of a secret in protocol 3.0.
const SHORT_SECRET_BYTES: usize = 4;

impl Secret {
    /// A new secret from the system's randomness; `long` for protocol 3.2.
    pub fn random(long: bool) -> Self {
        let mut bytes = Uuid::new_v4().as_bytes().to_vec();
        bytes.extend_from_slice(Uuid::new_v4().as_bytes());
        if !long {
            // The first bytes of a random UUID are random in all their bits.
            bytes.truncate(SHORT_SECRET_BYTES);
        }
        Self(bytes)
    }

    /// A secret that a client sent.
    pub fn received(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compares without telling by its time how much was right.
    fn matches(&self, other: &Self) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.0.len() == other.0.len() && differences == 0
    }
}

/// Sessions that can be cancelled.
#[derive(Default)]
pub struct CancelRegistry {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    last: i32,
    by_number: HashMap<i32, Entry>,
}

struct Entry {
    secret: Secret,
    running: Option<CancelToken>,
}

/// One session's place in the registry; dropping it removes the session.
pub struct CancelSlot {
    registry: Arc<CancelRegistry>,
    number: i32,
}

impl CancelRegistry {
    /// Adds a session under a number that no other has.
    pub fn register(self: &Arc<Self>, secret: Secret) -> CancelSlot {
        let mut sessions = self.sessions.lock();
        let mut number = sessions.last;
        loop {
            number = number.checked_add(1).unwrap_or(1);
            if !sessions.by_number.contains_key(&number) {
                break;
            }
        }
        sessions.last = number;
        sessions.by_number.insert(number, Entry { secret, running: None });
        CancelSlot { registry: Arc::clone(self), number }
    }

    /// Cancels what runs in this session, where the secret is right.
    pub fn cancel(&self, number: i32, secret: &Secret) {
        let sessions = self.sessions.lock();
        if let Some(entry) = sessions.by_number.get(&number)
            && entry.secret.matches(secret)
            && let Some(token) = &entry.running
        {
            token.cancel(CancelReason::Request);
        }
    }

    /// Cancels everything that runs: the node stops.
    pub fn cancel_all(&self) {
        let running: Vec<CancelToken> =
            self.sessions.lock().by_number.values().filter_map(|entry| entry.running.clone()).collect();
        running.iter().for_each(|token| token.cancel(CancelReason::Shutdown));
    }
}

impl CancelSlot {
    /// The session's number, which clients take for a process id.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// A statement begins: its token.
    pub fn begin(&self) -> CancelToken {
        let token = CancelToken::new();
        self.set(Some(token.clone()));
        token
    }

    /// The statement has ended.
    pub fn end(&self) {
        self.set(None);
    }

    fn set(&self, token: Option<CancelToken>) {
        if let Some(entry) = self.registry.sessions.lock().by_number.get_mut(&self.number) {
            entry.running = token;
        }
    }
}

impl Drop for CancelSlot {
    fn drop(&mut self) {
        self.registry.sessions.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_needs_the_number_and_the_secret_of_a_running_statement() {
        let registry = Arc::new(CancelRegistry::default());
        let secret = Secret::random(false);
        let slot = registry.register(secret.clone());
        let other = registry.register(Secret::random(true));
        assert_ne!(slot.number(), other.number());

        registry.cancel(slot.number(), &secret);
        let token = slot.begin();
        assert!(!token.is_cancelled(), "a request before the statement hit it");
        registry.cancel(slot.number(), &Secret::received(b"wrong"));
        registry.cancel(other.number(), &secret);
        assert!(!token.is_cancelled());
        registry.cancel(slot.number(), &Secret::received(secret.bytes()));
        assert!(token.is_cancelled());

        slot.end();
        let next = slot.begin();
        assert!(!next.is_cancelled());
        registry.cancel_all();
        assert!(next.is_cancelled());
    }

    #[test]
    fn secrets_are_as_long_as_the_protocol_allows() {
        assert_eq!(Secret::random(false).bytes().len(), 4);
        assert_eq!(Secret::random(true).bytes().len(), 32);
    }
}
