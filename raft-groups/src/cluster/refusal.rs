//! A node that must not take part: its store has forgotten what it had synced, or is a copy of another directory.
//!
//! It neither votes nor serves: its ranges are not opened. It says so to whoever asks its address, for as long as it
//! runs, so that range 1's leaseholder counts it as dead and has its replicas replaced. Three ways lead here:
//!
//! 1. what the store knows by itself ([`Store::forgotten`]), and whether the directory is the one that was made
//!    ([`StoreHome`]);
//! 2. what others remember of it: before its ranges open, a member says its start to all others ([`announce`]) and is
//!    told whether they believe it (`starts`);
//! 3. the same from somebody who was not reached then: the process ends, and the next start is refused.
//!
//! Who was refused by others writes that down, so that it stays refused when they are away.
//!
//! [`announce`]: ClusterNode::announce

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_placement::topology::NodeId;

use super::bootstrap::ask;
use super::bootstrap_message::{BootstrapAnswer, BootstrapRequest, Identity};
use super::error::ClusterError;
use super::hello::{Hello, HelloError};
use super::starts::{Starts, decode_starts, encode_starts, starts_key};
use super::{ClusterNode, NodeState};
use crate::safeguard::{self, Safeguard};
use crate::store::is_sole_voter;

/// How long a start waits for others who do not answer: a node that is down must not keep others down.
const ANNOUNCE_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for one answer, and for who greets to say that it does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before somebody is asked again.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(100);
/// Newest version of a stored refusal.
const REFUSAL_VERSION: u8 = 1;
/// Range id 0 (what belongs to the store as a whole) and a kind of its own.
const REFUSAL_KEY: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 26];
/// Newest version of the note that the store's directory knows itself; it has no fields.
const CLAIMED_VERSION: u8 = 1;
/// Beside the refusal.
const CLAIMED_KEY: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 27];

/// Where a store lies, as far as it can tell a copy from the original.
pub trait StoreHome: Send + Sync + 'static {
    /// Why this directory is not the one that was made for the store; `None` where it is, or nobody can tell. Says whether
    /// the store was claimed before: without that, a directory that knows nothing of itself is one of an earlier release.
    ///
    /// # Errors
    /// It cannot be looked at, in words.
    fn copied(&self, was_claimed: bool) -> Result<Option<String>, String>;

    /// From now on this directory is the one.
    ///
    /// # Errors
    /// It cannot be written, in words.
    fn claim(&self) -> Result<(), String>;
}

/// The home of a store that nobody can copy.
pub struct NoHome;

