//! The threads of this process besides those of its main runtime: the one place of this crate that starts any.

use std::io;

use quorate_engine::store::waits;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

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
}
