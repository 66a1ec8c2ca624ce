//! Splits, on the leaseholder: counting keys, and the command.
//!
//! ```text
//!   count pages of a snapshot ── key ── latch the whole right side ── marks ── command ── applied here ── latch ends
//! ```
//!
//! Invariant (design.md section 14, story 5): from before the command is built until it is applied here, or can never
//! be, no request for the right side is served or evaluated. So there is one lease for each key through the split, and
//! the read mark that the command carries is above every read that this side ever answered.
//!
//! The right side elects nobody: its first term is granted to the proposer ([`crate::raft::seed_granted`]), which leads
//! as soon as it runs.
//! Invariant: the granted term is led by one life of one store alone, the one that proposed the split, and from an empty
//! log. After a power cut the split may be applied anew there, while entries of the granted term that the disk has lost
//! are on other nodes: whoever led it again would write others in their places. So the grant is taken only where
//! [`Machine::first_leader`](crate::replica::machine::Machine::first_leader) finds the proposal in memory, and everybody
//! else stands for a later term.

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::RangeId;

use super::Serving;
use super::serve::{Deadline, ServingTerm};
use crate::api::RangeError;
use crate::blocking::pause;
use crate::command_format::{Command, CommandKind, SplitCommand};
use crate::concurrency::latch_table::{Access, LatchSpans};
use crate::replica::machine::EntryOutcome;
use crate::safeguard::{self, Safeguard};
use crate::splits::count::Counting;
use crate::splits::key::{SizeCount, SplitPoint};
use crate::splits::trigger::{Attempts, Ended};

/// Pause between pages: splits are no emergency.
const PAGE_PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for the requests of the right side that came before: those that come after wait behind the split.
const LATCH_WAIT_MAX: Duration = Duration::from_secs(1);
/// Longest wait of a writer for a split before it is told to ask again.
const BACK_PRESSURE_WAIT_MAX: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct SplitPlan {
    /// Where, and how large the sides are.
    pub point: SplitPoint,
    /// Generation of the descriptor for which this was planned.
    pub generation: u64,
    /// Id of the right side.
    pub right_id: RangeId,
}

impl Serving {
    /// Counts the range's bytes by key, as of several moments near now. Also says for which generation.
    pub(crate) async fn count_size(self: &Arc<Self>) -> Result<(u64, SizeCount), RangeError> {
        let descriptor = self.machine.descriptor();
        let mut counting = Counting::default();
        loop {
            let span = descriptor.span.clone();
            let counted = self.offload(true, move |this| {
                let snapshot = this.shared.engine.snapshot();
                let is_done = counting.page(snapshot.as_ref(), &span);
                (counting, is_done)
            });
            let (back, is_done) = counted.await?;
            counting = back;
            if is_done.map_err(|error| self.or_damaged(error.into()))? {
                return Ok((descriptor.generation, counting.into_count()));
            }
            pause(PAGE_PAUSE).await;
        }
    }

    /// Splits the range; returns once that is applied here.
    ///
    /// # Errors
    /// [`RangeError::Mismatch`] where the range has changed since the plan was made, [`RangeError::NotLeaseholder`], and
    /// [`RangeError::Unavailable`] where it was not done in time: it may still happen then.
    pub(crate) async fn split(self: &Arc<Self>, plan: SplitPlan) -> Result<(), RangeError> {
        let deadline = self.deadline();
        self.wait_to_serve(deadline).await?;
        let descriptor = self.machine.descriptor();
        let right = Span::new(plan.point.at.clone(), descriptor.span.end.clone());
        let spans = LatchSpans::new([(right.clone(), Access::Exclusive)]);
        let latch = if safeguard::holds(Safeguard::SplitLatch) {
            Some(self.latch(spans, self.deadline_within(LATCH_WAIT_MAX)).await?)
        } else {
            None
        };
        let this = Arc::clone(self);
        // Whether or not anybody waits: the latch ends with the entry.
        let work = tokio::spawn(async move {
            let done = this.propose_split(plan, right, deadline).await;
            drop(latch);
            done
        });
        let limited = self.or_tripped(tokio::time::timeout(self.remaining(deadline), work));
        match limited.await? {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(self.unavailable(format!("the task of its split failed: {error}"))),
            Err(_) => Err(self.unavailable("no quorum confirmed its split in time".to_owned())),
        }
    }

