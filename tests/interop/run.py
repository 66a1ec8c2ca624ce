#!/usr/bin/env python3
"""Runs the clients' programs and the protocol's scenarios against PostgreSQL 15 and against three nodes, and compares.

Exit code 0 where all differences are those of `waits.txt`; 1 where there are others; 2 where a client or a server is missing.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from harness import scenarios, table
from harness.clients import Client, Installed, missing
from harness.servers import Cluster, Postgres, ServerError
from harness.transcripts import compare, given_up, pair_shown, steps_of
from harness.waits import Waits


class Scenarios(Client):
    """The protocol's scenarios, as one more client."""

    def run(self, port):
        return scenarios.transcript(port), ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=Path, help="quorate")
    parser.add_argument("--installed", required=True, type=Path, help="folder made by .ci/interop-clients")
    parser.add_argument("--fast", action="store_true", help="only the clients that the gate runs")
    parser.add_argument("--only", help="names of clients, with commas between; `protocol` is the scenarios")
    parser.add_argument("--update", action="store_true", help="bring waits.txt up to date")
    parser.add_argument("--keep", type=Path, help="leave the transcripts in this folder")
    return parser.parse_args()


def chosen(options):
    """The clients of this run."""
    clients = [Scenarios("protocol", [sys.executable], lambda: "3.0", True), *Installed(options.installed).all()]
    if options.only:
        names = options.only.split(",")
        unknown = set(names) - {client.name for client in clients}
        if unknown:
            sys.exit(f"interop: no such client: {', '.join(sorted(unknown))}")
        return [client for client in clients if client.name in names]
    return [client for client in clients if client.is_fast or not options.fast]


def tell_difference(difference):
    expected, got = pair_shown(difference.expected, difference.got)
    print(f"  {difference.key}\n    postgres: {expected}\n    quorate:  {got}")


class Session:
    """A run over all clients: what is listed, and what was found."""

    def __init__(self, options):
        self.options = options
        self.waits = Waits.read()
        self.results = table.Results()
        self.failures = 0
        self.passed = 0

    def client(self, client, number, postgres, cluster):
        """Runs one client on both servers, its nodes in turn, and judges the differences."""
        begun = time.monotonic()
        expected, expected_errors = client.run(postgres.ports[0])
        got, got_errors = client.run(cluster.ports[number % len(cluster.ports)])
        cluster.check()
        self.keep(
            client, {"postgres": expected, "postgres.err": expected_errors, "quorate": got, "quorate.err": got_errors}
        )
        # In the order in which they ran.
        steps = {**steps_of(expected), **steps_of(got)}
        differences, _ = compare(client.name, expected, got)
        new, gone, listed = self.waits.judge(differences, {client.name})
        self.results.add(client.title, client.name, steps, differences, listed)
        failed = len(new) + len(gone)
        if not steps_of(expected):
            failed += 1
            print(f"  no step ran against PostgreSQL:\n{expected_errors[-2000:]}")
        for line in given_up(expected):
            failed += 1
            print(f"  its program did not come to its end against PostgreSQL: {line}\n{expected_errors[-2000:]}")
        seconds = time.monotonic() - begun
        print(
            f"{client.title}: {len(steps)} steps, {len(differences)} differ, {len(listed)} of these as listed, {seconds:.1f} s",
            flush=True,
        )
        for difference in new:
            tell_difference(difference)
        for key in gone:
            print(f"  {key}\n    is listed in waits.txt, and does not differ any more")
        if self.options.update:
            self.waits.update(new, gone)
        self.failures += failed
        self.passed += len(steps) - len(new)

    def keep(self, client, texts):
        if self.options.keep:
            self.options.keep.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (self.options.keep / f"{client.name}.{name}").write_text(text)


def main():
    options = arguments()
    clients = chosen(options)
    absent = missing(clients)
    for name, reason in absent.items():
        print(f"interop: {name} is missing: {reason}")
    if absent:
        print("interop: .ci/setup interop installs the clients")
        return 2
    session = Session(options)
    begun = time.monotonic()
    try:
        with Postgres() as postgres, Cluster(os.path.abspath(options.binary)) as cluster:
            print(f"both servers are ready after {time.monotonic() - begun:.1f} s", flush=True)
            for number, client in enumerate(clients):
                session.client(client, number, postgres, cluster)
    except ServerError as error:
        print(f"interop: {error}")
        return 2
    if not options.fast and not options.only and not session.failures:
        table.write(session.results, session.waits.reasons)
    print(f"{session.passed} passed, {session.failures} failed")
    return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main())
