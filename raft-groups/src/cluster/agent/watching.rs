//! What a node's log tells by itself: nodes that fall silent, ranges in trouble, and whether it serves; one line a change.
//!
//! Looked at once a second. [`Watch::step`] compares with what was told; times come in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_placement::topology::{NodeId, RangeId};

use super::Agent;
use crate::telling::shown;

/// How often it is looked.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// A node that was not heard for this long is silent …
const SILENT_AFTER: Duration = Duration::from_secs(4);
/// … and this much longer for each other node: where there are many, not all are asked each second.
const SILENT_AFTER_NODE: Duration = Duration::from_millis(250);
/// Looks after which ranges that come and go are told as they are.
const UNSTEADY_LOOKS_MAX: u32 = 5;
/// Ranges that are named in a line.
const RANGES_TOLD_MAX: usize = 10;

/// What is seen at one moment.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Other nodes, with their addresses, and how long they were silent; `None` if never heard since the start.
    nodes: Vec<(NodeId, String, Option<Duration>)>,
    /// Ranges with a replica here that complain, and of what.
    troubled: BTreeMap<RangeId, String>,
    /// Ranges with a replica here.
    ranges: usize,
    /// Why no SQL is served, if so.
    refuses: Option<String>,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Trouble(String),
    Well(String),
}

/// What was told.
#[derive(Debug, Default)]
struct Watch {
    began: Option<Duration>,
    /// Silent nodes, and since when.
    silent: BTreeMap<NodeId, Duration>,
    /// Ranges that were told to be in trouble.
    told: BTreeSet<RangeId>,
    troubled_since: Duration,
    /// What the last look saw, and how often in a row it differed from what was told.
    last: BTreeSet<RangeId>,
    unsteady: u32,
    /// Since when no SQL is served; `None` while it is. Before it was for the first time nothing is told.
    refuses_since: Option<Duration>,
    has_served: bool,
}

impl Watch {
    fn step(&mut self, seen: Seen, now: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        self.look_at_nodes(&seen, now, &mut lines);
        self.look_at_ranges(&seen, now, &mut lines);
        self.look_at_sql(seen.refuses, now, &mut lines);
        lines
    }

    fn look_at_nodes(&mut self, seen: &Seen, now: Duration, lines: &mut Vec<Line>) {
        let running = now.saturating_sub(*self.began.get_or_insert(now));
        let others = u32::try_from(seen.nodes.len()).unwrap_or(u32::MAX);
        let limit = SILENT_AFTER.saturating_add(SILENT_AFTER_NODE.saturating_mul(others));
        self.silent.retain(|node, _| seen.nodes.iter().any(|(known, ..)| known == node));
        for (node, address, silence) in &seen.nodes {
            let is_silent = silence.unwrap_or(running) >= limit;
            if !is_silent && let Some(since) = self.silent.remove(node) {
                let silent = shown(now.saturating_sub(since));
                lines.push(Line::Well(format!("{node} at {address} is heard again, after {silent}")));
            }
            if is_silent && !self.silent.contains_key(node) {
                let line = match silence {
                    Some(silence) => format!("{node} at {address} is silent for {}", shown(*silence)),
                    None => format!("{node} at {address} was not heard since this node started"),
                };
                self.silent.insert(*node, now.saturating_sub(silence.unwrap_or(running)));
                lines.push(Line::Trouble(line));
            }
        }
    }

    /// Many ranges get into trouble within a second or two: they are told together, once that has come to rest.
    fn look_at_ranges(&mut self, seen: &Seen, now: Duration, lines: &mut Vec<Line>) {
        let troubled: BTreeSet<RangeId> = seen.troubled.keys().copied().collect();
        let is_steady = troubled == self.last;
        self.last.clone_from(&troubled);
        if troubled == self.told {
            self.unsteady = 0;
            return;
        }
        self.unsteady += 1;
        if !is_steady && self.unsteady < UNSTEADY_LOOKS_MAX {
            return;
        }
        self.unsteady = 0;
        if self.told.is_empty() {
            self.troubled_since = now;
        }
        lines.push(match seen.troubled.first_key_value() {
            Some((first, complaint)) => {
                let names: Vec<String> =
                    troubled.iter().take(RANGES_TOLD_MAX).map(RangeId::to_string).collect();
                let rest = if troubled.len() > RANGES_TOLD_MAX { ", …" } else { "" };
                let (count, all, names) = (troubled.len(), seen.ranges, names.join(", "));
                Line::Trouble(format!(
                    "{count} of {all} ranges here do not work: {names}{rest}; {first}: {complaint}"
                ))
            }
            None => Line::Well(format!(
                "all {} ranges here work again, after {}",
                seen.ranges,
                shown(now.saturating_sub(self.troubled_since))
            )),
        });
        self.told = troubled;
    }

