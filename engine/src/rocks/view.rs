//! [`RocksView`]: a snapshot of the library that does not borrow the database.
//!
//! The library's snapshot borrows its database. A thread of its own owns both, and reads pages for whoever asks. Dropping
//! the view waits for its end, at most for a page: afterwards nothing of it keeps the database open.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Database, RocksSnapshot};
use crate::staging::{Pair, PinnedView, page_of};
use crate::store::{Family, StoreError};

/// Questions that wait: whoever asks waits for the answer.
const QUESTIONS_MAX: usize = 1;

type Page = Result<Vec<Pair>, StoreError>;

struct Question {
    family: Family,
    start: Vec<u8>,
    end: Vec<u8>,
    bytes_max: usize,
    answer: SyncSender<Page>,
}

/// See the module.
pub(super) struct RocksView {
    /// None only while this is dropped.
    questions: Option<SyncSender<Question>>,
    thread: Option<JoinHandle<()>>,
}

impl RocksView {
    /// A view as of now: the snapshot is taken before this returns.
    pub(super) fn open(db: &Arc<Database>) -> Result<Self, StoreError> {
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let (taken, is_taken) = sync_channel(1);
        let db = Arc::clone(db);
        let work = move || {
            let snapshot = RocksSnapshot { db: &db, snapshot: db.snapshot() };
            if taken.send(()).is_ok() {
                answer(&snapshot, &asked);
            }
        };
        let thread = start(work).map_err(|error| ended(&error))?;
        is_taken.recv().map_err(|error| ended(&error))?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }
}

impl Drop for RocksView {
    fn drop(&mut self) {
        drop(self.questions.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told to whoever asked.
            let _ = thread.join();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it owns what the library only lends; stores in memory need none"
)]
fn start(work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("pinned-view".to_owned()).spawn(work)
}

fn answer(snapshot: &RocksSnapshot<'_>, asked: &Receiver<Question>) {
    while let Ok(question) = asked.recv() {
        let bounds = (question.start.as_slice(), question.end.as_slice());
        // Whoever asked may be gone.
        let _ = question.answer.send(page_of(snapshot, question.family, bounds, question.bytes_max));
    }
}

fn ended(error: &dyn std::error::Error) -> StoreError {
    StoreError::Device { operation: "pin", detail: error.to_string() }
}

impl PinnedView for RocksView {
    fn page(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let (answer, answered) = sync_channel(1);
        let question = Question { family, start: start.to_vec(), end: end.to_vec(), bytes_max, answer };
        let questions = self.questions.as_ref().expect("only dropping takes it");
        questions.send(question).map_err(|error| ended(&error))?;
        answered.recv().map_err(|error| ended(&error))?
    }
}
