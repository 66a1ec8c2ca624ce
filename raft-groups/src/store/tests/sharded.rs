//! A cluster whose keys lie in several ranges: requests find theirs as a router would, and tiling is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Write};
use quorate_placement::topology::RangeId;

use super::cluster::{Cluster, Node, PATIENCE, RANGE, bytes, key};
use crate::api::{RangeError, ReadAt, Request, Response};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::{LocalRanges, ReplicaStatus};

impl Node {
    /// The range whose lease is held here and that holds the key.
    fn range_of(&self, key: &Key) -> Option<RangeId> {
        let holds = |status: &ReplicaStatus| status.has_lease && status.descriptor.span.contains(key);
        self.store.statuses().into_iter().find(holds).map(|status| status.descriptor.range_id)
    }

    /// One attempt to write a key here.
    pub async fn try_put(&self, name: &str, value: &str) -> Result<Timestamp, RangeError> {
        let range_id = self.range_of(&key(name)).unwrap_or(RANGE);
        let commit = self.commit_request(vec![Write::put(key(name), bytes(value))]);
        let answer = self.ask_range(range_id, Request::Commit(commit)).await?;
        let Response::Committed(timestamp) = answer else { panic!("a commit was answered {answer:?}") };
        Ok(timestamp)
    }

    /// One attempt to read a key here.
    pub async fn try_get(&self, name: &str) -> Result<Option<Bytes>, RangeError> {
        let range_id = self.range_of(&key(name)).unwrap_or(RANGE);
        let timestamp = self.now();
        let read = ReadAt { timestamp, uncertainty_limit: timestamp };
        let answer = self.ask_range(range_id, Request::Get { keys: vec![key(name)], read }).await?;
        let Response::Values(mut values) = answer else { panic!("a get was answered {answer:?}") };
        Ok(values.remove(0))
    }
}

impl Cluster {
    /// Writes through whoever leads the key's range, trying again until it is acknowledged.
    pub async fn put_somewhere(&self, name: &str, value: &str) -> Timestamp {
        let start = self.physical.boottime();
        loop {
            for node in &self.nodes {
                if let Ok(timestamp) = node.try_put(name, value).await {
                    return timestamp;
                }
            }
            assert!(
                self.physical.boottime() - start < PATIENCE,
                "{name} was not written within {PATIENCE:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Reads from whoever leads the key's range.
    pub async fn get_somewhere(&self, name: &str) -> Option<Bytes> {
        let start = self.physical.boottime();
        loop {
            for node in &self.nodes {
                if let Ok(value) = node.try_get(name).await {
                    return value;
                }
            }
            if self.physical.boottime() - start > PATIENCE {
                for node in &self.nodes {
                    println!("{}: {:?} says {:?}", node.id, node.store.statuses(), node.try_get(name).await);
                }
                panic!("{name} was not read within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The node that leads a range, once one does.
    pub async fn leader_of(&self, range_id: RangeId) -> &Node {
        self.wait("a leader of a range", || {
            let leads = |node: &&Node| node.store.status(range_id).is_some_and(|status| status.has_lease);
            self.nodes.iter().find(leads)
        })
        .await
    }

    /// Splits the range that holds a key in front of it, at its leader; gives the right side.
    pub async fn split_at(&self, name: &str) -> RangeDescriptor {
        let start = self.physical.boottime();
        loop {
            for node in &self.nodes {
                let Some(range_id) = node.range_of(&key(name)) else { continue };
                match node.store.split(range_id, Some(key(name))).await {
                    Ok(right) => return right,
                    Err(error) => println!("not split: {error}"),
                }
            }
            assert!(self.physical.boottime() - start < PATIENCE, "no split within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until all nodes have the same ranges; they tile the keys from a to z.
    pub async fn tiles(&self) -> Vec<RangeDescriptor> {
        let ranges_of = |node: &Node| -> BTreeMap<Key, RangeDescriptor> {
            let statuses = node.store.statuses().into_iter();
            statuses
                .map(|status| status.descriptor)
                .map(|range| (range.span.start.clone(), RangeDescriptor::clone(&range)))
                .collect()
        };
        let agreed = self.wait("equal ranges on all nodes", || {
            let mut all = self.nodes.iter().map(ranges_of);
            let first = all.next()?;
            all.all(|other| other == first).then_some(first)
        });
        let ranges: Vec<_> = agreed.await.into_values().collect();
        assert_eq!(ranges.first().map(|range| range.span.start.clone()), Some(key("a")));
        assert_eq!(ranges.last().map(|range| range.span.end.clone()), Some(key("z")));
        for (left, right) in ranges.iter().zip(ranges.iter().skip(1)) {
            assert_eq!(left.span.end, right.span.start, "{left:?} and {right:?}");
        }
        ranges
    }
}