    fn look_at_sql(&mut self, refuses: Option<String>, now: Duration, lines: &mut Vec<Line>) {
        match (refuses, self.refuses_since) {
            (None, None) => self.has_served = true,
            (None, Some(since)) => {
                self.refuses_since = None;
                let time = shown(now.saturating_sub(since));
                lines.push(Line::Well(format!("this node serves SQL again, after {time}")));
            }
            (Some(reason), None) if self.has_served => {
                self.refuses_since = Some(now);
                lines.push(Line::Trouble(format!("this node serves no SQL: {reason}")));
            }
            (Some(_), _) => {}
        }
    }
}

impl Agent {
    /// Looks, and tells what has changed.
    pub async fn watch_forever(self: Arc<Self>) {
        let mut watch = Watch::default();
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            for line in watch.step(self.seen(), self.calls.boottime()) {
                match line {
                    Line::Trouble(text) => tracing::warn!("{text}"),
                    Line::Well(text) => tracing::info!("{text}"),
                }
            }
        }
    }

    fn seen(&self) -> Seen {
        let others =
            self.directory.registry.all().into_iter().filter(|record| record.node_id != self.calls.node_id());
        let nodes = others.map(|record| {
            let silence = self.calls.rpc.last_heard(record.node_id);
            (record.node_id, record.address, silence)
        });
        let statuses = self.calls.ranges.statuses();
        let ranges = statuses.len();
        let troubled = statuses
            .into_iter()
            .filter_map(|status| Some((status.descriptor.range_id, status.breaker?)))
            .collect();
        let refuses = self.catalog_lease().err().map(|error| error.to_string());
        Seen { nodes: nodes.collect(), troubled, ranges, refuses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log {
        watch: Watch,
        second: u64,
    }

    impl Log {
        /// A look each second, for some seconds: what was told.
        fn look(
            &mut self,
            seconds: u64,
            silence: Option<u64>,
            troubled: &[u64],
            refuses: bool,
        ) -> Vec<String> {
            let mut told = Vec::new();
            for past in 0..seconds {
                self.second += 1;
                let silence = silence.map(|silence| Duration::from_secs(silence + past));
                let ranges = troubled.iter().map(|id| (RangeId(*id), "no quorum".to_owned()));
                let seen = Seen {
                    nodes: vec![(NodeId(2), "b:1".to_owned(), silence)],
                    troubled: ranges.collect(),
                    ranges: 4,
                    refuses: refuses.then(|| "no lease".to_owned()),
                };
                let lines = self.watch.step(seen, Duration::from_secs(self.second));
                told.extend(lines.into_iter().map(|line| match line {
                    Line::Trouble(text) | Line::Well(text) => text,
                }));
            }
            told
        }
    }

    #[test]
    fn watch_tells_changes_and_nothing_else() {
        let mut log = Log { watch: Watch::default(), second: 100 };
        assert_eq!(log.look(3, None, &[], true), Vec::<String>::new(), "a node that starts");
        assert_eq!(log.look(1, Some(0), &[], false), Vec::<String>::new());
        // Ranges fail one after the other within two seconds.
        let mut told = log.look(1, Some(3), &[1], false);
        told.extend(log.look(1, Some(4), &[1, 7], false));
        told.extend(log.look(60, Some(5), &[1, 7, 8], true));
        assert_eq!(
            told,
            [
                "n2 at b:1 is silent for 5.0 s",
                "this node serves no SQL: no lease",
                "3 of 4 ranges here do not work: r1, r7, r8; r1: no quorum",
            ]
        );
        let told: Vec<_> = (0..10).flat_map(|_| log.look(1, Some(0), &[], false)).collect();
        assert_eq!(
            told,
            [
                "n2 at b:1 is heard again, after 1 min 5 s",
                "this node serves SQL again, after 1 min 0 s",
                "all 4 ranges here work again, after 1 min 0 s",
            ]
        );
    }

    #[test]
    fn watch_tells_ranges_that_come_and_go_now_and_then_and_a_node_never_heard_once() {
        let mut log = Log { watch: Watch::default(), second: 100 };
        let mut told = Vec::new();
        for round in 0..50 {
            told.extend(log.look(1, None, &[round % 3 + 1], false));
        }
        assert_eq!(
            told.iter().filter(|line| line.contains("never") || line.contains("was not heard")).count(),
            1
        );
        assert!((2..=14).contains(&told.len()), "{told:?}");
    }
}
