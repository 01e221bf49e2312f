"""Findings of an analyser against the file of their answers.

A finding is named `detector place fingerprint`. The fingerprint is over what the analyser says without line numbers: a finding
whose code changes needs a new look, one that only moves does not. An answer may take all findings of a detector by
`detector *`, which is for matters of style: it is refused for what the analyser ranks high or medium.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import answers

STYLE_RANKS = {"low", "informational", "optimization"}


@dataclass(frozen=True)
class Finding:
    """One finding: `text` for the reader, `fingerprint` over what of it does not move with the lines."""

    detector: str
    rank: str
    place: str
    text: str
    stable: str

    @property
    def name(self) -> str:
        lines = sorted(line.strip() for line in self.stable.splitlines() if line.strip())
        return f"{self.detector} {self.place} {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:6]}"


def without_lines(text: str) -> str:
    """Slither's descriptions without `(contracts/Task.sol#12-34)`."""
    return re.sub(r" ?\([^()\s]+\.sol#[\d-]+\)", "", text)


def judge(tool: str, findings: list[Finding], path: Path) -> int:
    """Prints what is unanswered, in the form of the file, and what is answered for nothing. 0 if there is neither."""
    reasons = answers.load(path)
    wholesale = {name.removesuffix(" *") for name in reasons if name.endswith(" *")}
    for finding in findings:
        if finding.detector in wholesale and finding.rank not in STYLE_RANKS:
            raise answers.AnswerError(f"{path}: {finding.detector} is ranked {finding.rank}: answer each finding on its own")
    covered = {f"{f.detector} *" if f.detector in wholesale else f.name: f for f in findings}
    unanswered, stale = answers.compare(set(covered), reasons)
    for name in unanswered:
        print(f"\n{covered[name].rank}: {covered[name].text.strip()}\n[[answer]]\nfindings = [\"{name}\"]\nreason = \"\"")
    for name in stale:
        print(f"an answer without a finding: {name}")
    print(f"{tool}: {len(findings)} findings, {len(unanswered)} without an answer, {len(stale)} answers without a finding")
    return 1 if unanswered or stale else 0
