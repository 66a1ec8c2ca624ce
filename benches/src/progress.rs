//! Where a run stands, on the terminal; nothing where there is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::driver::{SLOT, Slot};

/// Steps of the bar.
const STEPS: u64 = 1_000;
/// How often it is drawn, at most, in times a second.
const DRAWS_PER_SECOND: u8 = 5;

/// One line on stderr.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// On stderr, where that is a terminal.
    pub fn on_terminal() -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix:34} {bar:24} {elapsed:>4}  {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Nowhere.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// A part of the run begins.
    pub fn begin(&self, what: impl Into<String>) {
        self.bar.reset();
        self.bar.set_prefix(what.into());
        self.bar.set_message("");
        self.bar.enable_steady_tick(Duration::from_secs(1));
    }

    /// How far it is, and how fast just now.
    pub fn tell(&self, share: f64, slot: &Slot) {
        let per_second = slot.count as f64 / SLOT.as_secs_f64();
        self.at(share, format!("{per_second:.0}/s  p50 {:.0} µs  p99 {:.0} µs", slot.p50_us, slot.p99_us));
    }

    /// How far it is, in any words.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
    pub fn at(&self, share: f64, message: impl Into<String>) {
        self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
        self.bar.set_message(message.into());
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: impl AsRef<str>) {
        if self.bar.is_hidden() {
            eprintln!("{}", line.as_ref());
        } else {
            self.bar.println(line);
        }
    }

    /// The line goes.
    pub fn end(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }
}
