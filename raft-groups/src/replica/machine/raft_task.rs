//! The replica's Raft task: started, rebuilt from disk when it died, ended for good.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Listener, Machine, MachineEvent, RunningMachine};
use crate::raft::{GroupConfig, GroupTiming, LogCut, RaftError, RaftGroup};

/// Shortest pause before a Raft task that died is rebuilt.
const REBUILD_PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest such pause: it doubles each time, until a task has run for longer than this.
const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The task's place.
#[derive(Default)]
pub struct RaftTask {
    state: Mutex<TaskState>,
    /// Held while the task is taken down or built.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct TaskState {
    group: Option<Arc<RaftGroup>>,
    /// Why it never runs again.
    stopped: Option<String>,
    is_shut_down: bool,
}

impl RaftTask {
    /// The running task.
    pub fn group(&self) -> Option<Arc<RaftGroup>> {
        self.state.lock().group.clone()
    }

    /// Why this replica never runs again, if so.
    pub fn stopped(&self) -> Option<String> {
        self.state.lock().stopped.clone()
    }

    /// An entry could not be applied here that others may have applied: this replica stops for good.
    pub fn diverged(&self, detail: &str) {
        tracing::error!(detail, "a replica stops for good: its data may differ from the others'");
        self.state.lock().stopped.get_or_insert_with(|| detail.to_owned());
    }

    /// Damage keeps the task from starting: it never runs.
    pub fn cannot_start(&self, detail: &str) {
        self.state.lock().stopped.get_or_insert_with(|| detail.to_owned());
    }

    fn set(&self, group: Arc<RaftGroup>) {
        self.state.lock().group = Some(group);
    }

    fn take(&self) -> Option<Arc<RaftGroup>> {
        self.state.lock().group.take()
    }

    fn may_run(&self) -> bool {
        let state = self.state.lock();
        state.stopped.is_none() && !state.is_shut_down
    }
}

impl Machine {
    /// Starts the Raft task, and whoever rebuilds it; `listener` learns what happens. With `takes_grant` it may begin as the
    /// leader of the granted term: see [`GroupConfig::takes_grant`].
    ///
    /// # Errors
    /// Its state cannot be read.
    pub async fn start(
        self: &Arc<Self>,
        listener: Arc<dyn Listener>,
        takes_grant: bool,
    ) -> Result<(), RaftError> {
        let running = Arc::new(RunningMachine { machine: Arc::clone(self), listener });
        let group = running.start_group(takes_grant).await?;
        self.task.set(group);
        tokio::spawn(running.supervise());
        Ok(())
    }

    /// Cuts it off; the store was synced in between.
    pub async fn cut_log(&self, cut: LogCut) {
        let Some(group) = self.task.group() else { return };
        if let Err(error) = group.cut_log(cut).await {
            tracing::warn!(range = %self.range_id, error, "the log was not cut off");
        }
    }

    /// Ends the Raft task as a defect of its own would.
    #[cfg(any(test, feature = "known-bugs"))]
    pub async fn kill_raft_task(&self) {
        if let Some(group) = self.task.group() {
            group.kill().await;
        }
    }

    /// From now on the Raft task is not built again; the one that runs is left to [`Machine::shutdown`].
    pub fn forbid(&self) {
        self.task.state.lock().is_shut_down = true;
    }

    /// Ends the Raft task, behind [`Machine::forbid`]: when this returns nothing is written any more.
    pub async fn shutdown(&self) {
        // A task that is being rebuilt right now is taken down too.
        let _changing = self.task.changing.lock().await;
        if let Some(group) = self.task.take() {
            group.shutdown().await;
        }
    }
}

impl RunningMachine {
    async fn start_group(self: &Arc<Self>, takes_grant: bool) -> Result<Arc<RaftGroup>, RaftError> {
        let machine = &self.machine;
        let shared = &machine.shared;
        let timing = GroupTiming {
            vote_promise: Duration::from_micros(shared.timing.vote_promise),
            ..GroupTiming::default()
        };
        RaftGroup::start(GroupConfig {
            range_id: machine.range_id,
            replica_id: machine.replica_id,
            store: Arc::clone(&shared.engine),
            writer: Arc::clone(&shared.writer),
            applier: Arc::clone(self) as _,
            observer: Arc::clone(&self.listener) as _,
            rpc: Arc::clone(&shared.rpc),
            timing,
            blocking: shared.blocking.clone(),
            snapshots: Arc::clone(&shared.snapshots),
            takes_grant,
        })
        .await
    }

    /// Rebuilds the Raft task whenever it dies, ever more slowly. The promise not to vote outlives it in the lease.
    async fn supervise(self: Arc<Self>) {
        let mut pause = REBUILD_PAUSE_MIN;
        while let Some(group) = self.machine.task.group() {
            let started = tokio::time::Instant::now();
            let reason = group.wait_fatal().await;
            if started.elapsed() > REBUILD_PAUSE_MAX {
                pause = REBUILD_PAUSE_MIN;
            }
            self.listener.tell(MachineEvent::TaskEnded);
            if !self.machine.task.may_run() {
                return;
            }
            tracing::error!(range = %self.machine.range_id, reason, "the Raft task died; it is rebuilt from disk");
            {
                let _changing = self.machine.task.changing.lock().await;
                drop(self.machine.task.take());
                group.shutdown().await;
                drop(group);
            }
            while self.machine.task.group().is_none() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(REBUILD_PAUSE_MAX);
                if !self.rebuild().await {
                    return;
                }
            }
        }
    }

    /// Starts the Raft task anew from what is stored; false where it shall not run any more. Nothing of the one before is
    /// left: an apply of both would change the state in memory twice.
    async fn rebuild(self: &Arc<Self>) -> bool {
        let _changing = self.machine.task.changing.lock().await;
        if !self.machine.task.may_run() {
            return false;
        }
        let started = match self.reload() {
            Ok(()) => self.start_group(false).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match started {
            Ok(group) => {
                self.machine.task.set(group);
                tracing::info!(range = %self.machine.range_id, "the Raft task was rebuilt");
            }
            Err(error) => {
                tracing::error!(range = %self.machine.range_id, error, "the Raft task cannot be rebuilt")
            }
        }
        true
    }
}
