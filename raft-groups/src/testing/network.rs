//! A network of one process: in-order links between nodes that can be cut, one way too, and healed.
//!
//! A cut link swallows messages, as a real one does: the sender is not told. A node that refuses them tells at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use tokio::sync::mpsc;

use crate::limits::MESSAGE_MAX_BYTES;
use crate::transport::{Lane, Message, Receiver, SendError, Transport};

/// Messages that wait on one lane of one link.
const LINK_QUEUE_MAX: usize = 4_096;

#[derive(Default)]
struct Wires {
    nodes: HashMap<NodeId, Arc<dyn Receiver>>,
    links: HashMap<(NodeId, NodeId, Lane), mpsc::Sender<Bytes>>,
    cut: HashSet<(NodeId, NodeId)>,
    refusing: HashSet<NodeId>,
    delay: Duration,
    delivered: u64,
}

/// Connects nodes of one process.
#[derive(Clone, Default)]
pub struct LocalNetwork {
    wires: Arc<Mutex<Wires>>,
}

impl LocalNetwork {
    /// A network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `node` sends through.
    pub fn transport(&self, node: NodeId) -> Arc<dyn Transport> {
        Arc::new(LocalTransport { network: self.clone(), node })
    }

    /// From now on `node` receives; a second call replaces the first (a restart).
    pub fn attach(&self, node: NodeId, receiver: Arc<dyn Receiver>) {
        self.wires.lock().nodes.insert(node, receiver);
    }

    /// `node` receives nothing any more (a crash).
    pub fn detach(&self, node: NodeId) {
        self.wires.lock().nodes.remove(&node);
    }

    /// Whoever sends to `node` is told at once that it does not get there, as by a machine on which the process has ended.
    pub fn refuse(&self, node: NodeId) {
        self.wires.lock().refusing.insert(node);
    }

    /// Messages from the first to the second node are lost from now on.
    pub fn cut_one_way(&self, from: NodeId, to: NodeId) {
        self.wires.lock().cut.insert((from, to));
    }

    /// Messages between `node` and all others are lost from now on.
    pub fn isolate(&self, node: NodeId) {
        let mut wires = self.wires.lock();
        let others: Vec<_> = wires.nodes.keys().copied().filter(|&other| other != node).collect();
        wires.cut.extend(others.iter().flat_map(|&other| [(node, other), (other, node)]));
    }

    /// All links work again.
    pub fn heal(&self) {
        self.wires.lock().cut.clear();
    }

    /// Each message waits this long on its way, those behind it too.
    pub fn set_delay(&self, delay: Duration) {
        self.wires.lock().delay = delay;
    }

    /// Messages delivered so far.
    pub fn delivered(&self) -> u64 {
        self.wires.lock().delivered
    }

    fn link(&self, from: NodeId, to: NodeId, lane: Lane) -> mpsc::Sender<Bytes> {
        let mut wires = self.wires.lock();
        if let Some(link) = wires.links.get(&(from, to, lane))
            && !link.is_closed()
        {
            return link.clone();
        }
        let (sender, receiver) = mpsc::channel(LINK_QUEUE_MAX);
        wires.links.insert((from, to, lane), sender.clone());
        tokio::spawn(self.clone().carry(from, to, lane, receiver));
        sender
    }

    async fn carry(self, from: NodeId, to: NodeId, lane: Lane, mut queue: mpsc::Receiver<Bytes>) {
        while let Some(message) = queue.recv().await {
            let delay = self.wires.lock().delay;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let receiver = {
                let mut wires = self.wires.lock();
                wires.delivered += 1;
                let lost = wires.cut.contains(&(from, to));
                wires.nodes.get(&to).filter(|_| !lost).cloned()
            };
            if let Some(receiver) = receiver {
                receiver.receive(from, lane, message);
            }
        }
    }
}

struct LocalTransport {
    network: LocalNetwork,
    node: NodeId,
}

impl Transport for LocalTransport {
    fn send(&self, to: NodeId, lane: Lane, message: Message) -> Result<(), SendError> {
        if message.len() > MESSAGE_MAX_BYTES {
            return Err(SendError::TooLarge);
        }
        if self.network.wires.lock().refusing.contains(&to) {
            return Err(SendError::Unreachable);
        }
        self.network
            .link(self.node, to, lane)
            .try_send(message.into_bytes())
            .map_err(|_| SendError::Unreachable)
    }
}
