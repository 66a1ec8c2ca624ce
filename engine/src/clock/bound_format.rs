//! Bytes of the clock's bound: version 1, then the timestamp's number (eight bytes, most significant first).

use crate::codec::CodecError;
use crate::codec::check::{Broken, holds, must_hold};
use crate::codec::value::{Reader, Writer};
use crate::hlc::Timestamp;

const VERSION: u8 = 1;

/// No timestamp above this was given out before this was persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockBound(pub Timestamp);

impl ClockBound {
    /// What must hold of a bound that is kept.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(self.0 > Timestamp::MIN, "a clock's bound lies above the first timestamp")?;
        holds(self.0 < Timestamp::MAX, "a clock's bound passes some day")
    }

    /// The bytes on disk.
    pub fn encode(self) -> Vec<u8> {
        must_hold("a clock's bound", self.validate());
        Writer::versioned(VERSION).timestamp(self.0).finish()
    }

    /// Reads the bytes on disk.
    ///
    /// # Errors
    /// Damaged bytes, or a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (mut reader, _) = Reader::versioned(bytes, VERSION, "clock bound")?;
        let bound = Self(reader.timestamp()?);
        reader.sound(bound.validate())?;
        reader.finish()?;
        Ok(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_bound_bytes_are_as_in_the_fixture() {
        let bound = ClockBound(Timestamp::from_raw(0x0123_4567_89ab_cdef));
        let stored =
            crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "clock_bound", &bound.encode());
        assert_eq!(ClockBound::decode(&stored), Ok(bound));
        let newer = [2, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            ClockBound::decode(&newer),
            Err(CodecError::Version { what: "clock bound", found: 2, known: 1 })
        );
        assert!(ClockBound::decode(&stored[..5]).is_err());
    }

    #[test]
    fn clock_bound_is_one_that_passes() {
        assert_eq!(ClockBound(Timestamp::from_raw(1)).validate(), Ok(()));
        assert!(ClockBound(Timestamp::MIN).validate().is_err());
        assert!(ClockBound(Timestamp::MAX).validate().is_err());
        assert!(matches!(ClockBound::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(CodecError::Broken { .. })));
    }
}
