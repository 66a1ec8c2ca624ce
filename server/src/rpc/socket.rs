//! The command socket: a file in the data directory that the node's own user alone may open. Whoever does may change the
//! cluster without a token; the file system says who that is.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// Name of the file.
pub const SOCKET_NAME: &str = "commands.sock";
/// Longest path of a socket that the system takes, in bytes: 108 with the zero at its end.
const PATH_MAX_BYTES: usize = 107;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// A bound command socket; its file goes with it.
#[derive(Debug)]
pub struct CommandSocket {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl CommandSocket {
    /// Binds the socket of a data directory that this process alone has open: a file there is from an earlier start.
    ///
    /// # Errors
    /// The directory takes no socket.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(data_dir)?.join(SOCKET_NAME);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let (_open, reachable) = reachable_path(&path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(&reachable)?)?;
        // Nobody can connect before `listen`: there is no moment at which others could.
        rustix::fs::chmod(&reachable, Mode::RUSR | Mode::WUSR)?;
        rustix::net::listen(&socket, BACKLOG)?;
        let listener = UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))?;
        Ok(Self { path, listener: Some(listener) })
    }

    /// Its path, as others on the machine name it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is served; once.
    pub fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for CommandSocket {
    fn drop(&mut self) {
        // Left behind it says nothing: whoever connects is refused.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A path under which the system takes a socket, however long its own is: then by way of its open folder, which has to stay
/// open meanwhile.
pub(super) fn reachable_path(path: &Path) -> io::Result<(Option<OwnedFd>, PathBuf)> {
    let is_text = path.to_str().is_some_and(|text| text.len() <= PATH_MAX_BYTES);
    if is_text {
        return Ok((None, path.to_owned()));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let open = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let name = path.file_name().unwrap_or(OsStr::new(SOCKET_NAME));
    let number = std::os::fd::AsRawFd::as_raw_fd(&open);
    Ok((Some(open), PathBuf::from(format!("/proc/self/fd/{number}")).join(name)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn socket_is_for_its_user_alone_wherever_the_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        for data_dir in [folder.path(), &deep] {
            let first = CommandSocket::bind(data_dir).unwrap();
            let path = first.path().to_owned();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            // As a process leaves it that was killed.
            std::mem::forget(first);
            let second = CommandSocket::bind(data_dir).unwrap();
            let (_open, reachable) = reachable_path(&path).unwrap();
            tokio::net::UnixStream::connect(reachable).await.unwrap();
            drop(second);
            assert!(!path.exists());
        }
    }
}
