"""The expected differences, `waits.txt`: what waits for a later feature, under that feature's name and with the reason.

    [joins] the catalogs' look-ups join several of them
    psycopg3 / connect / type look-up = 0A000

The word after `=` is what Quorate answers: the error's SQLSTATE, `other` and a digest for another outcome, or `no such step`. A
difference that is not listed is a failure; so is one that is listed and does not occur, or answers otherwise.
"""

import re
from collections import defaultdict
from pathlib import Path

PATH = Path(__file__).parent.parent / "waits.txt"
HEAD = """# Where Quorate answers otherwise than PostgreSQL 15 today, each under the name of the feature that it waits for. See harness/waits.py
# for the form. `make interop UPDATE=1` takes out what does not occur any more, and puts what is new under [unexplained], which always fails.
"""
UNEXPLAINED = "unexplained"


class Waits:
    """The list as read, and as it becomes."""

    def __init__(self, text):
        self.reasons = {}
        self.listed = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            heading = re.fullmatch(r"\[(.+?)\] (.+)", line)
            entry = re.fullmatch(r"(.+ / .+ / .*) = (\w{5}|other [0-9a-f]{6}|no such step)", line)
            if heading:
                feature = heading.group(1)
                self.reasons[feature] = heading.group(2)
            elif entry and self.reasons:
                self.listed[entry.group(1)] = (feature, entry.group(2))
            else:
                raise ValueError(f"waits.txt:{number}: neither a heading nor an entry: {line}")

    @classmethod
    def read(cls):
        return cls(PATH.read_text() if PATH.exists() else "")

    def judge(self, differences, clients):
        """Sorts the differences of these clients: what is new, what is listed and gone, and the feature of each that is expected."""
        found = {d.key: d for d in differences}
        of_these = {key: entry for key, entry in self.listed.items() if key.split(" / ", 1)[0] in clients}
        new, expected = [], {}
        for key, difference in found.items():
            feature, answer = self.listed.get(key, (UNEXPLAINED, None))
            if answer != difference.answer or feature == UNEXPLAINED or difference.is_broken:
                new.append(difference)
            else:
                expected[key] = feature
        return new, [key for key in of_these if key not in found], expected

    def update(self, new, gone):
        """Drops what is gone and takes in what is new: under its old feature where only the answer is another one."""
        for key in gone:
            del self.listed[key]
        for difference in new:
            feature = self.listed.get(difference.key, (UNEXPLAINED, None))[0]
            self.listed[difference.key] = (feature, difference.answer)
        if any(feature == UNEXPLAINED for feature, _ in self.listed.values()):
            self.reasons.setdefault(UNEXPLAINED, "to be looked at: a fault, or a feature's name is missing")
        PATH.write_text(self.text())

    def text(self):
        by_feature = defaultdict(list)
        for key, (feature, answer) in self.listed.items():
            by_feature[feature].append(f"{key} = {answer}")
        parts = [HEAD]
        for feature, reason in self.reasons.items():
            if by_feature[feature]:
                parts.append(f"[{feature}] {reason}\n" + "\n".join(by_feature[feature]) + "\n")
        return "\n".join(parts)
