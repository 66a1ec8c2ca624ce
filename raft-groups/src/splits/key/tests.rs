//! Runs the scripts of `testscripts/split/key`: keys with their bytes, and the key that is chosen.
//!
//! `keys a=10 b=20 …` visits keys; `many N bytes=B` visits N keys of B bytes; `marks N` begins anew with at most N marks;
//! `choose` prints the choice and the sides; `sides KEY` prints the sides of a given key.

use std::error::Error;

use goldenscript::{Command, Context};
use quorate_engine::testing::script::run_folder;

use super::*;

struct Runner {
    count: SizeCount,
}

fn text(key: &Key) -> String {
    String::from_utf8_lossy(key.as_ref()).into_owned()
}

fn print(choice: &Choice) -> String {
    match choice {
        Choice::At(point) => {
            format!("at {}: {} left, {} right\n", text(&point.at), point.left_bytes, point.right_bytes)
        }
        Choice::OneKey { bytes } => format!("one key of {bytes} bytes\n"),
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        Ok(match command.name.as_str() {
            "keys" => {
                while let Some((key, bytes)) = args.next_key() {
                    self.count.visit(Key::from(key.as_bytes()), bytes.parse()?);
                }
                args.reject_next()?;
                String::new()
            }
            "many" => {
                let bytes: u64 = args.take_key("bytes").unwrap_or("1").parse()?;
                let keys: u64 = args.next_pos().ok_or("how many keys?")?.parse()?;
                args.reject_next()?;
                for key in 0..keys {
                    self.count.visit(Key::from(format!("{key:08}").as_bytes()), bytes);
                }
                String::new()
            }
            "marks" => {
                self.count = SizeCount::new(args.next_pos().ok_or("how many marks?")?.parse()?);
                String::new()
            }
            "choose" => print(&self.count.clone().choose()),
            "sides" => {
                let at = args.next_pos().ok_or("which key?")?;
                print(&Choice::At(self.count.sides_of(&Key::from(at.as_bytes()))))
            }
            other => return Err(format!("no command {other}").into()),
        })
    }
}

#[test]
fn scripts() {
    let new = || Runner { count: SizeCount::default() };
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/split/key"), new);
}
