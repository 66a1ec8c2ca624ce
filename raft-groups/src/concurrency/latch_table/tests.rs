//! Runs the scripts of `testscripts/latch`, and compares the table with a naive reference.
//!
//! `latch NAME KEYS…` asks; keys are `r=a`, `w=a` (a key), `r=a-c`, `w=a-` (a span). `release NAME`.

use std::collections::BTreeMap;
use std::error::Error;

use goldenscript::{Command, Context};
use proptest::prelude::*;
use quorate_engine::testing::script::run_folder;

use super::*;

#[derive(Default)]
struct Runner {
    table: LatchTable,
    names: BTreeMap<LatchId, String>,
}

fn span(access: &str, keys: &str) -> Result<(Span, Access), Box<dyn Error>> {
    let access = match access {
        "r" => Access::Shared,
        "w" => Access::Exclusive,
        other => return Err(format!("no access {other}").into()),
    };
    let span = match keys.split_once('-') {
        Some((start, end)) => Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes())),
        None => Span::point(Key::from(keys.as_bytes())),
    };
    Ok((span, access))
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let name = args.next_pos().ok_or("a name")?.to_owned();
        match command.name.as_str() {
            "latch" => {
                let mut spans = Vec::new();
                while let Some((access, keys)) = args.next_key() {
                    spans.push(span(access, keys)?);
                }
                let (id, granted) = self.table.insert(LatchSpans::new(spans));
                self.names.insert(id, name.clone());
                Ok(format!("{name} {}\n", if granted { "holds" } else { "waits" }))
            }
            "release" => {
                let (&id, _) = self.names.iter().find(|(_, known)| **known == name).ok_or("no such name")?;
                self.names.remove(&id);
                let granted = self.table.release(id);
                Ok(granted.iter().map(|id| format!("{} holds\n", self.names[id])).collect())
            }
            other => Err(format!("no command {other}").into()),
        }
    }
}

#[test]
fn scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/latch"), Runner::default);
}

type Request = Vec<(Span, Access)>;

/// Everything by definition: a request holds when no earlier one that still stands conflicts with it.
#[derive(Default)]
struct Naive {
    standing: Vec<(u64, Request, bool)>,
    next: u64,
}

impl Naive {
    fn conflict(a: &Request, b: &Request) -> bool {
        a.iter().any(|(left, how)| {
            b.iter().any(|(right, also)| {
                !left.is_empty() && !right.is_empty() && left.overlaps(right) && exclude(*how, *also)
            })
        })
    }

    fn insert(&mut self, request: Request) -> bool {
        let holds = !self.standing.iter().any(|(_, other, _)| Self::conflict(other, &request));
        self.standing.push((self.next, request, holds));
        self.next += 1;
        holds
    }

    fn release(&mut self, id: u64) -> Vec<u64> {
        self.standing.retain(|(other, ..)| *other != id);
        let mut granted = Vec::new();
        for index in 0..self.standing.len() {
            let (earlier, rest) = self.standing.split_at_mut(index);
            let (id, request, holds) = &mut rest[0];
            if !*holds && !earlier.iter().any(|(_, other, _)| Self::conflict(other, request)) {
                *holds = true;
                granted.push(*id);
            }
        }
        granted
    }
}

fn key() -> impl Strategy<Value = Key> {
    proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'c')], 0..3).prop_map(Key::from)
}

fn request() -> impl Strategy<Value = Request> {
    let access = prop_oneof![Just(Access::Shared), Just(Access::Exclusive)];
    let span = prop_oneof![
        key().prop_map(Span::point),
        (key(), key()).prop_map(|(start, end)| Span::new(start, end)),
    ];
    // Long lists of single keys, too: they are searched another way.
    let many = proptest::collection::btree_set(0_u16..400, 100..200).prop_map(|keys| {
        keys.into_iter()
            .map(|key| (Span::point(Key::from(format!("a{key:03}").as_bytes())), Access::Exclusive))
            .collect()
    });
    prop_oneof![4 => proptest::collection::vec((span, access), 0..4), 1 => many]
}

proptest! {
    #[test]
    fn table_grants_what_the_naive_one_grants(
        steps in proptest::collection::vec((request(), any::<proptest::sample::Index>(), any::<bool>()), 1..40)
    ) {
        let (mut table, mut naive) = (LatchTable::default(), Naive::default());
        let mut standing = Vec::new();
        for (request, pick, release) in steps {
            if release && !standing.is_empty() {
                let id: LatchId = standing.remove(pick.index(standing.len()));
                let granted: Vec<_> = table.release(id).into_iter().map(|id| id.0).collect();
                prop_assert_eq!(granted, naive.release(id.0));
            } else {
                let (id, holds) = table.insert(LatchSpans::new(request.clone()));
                prop_assert_eq!(holds, naive.insert(request));
                standing.push(id);
            }
        }
    }
}