impl StoreHome for NoHome {
    fn copied(&self, _was_claimed: bool) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn claim(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What a refused node tells everybody: what is wrong, what it means, what to run.
fn refusal_of(reason: &str) -> String {
    format!(
        "{reason}. This node neither votes nor serves, and the cluster replaces its replicas. Look at its disk, stop it, and \
         start it with --rejoin: it begins anew from the others. Where a range has no majority without it, start the other \
         nodes first: what only this store held is lost by that"
    )
}

/// What a node says that is the only one of its cluster: nobody can give it back what it has lost.
fn loss_of(reason: &str) -> String {
    format!(
        "{reason}. As far as is left to tell, no other node has the rows of this one, so that nothing is served until you have \
         decided: look at its disk, put a backup in place of the data directory, or start the node with --accept-loss, and it goes \
         on with what is left: never where other nodes have joined its cluster since"
    )
}

impl ClusterNode {
    /// Why this node takes no part; `None` where it may.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// Looks at what the store itself says, before anything of it is used. Gives the reason where it must not be; else the
    /// directory knows from now on that it is the one.
    pub(super) async fn examine(&self) -> Result<Option<String>, ClusterError> {
        let (store, home) = (Arc::clone(&self.config.store), Arc::clone(&self.config.home));
        let examined = self.config.blocking.run(move || {
            let refusal = standing_refusal(store.as_ref(), home.as_ref())?;
            if refusal.is_none() {
                claim(store.as_ref(), home.as_ref())?;
            }
            Ok(refusal)
        });
        examined.await.map_err(|lost| ClusterError::Refused(lost.to_string()))?
    }

    /// This node takes no part from now on. It keeps answering who asks.
    pub(super) fn refuse(&self, reason: String) {
        tracing::error!("{reason}");
        let _ = self.refusal.set(reason);
        self.state.send_replace(NodeState::Refused);
    }

    /// Says this start to all others, and waits until they have answered, or for [`ANNOUNCE_WAIT`]: whoever remembers
    /// better than this store is heard before it votes.
    ///
    /// # Errors
    /// [`ClusterError::NotBelieved`]: somebody does, and that was written down.
    pub(super) async fn announce(&self, hello: &Hello) -> Result<(), ClusterError> {
        let others = self.registry.all().into_iter().filter(|record| record.node_id != hello.node_id);
        let mut asked: FuturesUnordered<_> =
            others.map(|record| self.announce_until_answered(record.address, hello)).collect();
        let answers = async {
            while let Some(refused) = asked.next().await {
                if let Some(reason) = refused {
                    return Some(reason);
                }
            }
            None
        };
        match tokio::time::timeout(ANNOUNCE_WAIT, answers).await {
            Ok(Some(reason)) => {
                let refusal = refusal_of(&reason);
                self.keep_refusal(&refusal).await?;
                Err(ClusterError::NotBelieved(refusal))
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Why the process at an address does not believe this start, and never will; `None` once it does.
    async fn announce_until_answered(&self, address: String, hello: &Hello) -> Option<String> {
        loop {
            let request = BootstrapRequest::Announce(hello.clone());
            match ask(self.config.bootstrap.as_ref(), &address, &request, ANSWER_TIMEOUT).await {
                Ok(BootstrapAnswer::Unwelcome { reason, is_final: true }) => return Some(reason),
                Ok(BootstrapAnswer::Unwelcome { is_final: false, .. }) | Err(_) => {}
                // Believed, or there is nobody who remembers anything.
                Ok(_) => return None,
            }
            tokio::time::sleep(ANNOUNCE_PAUSE).await;
        }
    }

    /// A node has refused this one's stream: it is asked why. Where that is for good, the process must end.
    pub async fn denied_by(&self, node: NodeId) {
        let (Some(address), Some(hello)) = (self.registry.address_of(node), self.hello()) else { return };
        let asking = self.announce_until_answered(address, &hello);
        let Ok(Some(reason)) = tokio::time::timeout(ANNOUNCE_WAIT, asking).await else { return };
        let refusal = refusal_of(&reason);
        if let Err(error) = self.keep_refusal(&refusal).await {
            tracing::error!(%error, "the refusal of this node could not be stored");
        }
        self.config.host.give_up(refusal);
    }

    /// Checks what a node says that connects to this one, and writes down that it is believed; its messages are taken only
    /// after that.
    ///
    /// # Errors
    /// [`HelloError`]: the connection must be closed.
    pub async fn admit(&self, hello: &Hello) -> Result<(), HelloError> {
        self.check_cluster(hello)?;
        self.check_protocol(hello)?;
        let registered = self.registry.check(hello)?;
        if registered > hello.incarnation || !self.starts.lock().knows(hello) {
            self.believe(hello, registered).await?;
        }
        self.registry.protocols.learn(hello.node_id, hello.incarnation, hello.protocols);
        Ok(())
    }

    /// Checks a greeting that is news, and writes down that it is believed.
    async fn believe(&self, hello: &Hello, registered: u64) -> Result<(), HelloError> {
        // First of all, so that nobody is judged by what somebody else says.
        self.check_there(hello).await?;
        let _one_at_a_time = self.admitting.lock().await;
        let with = self.check_start(hello, registered)?.with(hello);
        let mut batch = Batch::new();
        batch.put(Family::Range, starts_key(), encode_starts(&with));
        let not_taken = |reason: String| HelloError::NotTaken { node_id: hello.node_id, reason };
        self.write(batch, Durability::Synced).await.map_err(not_taken)?;
        *self.starts.lock() = with;
        Ok(())
    }

    /// Checks a greeting against what is remembered and was heard by now, and gives that.
    fn check_start(&self, hello: &Hello, registered: u64) -> Result<Starts, HelloError> {
        let mut starts = self.starts.lock();
        self.take_positions(&mut starts);
        starts.check(hello, registered)?;
        Ok(starts.clone())
    }

    fn check_cluster(&self, hello: &Hello) -> Result<(), HelloError> {
        let node_id = hello.node_id;
        let Some(membership) = self.local.membership() else {
            let reason = "this node belongs to no cluster yet".to_owned();
            return Err(HelloError::NotTaken { node_id, reason });
        };
        if self.refusal().is_some() {
            let reason = "this node takes no part in its cluster".to_owned();
            return Err(HelloError::NotTaken { node_id, reason });
        }
        if membership.cluster_id != hello.cluster_id {
            let (theirs, ours) = (hello.cluster_id, membership.cluster_id);
            return Err(HelloError::OtherCluster { node_id, theirs, ours });
        }
        if membership.node_id == node_id {
            return Err(HelloError::Myself { node_id });
        }
        Ok(())
    }

    /// Somebody who speaks nothing that this node speaks is told which of both is the older one.
    fn check_protocol(&self, hello: &Hello) -> Result<(), HelloError> {
        let (theirs, ours) = (hello.protocols, self.registry.protocols.own());
        if ours.common(theirs).is_some() {
            return Ok(());
        }
        let own = self.local.membership().map_or(NodeId(0), |membership| membership.node_id);
        let (node_id, address) = (hello.node_id, hello.address.clone());
        Err(HelloError::NoCommonProtocol { node_id, address, theirs, own, ours })
    }

    /// Whoever is at the address in a greeting must say that it greets like this: anybody could send one.
    async fn check_there(&self, hello: &Hello) -> Result<(), HelloError> {
        let transport = self.config.bootstrap.as_ref();
        let answer = match ask(transport, &hello.address, &BootstrapRequest::Identify, ANSWER_TIMEOUT).await {
            Ok(BootstrapAnswer::Identity(identity)) => match identity.hello {
                Some(other) if other == *hello => return Ok(()),
                Some(other) => format!("it is {} at start {}", other.node_id, other.incarnation),
                None => "it greets nobody".to_owned(),
            },
            Ok(_) => "it is no node of this release".to_owned(),
            Err(reason) => reason,
        };
        let (node_id, incarnation, address) = (hello.node_id, hello.incarnation, hello.address.clone());
        Err(HelloError::NotThere { node_id, address, incarnation, answer })
    }

    /// What was heard of others' positions since.
    fn take_positions(&self, starts: &mut Starts) -> bool {
        let Some(member) = self.member.get() else { return false };
        let heard = member.calls.rpc.synced_positions();
        heard.into_iter().fold(false, |is_news, (node, synced)| starts.heard(node, synced) || is_news)
    }

    /// Writes down how far others have said that their stores are synced, where that is news.
    pub(super) async fn keep_positions(&self) {
        let _one_at_a_time = self.admitting.lock().await;
        let bytes = {
            let mut starts = self.starts.lock();
            if !self.take_positions(&mut starts) {
                return;
            }
            encode_starts(&starts)
        };
        let mut batch = Batch::new();
        batch.put(Family::Range, starts_key(), bytes);
        // Synced with whatever is synced next; a store that has failed is told by the log writer.
        let _ = self.write(batch, Durability::Buffered).await;
    }

    async fn keep_refusal(&self, reason: &str) -> Result<(), ClusterError> {
        let mut writer = Writer::versioned(REFUSAL_VERSION);
        writer.text(reason);
        let mut batch = Batch::new();
        batch.put(Family::Range, Bytes::from_static(&REFUSAL_KEY), writer.finish());
        self.write(batch, Durability::Synced).await.map_err(ClusterError::Refused)
    }

    async fn write(&self, batch: Batch, durability: Durability) -> Result<(), String> {
        let store = Arc::clone(&self.config.store);
        let written = self.config.blocking.run(move || store.write(batch, durability)).await;
        written.map_err(|lost| lost.to_string())?.map_err(|error| error.to_string())
    }

    /// Who this process is, for whoever asks its address.
    pub(super) fn answer_identify(&self) -> BootstrapAnswer {
        BootstrapAnswer::Identity(Box::new(Identity {
            store_id: self.local.store_id(),
            node_id: self.local.membership().map(|membership| membership.node_id),
            hello: self.hello(),
            refusal: self.refusal().map(str::to_owned),
        }))
    }

    pub(super) async fn answer_announce(&self, hello: &Hello) -> BootstrapAnswer {
        if self.local.membership().is_none() {
            return BootstrapAnswer::Uninitialised { hint: self.absence() };
        }
        match self.admit(hello).await {
            Ok(()) => BootstrapAnswer::Welcome,
            Err(error) => {
                if error.is_final() {
                    tracing::error!("{error}; nobody listens to it");
                }
                BootstrapAnswer::Unwelcome { reason: error.to_string(), is_final: error.is_final() }
            }
        }
    }
}

/// Why a store must not be used, by what it and its directory say; `None` where nothing is wrong, as far as they know.
///
/// # Errors
/// The store failed, or the directory cannot be looked at.
pub fn standing_refusal(store: &dyn Store, home: &dyn StoreHome) -> Result<Option<String>, ClusterError> {
    if let Some(forgotten) = store.forgotten() {
        let own = crate::identity::load(store)?;
        let is_alone = own.map(|own| is_sole_voter(store, own.node_id)).transpose()?;
        return Ok(Some(if is_alone == Some(true) { loss_of(&forgotten) } else { refusal_of(&forgotten) }));
    }
    if let Some(stored) = load_refusal(store)? {
        return Ok(Some(stored));
    }
    let was_claimed = store.get(Family::Range, &CLAIMED_KEY)?.is_some();
    let copied = home.copied(was_claimed).map_err(ClusterError::Refused)?;
    let (Some(copied), Some(identity)) = (copied, crate::identity::load(store)?) else { return Ok(None) };
    let is_free = is_sole_voter(store, identity.node_id)?;
    Ok((!is_free && safeguard::holds(Safeguard::CopiesRefused)).then(|| refusal_of(&copied)))
}

/// The directory is the one that was made for the store, and knows it.
fn claim(store: &dyn Store, home: &dyn StoreHome) -> Result<(), ClusterError> {
    home.claim().map_err(ClusterError::Refused)?;
    if store.get(Family::Range, &CLAIMED_KEY)?.is_none() {
        let mut batch = Batch::new();
        batch.put(
            Family::Range,
            Bytes::from_static(&CLAIMED_KEY),
            Writer::versioned(CLAIMED_VERSION).finish(),
        );
        store.write(batch, Durability::Synced)?;
    }
    Ok(())
}

/// What was remembered of others' starts.
pub(super) fn load_starts(store: &dyn Store) -> Result<Starts, StoreError> {
    let found = store.get(Family::Range, &starts_key())?;
    found.map_or(Ok(Starts::default()), |bytes| decode_starts(&bytes).map_err(damaged))
}

fn load_refusal(store: &dyn Store) -> Result<Option<String>, StoreError> {
    let read = |bytes: &[u8]| -> Result<String, CodecError> {
        let (mut reader, _) = Reader::versioned(bytes, REFUSAL_VERSION, "refusal")?;
        let reason = reader.text()?.to_owned();
        reader.finish()?;
        Ok(reason)
    };
    let found = store.get(Family::Range, &REFUSAL_KEY)?;
    found.map(|bytes| read(&bytes).map_err(damaged)).transpose()
}

fn damaged(error: CodecError) -> StoreError {
    StoreError::Corruption(error.to_string())
}
