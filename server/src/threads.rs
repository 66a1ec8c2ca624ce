//! The threads of this process besides those of its main runtime, and which of them come before everything else: the one
//! place of this crate that starts any, and the only room of `thread_priority`.
//!
//! What keeps leases runs on a thread of its own, and on that of the clock's bound (`raft_groups::tasks`). On a machine that
//! is busy many times over they come late all the same: Linux shares its cores among sessions, whatever their priorities
//! within, so that only a realtime class comes before all others. It takes a right that not every process has; without it
//! these threads get the highest priority within their session that they may have.
//!
//! Invariant: a thread of a realtime class gives it to no thread that it starts: [`put_back`] is the first thing that
//! those of a runtime do, and RocksDB has started its own before.

use std::io;
use std::sync::{Once, OnceLock};

use quorate_engine::store::waits;
use quorate_raft_groups::tasks::Tasks;
use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::gettid;
use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Round robin, so that several nodes of a machine share a core; with the lowest priority of the class, above which a
/// machine has its own urgent threads.
const FIRST: (ThreadPriority, ThreadSchedulePolicy) =
    (ThreadPriority::Min, ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin));
/// The priority without that right: the best that is not the system's own.
const NICE: i32 = -15;
/// The library's word for the priority 0 of a session, of 0 to 99.
const MIDDLE: u8 = 48;

/// Runs `work` on a thread of its own, in a runtime of its own, so that nothing else that the process does delays it.
/// Gives who is told when it has ended.
///
/// # Errors
/// The system gives no thread, or no runtime.
#[expect(clippy::disallowed_methods, reason = "the one place that starts a thread")]
pub fn run_apart<F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        waits::forbid();
        runtime.block_on(async { work().await });
        // Nobody need be waiting for the end.
        let _ = end.send(());
    })?;
    Ok(ended)
}

/// The tasks of a node that is started in this runtime. What is urgent runs on one thread of the process, however many
/// nodes it has.
///
/// # Errors
/// The system gives no thread, or no runtime.
pub fn tasks() -> io::Result<Tasks> {
    static URGENT: OnceLock<Result<Handle, String>> = OnceLock::new();
    let urgent = URGENT.get_or_init(|| start_urgent().map_err(|error| error.to_string()));
    let urgent = urgent.clone().map_err(io::Error::other)?;
    Ok(Tasks::of(urgent, Handle::current(), put_first))
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts a thread")]
fn start_urgent() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().on_thread_start(put_back).build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("urgent".to_owned()).spawn(move || {
        waits::forbid();
        put_first();
        runtime.block_on(std::future::pending::<()>());
    })?;
    Ok(handle)
}

/// The priority within a session that a thread of this process has usually.
static USUAL_NICE: OnceLock<i32> = OnceLock::new();

/// From now on this thread comes before all that are not urgent, as far as the system allows it; the log says once
/// where it does not.
pub fn put_first() {
    static TOLD: Once = Once::new();
    let _ = USUAL_NICE.get_or_init(|| getpriority_process(Some(gettid())).unwrap_or_default());
    let (priority, policy) = FIRST;
    let Err(refused) = set_thread_priority_and_policy(thread_native_id(), priority, policy) else { return };
    let nice = setpriority_process(Some(gettid()), NICE);
    TOLD.call_once(|| {
        let instead = if nice.is_ok() { "a better one within its session" } else { "none" };
        tracing::warn!(
            "the threads that keep leases do not come before those of other processes: no realtime priority ({}), and \
             {instead} instead; on a machine that is busy many times over ranges may lose their leaders. Give the process \
             the right to it: CAP_SYS_NICE, or LimitRTPRIO=1 in its unit",
            why(&refused)
        );
    });
}

/// Why the system refuses, in its words where there are any.
fn why(refused: &thread_priority::Error) -> String {
    if let thread_priority::Error::OS(code) = refused {
        return io::Error::from_raw_os_error(*code).to_string();
    }
    format!("{refused:?}")
}

/// Takes from this thread what it has from the one that started it: urgent is only what says so itself.
pub fn put_back() {
    // Nobody was put first before.
    let Some(usual) = USUAL_NICE.get() else { return };
    if is_first() {
        let middle = ThreadPriorityValue::try_from(MIDDLE).unwrap_or(ThreadPriorityValue::MAX);
        let normal = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        // It sets the priority within the session too, and fails where it may not: what that is comes next.
        let _ =
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(middle), normal);
        if is_first() {
            tracing::warn!("a thread stays urgent that is not");
        }
    }
    let is_usual = getpriority_process(Some(gettid())).is_ok_and(|nice| nice == *usual);
    if !is_usual && let Err(error) = setpriority_process(Some(gettid()), *usual) {
        tracing::warn!(%error, "a thread has another priority than its process");
    }
}

/// Whether this thread is in a realtime class.
fn is_first() -> bool {
    matches!(thread_schedule_policy(), Ok(ThreadSchedulePolicy::Realtime(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_apart_goes_on_while_the_caller_stands_still() {
        let (tell, told) = std::sync::mpsc::channel();
        let ended = run_apart("apart", move || async move {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            let name = std::thread::current().name().map(ToOwned::to_owned);
            tell.send((name, waits::are_allowed())).unwrap();
        });
        // No runtime here drives it.
        let told = told.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        assert_eq!(told, (Some("apart".to_owned()), false));
        assert_eq!(ended.unwrap().blocking_recv(), Ok(()));
    }

    /// Name of the thread, and whether it is in a realtime class.
    fn standing() -> (String, bool) {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        (name, is_first())
    }

    /// Whether this process may have such threads at all.
    fn may_be_first() -> bool {
        let thread = std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                put_first();
                standing().1
            });
            first.join()
        });
        thread.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn urgent_tasks_come_first_and_what_they_start_does_not() {
        let tasks = tasks().unwrap();
        let urgent = tasks.urgent(async { standing() }).await.unwrap();
        assert_eq!(urgent, ("urgent".to_owned(), may_be_first()));
        let ordinary = tasks.clone();
        let started = tasks.urgent(async move { ordinary.ordinary(async { standing().1 }).await });
        assert!(!started.await.unwrap().unwrap());
        // A thread that is started by the urgent one.
        #[expect(clippy::disallowed_methods, reason = "as a library in a task does")]
        let own = tasks.urgent(async { tokio::task::spawn_blocking(|| standing().1).await.unwrap() });
        assert!(!own.await.unwrap(), "of the urgent runtime");
    }

    #[test]
    fn threads_that_are_put_back_have_their_process_s_priority() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let before = getpriority_process(Some(gettid())).unwrap();
                put_first();
                put_back();
                assert!(!standing().1);
                if may_be_first() {
                    assert_eq!(getpriority_process(Some(gettid())).unwrap(), before);
                }
            });
        });
    }
}
