//! Requests to ranges and their answers.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    Change, ChangesPage, ChangesRequest, Direction, Key, ProgramError, ScanPage, ScanProgram, ScanRequest,
    ScanRows, ScanServed, Span, Write, WriteCondition,
};
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_placement::topology::{NodeId, RangeId};
use uuid::Uuid;

use super::*;
use crate::api::{
    CommitRequest, Decision, EndRequest, EndedTransaction, Holder, IntentsRequest, Leftover, PushRequest,
    RangeError, RangeRequest, Rank, ReadAt, RecordId, RecordState, Request, ResolveRequest, Response,
    SweepRequest, Swept, Transact, TransactionMeta, TransactionOutcome,
};
use crate::descriptor::RangeDescriptor;
use crate::wire::range::{read_request, write_request};
use crate::wire::range_answer::{read_answer, write_answer};

type Answer = Result<Response, RangeError>;

const REQUESTS: Kind<RangeRequest> =
    Kind { fixture: "range_requests", write: write_request, read: read_request };
const ANSWERS: Kind<Answer> = Kind { fixture: "range_answers", write: write_answer, read: read_answer };

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

fn outcome() -> impl Strategy<Value = TransactionEnd> {
    let committed = (any::<u32>(), time())
        .prop_map(|(attempt, timestamp)| TransactionEnd::Committed { attempt, timestamp });
    prop_oneof![committed, Just(TransactionEnd::Aborted)]
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
        prop::option::of(record_id()).prop_map(|after| Leftover::AllRecords { after }),
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

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        list(prop::option::of(bytes())).prop_map(Response::Values),
        page().prop_map(Response::Page),
        changes_page().prop_map(Response::Changes),
        list(read_span()).prop_map(|left| Response::Refreshed { left }),
        time().prop_map(Response::Committed),
        time().prop_map(|at| Response::Outcome(TransactionOutcome::Committed(at))),
        time().prop_map(Response::IntentsLaid),
        outcome().prop_map(|outcome| Response::State(RecordState::Ended(outcome))),
        Just(Response::State(RecordState::Pending)),
        list(span()).prop_map(|rest| Response::Resolved { rest }),
        swept().prop_map(Response::Swept),
        Just(Response::Outcome(TransactionOutcome::Aborted)),
        Just(Response::Outcome(TransactionOutcome::Unknown)),
    ]
}

