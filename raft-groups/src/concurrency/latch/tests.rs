//! Waiting for latches: order, timeouts and dropped waits. The table behind it has its own tests.

use quorate_engine::kv::{Key, Span};

use super::super::latch_table::Access;
use super::*;

const LONG: Duration = Duration::from_secs(20);

fn write(key: &str) -> LatchSpans {
    LatchSpans::new([(Span::point(Key::from(key.as_bytes())), Access::Exclusive)])
}

#[tokio::test]
async fn writers_of_a_key_pass_one_after_the_other() {
    let latches = Arc::new(Latches::default());
    let first = latches.acquire(write("a"), LONG).await.unwrap();
    let other_key = latches.acquire(write("b"), LONG).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..3 {
        let (waiting, order) = (Arc::clone(&latches), Arc::clone(&order));
        let queued = latches.len() + 1;
        tasks.push(tokio::spawn(async move {
            let _guard = waiting.acquire(write("a"), LONG).await.unwrap();
            order.lock().push(number);
        }));
        while latches.len() < queued {
            tokio::task::yield_now().await;
        }
    }
    assert!(order.lock().is_empty());
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2]);
    drop(other_key);
    assert!(latches.is_empty());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_its_deadline_and_leaves_the_queue() {
    let latches = Arc::new(Latches::default());
    let first = latches.acquire(write("a"), LONG).await.unwrap();
    let error = latches.acquire(write("a"), Duration::from_millis(10)).await.unwrap_err();
    assert_eq!(error, LatchError::TimedOut);
    assert_eq!(latches.len(), 1, "whoever gave up holds nobody back");
    drop(first);
    latches.acquire(write("a"), LONG).await.unwrap();
    assert!(latches.is_empty());
}

#[tokio::test]
async fn queue_is_bounded() {
    let latches = Arc::new(Latches::default());
    let mut held = Vec::new();
    for number in 0..LATCH_REQUESTS_MAX {
        held.push(latches.acquire(write(&number.to_string()), LONG).await.unwrap());
    }
    assert_eq!(latches.acquire(write("one more"), LONG).await.unwrap_err(), LatchError::QueueFull);
    held.pop();
    assert!(latches.acquire(write("one more"), LONG).await.is_ok());
}
