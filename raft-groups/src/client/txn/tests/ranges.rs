//! Commits over several ranges, and what others see of them on their way.

use quorate_engine::mvcc::intent::TransactionEnd;
use uuid::Uuid;

use super::*;
use crate::api::{
    Decision, EndRequest, IntentsRequest, RangeError, RecordState, Request, Response, Transact,
    TransactionMeta,
};
use crate::client::router::{SYSTEM_RANGE, SendError};
use crate::limits::{LOCK_WAIT_MAX, TRANSACTION_AGE_MAX};

/// Longer than anything takes here; time is tokio's, paused.
const DEADLINE: Duration = Duration::from_secs(60);

async fn wait_for_no_intents(setup: &Setup) {
    let gone = async {
        while setup.world.intents() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("intents are resolved behind the answer");
}

/// A coordinator that does by hand what it is told, and may stop at any point.
pub(super) struct ByHand {
    database: DistributedDatabase,
    meta: TransactionMeta,
}

impl ByHand {
    pub(super) async fn begin(database: &DistributedDatabase, id: u128, anchor: &str) -> Self {
        let now = begin(database).await.read_timestamp();
        let meta = TransactionMeta {
            id: Uuid::from_u128(id),
            anchor: key(anchor),
            attempt: 1,
            started: now,
            age: now,
            read_timestamp: now,
        };
        Self { database: database.clone(), meta }
    }

    async fn ask(&self, at: &str, step: Transact) -> Response {
        let router = self.database.router();
        let mut budget = self.database.budget();
        let range = router.range_of(&key(at), &mut budget).await.unwrap();
        router.send(&range, Request::Transact(step), &mut budget).await.unwrap()
    }

    pub(super) async fn lay(&self, name: &str, text: &str) -> Timestamp {
        let with_record = key(name) == self.meta.anchor;
        let request = IntentsRequest {
            transaction: self.meta.clone(),
            sequence: u32::from(!with_record),
            writes: vec![Write::put(key(name), value(text))],
            with_record,
        };
        let answer = self.ask(name, Transact::LayIntents(request)).await;
        let Response::IntentsLaid(timestamp) = answer else { panic!("{answer:?}") };
        timestamp
    }

    async fn end(&self, decision: Decision) -> RecordState {
        let request =
            EndRequest { transaction: self.meta.clone(), decision, intent_spans: vec![span("a", "z")] };
        let anchor = String::from_utf8(self.meta.anchor.as_ref()[1..].to_vec()).unwrap();
        let answer = self.ask(&anchor, Transact::End(request)).await;
        let Response::State(state) = answer else { panic!("{answer:?}") };
        state
    }

    /// Why a decision is refused.
    pub(super) async fn refused(&self, decision: Decision) -> RangeError {
        let request =
            EndRequest { transaction: self.meta.clone(), decision, intent_spans: vec![span("a", "z")] };
        let (router, mut budget) = (self.database.router(), self.database.budget());
        let answer = router.ask_anchor(&self.meta.anchor, Transact::End(request), &mut budget).await;
        let Err(SendError::Answered(error)) = answer else { panic!("{answer:?}") };
        error
    }

    pub(super) async fn commit(&self, timestamp: Timestamp) -> RecordState {
        self.end(Decision::Commit { timestamp, deadline: None }).await
    }

    pub(super) async fn beat(&self) {
        let anchor = self.meta.anchor.clone();
        let step = Transact::Heartbeat { transaction: self.meta.id, anchor: anchor.clone() };
        let name = String::from_utf8(anchor.as_ref()[1..].to_vec()).unwrap();
        assert_eq!(self.ask(&name, step).await, Response::State(RecordState::Pending));
    }
}

#[tokio::test(start_paused = true)]
async fn txn_over_several_ranges_commits_as_one() {
    let setup = setup().await;
    setup.world.split(LEFT, "\x02f", RangeId(4));
    put(&setup.one, &[("b", "0")]).await;
    put(&setup.one, &[("b", "1"), ("g", "2"), ("n", "3")]).await;
    for database in [&setup.one, &setup.two] {
        let mut transaction = begin(database).await;
        let keys = vec![key("n"), key("g"), key("b")];
        let values = transaction.get_many(keys).await.unwrap();
        assert_eq!(values, [Some(value("3")), Some(value("2")), Some(value("1"))]);
    }
    wait_for_no_intents(&setup).await;
    let steps = setup.world.take_steps();
    assert_eq!(steps[..4], ["lay with record", "lay", "lay", "commit"], "{steps:?}");
    assert!(steps[4..].iter().all(|step| matches!(*step, "resolve" | "push" | "settle")), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn txn_in_one_range_stays_one_command() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1"), ("c", "1")]).await;
    let mut transaction = begin(&setup.one).await;
    get(transaction.as_mut(), "c").await.unwrap();
    transaction.write(Write::put(key("b"), value("2"))).unwrap();
    transaction.commit(None).await.unwrap();
    assert!(setup.world.take_steps().is_empty(), "no intents");
}

#[tokio::test(start_paused = true)]
async fn txn_refreshes_what_it_read_in_other_ranges() {
    let setup = setup().await;
    put(&setup.one, &[("b", "1")]).await;
    let mut transaction = begin(&setup.one).await;
    get(transaction.as_mut(), "n").await.unwrap();
    transaction.write(Write::put(key("b"), value("2"))).unwrap();
    transaction.commit(None).await.unwrap();

    let mut transaction = begin(&setup.one).await;
    assert_eq!(get(transaction.as_mut(), "n").await.unwrap(), None);
    put(&setup.two, &[("n", "changed")]).await;
    transaction.write(Write::put(key("b"), value("3"))).unwrap();
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { key: at, .. } if *at == key("n")), "{error}");
    wait_for_no_intents(&setup).await;
    assert_eq!(get(begin(&setup.two).await.as_mut(), "b").await.unwrap(), Some(value("2")));
}

