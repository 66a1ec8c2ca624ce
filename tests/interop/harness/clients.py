"""The clients: how each program is run, which version it is, and whether it belongs to the fast half."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = Path(__file__).parent.parent / "clients"
# A program that takes longer hangs.
RUN_SECONDS_MAX = 180


@dataclass
class Client:
    """One client. `program` is its command; `version` says which release it is, or raises where it is not installed."""

    name: str
    program: list
    version: object
    is_fast: bool = False
    title: str = ""
    environment: dict = field(default_factory=dict)

    def run(self, port):
        """The transcript of a run against the server at this port."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "root",
            "PGDATABASE": "quorate",
            "PGCONNECT_TIMEOUT": "20",
            "INTEROP_CLIENTS": str(CLIENTS),
        } | self.environment
        command = [str(word) for word in self.program]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=RUN_SECONDS_MAX, cwd=CLIENTS)
        except subprocess.TimeoutExpired as hung:
            return text_of(hung.stdout) + f"\nerrors / program: hangs after {RUN_SECONDS_MAX} s\n", text_of(hung.stderr)
        end = "" if done.returncode == 0 else f"\nerrors / program: ended with {done.returncode}\n"
        return text_of(done.stdout) + end, text_of(done.stderr)


def text_of(data):
    return (data or b"").decode("utf-8", "replace")


def first_version(command):
    """The first number with dots that a command prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return re.search(r"\d+(\.\d+)+", done.stdout + done.stderr).group(0)


class Installed:
    """Where the clients' libraries are: made by .ci/interop-clients."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.python = self.folder / "python/bin/python"
        self.node = self.folder / "node/node_modules"

    def python_client(self, name, package, is_fast=False):
        ask = [self.python, "-c", f"import importlib.metadata as m; print(m.version('{package}'))"]
        program = [self.python, CLIENTS / f"python/{name}_client.py"]
        return Client(name, program, lambda: first_version(ask), is_fast, environment={"PYTHONDONTWRITEBYTECODE": "1"})

    def node_client(self, name, program, package, is_fast=False):
        def version():
            return json.loads((self.node / package / "package.json").read_text())["version"]

        return Client(
            name, ["node", CLIENTS / f"node/{program}.js"], version, is_fast, environment={"NODE_PATH": str(self.node)}
        )

    def rust_client(self, name, program):
        def version():
            lock = (CLIENTS / "rust/Cargo.lock").read_text()
            assert (self.folder / "rust" / program).exists(), "it is not built"
            return re.search(rf'name = "{name}"\nversion = "(.*)"', lock).group(1)

        return Client(name, [self.folder / "rust" / program], version)

    def all(self):
        jar = "/usr/share/java/postgresql.jar"
        java = ["java", "-cp", jar, CLIENTS / "java/Pgjdbc.java"]
        return [
            Client("psql", [CLIENTS / "psql/run"], lambda: first_version(["psql", "--version"]), True),
            self.python_client("psycopg2", "psycopg2-binary", True),
            self.python_client("psycopg3", "psycopg", True),
            self.python_client("asyncpg", "asyncpg", True),
            self.node_client("node-postgres", "pg", "pg", True),
            self.node_client("postgres.js", "postgres", "postgres"),
            Client("pgjdbc", java, lambda: debian_version("libpostgresql-jdbc-java", jar)),
            self.rust_client("tokio-postgres", "tokio_postgres"),
            self.rust_client("sqlx", "sqlx"),
            Client(
                "pgx",
                [self.folder / "go/pgx"],
                lambda: debian_version("golang-github-jackc-pgx-v4-dev", self.folder / "go/pgx"),
            ),
            self.python_client("sqlalchemy", "sqlalchemy"),
            self.python_client("django", "django"),
            self.node_client("drizzle", "drizzle", "drizzle-orm"),
            self.node_client("knex", "knex", "knex"),
            self.node_client("typeorm", "typeorm", "typeorm"),
            Client(
                "pgbench",
                [CLIENTS / "psql/pgbench"],
                lambda: first_version(["/usr/lib/postgresql/15/bin/pgbench", "--version"]),
            ),
            Client("sysbench", [CLIENTS / "psql/sysbench"], lambda: first_version(["sysbench", "--version"])),
        ]


def debian_version(package, needed):
    """The version of a Debian package, whose file must be there."""
    assert Path(needed).exists(), f"{needed} is missing"
    return re.sub(r"[-+].*", "", first_version(["dpkg-query", "-W", "-f", "${Version}", package]))


def missing(clients):
    """Those that cannot be run here, with the reason."""
    found = {}
    for client in clients:
        try:
            if not shutil.which(str(client.program[0])):
                raise FileNotFoundError(f"{client.program[0]} is missing")
            client.title = f"{client.name} {client.version()}"
        except Exception as error:
            found[client.name] = str(error)
    return found
