//! Processes of a run: started with their output in a log file, ended when the run ends.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use crate::error::BenchError;

/// How long a process may take to end after it was asked to.
const END_MAX: Duration = Duration::from_secs(20);
/// Time between two looks at something that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Ports of a run: below those that the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port of loopback that nobody listens on, another one each time.
///
/// # Errors
/// None is free.
pub fn free_port() -> Result<u16, BenchError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let width = u32::from(PORTS.end - PORTS.start);
    for _ in 0..width {
        let offset = std::process::id()
            .wrapping_mul(151)
            .wrapping_add(u32::from(NEXT.fetch_add(1, Ordering::Relaxed)));
        let port = PORTS.start + u16::try_from(offset % width).unwrap_or(0);
        if TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return Ok(port);
        }
    }
    Err(BenchError::Usage(format!("no port between {} and {} is free", PORTS.start, PORTS.end)))
}

/// Looks until `look` gives something.
///
/// # Errors
/// [`BenchError::Late`] with what was seen last.
pub async fn wait_for<T, F>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, BenchError>
where
    F: Future<Output = Result<T, String>>,
{
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(last) if begun.elapsed() > deadline => {
                return Err(BenchError::Late { what: what.to_owned(), seconds: deadline.as_secs(), last });
            }
            Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    }
}

/// The words of a command, to be typed again.
pub fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        if word.contains([' ', '(', ')', '*']) { format!("'{word}'") } else { word.into_owned() }
    };
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// A program in one of the folders of `PATH` or in one of `more`.
pub fn find_program(name: &str, more: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(more.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// First line of what a command prints, for versions.
pub fn first_line_of(command: &mut Command) -> String {
    match command.output() {
        Ok(output) => {
            String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned()
        }
        Err(error) => format!("(unknown: {error})"),
    }
}

/// A process that this run has started; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ending: Signal,
}

impl Process {
    /// Starts it; what it prints is appended to the file `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self, BenchError> {
        let what = || format!("starting {name} ({})", command.get_program().to_string_lossy());
        let open = || -> std::io::Result<(File, File)> {
            let out = OpenOptions::new().create(true).append(true).open(log)?;
            Ok((out.try_clone()?, out))
        };
        let (out, err) = open().map_err(BenchError::io(what()))?;
        let what = what();
        let child =
            command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(BenchError::io(what))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), ending: Signal::KILL })
    }

    /// Ended by this signal when it is dropped, instead of by signal 9; it must end soon after it.
    #[must_use]
    pub fn ended_by(mut self, ending: Signal) -> Self {
        self.ending = ending;
        self
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails where it has ended.
    ///
    /// # Errors
    /// It has ended, with its status.
    pub fn check(&mut self) -> Result<(), BenchError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.error(format!("{} has ended: {status}", self.name))),
            Err(error) => Err(self.error(format!("{} cannot be asked: {error}", self.name))),
        }
    }

    /// An error that points to its log.
    pub fn error(&self, what: String) -> BenchError {
        BenchError::Process { what, log: self.log.clone() }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<(), BenchError> {
        let what = format!("killing {}", self.name);
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(BenchError::io(what))
    }

    fn signal(&self, signal: Signal) -> std::io::Result<()> {
        match i32::try_from(self.id()).ok().and_then(Pid::from_raw) {
            Some(id) => Ok(rustix::process::kill_process(id, signal)?),
            None => Ok(()),
        }
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// The system refuses, or it does not end in time.
    pub async fn terminate(&mut self) -> Result<(), BenchError> {
        self.signal(Signal::TERM).map_err(BenchError::io(format!("ending {}", self.name)))?;
        let what = format!("the end of {}", self.name);
        let begun = Instant::now();
        while self.child.try_wait().map_err(BenchError::io(what.clone()))?.is_none() {
            if begun.elapsed() > END_MAX {
                return Err(BenchError::Late {
                    what,
                    seconds: END_MAX.as_secs(),
                    last: "it runs".to_owned(),
                });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already: then its number may belong to another process, which is left alone.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.signal(self.ending);
        }
        let _ = self.child.wait();
    }
}
