//! Hybrid logical timestamps and the clock that gives them out.
//!
//! A [`Timestamp`] is 64 bits: 52 of physical microseconds since 1970 (good until the year 2112), 12 of logical count.
//! Source: Kulkarni et al., "Logical Physical Clocks", 2014.

use std::fmt;

/// Bits of a timestamp that count events within one microsecond.
pub const LOGICAL_BITS: u32 = 12;
/// Greatest logical count.
pub const LOGICAL_MAX: u64 = (1 << LOGICAL_BITS) - 1;

const _: () =
    assert!((u64::MAX >> LOGICAL_BITS) / 1_000_000 / 86_400 / 366 > 140, "good until the year 2110");

/// A point in hybrid time; ordered as its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Before everything.
    pub const MIN: Self = Self(0);
    /// After everything.
    pub const MAX: Self = Self(u64::MAX);

    /// The timestamp with this number, as stored.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The first timestamp of a microsecond since 1970.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros << LOGICAL_BITS)
    }

    /// The number, as stored.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Physical microseconds since 1970.
    pub const fn micros(self) -> u64 {
        self.0 >> LOGICAL_BITS
    }

    /// Count within the microsecond.
    pub const fn logical(self) -> u64 {
        self.0 & LOGICAL_MAX
    }

    /// The next timestamp; [`Timestamp::MAX`] stays.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The timestamp before; [`Timestamp::MIN`] stays.
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// This timestamp moved by `micros` into the future, with the highest logical count: the end of an uncertainty
    /// window.
    pub const fn window_end(self, micros: u64) -> Self {
        Self(((self.micros().saturating_add(micros)) << LOGICAL_BITS) | LOGICAL_MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06},{}", self.micros() / 1_000_000, self.micros() % 1_000_000, self.logical())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
