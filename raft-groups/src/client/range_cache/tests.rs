//! Scripts of the range cache, and its invariants under random descriptors.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::client::script_args::parse;

/// Commands: `learn r3 start=a end=c generation=2 nodes=1,2`, `lookup KEY`, `before KEY`, `leader r3 start=a node=2`,
/// `forget r3 generation=2 start=a`, `show`.
struct Runner {
    cache: RangeCache,
}

fn range_id(text: &str) -> RangeId {
    RangeId(text.trim_start_matches('r').parse().expect("range id"))
}

fn key(text: &str) -> Key {
    Key::from(text.as_bytes())
}

fn describe(found: Option<CachedRange>) -> String {
    found.map_or_else(|| "none\n".to_owned(), |found| line(&found))
}

fn line(cached: &CachedRange) -> String {
    let RangeDescriptor { range_id, span, generation, .. } = &*cached.descriptor;
    let leader = cached.leaseholder.map_or_else(String::new, |node| format!(" led by {node}"));
    format!("{range_id} [{}, {}) generation {generation}{leader}\n", span.start, span.end)
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(
        &mut self,
        command: &goldenscript::Command,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn std::error::Error>> {
        let mut args = command.consume_args();
        let mut out = String::new();
        match command.name.as_str() {
            "learn" => {
                let id = range_id(args.next_pos().ok_or("range")?);
                let start = key(&parse::<String>(&mut args, "start")?.unwrap_or_default());
                let end = key(&parse::<String>(&mut args, "end")?.unwrap_or_default());
                let nodes = parse::<String>(&mut args, "nodes")?.unwrap_or_else(|| "1".to_owned());
                let nodes: Vec<_> =
                    nodes.split(',').map(|node| NodeId(node.parse().expect("node"))).collect();
                let mut descriptor = RangeDescriptor::new(id, Span::new(start, end), &nodes);
                descriptor.generation = parse(&mut args, "generation")?.unwrap_or(1);
                let learnt = self.cache.learn(descriptor);
                writeln!(out, "{}", if learnt { "learnt" } else { "nothing new" })?;
            }
            "lookup" => out = describe(self.cache.lookup(&key(args.next_pos().ok_or("key")?))),
            "before" => {
                let end = args.next_pos().map(str::to_owned).unwrap_or_default();
                out = describe(self.cache.lookup_before(&key(&end)));
            }
            "leader" => {
                let id = range_id(args.next_pos().ok_or("range")?);
                let start = key(&parse::<String>(&mut args, "start")?.unwrap_or_default());
                let node = parse(&mut args, "node")?.map(NodeId);
                let descriptor = RangeDescriptor::new(id, Span::new(start, Key::default()), &[]);
                self.cache.set_leaseholder(&descriptor, node);
            }
            "forget" => {
                let id = range_id(args.next_pos().ok_or("range")?);
                let start = key(&parse::<String>(&mut args, "start")?.unwrap_or_default());
                self.cache.forget(id, parse(&mut args, "generation")?.unwrap_or(1), &start);
            }
            "show" => out = self.cache.ranges().map(line).collect(),
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_next()?;
        Ok(out)
    }
}

#[test]
fn range_cache_scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/router/cache");
    quorate_engine::testing::script::run_folder(folder, || Runner { cache: RangeCache::new(3) });
}

proptest! {
    #[test]
    fn range_cache_never_overlaps_and_keeps_its_bound(
        learnt in prop::collection::vec((0..6_u64, 0..20_u8, 1..6_u8, 1..5_u64), 0..40),
    ) {
        let mut cache = RangeCache::new(5);
        for (id, start, length, generation) in learnt {
            let span = Span::new(Key::from(vec![start]), Key::from(vec![start + length]));
            let mut descriptor = RangeDescriptor::new(RangeId(id), span, &[NodeId(1)]);
            descriptor.generation = generation;
            cache.learn(descriptor);
            let spans: Vec<_> = cache.ranges().map(|range| range.descriptor.span.clone()).collect();
            prop_assert!(spans.len() <= 5);
            prop_assert_eq!(cache.by_use.len(), spans.len());
            for pair in spans.windows(2) {
                prop_assert!(!pair[0].overlaps(&pair[1]), "{:?}", pair);
            }
            for key in 0..30_u8 {
                let key = Key::from(vec![key]);
                let naive = spans.iter().find(|span| span.contains(&key)).cloned();
                let found = cache.lookup(&key).map(|range| range.descriptor.span.clone());
                prop_assert_eq!(found, naive);
            }
        }
    }
}
