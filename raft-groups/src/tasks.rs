//! Where the tasks of a node run: what keeps its leases apart from everything else that it does.
//!
//! ```text
//!   urgent     the ticker, heartbeats past the Raft tasks, the clock's bound    before everything else, where the system allows it
//!   ordinary   all else: Raft tasks, the log writer, statements, requests to ranges, snapshots: as much as there is to do
//! ```
//!
//! [`Tasks`] comes in through constructors, as part of [`Blocking`](crate::blocking::Blocking). In a simulation, and in tests,
//! both are the caller's own runtime.
//!
//! Raft tasks and the log writer are no part of what is urgent, though votes need them: they do their work for many at once, by
//! what has gathered while they waited for their turn. In a realtime class they take each entry alone, and a put of 64 clients
//! costs more than twice as much.
//!
//! Invariant: whatever is urgent is short. It waits for nothing but messages and time, and hands on what may take long:
//! on a machine that is busy many times over nothing else would run meanwhile.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The runtimes of a node.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// None for the caller's own.
    runtimes: Option<Runtimes>,
}

#[derive(Clone, Debug)]
struct Runtimes {
    urgent: Handle,
    ordinary: Handle,
    /// What a thread does first that is as urgent.
    put_first: fn(),
}

impl Tasks {
    /// All in the runtime of whoever starts a task.
    pub fn here() -> Self {
        Self { runtimes: None }
    }

    /// In these. `put_first` is called by each thread that is as urgent as the first one.
    pub fn of(urgent: Handle, ordinary: Handle, put_first: fn()) -> Self {
        Self { runtimes: Some(Runtimes { urgent, ordinary, put_first }) }
    }

    /// Starts a task that keeps leases.
    pub fn urgent<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.runtimes {
            Some(runtimes) => runtimes.urgent.spawn(task),
            None => tokio::spawn(task),
        }
    }

    /// Starts any other task.
    pub fn ordinary<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match &self.runtimes {
            Some(runtimes) => runtimes.ordinary.spawn(task),
            None => tokio::spawn(task),
        }
    }

    /// This thread is as urgent as the tasks that are.
    pub(crate) fn put_first(&self) {
        if let Some(runtimes) = &self.runtimes {
            (runtimes.put_first)();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[test]
    fn tasks_run_where_they_belong_whoever_starts_them() {
        let runtime =
            |name: &str| Builder::new_multi_thread().worker_threads(1).thread_name(name).build().unwrap();
        let (urgent, ordinary) = (runtime("urgent"), runtime("ordinary"));
        let tasks = Tasks::of(urgent.handle().clone(), ordinary.handle().clone(), || {});
        let from_urgent = tasks.clone();
        let ran = urgent.block_on(async move {
            let here = from_urgent.urgent(async { thread() }).await.unwrap();
            (here, from_urgent.ordinary(async { thread() }).await.unwrap())
        });
        assert_eq!(ran, ("urgent".to_owned(), "ordinary".to_owned()));
    }

    #[tokio::test]
    async fn tasks_here_run_in_the_callers_runtime() {
        let (tasks, thread) = (Tasks::here(), std::thread::current().id());
        assert_eq!(tasks.urgent(async { std::thread::current().id() }).await.unwrap(), thread);
        assert_eq!(tasks.ordinary(async { std::thread::current().id() }).await.unwrap(), thread);
    }
}
