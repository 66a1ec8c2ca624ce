//! Calls between two nodes of one process: answers, timeouts, refusals, clocks.

use super::*;
use crate::testing::network::LocalNetwork;

struct FixedClock {
    now: Mutex<Timestamp>,
}

impl FixedClock {
    fn at(micros: u64) -> Arc<Self> {
        Arc::new(Self { now: Mutex::new(Timestamp::from_micros(micros)) })
    }
}

impl MessageClock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.now.lock()
    }

    fn forward(&self, other: Timestamp) -> bool {
        let mut now = self.now.lock();
        let believable = other.micros() <= now.micros() + 1_000_000;
        if believable {
            *now = (*now).max(other);
        }
        believable
    }

    fn monotonic_micros(&self) -> u64 {
        self.now.lock().micros()
    }

    fn reading(&self) -> Reading {
        let micros = self.monotonic_micros();
        Reading { wall_micros: micros, boot: Duration::from_micros(micros) }
    }

    fn offset_max(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// Answers with its prefix and the request; waits for ever on "hang".
struct Echo(&'static str);

impl Handler for Echo {
    fn handle(&self, _from: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let prefix = self.0;
        Box::pin(async move {
            if payload.as_ref() == b"hang" {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            Bytes::from([prefix.as_bytes(), &payload].concat())
        })
    }
}

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);

fn pair(clock1: &Arc<FixedClock>, clock2: &Arc<FixedClock>) -> (LocalNetwork, Arc<Rpc>, Arc<Rpc>) {
    let network = LocalNetwork::new();
    let one = Rpc::new(N1, network.transport(N1), Arc::clone(clock1) as Arc<dyn MessageClock>);
    let two = Rpc::new(N2, network.transport(N2), Arc::clone(clock2) as Arc<dyn MessageClock>);
    network.attach(N1, Arc::clone(&one) as Arc<dyn Receiver>);
    network.attach(N2, Arc::clone(&two) as Arc<dyn Receiver>);
    one.register(Service::Range, Arc::new(Echo("one:")));
    two.register(Service::Range, Arc::new(Echo("two:")));
    (network, one, two)
}

async fn ask(rpc: &Rpc, to: NodeId, service: Service, text: &'static str) -> Result<Bytes, RpcError> {
    rpc.call(service.at(to, Lane::Data), Bytes::from_static(text.as_bytes()), Duration::from_secs(5)).await
}

#[tokio::test(start_paused = true)]
async fn call_reaches_the_other_node_and_itself() {
    let clock = FixedClock::at(1);
    let (_network, one, _two) = pair(&clock, &clock);
    assert_eq!(ask(&one, N2, Service::Range, "hello").await.unwrap(), "two:hello");
    assert_eq!(ask(&one, N1, Service::Range, "hello").await.unwrap(), "one:hello");
}

#[tokio::test(start_paused = true)]
async fn call_without_answer_times_out_and_is_forgotten() {
    let clock = FixedClock::at(1);
    let (network, one, _two) = pair(&clock, &clock);
    let timed_out = Err(RpcError::TimedOut(Duration::from_secs(5)));
    assert_eq!(ask(&one, N2, Service::Range, "hang").await, timed_out);
    network.cut_one_way(N1, N2);
    assert_eq!(ask(&one, N2, Service::Range, "lost").await, timed_out);
    assert!(one.waiting.iter().all(|waiting| waiting.lock().is_empty()));
    network.heal();
    assert_eq!(ask(&one, N2, Service::Range, "again").await.unwrap(), "two:again");
}

#[tokio::test(start_paused = true)]
async fn call_over_a_connection_that_breaks_ends_at_once() {
    let clock = FixedClock::at(1);
    let (_network, one, _two) = pair(&clock, &clock);
    let begun = tokio::time::Instant::now();
    let breaks = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        one.disconnected(N2, Lane::Control);
        one.disconnected(N2, Lane::Data);
    };
    let (answer, ()) = tokio::join!(ask(&one, N2, Service::Range, "hang"), breaks);
    assert_eq!(answer, Err(RpcError::Disconnected));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn call_of_an_unhandled_service_is_refused() {
    let clock = FixedClock::at(1);
    let (_network, one, _two) = pair(&clock, &clock);
    assert_eq!(ask(&one, N2, Service::Cluster, "x").await, Err(RpcError::Refused));
}

#[tokio::test(start_paused = true)]
async fn however_many_requests_wait_those_of_other_services_are_worked_on() {
    let clock = FixedClock::at(1);
    let (_network, one, two) = pair(&clock, &clock);
    for service in [Service::Raft, Service::Heartbeat] {
        two.register(service, Arc::new(Echo("kept:")));
    }
    // As many as it works on at a time.
    let room = u32::try_from(HANDLERS_MAX).unwrap();
    let _taken = two.served(Service::Range).unwrap().working.try_acquire_many(room).unwrap();
    assert_eq!(ask(&one, N2, Service::Range, "x").await, Err(RpcError::Refused));
    assert_eq!(ask(&one, N2, Service::Raft, "append").await.unwrap(), "kept:append");
    let beats = Service::Heartbeat.at(N2, Lane::Leases);
    let taken = one.call(beats, Bytes::from_static(b"beat"), Duration::from_secs(5)).await;
    assert_eq!(taken.unwrap(), "kept:beat");
    // Nothing else has a place on that lane.
    let append = Service::Raft.at(N2, Lane::Leases);
    let refused = one.call(append, Bytes::from_static(b"append"), Duration::from_secs(5)).await;
    assert_eq!(refused, Err(RpcError::Refused));
}

#[tokio::test(start_paused = true)]
async fn call_forwards_the_receivers_clock_and_the_callers() {
    let (slow, fast) = (FixedClock::at(1_000), FixedClock::at(2_000));
    let (_network, one, two) = pair(&slow, &fast);
    assert!(one.last_heard(N2).is_none());
    ask(&one, N2, Service::Range, "x").await.unwrap();
    assert_eq!(slow.now().micros(), 2_000, "the answer carries the other's time");
    assert_eq!(one.last_heard(N2), Some(Duration::ZERO));
    assert!(two.last_heard(N1).is_some());
}

#[tokio::test(start_paused = true)]
async fn call_from_too_far_in_the_future_is_refused_and_both_know_why() {
    let (near, far) = (FixedClock::at(1_000), FixedClock::at(1_000_000_000));
    let (_network, one, two) = pair(&near, &far);
    // Nobody worked on it, and its sender sees that its own clock is far ahead.
    assert_eq!(ask(&two, N1, Service::Range, "x").await, Err(RpcError::Refused));
    assert_eq!(near.now().micros(), 1_000);
    let doubt = two.check_clock(None).unwrap_err().to_string();
    assert!(doubt.contains("999999 ms ahead of n1's"), "{doubt}");
    // The other way round the answer is not believed, but says enough.
    assert!(matches!(ask(&one, N2, Service::Range, "x").await, Err(RpcError::TimedOut(_))));
    assert_eq!(near.now().micros(), 1_000);
    let doubt = one.check_clock(None).unwrap_err().to_string();
    assert!(doubt.contains("999999 ms behind n2's"), "{doubt}");
}

#[test]
fn envelope_survives_encoding_and_damage_is_noticed() {
    let envelope = Envelope {
        protocol: 2,
        kind: Kind::Request,
        service: Service::Raft,
        id: 7,
        time: Timestamp::from_micros(9),
        wall_micros: 8,
        synced: 6,
        payload: Bytes::from_static(b"payload").into(),
    };
    let bytes = envelope.encode().into_bytes();
    let spoken = VersionRange { oldest: 1, newest: 2 };
    let back = Envelope::decode(bytes.clone(), spoken).unwrap();
    assert_eq!(
        (back.protocol, back.kind, back.service, back.id, back.time, back.wall_micros, back.synced),
        (2, Kind::Request, Service::Raft, 7, Timestamp::from_micros(9), 8, 6)
    );
    assert_eq!(back.payload.into_bytes(), "payload");
    assert!(Envelope::decode(bytes.slice(..ENVELOPE_BYTES - 1), spoken).is_none());
    for other in [0, 3] {
        let mut unknown = bytes.to_vec();
        unknown[0] = other;
        assert!(Envelope::decode(unknown.into(), spoken).is_none());
    }
}

/// Replicas send as soon as they are open, and others may be quicker than the rest of a start.
#[tokio::test]
async fn protocols_are_those_that_were_given_from_the_first_message_on() {
    let (network, clock) = (LocalNetwork::new(), FixedClock::at(1_000));
    let both = VersionRange { oldest: 1, newest: 2 };
    let end = |node: NodeId| {
        let (protocols, clock) =
            (Arc::new(Protocols::new(both)), Arc::clone(&clock) as Arc<dyn MessageClock>);
        let rpc = Rpc::speaking(node, network.transport(node), clock, Arc::clone(&protocols));
        network.attach(node, Arc::clone(&rpc) as Arc<dyn Receiver>);
        rpc.register(Service::Range, Arc::new(Echo("")));
        (rpc, protocols)
    };
    let ((one, _), (two, of_two)) = (end(N1), end(N2));
    assert_eq!(one.protocol_with(N2), 1, "nothing is known of it");
    assert_eq!(ask(&one, N2, Service::Range, "x").await, Ok(Bytes::from_static(b"x")));
    of_two.learn(N1, 1, both);
    assert_eq!(two.protocol_with(N1), 2);
    assert_eq!(ask(&two, N1, Service::Range, "y").await, Ok(Bytes::from_static(b"y")));
}
