"""The two servers that are compared, each of its own: PostgreSQL 15, and three nodes of Quorate as three processes.

Both know the user `root` and the database `quorate`, listen on loopback only, and end with this program.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# How long a server may take to be ready. Nothing waits for it where all is well.
READY_SECONDS_MAX = 60
POSTGRES = Path("/usr/lib/postgresql/15/bin")
# Below the ports that the system gives to outgoing connections.
FIRST_PORT, PORTS = 10_000, 20_000
POSTGRES_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "timezone=UTC",
    "log_timezone=UTC",
    "fsync=off",
    "max_connections=60",
)
ZONES = ("a", "b", "c")

_next_port = os.getpid() * 97


class ServerError(Exception):
    """A server that does not start, with what it said."""


def free_port():
    """A port that nobody listens on, another one each time."""
    global _next_port
    while True:
        _next_port += 1
        port = FIRST_PORT + _next_port % PORTS
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_for(what, check, log):
    """Waits until `check` gives something true."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not check():
        if time.monotonic() > deadline:
            raise ServerError(f"{what} did not come within {READY_SECONDS_MAX} s:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


class Process:
    """A server's process, with its log; it ends with the `with` that holds it."""

    def __init__(self, command, log, **how):
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **how)

    def check(self):
        if self.child.poll() is not None:
            raise ServerError(f"{self.child.args[0]} has ended:\n{self.log.read_text()[-3000:]}")

    def end(self, signal):
        """Sends the signal and waits; what does not end by it is killed."""
        if self.child.poll() is None:
            self.child.send_signal(signal)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Server:
    """What is compared: a name, and addresses to connect to."""

    def __init__(self, name):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"interop-{name}-"))
        self.processes = []
        self.ports = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in reversed(self.processes):
            process.end(self.ends_by)
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self):
        for process in self.processes:
            process.check()

    def logs(self):
        """The last lines of each process."""
        return "\n".join(f"--- {p.log.name}\n{p.log.read_text(errors='replace')[-2000:]}" for p in self.processes)


class Postgres(Server):
    """PostgreSQL 15; root may not run it, so that another user does where root runs this."""

    ends_by = 3  # SIGQUIT: at once, without shared memory left behind

    def __init__(self):
        super().__init__("postgres")

    def start(self):
        if not (POSTGRES / "postgres").exists():
            raise ServerError("PostgreSQL 15 is not installed: run .ci/setup interop")
        user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            # The folder of temporary files may be root's alone (.ci/run makes such a one): others may pass through it.
            os.chmod(self.folder.parent, self.folder.parent.stat().st_mode | 0o111)
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        user |= {"cwd": self.folder, "env": {"LC_ALL": "C.UTF-8", "TZ": "UTC"}}
        data = self.folder / "data"
        initdb = [POSTGRES / "initdb", "-D", data, "-A", "trust", "-U", "root", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **user)
        port = free_port()
        command = [POSTGRES / "postgres", "-D", data, "-p", str(port), "-c", f"unix_socket_directories={self.folder}"]
        for setting in POSTGRES_SETTINGS:
            command += ["-c", setting]
        process = Process(command, self.folder / "postgres.log", **user)
        self.processes.append(process)
        createdb = [
            "psql",
            "-X",
            "-q",
            "-c",
            "CREATE DATABASE quorate",
            f"host=127.0.0.1 port={port} user=root dbname=postgres",
        ]

        def is_ready():
            process.check()
            return subprocess.run(createdb, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

        wait_for("PostgreSQL", is_ready, process.log)
        self.ports = [port]


class Cluster(Server):
    """Three nodes in three zones, initialised."""

    ends_by = 15

    def __init__(self, binary):
        super().__init__("quorate")
        self.binary = binary

    def start(self):
        listen = [free_port() for _ in ZONES]
        join = ",".join(f"127.0.0.1:{port}" for port in listen)
        http = [free_port() for _ in ZONES]
        self.ports = [free_port() for _ in ZONES]
        for number, zone in enumerate(ZONES):
            command = [
                self.binary,
                "start",
                "--data-dir",
                self.folder / f"d{number + 1}",
                "--listen",
                f"127.0.0.1:{listen[number]}",
                "--sql",
                f"127.0.0.1:{self.ports[number]}",
                "--http",
                f"127.0.0.1:{http[number]}",
                "--locality",
                f"region=eu,zone={zone}",
                "--join",
                join,
            ]
            self.processes.append(Process(command, self.folder / f"n{number + 1}.log"))
        for path in ("/health", "/ready"):
            if path == "/ready":
                made = subprocess.run(
                    [self.binary, "init", "--host", f"127.0.0.1:{listen[0]}"], capture_output=True, text=True
                )
                if made.returncode != 0:
                    raise ServerError(f"init: {made.stdout}{made.stderr}\n{self.logs()}")
            for process, port in zip(self.processes, http):
                wait_for(path, lambda: process.check() or answers(port, path), process.log)


def answers(port, path):
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
