//! When range 1's leaseholder answered this node last: whether the cluster's metadata can be reached, as known without
//! asking anybody.

use std::time::Duration;

use parking_lot::Mutex;

/// What is known of it. Times are those since some start.
#[derive(Debug)]
pub(super) struct Contact {
    began: Duration,
    answered: Mutex<Option<Duration>>,
}

impl Contact {
    /// Of a node that begins now.
    pub fn new(now: Duration) -> Self {
        Self { began: now, answered: Mutex::new(None) }
    }

    /// The leaseholder has answered.
    pub fn answered(&self, now: Duration) {
        *self.answered.lock() = Some(now);
    }

    /// How long ago it did, or, where it has not yet, how long ago this node began.
    pub fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.answered.lock().unwrap_or(self.began))
    }

    /// How long this node has been running.
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_is_silent_since_the_last_answer_or_the_start() {
        let seconds = Duration::from_secs;
        let contact = Contact::new(seconds(10));
        assert_eq!(contact.silence(seconds(12)), seconds(2));
        contact.answered(seconds(13));
        assert_eq!((contact.silence(seconds(17)), contact.age(seconds(17))), (seconds(4), seconds(7)));
    }
}
