//! Requests and answers survive their bytes, damaged bytes are refused, and the bytes are those of the fixtures.

use bytes::Bytes;
use proptest::prelude::*;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    Change, ChangesPage, ChangesRequest, Direction, ProgramError, ScanPage, ScanProgram, ScanRequest,
    ScanRows, ScanServed, Write, WriteCondition,
};
use quorate_engine::mvcc::intent::Outcome;
use quorate_engine::testing::fixture;
use quorate_placement::topology::{NodeId, RangeId};
use uuid::Uuid;

use super::*;
use crate::api::{
    CommitRequest, Decision, EndRequest, EndedTransaction, Holder, IntentsRequest, Leftover, PushRequest,
    Rank, ReadAt, RecordId, Request, ResolveRequest, SweepRequest, Swept, Transact, TransactionMeta,
    TransactionOutcome, TransactionState,
};
use crate::descriptor::RangeDescriptor;

fn key() -> impl Strategy<Value = Key> {
    prop::collection::vec(any::<u8>(), 0..9).prop_map(Key::from)
}

fn span() -> impl Strategy<Value = Span> {
    (key(), key()).prop_map(|(start, end)| Span::new(start, end))
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_raw)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

fn list<S: Strategy>(item: S) -> impl Strategy<Value = Vec<S::Value>>
where
    S::Value: Clone,
{
    prop::collection::vec(item, 0..4)
}

fn read_at() -> impl Strategy<Value = ReadAt> {
    (time(), time()).prop_map(|(timestamp, uncertainty_limit)| ReadAt { timestamp, uncertainty_limit })
}

fn scan() -> impl Strategy<Value = ScanRequest> {
    (span(), any::<bool>(), prop::option::of(bytes()), any::<u64>(), any::<u64>()).prop_map(
        |(span, reverse, program, rows_max, bytes_max)| ScanRequest {
            span,
            direction: if reverse { Direction::Reverse } else { Direction::Forward },
            program: program.map(ScanProgram),
            rows_max,
            bytes_max,
        },
    )
}

fn write() -> impl Strategy<Value = Write> {
    (key(), prop::option::of(bytes()), any::<bool>()).prop_map(|(key, value, absent)| Write {
        key,
        value,
        condition: if absent { WriteCondition::Absent } else { WriteCondition::None },
    })
}

fn read_span() -> impl Strategy<Value = ReadSpan> {
    (span(), prop::option::of(bytes()))
        .prop_map(|(span, filter)| ReadSpan { span, filter: filter.map(ScanProgram) })
}

fn commit() -> impl Strategy<Value = CommitRequest> {
    let times = (time(), time(), prop::option::of(time()));
    (any::<u128>(), any::<u32>(), times, list(read_span()), list(write())).prop_map(
        |(id, attempt, (started, read_timestamp, deadline), read_spans, writes)| CommitRequest {
            transaction: Uuid::from_u128(id),
            attempt,
            started,
            read_timestamp,
            read_spans,
            writes,
            deadline,
        },
    )
}

