//! Who may send messages to a process: what a connection's greeting decides in a real node.
//!
//! Messages of a machine whose newest process was not admitted yet wait for that; those of one that was not believed are
//! lost, and it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::hello::Hello;
use quorate_raft_groups::transport::Lane;

use crate::machine::NodeProcess;
use crate::network::{MachineId, Network};

/// A message that waits.
type Message = (NodeId, Lane, Bytes);

enum Door {
    /// The greeting is being looked at.
    Asked(u64, Vec<Message>),
    /// That start was believed.
    Open(u64),
    /// That start is not believed.
    Closed(u64),
}

/// The doors of one process, by the machine at the other side.
#[derive(Default)]
pub struct Doors {
    doors: Mutex<BTreeMap<MachineId, Door>>,
}

impl Doors {
    /// A message comes in from a machine, within the process's runtime.
    pub fn receive(
        &self,
        process: &Arc<NodeProcess>,
        network: &Network,
        machine: MachineId,
        message: Message,
    ) {
        let Some(hello) = network.hello_of(machine) else { return };
        let mut doors = self.doors.lock();
        match doors.get_mut(&machine) {
            Some(Door::Open(mark)) if *mark == hello.mark => {
                drop(doors);
                deliver(process, message);
            }
            Some(Door::Closed(mark)) if *mark == hello.mark => network.deny(machine, process.node_id()),
            Some(Door::Asked(mark, waiting)) if *mark == hello.mark => waiting.push(message),
            Some(_) | None => {
                doors.insert(machine, Door::Asked(hello.mark, vec![message]));
                let (process, network) = (Arc::clone(process), network.clone());
                tokio::spawn(async move { open(&process, &network, machine, hello).await });
            }
        }
    }

    fn set(&self, machine: MachineId, mark: u64, door: Option<Door>) -> Vec<Message> {
        let mut doors = self.doors.lock();
        match doors.get(&machine) {
            Some(Door::Asked(asked, _)) if *asked == mark => {}
            // A later process greets by now.
            Some(_) | None => return Vec::new(),
        }
        let before = match door {
            Some(door) => doors.insert(machine, door),
            None => doors.remove(&machine),
        };
        match before {
            Some(Door::Asked(_, waiting)) => waiting,
            Some(Door::Open(_) | Door::Closed(_)) | None => Vec::new(),
        }
    }
}

async fn open(process: &Arc<NodeProcess>, network: &Network, machine: MachineId, hello: Hello) {
    let Some(cluster) = process.cluster() else { return };
    let mark = hello.mark;
    match cluster.admit(&hello).await {
        Ok(()) => {
            let waiting = process.doors().set(machine, mark, Some(Door::Open(mark)));
            waiting.into_iter().for_each(|message| deliver(process, message));
        }
        Err(error) => {
            let door = error.is_final().then_some(Door::Closed(mark));
            drop(process.doors().set(machine, mark, door));
            network.deny(machine, process.node_id());
        }
    }
}

fn deliver(process: &NodeProcess, (from, lane, bytes): Message) {
    if let Some(receiver) = process.receiver() {
        receiver.receive(from, lane, bytes);
    }
}
