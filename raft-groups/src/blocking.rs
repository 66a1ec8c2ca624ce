//! Where work that may wait for the disk runs: on threads of its own, or, in the simulator, in the caller's task.
//!
//! [`Blocking`] comes in through constructors and is the only way to a thread in this crate. In a simulation nothing may
//! depend on when another thread runs: the same work is done in the task that asks for it, and the time that a disk
//! would take is slept on the simulated clock, before the work and after it. A crash in between is a crash of a machine
//! before the disk had it, or after it and before anybody was told.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::store::waits;

use crate::tasks::Tasks;

/// How long a simulated disk takes.
pub trait Stalls: Send + Sync + 'static {
    /// Half of the time of a write of the log: slept before it and after it.
    fn log_write(&self) -> Duration;

    /// Half of the time of any other work: slept before it and after it.
    fn work(&self) -> Duration;

    /// How late committed entries are applied.
    fn apply(&self) -> Duration {
        Duration::ZERO
    }
}

/// Runs work that may wait for the disk, and knows where tasks run.
#[derive(Clone)]
pub struct Blocking {
    /// None for real threads.
    stalls: Option<Arc<dyn Stalls>>,
    tasks: Tasks,
}

/// The thread of some work ended without a result: it panicked, or the runtime is shutting down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thread for work on the disk failed: {0}")]
pub struct WorkLost(String);

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.stalls.is_none() { "Blocking::threads" } else { "Blocking::in_task" })
    }
}

impl Blocking {
    /// On the runtime's threads for blocking work, and one of its own for the log writer.
    pub fn threads() -> Self {
        Self::threads_with(Tasks::here())
    }

    /// The same, where tasks of two kinds run apart.
    pub fn threads_with(tasks: Tasks) -> Self {
        Self { stalls: None, tasks }
    }

    /// In the caller's task, for simulations on a clock of their own.
    pub fn in_task(stalls: Arc<dyn Stalls>) -> Self {
        Self { stalls: Some(stalls), tasks: Tasks::here() }
    }

    /// Runs work to its end and gives its result.
    ///
    /// # Errors
    /// [`WorkLost`]; whether the work was done is not known.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkLost> {
        let Some(stalls) = &self.stalls else {
            return on_thread(work).await;
        };
        pause(stalls.work()).await;
        let result = waits::allowed(work);
        pause(stalls.work()).await;
        Ok(result)
    }

    /// Runs work on the caller's own thread, which is one that may wait, or that of a simulation.
    pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
        waits::allowed(work)
    }

    /// Begins work that nobody waits for.
    #[expect(clippy::disallowed_methods, reason = "the one place that hands work to a thread")]
    pub fn begin(&self, work: impl FnOnce() + Send + 'static) {
        match &self.stalls {
            None => drop(tokio::task::spawn_blocking(move || waits::allowed(work))),
            Some(_) => waits::allowed(work),
        }
    }

    /// Starts a named thread for work that lasts as long as the node: only where there are threads.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts a thread")]
    pub(crate) fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }

    /// The same, for work that keeps leases.
    pub(crate) fn start_urgent_thread(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let tasks = self.tasks.clone();
        Self::start_thread(name, move || {
            tasks.put_first();
            work();
        })
    }

    /// Where tasks run.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Lets other threads of a busy machine go first; costs nothing on one that is not.
    pub(crate) fn yield_thread() {
        std::thread::yield_now();
    }

    /// The disk of a simulation; `None` where there are threads.
    pub(crate) fn stalls(&self) -> Option<&Arc<dyn Stalls>> {
        self.stalls.as_ref()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that hands work to a thread")]
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkLost> {
    let done = tokio::task::spawn_blocking(move || waits::allowed(work)).await;
    done.map_err(|error| WorkLost(error.to_string()))
}

/// Sleeps on the runtime's clock; not at all for no time.
pub(crate) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow;

    impl Stalls for Slow {
        fn log_write(&self) -> Duration {
            Duration::ZERO
        }

        fn work(&self) -> Duration {
            Duration::from_millis(20)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn blocking_in_task_takes_simulated_time_and_stays_on_its_thread() {
        let begun = tokio::time::Instant::now();
        let thread = std::thread::current().id();
        let blocking = Blocking::in_task(Arc::new(Slow));
        let (seen, at) =
            blocking.run(move || (std::thread::current().id(), tokio::time::Instant::now())).await.unwrap();
        assert_eq!(seen, thread);
        assert_eq!(at - begun, Duration::from_millis(20), "half of the time goes by before");
        assert_eq!(begun.elapsed(), Duration::from_millis(40));
    }

    #[tokio::test]
    async fn blocking_on_threads_leaves_the_callers() {
        let thread = std::thread::current().id();
        assert_ne!(Blocking::threads().run(|| std::thread::current().id()).await, Ok(thread));
        assert!(Blocking::threads().run(|| panic!("as a test wants")).await.is_err());
    }
}
