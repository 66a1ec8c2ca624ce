"""Transcripts of a client: one line a step, `feature / step: outcome`; two of them are compared step by step."""

import hashlib
import re
from dataclasses import dataclass

# So much of an outcome is told.
SHOWN_MAX = 400


@dataclass(frozen=True)
class Difference:
    """A step whose outcomes differ. `expected` is PostgreSQL's; a step that one of them has not is told as `(no such step)`."""

    client: str
    feature: str
    step: str
    expected: str
    got: str

    @property
    def key(self):
        return f"{self.client} / {self.feature} / {self.step}"

    @property
    def answer(self):
        """What the list of expected differences says of it: the error's code, or a mark of just what else came."""
        failed = re.search(r"\berror ([0-9A-Z]{5})\b", self.got)
        if failed:
            return failed.group(1)
        if self.got == ABSENT:
            return "no such step"
        return "other " + hashlib.sha256(self.got.encode()).hexdigest()[:6]

    @property
    def is_broken(self):
        """Whether nothing can explain it: the server is silent, or has hung up without an error, where PostgreSQL does not."""
        is_told = not self.answer.startswith("other")
        return not is_told and any(mark in self.got and mark not in self.expected for mark in BROKEN)


ABSENT = "(no such step)"
BROKEN = ("(silent", "(closed)", "hangs after")


def given_up(text):
    """The steps by which a client's program says that it has not come to its end."""
    return [f"{feature} / {step}: {outcome}" for (feature, step), outcome in steps_of(text).items() if step in ("program", "given up")]


def steps_of(text):
    """A transcript's steps: pairs of a feature and a step's name, with the outcome. What comes twice is numbered."""
    steps = {}
    for line in text.splitlines():
        match = re.match(r"([a-z]+) / (.*)", line)
        if not match:
            continue
        # A step's name may have colons of its own, as in a cast, but no colon with a space behind it.
        name, _, outcome = match.group(2).partition(": ")
        key, count = (match.group(1), name), 1
        while key in steps:
            count += 1
            key = (match.group(1), f"{name} ({count})")
        steps[key] = outcome
    return steps


def compare(client, expected, got):
    """The differences of two transcripts, in their order, and the features that there are."""
    expected, got = steps_of(expected), steps_of(got)
    keys = list(expected) + [key for key in got if key not in expected]
    pairs = ((key, expected.get(key, ABSENT), got.get(key, ABSENT)) for key in keys)
    found = [Difference(client, *key, one, other) for key, one, other in pairs if one != other]
    return found, {feature for feature, _ in keys}


def shown(text):
    """An outcome, cut where it is long."""
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]} … ({len(text)} characters)"


def pair_shown(one, other):
    """Two outcomes from where they begin to differ, with a little before that."""
    start = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    start = max(0, start - 80) if max(len(one), len(other)) > SHOWN_MAX else 0
    mark = "… " if start else ""
    return mark + shown(one[start:]), mark + shown(other[start:])
