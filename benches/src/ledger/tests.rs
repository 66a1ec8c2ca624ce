//! The ledger's judgement, by hand and against a register that really runs.

use proptest::prelude::*;

use super::*;
use crate::values;

fn value(key: u64, stamp: u64) -> String {
    values::make(key, stamp, 64)
}

fn read(ledger: &Ledger, key: u64, stamp: u64) -> Result<(), Wrong> {
    let view = ledger.before_read(key);
    ledger.check(key, &view, Some(&value(key, stamp)))
}

#[test]
fn ledger_accepts_the_last_write_and_refuses_older_ones() {
    let ledger = Ledger::new(2);
    let one = ledger.begin(0);
    ledger.acknowledge(0, one);
    let two = ledger.begin(0);
    ledger.acknowledge(0, two);
    assert_eq!(read(&ledger, 0, two), Ok(()));
    assert_eq!(read(&ledger, 0, one), Err(Wrong::Old { key: 0, stamp: one }));
}

#[test]
fn ledger_accepts_either_of_two_concurrent_writes() {
    let ledger = Ledger::new(1);
    let (one, two) = (ledger.begin(0), ledger.begin(0));
    ledger.acknowledge(0, two);
    ledger.acknowledge(0, one);
    assert_eq!(read(&ledger, 0, one), Ok(()));
    assert_eq!(read(&ledger, 0, two), Ok(()));
    let three = ledger.begin(0);
    ledger.acknowledge(0, three);
    assert!(!ledger.has(0, one) && !ledger.has(0, two), "both were overwritten");
}

#[test]
fn ledger_keeps_writes_of_unknown_fate() {
    let ledger = Ledger::new(1);
    let lost = ledger.begin(0);
    let done = ledger.begin(0);
    ledger.acknowledge(0, done);
    assert_eq!(read(&ledger, 0, lost), Ok(()));
    ledger.forget(0, lost);
    assert_eq!(read(&ledger, 0, lost), Err(Wrong::Old { key: 0, stamp: lost }));
}

#[test]
fn ledger_notices_missing_and_foreign_values() {
    let ledger = Ledger::new(2);
    let view = ledger.before_read(0);
    assert_eq!(ledger.check(0, &view, None), Ok(()), "nothing was written yet");
    let stamp = ledger.begin(0);
    ledger.acknowledge(0, stamp);
    let view = ledger.before_read(0);
    assert_eq!(ledger.check(0, &view, None), Err(Wrong::Missing { key: 0 }));
    assert!(matches!(ledger.check(0, &view, Some(&value(1, stamp))), Err(Wrong::Foreign { .. })));
    assert!(matches!(ledger.check(0, &view, Some("nonsense")), Err(Wrong::Foreign { .. })));
    let future = value(0, 1_000_000);
    assert!(matches!(ledger.check(0, &view, Some(&future)), Err(Wrong::Foreign { .. })), "not drawn yet");
}

#[test]
fn ledger_accepts_a_write_that_began_during_the_read() {
    let ledger = Ledger::new(1);
    let old = ledger.begin(0);
    ledger.acknowledge(0, old);
    let view = ledger.before_read(0);
    let new = ledger.begin(0);
    assert_eq!(ledger.check(0, &view, Some(&value(0, new))), Ok(()));
    assert_eq!(ledger.check(0, &view, Some(&value(0, old))), Ok(()), "the read may have come before it");
    ledger.acknowledge(0, new);
    assert_eq!(read(&ledger, 0, old), Err(Wrong::Old { key: 0, stamp: old }));
}

/// A step of one of three clients of a register.
#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    TakeEffect(usize),
    Acknowledge(usize),
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize).prop_map(Step::Begin),
        (0..3usize).prop_map(Step::TakeEffect),
        (0..3usize).prop_map(Step::Acknowledge),
        Just(Step::Read),
    ]
}

proptest! {
    /// Whatever a register that is right returns, the ledger accepts; what its first write left, once another was
    /// acknowledged that began after it was, it refuses.
    #[test]
    fn ledger_accepts_every_correct_register(steps in prop::collection::vec(step(), 1..60)) {
        let ledger = Ledger::new(1);
        let mut register: Option<u64> = None;
        let mut clients: [Option<(u64, bool)>; 3] = [None; 3];
        for step in steps {
            match step {
                Step::Begin(client) if clients[client].is_none() => clients[client] = Some((ledger.begin(0), false)),
                Step::TakeEffect(client) => {
                    if let Some((stamp, false)) = clients[client] {
                        register = Some(stamp);
                        clients[client] = Some((stamp, true));
                    }
                }
                Step::Acknowledge(client) => {
                    if let Some((stamp, true)) = clients[client] {
                        ledger.acknowledge(0, stamp);
                        clients[client] = None;
                    }
                }
                Step::Read => {
                    let view = ledger.before_read(0);
                    let found = register.map(|stamp| value(0, stamp));
                    prop_assert_eq!(ledger.check(0, &view, found.as_deref()), Ok(()));
                }
                Step::Begin(_) => {}
            }
        }
    }
}
