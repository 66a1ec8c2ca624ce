//! Runs the scripts of `testscripts/tscache`, and compares the cache with a list of all reads.

use std::error::Error;

use goldenscript::{Command, Context};
use proptest::prelude::*;
use quorate_engine::testing::script::run_folder;

use super::*;

struct Runner {
    cache: TimestampCache,
}

fn span(text: &str) -> Span {
    match text.split_once('-') {
        Some((start, end)) => Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes())),
        None => Span::point(Key::from(text.as_bytes())),
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let mut next = || args.next_pos().ok_or("an argument is missing");
        Ok(match command.name.as_str() {
            "new" => {
                let low_water = Timestamp::from_raw(next()?.parse()?);
                self.cache = TimestampCache::with_limit(low_water, next()?.parse()?);
                String::new()
            }
            "read" => {
                self.cache.add(&span(next()?), Timestamp::from_raw(next()?.parse()?));
                String::new()
            }
            "newest" => format!("{}\n", self.cache.newest(&span(next()?)).raw()),
            "low_water" => {
                self.cache.raise_low_water(Timestamp::from_raw(next()?.parse()?));
                String::new()
            }
            "dump" => {
                let mut text = format!("low water {}\n", self.cache.low_water.raw());
                for (key, read) in &self.cache.boundaries {
                    text += &format!("from {key}: {}\n", read.raw());
                }
                text
            }
            other => return Err(format!("no command {other}").into()),
        })
    }
}

#[test]
fn scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/tscache"), || Runner {
        cache: TimestampCache::new(Timestamp::MIN),
    });
}

/// Each forgetting looks at all boundaries: it must be rare.
#[test]
fn points_are_forgotten_in_large_parts() {
    const LIMIT: usize = 64;
    const READS: usize = 1_000;
    let mut cache = TimestampCache::with_limit(Timestamp::MIN, LIMIT);
    let mut forgotten = 0;
    for number in 0..READS {
        let key = Key::from((number * 7_919 % READS).to_string().into_bytes());
        let before = cache.low_water();
        cache.add(&Span::point(key), Timestamp::from_raw(number as u64 + 1));
        forgotten += usize::from(cache.low_water() != before);
    }
    // A point has two boundaries, and at least about half of them go at once.
    assert!((1..=READS * 2 / (LIMIT / 2) + 1).contains(&forgotten), "{forgotten} times");
}

fn spans() -> impl Strategy<Value = Span> {
    let key = || {
        proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'c')], 0..3).prop_map(Key::from)
    };
    prop_oneof![key().prop_map(Span::point), (key(), key()).prop_map(|(start, end)| Span::new(start, end))]
}

#[derive(Clone, Debug)]
enum Step {
    Read(Span, u64),
    LowWater(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (spans(), 0_u64..50).prop_map(|(span, at)| Step::Read(span, at)),
        1 => (0_u64..30).prop_map(Step::LowWater),
    ]
}

fn naive(reads: &[Step], span: &Span) -> Timestamp {
    let newest = reads.iter().map(|step| match step {
        Step::Read(read, at) if !read.is_empty() && !span.is_empty() && read.overlaps(span) => *at,
        Step::Read(..) => 0,
        Step::LowWater(at) => *at,
    });
    Timestamp::from_raw(newest.max().unwrap_or(0))
}

proptest! {
    #[test]
    fn cache_knows_the_newest_read(steps in proptest::collection::vec(step(), 0..30), asked in spans()) {
        let mut cache = TimestampCache::new(Timestamp::MIN);
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Read(span, at) => cache.add(span, Timestamp::from_raw(*at)),
                Step::LowWater(at) => cache.raise_low_water(Timestamp::from_raw(*at)),
            }
            prop_assert_eq!(cache.newest(&asked), naive(&steps[..=index], &asked));
            prop_assert_eq!(cache.bytes, cache.boundaries.keys().map(Key::len).sum::<usize>());
        }
    }

    #[test]
    fn small_cache_is_never_too_low(steps in proptest::collection::vec(step(), 0..30), asked in spans()) {
        let mut cache = TimestampCache::with_limit(Timestamp::MIN, 4);
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Read(span, at) => cache.add(span, Timestamp::from_raw(*at)),
                Step::LowWater(at) => cache.raise_low_water(Timestamp::from_raw(*at)),
            }
            prop_assert!(cache.newest(&asked) >= naive(&steps[..=index], &asked));
            prop_assert!(cache.boundaries.len() <= 4);
        }
    }
}
