"""Answers to findings: a committed file in which every finding that stays has a sentence of reason.

    [[answer]]
    findings = ["..."]
    reason = "..."
"""

import tomllib
from pathlib import Path


class AnswerError(Exception):
    """The file of answers is not what it should be."""


def load(path: Path) -> dict[str, str]:
    """The reason of each answered finding."""
    reasons: dict[str, str] = {}
    for number, answer in enumerate(tomllib.loads(path.read_text()).get("answer", []), start=1):
        if set(answer) != {"findings", "reason"}:
            raise AnswerError(f"{path}: answer {number} needs `findings` and `reason` and nothing else")
        if len(answer["reason"].split()) < 3:
            raise AnswerError(f"{path}: answer {number} gives no reason")
        for finding in answer["findings"]:
            if finding in reasons:
                raise AnswerError(f"{path}: {finding} is answered twice")
            reasons[finding] = answer["reason"]
    return reasons


def compare(found: set[str], reasons: dict[str, str]) -> tuple[list[str], list[str]]:
    """Findings without an answer, and answers without a finding."""
    return sorted(found - reasons.keys()), sorted(reasons.keys() - found)
