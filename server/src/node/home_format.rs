//! Bytes of the file by which a data directory knows itself.
//!
//! Version 1: inode, device, and where the file system knows it the time of birth: seconds, nanoseconds.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

/// Newest version of these bytes.
const HOME_VERSION: u8 = 1;

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    /// Its number in its file system.
    pub inode: u64,
    /// The device: major number in the upper half, minor in the lower.
    pub device: u64,
    /// When it was made, in seconds and nanoseconds; `None` where the file system does not say.
    pub born: Option<(i64, u32)>,
}

impl FileIdentity {
    /// Whether this is the same file, as far as can be told.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same_birth = match (self.born, other.born) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (Some(_) | None, Some(_) | None) => self.device == other.device,
        };
        self.inode == other.inode && is_same_birth
    }
}

/// The bytes.
pub(super) fn encode_home(file: &FileIdentity) -> Vec<u8> {
    let mut writer = Writer::versioned(HOME_VERSION);
    writer.u64(file.inode).u64(file.device).bool(file.born.is_some());
    let (seconds, nanos) = file.born.unwrap_or_default();
    writer.u64(seconds.cast_unsigned()).u32(nanos);
    writer.finish()
}

/// Reads the bytes.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub(super) fn decode_home(bytes: &[u8]) -> Result<FileIdentity, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, HOME_VERSION, "identity of the data directory")?;
    let (inode, device, has_birth) = (reader.u64()?, reader.u64()?, reader.bool()?);
    let born = (reader.u64()?.cast_signed(), reader.u32()?);
    reader.finish()?;
    Ok(FileIdentity { inode, device, born: has_birth.then_some(born) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileIdentity =
        FileIdentity { inode: 77, device: (8 << 32) | 1, born: Some((1_700_000_000, 5)) };

    #[test]
    fn home_bytes_are_as_in_the_fixture() {
        let stored =
            quorate_engine::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "home", &encode_home(&FILE));
        assert_eq!(decode_home(&stored), Ok(FILE));
        assert!(decode_home(&stored[..stored.len() - 1]).is_err());
    }

    #[test]
    fn home_is_the_same_by_inode_and_birth_and_by_device_where_there_is_no_birth() {
        let (other_device, other_inode) =
            (FileIdentity { device: 9, ..FILE }, FileIdentity { inode: 78, ..FILE });
        assert!(FILE.is_same(&FILE) && FILE.is_same(&other_device) && !FILE.is_same(&other_inode));
        assert!(!FILE.is_same(&FileIdentity { born: Some((1_700_000_000, 6)), ..FILE }));
        let unborn = |file: FileIdentity| FileIdentity { born: None, ..file };
        assert!(unborn(FILE).is_same(&unborn(FILE)) && !unborn(FILE).is_same(&unborn(other_device)));
    }
}