fn meta() -> impl Strategy<Value = TransactionMeta> {
    (any::<u128>(), key(), any::<u32>(), (time(), time()), time()).prop_map(
        |(id, anchor, attempt, (started, age), read_timestamp)| TransactionMeta {
            id: Uuid::from_u128(id),
            anchor,
            attempt,
            started,
            age,
            read_timestamp,
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let committed =
        (any::<u32>(), time()).prop_map(|(attempt, timestamp)| Outcome::Committed { attempt, timestamp });
    prop_oneof![committed, Just(Outcome::Aborted)]
}

fn holder() -> impl Strategy<Value = Holder> {
    (any::<u128>(), key(), time(), time()).prop_map(|(id, anchor, started, written)| Holder {
        transaction: Uuid::from_u128(id),
        anchor,
        started,
        written,
    })
}

fn record_id() -> impl Strategy<Value = RecordId> {
    (any::<u128>(), key()).prop_map(|(id, anchor)| RecordId { transaction: Uuid::from_u128(id), anchor })
}

fn swept() -> impl Strategy<Value = Swept> {
    let ended = (record_id(), outcome(), list(span()))
        .prop_map(|(id, outcome, intent_spans)| EndedTransaction { id, outcome, intent_spans });
    (list(holder()), list(ended), prop::option::of(record_id())).prop_map(|(abandoned, ended, next)| Swept {
        abandoned,
        ended,
        next,
    })
}

fn transact() -> impl Strategy<Value = Transact> {
    let decision = prop_oneof![
        (time(), prop::option::of(time()))
            .prop_map(|(timestamp, deadline)| Decision::Commit { timestamp, deadline }),
        Just(Decision::Abort),
    ];
    let rank = (time(), any::<u128>()).prop_map(|(age, id)| Rank { age, id: Uuid::from_u128(id) });
    prop_oneof![
        (meta(), any::<u32>(), list(write()), any::<bool>()).prop_map(
            |(transaction, sequence, writes, with_record)| Transact::LayIntents(IntentsRequest {
                transaction,
                sequence,
                writes,
                with_record,
            })
        ),
        (any::<u128>(), key())
            .prop_map(|(id, anchor)| Transact::Heartbeat { transaction: Uuid::from_u128(id), anchor }),
        (meta(), decision, list(span())).prop_map(|(transaction, decision, intent_spans)| Transact::End(
            EndRequest { transaction, decision, intent_spans }
        )),
        (span(), leftover()).prop_map(|(span, wanted)| Transact::Sweep(SweepRequest { span, wanted })),
        (holder(), prop::option::of(rank))
            .prop_map(|(holder, pusher)| Transact::Push(PushRequest { holder, pusher })),
        (any::<u128>(), outcome(), list(span())).prop_map(|(id, outcome, spans)| Transact::Resolve(
            ResolveRequest { transaction: Uuid::from_u128(id), outcome, spans }
        )),
    ]
}

fn leftover() -> impl Strategy<Value = Leftover> {
    prop_oneof![
        Just(Leftover::Intents),
        (prop::option::of(record_id()), list(record_id()))
            .prop_map(|(after, resolved)| Leftover::Records { after, resolved }),
    ]
}

fn request() -> impl Strategy<Value = RangeRequest> {
    let kinds = prop_oneof![
        (list(key()), read_at()).prop_map(|(keys, read)| Request::Get { keys, read }),
        (scan(), read_at()).prop_map(|(scan, read)| Request::Scan { scan, read }),
        (changes(), read_at()).prop_map(|(changes, read)| Request::Changes { changes, read }),
        (list(read_span()), time(), time(), prop::option::of(any::<u128>())).prop_map(
            |(spans, after, upto, own)| {
                Request::Refresh { spans, after, upto, own: own.map(Uuid::from_u128) }
            }
        ),
        transact().prop_map(Request::Transact),
        commit().prop_map(Request::Commit),
        (any::<u128>(), key(), time()).prop_map(|(id, anchor, started)| Request::QueryTransaction {
            transaction: Uuid::from_u128(id),
            anchor,
            started
        }),
    ];
    (any::<u64>(), any::<u64>(), kinds).prop_map(|(range_id, generation, request)| RangeRequest {
        range_id: RangeId(range_id),
        generation,
        request,
    })
}

fn page() -> impl Strategy<Value = ScanPage> {
    let rows = prop_oneof![
        list((key(), bytes())).prop_map(ScanRows::Pairs),
        list(bytes()).prop_map(ScanRows::Outputs),
    ];
    let served = any::<[u64; 5]>().prop_map(|[range_id, node_id, rows_read, rows_returned, visited]| {
        ScanServed { range_id, node_id, rows_read, rows_returned, visited }
    });
    (rows, prop::option::of(span()), any::<bool>(), served)
        .prop_map(|(rows, resume, is_stopped, served)| ScanPage { rows, resume, is_stopped, served })
}

fn changes() -> impl Strategy<Value = ChangesRequest> {
    (span(), time(), any::<u64>(), any::<u64>())
        .prop_map(|(span, after, keys_max, bytes_max)| ChangesRequest { span, after, keys_max, bytes_max })
}

fn changes_page() -> impl Strategy<Value = ChangesPage> {
    let change = (key(), time(), prop::option::of(bytes())).prop_map(|(key, timestamp, value)| Change {
        key,
        timestamp,
        value,
    });
    (list(change), prop::option::of(span())).prop_map(|(changes, resume)| ChangesPage { changes, resume })
}

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        list(prop::option::of(bytes())).prop_map(Response::Values),
        page().prop_map(Response::Page),
        changes_page().prop_map(Response::Changes),
        list(read_span()).prop_map(|left| Response::Refreshed { left }),
        time().prop_map(Response::Committed),
        time().prop_map(|at| Response::Outcome(TransactionOutcome::Committed(at))),
        time().prop_map(Response::IntentsLaid),
        outcome().prop_map(|outcome| Response::State(TransactionState::Ended(outcome))),
        Just(Response::State(TransactionState::Pending)),
        list(span()).prop_map(|rest| Response::Resolved { rest }),
        swept().prop_map(Response::Swept),
        Just(Response::Outcome(TransactionOutcome::Aborted)),
        Just(Response::Outcome(TransactionOutcome::Unknown)),
    ]
}

fn descriptor() -> impl Strategy<Value = RangeDescriptor> {
    (any::<u64>(), span(), list(any::<u64>())).prop_map(|(id, span, nodes)| {
        let nodes: Vec<_> = nodes.into_iter().map(NodeId).collect();
        RangeDescriptor::new(RangeId(id), span, &nodes)
    })
}