#[tokio::test(start_paused = true)]
async fn txn_conditions_and_deadlines_hold_over_several_ranges() {
    let setup = setup().await;
    put(&setup.one, &[("n", "1")]).await;
    for first in [Write::put(key("b"), value("2")), Write::insert(key("b"), value("2"))] {
        let mut transaction = begin(&setup.one).await;
        transaction.write(first).unwrap();
        transaction.write(Write::insert(key("n"), value("2"))).unwrap();
        let error = transaction.commit(None).await.unwrap_err();
        assert!(matches!(&error, KvError::ConditionFailed { key: at } if *at == key("n")), "{error}");
    }
    let mut transaction = begin(&setup.one).await;
    let deadline = transaction.read_timestamp();
    transaction.write(Write::put(key("b"), value("3"))).unwrap();
    transaction.write(Write::put(key("n"), value("3"))).unwrap();
    let error = transaction.commit(Some(deadline)).await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { reason, .. } if reason.contains("lease")), "{error}");
    wait_for_no_intents(&setup).await;
    let mut transaction = begin(&setup.two).await;
    let values = transaction.get_many(vec![key("b"), key("n")]).await.unwrap();
    assert_eq!(values, [None, Some(value("1"))]);
}

#[tokio::test(start_paused = true)]
async fn txn_larger_than_a_command_commits_in_chunks() {
    let setup = setup().await;
    let mut transaction = begin(&setup.two).await;
    let large = Bytes::from(vec![7; 100 << 10]);
    for number in 0..40 {
        for range in ["b", "n"] {
            let name = format!("{range}{number:02}");
            transaction.write(Write::insert(key(&name), large.clone())).unwrap();
        }
    }
    assert!(transaction.buffered_bytes() > 8_000_000);
    transaction.commit(None).await.unwrap();
    wait_for_no_intents(&setup).await;
    let mut transaction = begin(&setup.one).await;
    assert_eq!(scan(transaction.as_mut(), span("a", "z"), Direction::Reverse).await.len(), 80);
    let steps = setup.world.take_steps();
    let laid = steps.iter().filter(|step| step.starts_with("lay")).count();
    assert!((8..=12).contains(&laid), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn txn_beyond_its_limit_is_refused_when_it_is_written() {
    let setup = setup().await;
    let mut transaction = begin(&setup.one).await;
    let large = Bytes::from(vec![7; 500 << 10]);
    let error = (0..200)
        .find_map(|number| transaction.write(Write::put(key(&format!("b{number:03}")), large.clone())).err())
        .expect("a transaction has a limit");
    assert!(matches!(error, KvError::TooLarge { what: "transaction", limit: TRANSACTION_MAX_BYTES, .. }));
    assert!(transaction.buffered_bytes() > TRANSACTION_MAX_BYTES - (1 << 20));
}

#[tokio::test(start_paused = true)]
async fn txn_split_that_nobody_knows_of_is_followed() {
    let setup = setup().await;
    put(&setup.two, &[("b", "0"), ("g", "0"), ("n", "0"), ("q", "0")]).await;
    wait_for_no_intents(&setup).await;
    // What was one command for one range is two ranges' by now: nothing was proposed, and it goes in two phases.
    setup.world.split(LEFT, "\x02f", RangeId(4));
    put(&setup.two, &[("b", "1"), ("g", "1")]).await;
    wait_for_no_intents(&setup).await;
    // Further intents are grouped again, and so are refreshes and resolutions.
    let mut transaction = begin(&setup.two).await;
    assert_eq!(scan(transaction.as_mut(), span("a", "z"), Direction::Forward).await, ["b", "g", "n", "q"]);
    setup.world.split(RIGHT, "\x02o", RangeId(5));
    for name in ["b", "g", "n", "q"] {
        transaction.write(Write::put(key(name), value("2"))).unwrap();
    }
    transaction.commit(None).await.unwrap();
    wait_for_no_intents(&setup).await;
    let mut transaction = begin(&setup.one).await;
    let values = transaction.get_many(["b", "g", "n", "q"].map(key).to_vec()).await.unwrap();
    assert!(values.iter().all(|found| *found == Some(value("2"))), "{values:?}");
}

#[tokio::test(start_paused = true)]
async fn txn_lost_decision_is_asked_for_again() {
    let setup = setup().await;
    for (round, fault) in [Lost::Answer, Lost::Commit].into_iter().enumerate() {
        setup.world.fault(fault);
        let text = round.to_string();
        put(&setup.two, &[("b", &text), ("n", &text)]).await;
        let mut transaction = begin(&setup.one).await;
        let values = transaction.get_many(vec![key("b"), key("n")]).await.unwrap();
        assert_eq!(values, [Some(value(&text)), Some(value(&text))]);
    }
}

#[tokio::test(start_paused = true)]
async fn txn_decision_without_any_answer_is_ambiguous_and_all_or_nothing() {
    let setup = setup().await;
    setup.world.fault(Lost::AllAnswers);
    let mut transaction = begin(&setup.two).await;
    transaction.write(Write::put(key("b"), value("1"))).unwrap();
    transaction.write(Write::put(key("n"), value("1"))).unwrap();
    let begun = tokio::time::Instant::now();
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(error, KvError::Ambiguous { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // It did take place; its intents are resolved by whoever meets them.
    let mut reader = begin(&setup.one).await;
    let values = reader.get_many(vec![key("b"), key("n")]).await.unwrap();
    assert_eq!(values, [Some(value("1")), Some(value("1"))]);
}

#[tokio::test(start_paused = true)]
async fn txn_decision_that_may_stand_is_never_told_as_undone() {
    let setup = setup().await;
    put(&setup.two, &[("b", "0"), ("n", "0")]).await;
    wait_for_no_intents(&setup).await;
    setup.world.take_steps();
    setup.world.fault(Lost::AllAnswers);
    let mut transaction = begin(&setup.two).await;
    transaction.write(Write::put(key("b"), value("1"))).unwrap();
    transaction.write(Write::put(key("n"), value("1"))).unwrap();
    let committing = tokio::spawn(async move { transaction.commit(None).await });
    let decided = async {
        while !setup.world.take_steps().contains(&"commit") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, decided).await.unwrap();
    // Its answer is lost, its record lies in another range by now, and that one answers nobody.
    setup.world.split(LEFT, "\x02b", RangeId(4));
    setup.world.open_breaker(RangeId(4), "no quorum");
    let error = committing.await.unwrap().unwrap_err();
    assert!(matches!(error, KvError::Ambiguous { .. }), "{error}");
    setup.world.close_breaker(RangeId(4));
    let mut reader = begin(&setup.one).await;
    let values = reader.get_many(vec![key("b"), key("n")]).await.unwrap();
    assert_eq!(values, [Some(value("1")), Some(value("1"))]);
}

#[tokio::test(start_paused = true)]
async fn txn_record_stays_while_a_range_with_its_intents_is_away() {
    let setup = setup().await;
    let writer = ByHand::begin(&setup.one, 1, "b").await;
    let timestamp = writer.lay("b", "new").await.max(writer.lay("n", "new").await);
    writer.commit(timestamp).await;
    setup.world.open_breaker(RIGHT, "no quorum");
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    let ranges = setup.world.node(N1, setup.one.router().clock());
    setup.one.sweep_records(ranges.as_ref()).await;
    assert_eq!((setup.world.intents(), setup.world.records()), (1, 1), "the record outlives the outage");
    setup.world.close_breaker(RIGHT);
    assert_eq!(get(begin(&setup.two).await.as_mut(), "n").await.unwrap(), Some(value("new")));
    setup.one.sweep_records(ranges.as_ref()).await;
    assert_eq!(setup.world.records(), 0);
}

#[tokio::test(start_paused = true)]
async fn txn_reader_waits_for_a_transaction_that_is_alive() {
    let setup = setup().await;
    put(&setup.one, &[("b", "old"), ("n", "old")]).await;
    let writer = ByHand::begin(&setup.one, 1, "b").await;
    let first = writer.lay("b", "new").await;
    let second = writer.lay("n", "new").await;
    let mut readers = Vec::new();
    for name in ["b", "n"] {
        let database = setup.two.clone();
        readers.push(tokio::spawn(async move { get(begin(&database).await.as_mut(), name).await }));
    }
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(readers.iter().all(|reader| !reader.is_finished()), "nobody reads what is not decided");
        writer.beat().await;
    }
    let timestamp = first.max(second);
    let outcome = TransactionEnd::Committed { attempt: 1, timestamp };
    assert_eq!(writer.commit(timestamp).await, RecordState::Ended(outcome));
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap(), Some(value("new")));
    }
    assert_eq!(setup.world.intents(), 0, "the readers resolved what they met");
}

#[tokio::test(start_paused = true)]
async fn txn_reader_aborts_a_transaction_that_gives_no_sign_of_life() {
    let setup = setup().await;
    put(&setup.one, &[("b", "old"), ("n", "old")]).await;
    wait_for_no_intents(&setup).await;
    let writer = ByHand::begin(&setup.one, 1, "b").await;
    let timestamp = writer.lay("b", "new").await.max(writer.lay("n", "new").await);
    let begun = tokio::time::Instant::now();
    let mut transaction = begin(&setup.two).await;
    let values = transaction.get_many(vec![key("b"), key("n")]).await.unwrap();
    assert_eq!(values, [Some(value("old")), Some(value("old"))]);
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(2) && waited < Duration::from_secs(4), "{waited:?}");
    assert_eq!(setup.world.intents(), 0);
    // Its commit comes too late, and finds that.
    assert_eq!(writer.commit(timestamp).await, RecordState::Ended(TransactionEnd::Aborted));
}

