//! The data directory knows itself: a small file in it says which file it is, so that a copy can be told from the
//! original.
//!
//! A copy made by `cp`, `tar`, `rsync` or a backup tool has a file of its own: another inode, made at another time. What
//! copies whole devices (a snapshot of a volume, a virtual machine's disk) copies the inode too, and is not seen here;
//! what other nodes remember of the store is the second line (`raft_groups::cluster::starts`).
//!
//! Devices are numbered anew at each boot, so that the device counts only where the file system tells no time of birth.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use quorate_raft_groups::cluster::refusal::StoreHome;
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::home_format::{FileIdentity, decode_home, encode_home};

/// Name of the file; RocksDB has one named IDENTITY.
const FILE_NAME: &str = "STORE";

/// A data directory.
pub struct DirectoryHome {
    path: PathBuf,
}

impl DirectoryHome {
    /// The home in this folder, which exists.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn file(&self) -> PathBuf {
        self.path.join(FILE_NAME)
    }

    fn in_words(&self, error: &io::Error) -> String {
        format!("{} cannot be used: {error}", self.file().display())
    }

    fn look(&self, was_claimed: bool) -> io::Result<Option<String>> {
        let path = self.file();
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            // Made by a start that crashed before it could say anything, or by an earlier release.
            let missing =
                || format!("{} is missing: the data directory is a copy without it", path.display());
            return Ok(was_claimed.then(missing));
        }
        let said = decode_home(&bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok((!said.is_same(&identity_of(&path)?)).then(|| {
            format!(
                "the data directory {} was copied or restored: its file {FILE_NAME} is not the one that was made for it",
                self.path.display()
            )
        }))
    }

    fn write(&self) -> io::Result<()> {
        let path = self.file();
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        file.write_all(&encode_home(&identity_of(&path)?))?;
        file.sync_all()?;
        File::open(&self.path)?.sync_all()
    }
}

impl StoreHome for DirectoryHome {
    fn copied(&self, was_claimed: bool) -> Result<Option<String>, String> {
        self.look(was_claimed).map_err(|error| self.in_words(&error))
    }

    fn claim(&self) -> Result<(), String> {
        if self.copied(true) == Ok(None) {
            return Ok(());
        }
        self.write().map_err(|error| self.in_words(&error))
    }
}

fn identity_of(path: &Path) -> io::Result<FileIdentity> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let found = statx(rustix::fs::CWD, path, AtFlags::empty(), wanted)?;
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    Ok(FileIdentity {
        inode: found.stx_ino,
        device: (u64::from(found.stx_dev_major) << 32) | u64::from(found.stx_dev_minor),
        born: has_birth.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(path: &Path) -> DirectoryHome {
        DirectoryHome::new(path.to_owned())
    }

    #[test]
    fn home_knows_itself_and_is_not_moved_by_a_rename() {
        let folder = tempfile::tempdir().unwrap();
        let (path, renamed) = (folder.path().join("d1"), folder.path().join("d2"));
        std::fs::create_dir(&path).unwrap();
        assert_eq!(home(&path).copied(false), Ok(None), "an empty directory is nobody's copy");
        home(&path).claim().unwrap();
        assert_eq!(home(&path).copied(true), Ok(None));
        home(&path).claim().unwrap();
        std::fs::rename(&path, &renamed).unwrap();
        assert_eq!(home(&renamed).copied(true), Ok(None), "within a file system a move is no copy");
    }

    #[test]
    fn home_tells_a_copy_until_it_is_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("d1"), folder.path().join("d2"));
        std::fs::create_dir(&path).unwrap();
        std::fs::create_dir(&copy).unwrap();
        home(&path).claim().unwrap();
        std::fs::copy(path.join(FILE_NAME), copy.join(FILE_NAME)).unwrap();
        let told = home(&copy).copied(true).unwrap().unwrap();
        assert!(told.contains("copied or restored"), "{told}");
        home(&copy).claim().unwrap();
        assert_eq!(home(&copy).copied(true), Ok(None));
    }

    #[test]
    fn home_tells_a_copy_without_its_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(home(folder.path()).copied(false), Ok(None), "of an earlier release");
        let told = home(folder.path()).copied(true).unwrap().unwrap();
        assert!(told.contains("is missing"), "{told}");
    }
}