fn error() -> impl Strategy<Value = RangeError> {
    let range = || any::<u64>().prop_map(RangeId);
    prop_oneof![
        (range(), prop::option::of(any::<u64>())).prop_map(|(range_id, node)| {
            RangeError::NotLeaseholder { range_id, leaseholder: node.map(NodeId) }
        }),
        (range(), list(descriptor())).prop_map(|(range_id, known)| RangeError::Mismatch { range_id, known }),
        (key(), time()).prop_map(|(key, timestamp)| RangeError::Uncertain { key, timestamp }),
        (key(), time()).prop_map(|(key, timestamp)| RangeError::Conflict { key, timestamp }),
        (key(), holder()).prop_map(|(key, holder)| RangeError::Locked { key, holder: Box::new(holder) }),
        key().prop_map(|key| RangeError::ConditionFailed { key }),
        time().prop_map(|timestamp| RangeError::PastDeadline { timestamp }),
        (range(), any::<String>())
            .prop_map(|(range_id, detail)| RangeError::Unavailable { range_id, detail }),
        (range(), any::<String>()).prop_map(|(range_id, detail)| RangeError::Ambiguous { range_id, detail }),
        (any::<String>(), any::<String>())
            .prop_map(|(sqlstate, message)| RangeError::Program(ProgramError { sqlstate, message })),
        Just(RangeError::TooOld),
        any::<String>().prop_map(RangeError::Refused),
        any::<String>().prop_map(RangeError::Storage),
        any::<String>().prop_map(RangeError::Damaged),
    ]
}

proptest! {
    #[test]
    fn request_survives_its_bytes(request in request(), cut: prop::sample::Index) {
        let bytes = encode_request(&request);
        prop_assert_eq!(decode_request(&bytes), Ok(request));
        let short = &bytes[..cut.index(bytes.len())];
        prop_assert!(decode_request(short).is_err(), "a prefix was taken for the whole");
    }

    #[test]
    fn answer_survives_its_bytes(
        answer in prop_oneof![response().prop_map(Ok), error().prop_map(Err)],
        cut: prop::sample::Index,
    ) {
        let bytes = encode_answer(&answer);
        prop_assert_eq!(decode_answer(&bytes), Ok(answer));
        let short = &bytes[..cut.index(bytes.len())];
        prop_assert!(decode_answer(short).is_err(), "a prefix was taken for the whole");
    }

    #[test]
    fn hostile_bytes_are_an_error_or_a_message_and_never_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..64),
        request in request(),
        at: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let _ = (decode_request(&noise), decode_answer(&noise));
        let versioned = [&[API_VERSION][..], &noise].concat();
        let _ = (decode_request(&versioned), decode_answer(&versioned));
        let mut damaged = encode_request(&request);
        let at = at.index(damaged.len());
        damaged[at] ^= flip;
        let _ = decode_request(&damaged);
    }
}

#[test]
fn newer_versions_are_refused() {
    let newer = [API_VERSION + 1];
    for known in [decode_request(&newer).map(|_| ()), decode_answer(&newer).map(|_| ())] {
        assert!(matches!(known, Err(CodecError::Version { found: 3, known: 2, .. })), "{known:?}");
    }
}

#[test]
fn bytes_are_as_in_the_fixtures() {
    let commit = CommitRequest {
        transaction: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        attempt: 2,
        started: Timestamp::from_raw(1),
        read_timestamp: Timestamp::from_raw(3),
        read_spans: vec![ReadSpan {
            span: Span::point(Key::from(b"k".as_slice())),
            filter: Some(ScanProgram(Bytes::from_static(b"filter"))),
        }],
        writes: vec![
            Write::insert(Key::from(b"k".as_slice()), Bytes::from_static(b"v")),
            Write::delete(Key::from(b"l".as_slice())),
        ],
        deadline: Some(Timestamp::from_raw(9)),
    };
    let request = RangeRequest { range_id: RangeId(300), generation: 4, request: Request::Commit(commit) };
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "range_request", &encode_request(&request));
    assert_eq!(decode_request(&stored), Ok(request));

    let transaction = TransactionMeta {
        id: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        anchor: Key::from(b"k".as_slice()),
        attempt: 2,
        started: Timestamp::from_raw(1),
        age: Timestamp::from_raw(1),
        read_timestamp: Timestamp::from_raw(3),
    };
    let decision =
        Decision::Commit { timestamp: Timestamp::from_raw(5), deadline: Some(Timestamp::from_raw(9)) };
    let intent_spans = vec![Span::point(Key::from(b"k".as_slice()))];
    let end = Transact::End(EndRequest { transaction, decision, intent_spans });
    let request = RangeRequest { range_id: RangeId(300), generation: 4, request: Request::Transact(end) };
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "range_request_end", &encode_request(&request));
    assert_eq!(decode_request(&stored), Ok(request));

    let span = Span::new(Key::from(b"a".as_slice()), Key::default());
    let known = vec![RangeDescriptor::new(RangeId(300), span, &[NodeId(1), NodeId(2)])];
    let answer = Err(RangeError::Mismatch { range_id: RangeId(301), known });
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "range_answer", &encode_answer(&answer));
    assert_eq!(decode_answer(&stored), Ok(answer));
}