#[tokio::test(start_paused = true)]
async fn txn_waiting_for_a_lock_has_a_limit_of_its_own() {
    let setup = setup().await;
    let writer = ByHand::begin(&setup.one, 0xabc, "n").await;
    writer.lay("n", "new").await;
    let beating = tokio::spawn(async move {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            writer.beat().await;
        }
        writer
    });
    let mut transaction = begin(&setup.two).await;
    let begun = tokio::time::Instant::now();
    let error = get(transaction.as_mut(), "n").await.unwrap_err();
    let KvError::Retry { key: at, reason } = &error else { panic!("{error}") };
    assert!(*at == key("n") && reason.contains("abc"), "{error}");
    assert!(begun.elapsed() >= LOCK_WAIT_MAX && begun.elapsed() < LOCK_WAIT_MAX + Duration::from_secs(1));
    // Nothing of it came from the statement's allowance: a range without its leader is still waited for.
    setup.network.isolate(N1);
    let begun = tokio::time::Instant::now();
    get(transaction.as_mut(), "b").await.unwrap_err();
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    beating.abort();
}

#[tokio::test(start_paused = true)]
async fn txn_writers_that_wait_for_each_other_go_on() {
    let setup = setup().await;
    setup.world.set_latency(Duration::from_millis(3));
    let begun = tokio::time::Instant::now();
    let mut tasks = Vec::new();
    for number in 0..6_u32 {
        let database = if number % 2 == 0 { setup.one.clone() } else { setup.two.clone() };
        tasks.push(tokio::spawn(async move {
            for _ in 0..200 {
                let mut transaction = begin(&database).await;
                // Read here and written there, both ways round, so that each refresh meets the other's intents.
                let (read, written) = if number % 3 == 0 { ("b", "n") } else { ("n", "b") };
                let seen = get(transaction.as_mut(), read).await;
                transaction.write(Write::put(key(written), value(&number.to_string()))).unwrap();
                match seen.and(transaction.commit(None).await) {
                    Ok(_) => return,
                    Err(KvError::Retry { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                tokio::time::sleep(Duration::from_millis(u64::from(number) * 7 + 1)).await;
            }
            panic!("it never committed");
        }));
    }
    for task in tasks {
        tokio::time::timeout(DEADLINE, task).await.expect("nobody waits for ever").unwrap();
    }
    // Nobody had to give up waiting: of two that wait for each other the older goes on at once.
    assert!(begun.elapsed() < LOCK_WAIT_MAX, "{:?}", begun.elapsed());
    wait_for_no_intents(&setup).await;
}

/// A transaction that was tried before is as old as its first attempt: the one in its way began later, and gives way.
#[tokio::test(start_paused = true)]
async fn txn_tried_again_is_older_than_those_that_began_since() {
    let setup = setup().await;
    let first_try = begin(&setup.one).await.read_timestamp();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let young = ByHand::begin(&setup.two, 1, "n").await;
    young.lay("n", "young").await;
    let commit = async |anchor: &str, since| {
        let options = TransactionOptions { since, ..TransactionOptions::default() };
        let mut transaction = setup.one.begin(options).await.unwrap();
        for name in [anchor, "n"] {
            transaction.write(Write::put(key(name), value("old"))).unwrap();
        }
        tokio::time::timeout(Duration::from_secs(1), transaction.commit(None)).await
    };
    assert!(commit("c", None).await.is_err(), "the younger of both waits");
    young.beat().await;
    commit("b", Some(first_try)).await.expect("the older one does not").unwrap();
    assert_eq!(get(begin(&setup.two).await.as_mut(), "n").await.unwrap(), Some(value("old")));
}

#[tokio::test(start_paused = true)]
async fn txn_scan_goes_on_in_the_next_range_unless_its_program_has_enough() {
    let setup = setup().await;
    setup.world.split(LEFT, "\x02f", RangeId(4));
    put(&setup.one, &[("b", "1"), ("c", "1"), ("g", "1"), ("h", "1"), ("n", "1"), ("o", "1")]).await;
    wait_for_no_intents(&setup).await;
    let mut transaction = begin(&setup.two).await;
    let mut pages = async |program: &str, direction| {
        let program = Some(ScanProgram(Bytes::copy_from_slice(program.as_bytes())));
        let (mut rest, mut counts) = (Some(span("a", "z")), Vec::new());
        while let Some(span) = rest.take() {
            let page =
                transaction.scan(ScanRequest { program: program.clone(), ..request(span, direction, 100) });
            let page = page.await.unwrap();
            let ScanRows::Outputs(outputs) = page.rows else { panic!("a program was sent") };
            counts.push((page.served.range_id, String::from_utf8(outputs[0].to_vec()).unwrap()));
            rest = page.resume;
        }
        counts
    };
    let count = |id: u64, text: &str| (id, text.to_owned());
    assert_eq!(pages("all", Direction::Forward).await, [count(2, "2"), count(4, "2"), count(3, "2")]);
    assert_eq!(pages("all", Direction::Reverse).await, [count(3, "2"), count(4, "2"), count(2, "2")]);
    assert_eq!(pages("3", Direction::Forward).await.len(), 3, "no page has three");
    for direction in [Direction::Forward, Direction::Reverse] {
        assert_eq!(pages("1", direction).await.len(), 1, "the program has enough");
        // The same where the program stops with the last pair of a range.
        assert_eq!(pages("2", direction).await.len(), 1);
    }
    transaction.write(Write::put(key("i"), value("1"))).unwrap();
    let all = scan(transaction.as_mut(), span("a", "z"), Direction::Reverse).await;
    assert_eq!(all, ["o", "n", "i", "h", "g", "c", "b"]);
    let mut pages = async |program: &str| {
        let program = Some(ScanProgram(Bytes::copy_from_slice(program.as_bytes())));
        let page =
            transaction.scan(ScanRequest { program, ..request(span("g", "z"), Direction::Forward, 100) });
        page.await.unwrap().resume
    };
    assert_eq!(pages("3").await, None, "it stops here, over what was written here");
    assert_eq!(pages("4").await, Some(span("m", "z")));
}

/// `INSERT INTO t SELECT … FROM t`: each page's rows are written ahead of the scan, in this range and the next.
#[tokio::test(start_paused = true)]
async fn txn_statement_over_ranges_does_not_see_its_own_writes() {
    for direction in [Direction::Forward, Direction::Reverse] {
        let setup = setup().await;
        put(&setup.one, &[("b", "1"), ("c", "1"), ("g", "1"), ("n", "1"), ("o", "1"), ("p", "1")]).await;
        wait_for_no_intents(&setup).await;
        let mut transaction = begin(&setup.two).await;
        transaction.start_statement();
        transaction.write(Write::put(key("d"), value("1"))).unwrap();
        transaction.write(Write::delete(key("o"))).unwrap();
        let as_of = transaction.start_statement();
        let (mut rest, mut read) = (Some(span("a", "z")), Vec::new());
        while let Some(span) = rest.take() {
            let page = transaction.scan_as_of(request(span, direction, 2), as_of).await.unwrap();
            let ScanRows::Pairs(pairs) = page.rows else { panic!("pairs were asked for") };
            for (at, _) in pairs {
                let name = String::from_utf8(at.as_ref()[1..].to_vec()).unwrap();
                for ahead in [format!("{name}x"), format!("l{name}"), format!("y{name}"), format!("a{name}")]
                {
                    transaction.write(Write::put(key(&ahead), value("2"))).unwrap();
                }
                transaction.write(Write::put(at, value("2"))).unwrap();
                read.push(name);
            }
            rest = page.resume;
            // A split in between changes nothing.
            if read.len() == 2 {
                setup.world.split(LEFT, "\x02f", RangeId(4));
            }
        }
        read.sort();
        assert_eq!(read, ["b", "c", "d", "g", "n", "p"], "{direction:?}");
        let values =
            transaction.get_many_as_of(["b", "bx", "d", "o"].map(key).to_vec(), as_of).await.unwrap();
        assert_eq!(values, [Some(value("1")), None, Some(value("1")), None]);
        let values = transaction.get_many(["b", "bx", "d", "o"].map(key).to_vec()).await.unwrap();
        assert_eq!(values, [Some(value("2")), Some(value("2")), Some(value("2")), None]);
        transaction.commit(None).await.unwrap();
        let mut reader = begin(&setup.one).await;
        let all = scan(reader.as_mut(), span("a", "z"), Direction::Forward).await;
        assert_eq!(all.len(), 6 + 4 * 6, "{all:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn txn_that_takes_long_is_kept_alive_by_its_coordinator() {
    let setup = setup().await;
    put(&setup.one, &[("b", "old")]).await;
    setup.world.set_latency(Duration::from_millis(600));
    let mut writer = begin(&setup.one).await;
    writer.write(Write::put(key("b"), value("new"))).unwrap();
    let large = Bytes::from(vec![7; 400 << 10]);
    for number in 0..18 {
        writer.write(Write::put(key(&format!("n{number:02}")), large.clone())).unwrap();
    }
    let begun = tokio::time::Instant::now();
    let writer = tokio::spawn(async move { writer.commit(None).await.map(|_| begun.elapsed()) });
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The reader in between asks for it, and does not take it for dead; it began before the commit's timestamp.
    assert_eq!(get(begin(&setup.two).await.as_mut(), "b").await.unwrap(), Some(value("old")));
    let took = writer.await.unwrap().unwrap();
    assert!(took > Duration::from_secs(5), "longer than a transaction lives without a heartbeat: {took:?}");
    assert!(setup.world.take_steps().contains(&"push"));
    assert_eq!(get(begin(&setup.two).await.as_mut(), "b").await.unwrap(), Some(value("new")));
}

#[tokio::test(start_paused = true)]
async fn txn_leftovers_are_swept_where_nobody_meets_them() {
    let setup = setup().await;
    put(&setup.one, &[("c", "1")]).await;
    let dead = ByHand::begin(&setup.one, 1, "b").await;
    dead.lay("b", "never").await;
    dead.lay("n", "never").await;
    let silent = ByHand::begin(&setup.one, 2, "d").await;
    let timestamp = silent.lay("d", "new").await.max(silent.lay("p", "new").await);
    silent.commit(timestamp).await;
    let sweep = async || {
        for (node, database) in [(N1, &setup.one), (N2, &setup.two)] {
            let ranges = setup.world.node(node, database.router().clock());
            database.sweep_intents(ranges.as_ref()).await;
            database.sweep_records(ranges.as_ref()).await;
        }
    };
    sweep().await;
    assert_eq!((setup.world.intents(), setup.world.records()), (4, 3), "all of it may be at work");
    tokio::time::sleep(Duration::from_secs(10)).await;
    sweep().await;
    assert_eq!((setup.world.intents(), setup.world.records()), (0, 3), "and anybody may ask for it");
    let mut transaction = begin(&setup.two).await;
    let values = transaction.get_many(["b", "n", "d", "p"].map(key).to_vec()).await.unwrap();
    assert_eq!(values, [None, None, Some(value("new")), Some(value("new"))]);
    tokio::time::sleep(Duration::from_secs(11 * 60)).await;
    sweep().await;
    assert_eq!(setup.world.records(), 0);
}

/// Records go as fast as they come: at two thousand commits over ranges a second none is older than fifteen minutes.
#[tokio::test(start_paused = true)]
async fn txn_records_go_as_fast_as_they_come() {
    const TRANSACTIONS: usize = 4_000;
    const RATE_WANTED: f64 = 2_000.0;
    let setup = setup().await;
    for chunk in (0..TRANSACTIONS).collect::<Vec<_>>().chunks(200) {
        let pairs = chunk.iter().map(|number| {
            let (left, right) = (format!("b{number}"), format!("n{number}"));
            let one = &setup.one;
            async move { put(one, &[(&left, "1"), (&right, "1")]).await }
        });
        futures::future::join_all(pairs).await;
        wait_for_no_intents(&setup).await;
    }
    assert_eq!(setup.world.records(), TRANSACTIONS);
    let settled = async {
        while setup.world.unsettled() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.expect("the resolver tells the records");
    tokio::time::sleep(TRANSACTION_AGE_MAX + Duration::from_secs(10)).await;
    let begun = tokio::time::Instant::now();
    let ranges = setup.world.node(N1, setup.one.router().clock());
    setup.one.sweep_records(ranges.as_ref()).await;
    let rate = TRANSACTIONS as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(setup.world.records(), 0);
    assert!(rate > RATE_WANTED, "{rate:.0} records a second");
}

/// A coordinator that dies before it has told its record: whoever sweeps resolves once more, and the record goes.
#[tokio::test(start_paused = true)]
async fn txn_records_that_nobody_settled_go_with_the_sweep() {
    let setup = setup().await;
    for number in 0..600_u128 {
        let (left, right) = (format!("b{number}"), format!("n{number}"));
        let by_hand = ByHand::begin(&setup.one, number + 1, &left).await;
        let timestamp = by_hand.lay(&left, "1").await.max(by_hand.lay(&right, "1").await);
        by_hand.commit(timestamp).await;
    }
    tokio::time::sleep(TRANSACTION_AGE_MAX + Duration::from_secs(10)).await;
    let ranges = setup.world.node(N1, setup.one.router().clock());
    setup.one.sweep_records(ranges.as_ref()).await;
    assert_eq!((setup.world.intents(), setup.world.records()), (0, 0));
}

/// Nobody else asks for the ranges' keys: what the sweeper knows of them is what its own node holds.
#[tokio::test(start_paused = true)]
async fn txn_leftovers_right_of_a_split_are_swept_at_once() {
    let setup = setup().await;
    put(&setup.two, &[("c", "1"), ("q", "1")]).await;
    wait_for_no_intents(&setup).await;
    let dead = ByHand::begin(&setup.one, 1, "b").await;
    dead.lay("b", "never").await;
    dead.lay("q", "never").await;
    setup.world.split(RIGHT, "\x02o", RangeId(5));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ranges = setup.world.node(N2, setup.two.router().clock());
    setup.two.sweep_intents(ranges.as_ref()).await;
    assert_eq!(setup.world.intents(), 1, "the one at its anchor, which another node leads");
}

#[tokio::test(start_paused = true)]
async fn txn_leftovers_that_cannot_be_swept_keep_no_others_waiting() {
    let setup = setup().await;
    setup.world.split(LEFT, "\x02f", RangeId(4));
    put(&setup.one, &[("b", "1"), ("g", "1")]).await;
    wait_for_no_intents(&setup).await;
    for (id, anchor) in (1..).zip(["g", "b", "c", "d"]) {
        let dead = ByHand::begin(&setup.one, id, anchor).await;
        dead.lay(anchor, "never").await;
        dead.lay(&format!("n{id}"), "never").await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    // The first transaction's record cannot be asked for.
    setup.world.open_breaker(RangeId(4), "no quorum");
    let ranges = setup.world.node(N2, setup.two.router().clock());
    setup.two.sweep_intents(ranges.as_ref()).await;
    assert_eq!(setup.world.intents(), 5, "its own, and those at the others' anchors");
}

/// More than one page tells.
#[tokio::test(start_paused = true)]
async fn txn_leftovers_of_many_are_swept_at_once() {
    let setup = setup().await;
    for id in 1..=40 {
        let name = format!("n{id:02}");
        ByHand::begin(&setup.one, id, &name).await.lay(&name, "never").await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ranges = setup.world.node(N2, setup.two.router().clock());
    setup.two.sweep_intents(ranges.as_ref()).await;
    assert_eq!(setup.world.intents(), 0);
}

#[tokio::test(start_paused = true)]
async fn txn_that_grows_too_old_while_it_lays_intents_is_taken_back_and_may_be_run_again() {
    let setup = setup().await;
    put(&setup.one, &[("b", "0"), ("n", "0")]).await;
    wait_for_no_intents(&setup).await;
    let mut transaction = begin(&setup.one).await;
    for name in ["b", "n"] {
        transaction.write(Write::put(key(name), value("1"))).unwrap();
    }
    // Young enough when it begins to commit and when its record is written, not when the other range is reached.
    let latency = Duration::from_millis(100);
    tokio::time::sleep(TRANSACTION_AGE_MAX - latency * 3 / 2).await;
    setup.world.take_steps();
    setup.world.set_latency(latency);
    let error = transaction.commit(None).await.unwrap_err();
    assert!(matches!(&error, KvError::Retry { reason, .. } if reason.contains("ten minutes")), "{error:?}");
    assert!(setup.world.take_steps().contains(&"lay with record"), "it had begun");
    setup.world.set_latency(Duration::ZERO);
    wait_for_no_intents(&setup).await;
    let mut reader = begin(&setup.two).await;
    for name in ["b", "n"] {
        assert_eq!(get(reader.as_mut(), name).await.unwrap(), Some(value("0")));
    }
}

/// Whoever meets an intent asks for its transaction's record: where nobody can say where that lies, the range that knows it is
/// unavailable, and the store has not failed.
#[tokio::test(start_paused = true)]
async fn ranges_whose_record_is_out_of_reach_are_unavailable() {
    let setup = setup().await;
    setup.world.open_breaker(SYSTEM_RANGE, "no quorum for 3s: n3 is silent");
    let meta = ByHand::begin(&setup.two, 7, "b").await.meta;
    let step = Transact::Heartbeat { transaction: meta.id, anchor: meta.anchor.clone() };
    let mut budget = setup.two.budget();
    let answer = setup.two.router().ask_anchor(&meta.anchor, step, &mut budget).await;
    let Err(SendError::Unavailable { range_id, detail }) = answer else { panic!("{answer:?}") };
    assert_eq!(range_id, SYSTEM_RANGE, "{detail}");
}
