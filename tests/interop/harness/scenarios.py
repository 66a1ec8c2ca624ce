"""Scenarios of the raw protocol: scripts of messages in `wire/*.wire`, one message a line.

    setup DROP TABLE IF EXISTS w_t          a statement before all scenarios of the file, on a connection of its own
    scenario NAME [key=value …]             begins one, on a new connection with these startup parameters
    Query "SELECT 1"
    Parse NAME "SQL" [type number …]        - is the empty name
    Bind PORTAL STATEMENT [value …] [formats=0,1] [results=1]     a value is a word, NULL, or bytes as x'00ff'
    Describe S|P NAME, Execute PORTAL [rows], Close S|P NAME, Sync, Flush
    CopyData "a\\tb\\n", CopyDone, CopyFail "reason", Raw Q x'00'
    until NAME                              sends what has gathered, and reads up to a message of this name, an error or ReadyForQuery
    cancel                                  sends, and once the statement runs asks to cancel until the server answers
    connect                                 a second connection takes over; `first` goes back to the first one

A line without anything sends what has gathered and reads all that is due: one ReadyForQuery for each Query and Sync. What came since
the last such line is one step of the transcript.
"""

import re
import time
from pathlib import Path

from . import protocol
from .protocol import Closed, Connection, Silence, message, text

FOLDER = Path(__file__).parent.parent / "wire"
# A statement that is to be cancelled gets so many requests, one every 0.1 s.
CANCELS_MAX = 100
# The first of them after this: one that comes before the statement has begun is answered with less.
SECONDS_UNTIL_IT_RUNS = 0.3


def value_of(word):
    """A parameter's bytes, or None."""
    if word == "NULL":
        return None
    binary = re.fullmatch(r"x'([0-9a-f ]*)'", word)
    return bytes.fromhex(binary.group(1)) if binary else word.encode()


def unescaped(word):
    return re.sub(
        r"\\([tnr\\0])", lambda m: {"t": "\t", "n": "\n", "r": "\r", "0": "\0"}.get(m.group(1), m.group(1)), word
    ).encode()


def words_of(line):
    """The words of a line. Double quotes hold one together, with \\" for one inside; bytes hold together as well."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|x\'[^\']*\'|\S+', line)
    return [word[1:-1].replace('\\"', '"') if word.startswith('"') else word for word in words]


def encoded(line):
    """A message's bytes."""
    kind, *words = words_of(line)
    names = [word for word in words if not re.match(r"(formats|results)=", word)]
    lists = {k: [int(n) for n in v.split(",") if n] for k, v in (w.split("=", 1) for w in words if w not in names)}
    name = ["" if word == "-" else word for word in names]
    match kind:
        case "Query":
            return message("Q", text(words[0]))
        case "Parse":
            return protocol.parse(name[0], words[1], [int(word) for word in words[2:]])
        case "Bind":
            return protocol.bind(
                name[0],
                name[1],
                lists.get("formats", []),
                [value_of(word) for word in names[2:]],
                lists.get("results", []),
            )
        case "Describe" | "Close":
            return message(kind[0], text_of_target(name))
        case "Execute":
            return message("E", text(name[0]) + int(words[1] if len(words) > 1 else 0).to_bytes(4, "big"))
        case "Sync" | "Flush":
            return message({"Sync": "S", "Flush": "H"}[kind])
        case "CopyData":
            return message("d", unescaped(words[0]))
        case "CopyDone":
            return message("c")
        case "CopyFail":
            return message("f", text(words[0]))
        case "Raw":
            return message(words[0], value_of(words[1]) or b"")
    raise ValueError(f"not a message: {line}")


def text_of_target(name):
    return name[0].encode() + text(name[1])


class Run:
    """One scenario under way: a connection, what is to be sent, and what has come since the last step."""

    def __init__(self, port, parameters):
        self.port = port
        self.first = self.connection = Connection(port, parameters)
        self.all = [self.first]
        self.waiting, self.due, self.seen = b"", 0, []

    def do(self, line):
        """Carries out a line that is not empty."""
        if line.startswith("until "):
            self.until(line.split()[1])
        elif line == "cancel":
            self.flush()
            time.sleep(SECONDS_UNTIL_IT_RUNS)
            for _ in range(CANCELS_MAX):
                self.connection.cancel()
                if self.connection.has_answer(0.1):
                    break
        elif line == "connect":
            self.connection = Connection(self.port)
            self.all.append(self.connection)
        elif line == "first":
            self.connection = self.first
        elif line == "startup":
            parameters = sorted(m for m in self.connection.startup if m.startswith("ParameterStatus"))
            self.seen += [m for m in self.connection.startup if not m.startswith("ParameterStatus")] + parameters
        else:
            self.waiting += encoded(line)
            self.due += line.startswith(("Query", "Sync", "Raw Q"))

    def flush(self):
        self.connection.send(self.waiting)
        self.waiting = b""

    def next(self):
        name, shown = self.connection.read()
        self.seen.append(shown)
        self.due -= name == "ReadyForQuery"
        return name

    def until(self, wanted):
        self.flush()
        while self.next() not in (wanted, "ErrorResponse", "ReadyForQuery"):
            pass

    def step(self):
        """Reads what is due; gives all that has come since the last step."""
        self.flush()
        try:
            while self.due > 0:
                self.next()
        except Silence:
            self.seen.append(f"(silent, {self.due} due)")
            self.due = 0
        except Closed:
            self.seen.append("(closed)")
            self.due = 0
        seen, self.seen = self.seen, []
        return seen

    def close(self):
        for connection in self.all:
            connection.close()


def transcript(port):
    """Runs all scenarios of all files, and prints them as a client's program would."""
    lines = []
    for path in sorted(FOLDER.glob("*.wire")):
        setup, scenarios = read(path)
        connection = Connection(port)
        for statement in setup:
            connection.send(message("Q", text(statement)))
            while connection.read()[0] != "ReadyForQuery":
                pass
        connection.close()
        for name, parameters, body in scenarios:
            lines += run(port, f"{path.stem} / {name}", parameters, body)
    return "\n".join(lines)


def read(path):
    """A file's setup statements, and its scenarios: name, startup parameters and lines."""
    setup, scenarios = [], []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("setup "):
            setup.append(line.removeprefix("setup "))
        elif line.startswith("scenario "):
            name = re.sub(r" \w+=.*", "", line.removeprefix("scenario "))
            scenarios.append((name, re.findall(r"(\w+)=(\S+)", line), []))
        elif scenarios:
            scenarios[-1][2].append(line)
    return setup, scenarios


def run(port, name, parameters, body):
    """The lines of one scenario: a step for each empty line."""
    lines, number = [], 0
    current = Run(port, parameters)
    try:
        for line in [*body, ""]:
            if line:
                try:
                    current.do(line)
                except Silence:
                    current.seen.append("(silent)")
                except Closed:
                    current.seen.append("(closed)")
            elif current.waiting or current.due or current.seen:
                number += 1
                lines.append(f"{name} {number}: " + " · ".join(current.step()).replace("\n", "\\n"))
    finally:
        current.close()
    return lines