fn descriptor() -> impl Strategy<Value = RangeDescriptor> {
    (1..=u64::MAX, span(), list(1..=u64::MAX)).prop_map(|(id, mut span, nodes)| {
        let nodes: Vec<_> = nodes.into_iter().map(NodeId).collect();
        if span.is_empty() {
            span.end = Key::default();
        }
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

/// Sorts of everything that the fixtures have; each number is another one.
mod samples {
    use super::*;

    pub fn key(name: &'static str) -> Key {
        Key::from(name.as_bytes())
    }

    fn span() -> Span {
        Span::new(key("a"), key("m"))
    }

    fn at(raw: u64) -> Timestamp {
        Timestamp::from_raw(raw)
    }

    fn id(low: u128) -> Uuid {
        Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_0000 | low)
    }

    fn read_span(filter: Option<&'static [u8]>) -> ReadSpan {
        ReadSpan { span: span(), filter: filter.map(|bytes| ScanProgram(Bytes::from_static(bytes))) }
    }

    fn writes() -> Vec<Write> {
        vec![
            Write::insert(key("k"), Bytes::from_static(b"v")),
            Write::put(key("l"), Bytes::new()),
            Write::delete(key("m")),
        ]
    }

    fn holder() -> Holder {
        Holder { transaction: id(3), anchor: key("h"), started: at(4), written: at(5) }
    }

    fn record_id(low: u128) -> RecordId {
        RecordId { transaction: id(low), anchor: key("r") }
    }

    fn outcome() -> TransactionEnd {
        TransactionEnd::Committed { attempt: 2, timestamp: at(6) }
    }

    fn steps() -> Vec<Transact> {
        let (id, anchor, attempt) = (id(1), key("k"), 2);
        let (started, age, read_timestamp) = (at(1), at(2), at(3));
        let transaction = TransactionMeta { id, anchor, attempt, started, age, read_timestamp };
        let end =
            |decision| EndRequest { transaction: transaction.clone(), decision, intent_spans: vec![span()] };
        let sweep = |wanted| Transact::Sweep(SweepRequest { span: span(), wanted });
        let resolve =
            |outcome| Transact::Resolve(ResolveRequest { transaction: id, outcome, spans: vec![span()] });
        let push = |pusher| Transact::Push(PushRequest { holder: holder(), pusher });
        vec![
            Transact::LayIntents(IntentsRequest {
                transaction: transaction.clone(),
                sequence: 7,
                writes: writes(),
                with_record: true,
            }),
            Transact::Heartbeat { transaction: id, anchor: key("k") },
            Transact::End(end(Decision::Commit { timestamp: at(5), deadline: Some(at(9)) })),
            Transact::End(end(Decision::Abort)),
            push(Some(Rank { age: at(2), id })),
            push(None),
            Transact::Settle(vec![record_id(1), record_id(2)]),
            sweep(Leftover::Intents),
            sweep(Leftover::Records { after: Some(record_id(1)), resolved: vec![record_id(2)] }),
            sweep(Leftover::AllRecords { after: Some(record_id(1)) }),
            resolve(outcome()),
            resolve(TransactionEnd::Aborted),
        ]
    }

    pub fn requests() -> Vec<RangeRequest> {
        let read = ReadAt { timestamp: at(3), uncertainty_limit: at(4) };
        let scan = |direction, program: Option<&'static [u8]>| ScanRequest {
            span: span(),
            direction,
            program: program.map(|bytes| ScanProgram(Bytes::from_static(bytes))),
            rows_max: 300,
            bytes_max: 70_000,
        };
        let commit = CommitRequest {
            transaction: id(1),
            attempt: 2,
            started: at(1),
            read_timestamp: at(3),
            read_spans: vec![read_span(Some(b"filter")), read_span(None)],
            writes: writes(),
            deadline: Some(at(9)),
        };
        let mut requests = vec![
            Request::Get { keys: vec![key("k"), Key::default()], read },
            Request::Scan { scan: scan(Direction::Forward, None), read },
            Request::Scan { scan: scan(Direction::Reverse, Some(b"program")), read },
            Request::Changes {
                changes: ChangesRequest {
                    span: Span::new(Key::from(b"a".as_slice()), Key::default()),
                    after: Timestamp::from_raw(3),
                    keys_max: 9,
                    bytes_max: 300,
                },
                read,
            },
            Request::Refresh { spans: vec![read_span(None)], after: at(3), upto: at(4), own: Some(id(1)) },
            Request::Refresh { spans: vec![], after: at(3), upto: at(4), own: None },
            Request::Commit(commit.clone()),
            Request::Commit(CommitRequest { deadline: None, ..commit }),
            Request::QueryTransaction { transaction: id(1), anchor: key("k"), started: at(1) },
        ];
        requests.extend(steps().into_iter().map(Request::Transact));
        let asked = |request| RangeRequest { range_id: RangeId(300), generation: 4, request };
        requests.into_iter().map(asked).collect()
    }

    fn responses() -> Vec<Response> {
        let served = ScanServed { range_id: 7, node_id: 2, rows_read: 300, rows_returned: 5, visited: 400 };
        let page = |rows, resume| Response::Page(ScanPage { rows, resume, is_stopped: true, served });
        let swept = Swept {
            abandoned: vec![holder()],
            ended: vec![EndedTransaction {
                id: record_id(1),
                outcome: outcome(),
                intent_spans: vec![span()],
            }],
            next: Some(record_id(2)),
        };
        vec![
            Response::Values(vec![Some(Bytes::from_static(b"v")), Some(Bytes::new()), None]),
            page(ScanRows::Pairs(vec![(key("k"), Bytes::from_static(b"v"))]), Some(span())),
            page(ScanRows::Outputs(vec![Bytes::from_static(b"output")]), None),
            Response::Refreshed { left: vec![read_span(Some(b"filter"))] },
            Response::Changes(ChangesPage {
                changes: vec![
                    Change {
                        key: Key::from(b"k".as_slice()),
                        timestamp: Timestamp::from_raw(5),
                        value: Some(Bytes::from_static(b"v")),
                    },
                    Change {
                        key: Key::from(b"l".as_slice()),
                        timestamp: Timestamp::from_raw(7),
                        value: None,
                    },
                ],
                resume: Some(Span::new(Key::from(b"m".as_slice()), Key::default())),
            }),
            Response::Committed(at(5)),
            Response::Outcome(TransactionOutcome::Committed(at(5))),
            Response::Outcome(TransactionOutcome::Aborted),
            Response::Outcome(TransactionOutcome::Unknown),
            Response::IntentsLaid(at(5)),
            Response::State(RecordState::Pending),
            Response::State(RecordState::Ended(outcome())),
            Response::State(RecordState::Ended(TransactionEnd::Aborted)),
            Response::Resolved { rest: vec![span()] },
            Response::Settled,
            Response::Swept(swept),
        ]
    }

    fn errors() -> Vec<RangeError> {
        let (range_id, detail) = (RangeId(300), "why".to_owned());
        let known = vec![RangeDescriptor::new(range_id, span(), &[NodeId(1), NodeId(2)])];
        vec![
            RangeError::NotLeaseholder { range_id, leaseholder: Some(NodeId(2)) },
            RangeError::NotLeaseholder { range_id, leaseholder: None },
            RangeError::Mismatch { range_id, known },
            RangeError::Uncertain { key: key("k"), timestamp: at(5) },
            RangeError::Conflict { key: key("k"), timestamp: at(5) },
            RangeError::Locked { key: key("k"), holder: Box::new(holder()) },
            RangeError::TooMuchRead,
            RangeError::ConditionFailed { key: key("k") },
            RangeError::PastDeadline { timestamp: at(5) },
            RangeError::Unavailable { range_id, detail: detail.clone() },
            RangeError::Busy { range_id, size_bytes: 70_000 },
            RangeError::Ambiguous { range_id, detail: detail.clone() },
            RangeError::Program(ProgramError { sqlstate: "22012".to_owned(), message: detail.clone() }),
            RangeError::TooOld,
            RangeError::Refused(detail.clone()),
            RangeError::Storage(detail.clone()),
            RangeError::Damaged(detail),
        ]
    }

    pub fn answers() -> Vec<Answer> {
        let responses = responses().into_iter().map(Ok);
        responses.chain(errors().into_iter().map(Err)).collect()
    }
}

#[test]
fn range_messages_survive_their_bytes() {
    REQUESTS.check(&samples::requests());
    ANSWERS.check(&samples::answers());
}

#[test]
fn range_messages_of_unknown_kinds_are_refused() {
    REQUESTS.refuses_the_unknown();
    ANSWERS.refuses_the_unknown();
    // A step of a transaction that only a newer release knows: field 8 of a request, with nothing known in it.
    let error = (REQUESTS.read)(Bytes::from_static(&[0x42, 3, 0xc0, 0x3e, 0x07])).unwrap_err();
    assert_eq!(error, WireError::Missing { message: "a step of a transaction", field: "kind" });
}

#[test]
fn range_requests_keep_no_message_by_a_key_and_share_values() {
    let value = Bytes::from(vec![7; 5_000]);
    let commit = CommitRequest {
        transaction: Uuid::from_u128(1),
        attempt: 1,
        started: Timestamp::MIN,
        read_timestamp: Timestamp::MIN,
        read_spans: Vec::new(),
        writes: vec![Write::put(samples::key("k"), value)],
        deadline: None,
    };
    let request = RangeRequest { range_id: RangeId(7), generation: 1, request: Request::Commit(commit) };
    let bytes = write_request(&request);
    let Request::Commit(read) = read_request(bytes.clone()).unwrap().request else { unreachable!() };
    let within = |part: &Bytes| bytes.as_ptr_range().contains(&part.as_ptr());
    assert!(within(read.writes[0].value.as_ref().unwrap()) && !within(read.writes[0].key.bytes()));
}

proptest! {
    #[test]
    fn range_request_survives_its_bytes(request in request(), cut: prop::sample::Index) {
        let bytes = write_request(&request);
        prop_assert_eq!(read_request(bytes.clone()), Ok(request));
        let _ = read_request(bytes.slice(..cut.index(bytes.len())));
    }

    #[test]
    fn range_answer_survives_its_bytes(
        answer in prop_oneof![response().prop_map(Ok), error().prop_map(Err)],
        cut: prop::sample::Index,
    ) {
        let bytes = write_answer(&answer);
        prop_assert_eq!(read_answer(bytes.clone()), Ok(answer));
        let _ = read_answer(bytes.slice(..cut.index(bytes.len())));
    }

    #[test]
    fn range_messages_of_anybody_never_panic(
        noise in prop::collection::vec(any::<u8>(), 0..80),
        which: prop::sample::Index,
        at: prop::sample::Index,
        byte: u8,
    ) {
        REQUESTS.survives(&noise, which.get(&samples::requests()), at, byte);
        ANSWERS.survives(&noise, which.get(&samples::answers()), at, byte);
    }
}
