"""docs/clients.md: the table of clients and features, made from the results of a whole run."""

from collections import Counter, defaultdict
from pathlib import Path

PATH = Path(__file__).parents[3] / "docs/clients.md"
# What each column is, for the reader.
MEANINGS = {
    "connect": "connecting, settings at connect",
    "pool": "the client's own pool",
    "tables": "create, insert, upsert, select, update, delete",
    "batches": "many rows at once",
    "errors": "fail on purpose, and go on",
    "types": "values of each type, both ways, text and binary",
    "columns": "types and names of results",
    "prepared": "statements that are used again",
    "copy": "COPY in and out",
    "savepoints": "nested transactions",
    "returning": "RETURNING",
    "arrays": "lists as parameters, array columns",
    "keys": "keys from the server",
    "cursors": "results in parts",
    "ddl": "CREATE and DROP in transactions",
    "catalog": "what tools ask of the catalog",
}
HEAD = """# Clients

Application code written for PostgreSQL runs on Quorate through these clients. Each is tried by a program of its own in
[tests/interop](../tests/interop/README.md), against three nodes and against PostgreSQL 15, and every step must end alike: rows, types, command tags,
error codes and texts. This page is made from the results by `make interop`; do not edit it.

What *works* ends as in PostgreSQL in all of its steps. What *waits* says how many of its steps do not yet, and for which features: these have their
reasons below. What stands in neither is something that the client has not, or that its program does not try.
"""


class Results:
    """What a run found: each client's features, its differences, and what these wait for."""

    def __init__(self):
        self.titles = {}
        self.steps = defaultdict(Counter)
        self.waits = defaultdict(lambda: defaultdict(Counter))

    def add(self, title, client, steps, differences, expected):
        self.titles[client] = title
        for feature, _ in steps:
            self.steps[client][feature] += 1
        for difference in differences:
            self.waits[client][difference.feature][expected.get(difference.key, "?")] += 1

    def works(self, client):
        """The features all of whose steps end alike."""
        return [feature for feature in self.steps[client] if not self.waits[client][feature]]

    def waiting(self, client):
        """The other features, each with what its steps wait for."""
        lines = []
        for feature in self.steps[client]:
            waits = self.waits[client][feature]
            if waits:
                names = ", ".join(name for name, _ in waits.most_common())
                lines.append(f"{feature} ({sum(waits.values())} of {self.steps[client][feature]}): {names}")
        return lines


def in_order(names):
    """Features in the order of [`MEANINGS`], others behind them."""
    known = list(MEANINGS)
    return sorted(
        names, key=lambda name: known.index(name.split(" ")[0]) if name.split(" ")[0] in known else len(known)
    )


def row(results, client):
    works, waiting = in_order(results.works(client)), in_order(results.waiting(client))
    return f"| {results.titles[client]} | {', '.join(works)} | {'<br>'.join(waiting)} |"


def page(results, reasons):
    """The text of docs/clients.md."""
    lines = [HEAD, "| client | works | waits |", "|---|---|---|"]
    lines += [row(results, client) for client in results.titles if client != "protocol"]
    lines += [
        "",
        "The protocol itself, by scenarios of messages that are compared one by one:",
        "",
        "| | works | waits |",
        "|---|---|---|",
    ]
    lines += [row(results, "protocol"), "", "## What the words mean", ""]
    lines += [f"- **{feature}**: {meaning}" for feature, meaning in MEANINGS.items()]
    used = {name for by_feature in results.waits.values() for counts in by_feature.values() for name in counts}
    lines += ["", "## What is waited for", ""]
    lines += [f"- **{name}**: {reason}" for name, reason in reasons.items() if name in used]
    return "\n".join(lines) + "\n"


def write(results, reasons):
    PATH.write_text(page(results, reasons))
