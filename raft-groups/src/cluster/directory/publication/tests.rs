//! Runs the scripts of `testscripts/split/publication`: a directory, and publications of changed ranges.
//!
//! A range is written `ID/START-END/GENERATION`. `rows RANGE …` sets the directory, `publish RANGE …` publishes them
//! together and prints verdicts and rows.

use std::error::Error;

use goldenscript::{Command, Context};
use quorate_engine::kv::Key;
use quorate_engine::testing::script::run_folder;
use quorate_placement::topology::{NodeId, RangeId};

use super::*;

struct Runner {
    rows: PublishedRows,
}

fn range(text: &str) -> Result<RangeDescriptor, Box<dyn Error>> {
    let (id, rest) = text.split_once('/').ok_or("no id")?;
    let (span, generation) = rest.split_once('/').ok_or("no generation")?;
    let (start, end) = span.split_once('-').ok_or("no span")?;
    let span = Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes()));
    let mut descriptor = RangeDescriptor::new(RangeId(id.parse()?), span, &[NodeId(1)]);
    descriptor.generation = generation.parse()?;
    Ok(descriptor)
}

fn print(rows: &PublishedRows) -> String {
    let text = |key: &Key| String::from_utf8_lossy(key.as_ref()).into_owned();
    let row = |row: &RangeDescriptor| {
        format!(" {}/{}-{}/{}", row.range_id.0, text(&row.span.start), text(&row.span.end), row.generation)
    };
    rows.as_slice().iter().map(row).collect::<String>() + "\n"
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let mut ranges = Vec::new();
        while let Some(word) = args.next_pos() {
            ranges.push(range(word)?);
        }
        args.reject_next()?;
        Ok(match command.name.as_str() {
            "rows" => {
                self.rows = PublishedRows::new(ranges);
                String::new()
            }
            "publish" => {
                let verdicts = self.rows.publish_all(&ranges);
                let overlap =
                    self.rows.as_slice().windows(2).any(|pair| pair[0].span.overlaps(&pair[1].span));
                assert!(!overlap, "rows never overlap");
                format!("{verdicts:?};{}", print(&self.rows))
            }
            other => return Err(format!("no command {other}").into()),
        })
    }
}

#[test]
fn scripts() {
    let new = || Runner { rows: PublishedRows::new(Vec::new()) };
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/split/publication"), new);
}
