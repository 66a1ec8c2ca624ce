//! Changes of range 1 that lost against another one are made again from the start, a limited number of times.

use quorate_engine::kv::KvError;

use crate::cluster::error::ClusterError;

/// How often a change of range 1 is tried where another one came first.
const CHANGE_ATTEMPTS_MAX: usize = 20;

/// Attempts at one change of range 1. What is tried must be the same whoever does it last, or find what it did before: it is
/// also tried again where its fate is not known.
#[derive(Debug, Default)]
pub(in crate::cluster) struct DirectoryAttempts {
    failed: usize,
}

impl DirectoryAttempts {
    /// Makes attempts until one works, fails for good, or is the last one.
    ///
    /// # Errors
    /// That of the attempt that failed for good; after the last one what [`AttemptError::gave_up`] makes of its error.
    pub async fn run<T, E, F>(mut self, mut attempt: impl FnMut() -> F) -> Result<T, E>
    where
        E: AttemptError,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => self.again(error)?,
            }
        }
    }

    /// Counts a failed attempt; fails where there is no other one.
    fn again<E: AttemptError>(&mut self, error: E) -> Result<(), E> {
        let lost = error.lost()?;
        self.failed += 1;
        if self.failed < CHANGE_ATTEMPTS_MAX { Ok(()) } else { Err(E::gave_up(lost)) }
    }
}

/// How an attempt fails.
pub(in crate::cluster) trait AttemptError: Sized {
    /// The reason why it may be made again: another change came first, or it is not known whether it was done.
    ///
    /// # Errors
    /// The error itself, where another attempt would fail in the same way.
    fn lost(self) -> Result<KvError, Self>;

    /// All attempts have failed, the last one like this.
    fn gave_up(last: KvError) -> Self;
}

impl AttemptError for KvError {
    fn lost(self) -> Result<KvError, Self> {
        let is_lost = matches!(self, Self::Retry { .. } | Self::Ambiguous { .. });
        if is_lost { Ok(self) } else { Err(self) }
    }

    fn gave_up(last: KvError) -> Self {
        last
    }
}

impl AttemptError for ClusterError {
    fn lost(self) -> Result<KvError, Self> {
        let Self::Kv(error) = self else { return Err(self) };
        error.lost().map_err(Self::Kv)
    }

    fn gave_up(last: KvError) -> Self {
        Self::Unavailable(last.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use quorate_engine::kv::Key;

    use super::*;

    fn retry() -> KvError {
        KvError::Retry { key: Key::default(), reason: "it was written".to_owned() }
    }

    #[tokio::test]
    async fn attempts_end_with_the_first_that_works_or_fails_for_good() {
        let made = Cell::new(0);
        let next = |failures: usize, end: Result<(), KvError>| {
            made.set(made.get() + 1);
            let result = if made.get() <= failures { Err(retry()) } else { end };
            std::future::ready(result)
        };
        let attempts = DirectoryAttempts::default();
        attempts.run(|| next(3, Ok(()))).await.unwrap();
        assert_eq!(made.take(), 4);
        let broken = KvError::Storage("broken".to_owned());
        let attempts = DirectoryAttempts::default();
        let error = attempts.run(|| next(1, Err(broken.clone()))).await.unwrap_err();
        assert!(matches!(error, KvError::Storage(_)), "{error}");
        assert_eq!(made.take(), 2);
    }

    #[tokio::test]
    async fn attempts_are_limited_and_the_last_error_is_told() {
        let made = Cell::new(0);
        let fail = || {
            made.set(made.get() + 1);
            std::future::ready(Err::<(), _>(ClusterError::Kv(retry())))
        };
        let error = DirectoryAttempts::default().run(fail).await.unwrap_err();
        assert!(
            matches!(&error, ClusterError::Unavailable(text) if text.contains("it was written")),
            "{error}"
        );
        assert_eq!(made.get(), CHANGE_ATTEMPTS_MAX);
    }
}