    async fn propose_split(
        &self,
        plan: SplitPlan,
        right: Span,
        deadline: Deadline,
    ) -> Result<(), RangeError> {
        let ServingTerm(term) = self.wait_to_serve(deadline).await?;
        let descriptor = self.check_hull(Some(&right))?;
        let is_inside = descriptor.span.contains(&plan.point.at) && plan.point.at > descriptor.span.start;
        if descriptor.generation != plan.generation || descriptor.span.end != right.end || !is_inside {
            return Err(self.mismatch(&descriptor));
        }
        if self.machine.is_joint() {
            return Err(self.unavailable("its members are changing; it cannot be split meanwhile".to_owned()));
        }
        let right_read = self.cache.lock().newest(&right);
        let command = Command {
            term,
            generation: plan.generation,
            // Nothing is closed yet: no read is served by followers.
            closed: Timestamp::MIN,
            high_water: right_read,
            size_delta: 0,
            kind: CommandKind::Split(SplitCommand {
                at: plan.point.at,
                right_id: plan.right_id,
                leader: self.replica_id,
                left_bytes: plan.point.left_bytes,
                right_bytes: plan.point.right_bytes,
                right_read,
                right_closed: Timestamp::MIN,
            }),
        };
        let bytes = command
            .encode(&self.shared.cluster_version)
            .map_err(|error| RangeError::Refused(error.to_string()))?;
        self.machine.note_proposed_split(plan.right_id);
        let group = self
            .machine
            .group()
            .ok_or_else(|| self.unavailable("its Raft task is being rebuilt".to_owned()))?;
        let _in_flight = self.in_flight.enter(self.shared.now());
        match self.enqueue_and_wait(&group, term, bytes).await {
            Ok(applied) => match EntryOutcome::decode(&applied.outcome) {
                Some(EntryOutcome::Applied) => Ok(()),
                Some(EntryOutcome::OtherTerm | EntryOutcome::OtherBounds | EntryOutcome::NotSplit) | None => {
                    Err(self.mismatch(&self.machine.descriptor()))
                }
            },
            Err(error) => {
                if error.is_ambiguous() {
                    // Its latch ends now, and the split may still come: this replica serves no more in this term.
                    self.depose(term);
                }
                Err(self.unavailable(format!("its split was not confirmed: {error}")))
            }
        }
    }

    /// Back-pressure: a range of twice its size takes no more writes before it is split. Range 1 is never split and
    /// never waits.
    ///
    /// # Errors
    /// [`RangeError::Busy`] after a while: nothing was done, ask again.
    pub(super) async fn wait_for_split(&self, deadline: Deadline) -> Result<(), RangeError> {
        if !self.holds_writers() {
            return Ok(());
        }
        let until = self.deadline_within(BACK_PRESSURE_WAIT_MAX).min(deadline);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.holds_writers() {
                return Ok(());
            }
            if self.remaining(until).is_zero() {
                let size_bytes = self.machine.size_bytes();
                return Err(RangeError::Busy { range_id: self.range_id, size_bytes });
            }
            // The split's own apply wakes this, and the end of an attempt.
            let _ = tokio::time::timeout(self.remaining(until), changed).await;
        }
    }

    fn holds_writers(&self) -> bool {
        let size_bytes = self.machine.size_bytes();
        let max = self.shared.range_max_bytes();
        self.machine.is_splittable() && self.attempts.lock().holds_writers(size_bytes, max)
    }

    /// Whether an attempt to split this range by its size begins now.
    pub(crate) fn begin_attempt(&self) -> bool {
        let size_bytes = self.machine.size_bytes();
        let max = self.shared.range_max_bytes();
        self.machine.is_splittable()
            && size_bytes > max
            && self.leads()
            && self.attempts.lock().begin(size_bytes, max)
    }

    /// An attempt is over. True where a person should be told that the range cannot be split.
    pub(crate) fn end_attempt(&self, how: Ended) -> bool {
        let size_bytes = self.machine.size_bytes();
        let tell = Attempts::end(&mut self.attempts.lock(), how, size_bytes);
        self.changed.notify_waiters();
        tell
    }

    /// Whether this replica leads a range that has a quarter of the size at which it is split.
    pub(crate) fn may_split_soon(&self) -> bool {
        let size_bytes = self.machine.size_bytes();
        self.machine.has_outgrown(size_bytes.saturating_mul(4)) && self.leads()
    }
}

/// The plan for a key that somebody has chosen, or the middle.
pub(crate) fn plan(
    (generation, count): (u64, SizeCount),
    at: Option<Key>,
    right_id: RangeId,
) -> Result<SplitPlan, u64> {
    let total = count.total();
    let point = match at {
        Some(at) => count.sides_of(&at),
        None => match count.choose() {
            crate::splits::key::Choice::At(point) => point,
            crate::splits::key::Choice::OneKey { .. } => return Err(total),
        },
    };
    Ok(SplitPlan { point, generation, right_id })
}
