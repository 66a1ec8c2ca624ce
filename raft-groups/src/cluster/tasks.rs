//! What runs by itself on a member, until the node is stopped.

use tokio::sync::watch;

/// Starts tasks that end with the node.
#[derive(Clone)]
pub(super) struct Tasks {
    stop: watch::Receiver<bool>,
}

impl Tasks {
    /// Tasks that end once `stop` says true.
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        Self { stop }
    }

    /// Runs a task until it is over or the node is stopped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}
