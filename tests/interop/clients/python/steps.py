"""What the Python clients share: steps, each of which prints one line, and the values that they send both ways."""

import os
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path


def text_of(outcome):
    """An outcome on one line."""
    return str(outcome).replace("\n", "\\n")


def text_of_error(error):
    """SQLSTATE and message of what the server said, or what the driver itself complains of."""
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if code is None:
        return f"client error {type(error).__name__}: {error}"
    diagnosis = getattr(error, "diag", None)
    message = diagnosis.message_primary if diagnosis else getattr(error, "message", None) or str(error)
    return f"error {code}: {message}"


class Steps:
    """The steps of one feature. One that fails says how, is recovered from, and does not keep the next from being tried."""

    def __init__(self, feature, recover=None):
        self.feature = feature
        self.recover = recover

    def say(self, name, outcome):
        print(f"{self.feature} / {name}: {text_of(outcome)}", flush=True)

    def __call__(self, name, action):
        """Runs a step, prints its outcome, and returns it, or None where it failed."""
        try:
            outcome = action()
        except Exception as error:
            self.say(name, text_of_error(error))
            if self.recover:
                self.recover()
            return None
        self.say(name, outcome)
        return outcome

    async def later(self, name, action):
        """As a call, for an action that gives a coroutine."""
        try:
            outcome = await action()
        except Exception as error:
            self.say(name, text_of_error(error))
            if self.recover:
                await self.recover()
            return None
        self.say(name, outcome)
        return outcome


def samples():
    """Pairs of a type and a literal of it."""
    lines = (Path(__file__).parent.parent / "samples.txt").read_text().splitlines()
    pairs = (line.split(" | ", 1) for line in lines if line and not line.startswith("#"))
    return [(pair[0], pair[1]) for pair in pairs]


def literal(text):
    """A quoted literal."""
    return "'" + text.replace("'", "''") + "'"


def url():
    """The server's address as a URL."""
    return (
        f"postgresql://{os.environ['PGUSER']}@{os.environ['PGHOST']}:{os.environ['PGPORT']}/{os.environ['PGDATABASE']}"
    )


TYPED_COLUMNS = (
    "id int PRIMARY KEY, b boolean, s smallint, i integer, l bigint, r real, d double precision, n numeric(20,5), "
    "t text, v varchar(10), c char(4), day date, at timestamp, atz timestamptz"
)

# A row of them.
TYPED_ROW = (
    1,
    True,
    -5,
    6,
    2**62,
    1.5,
    2.25,
    Decimal("12345.67890"),
    "téxt",
    "varchar",
    "ch",
    date(2024, 2, 29),
    datetime(2024, 2, 29, 1, 2, 3, 4),
    datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc),
)
