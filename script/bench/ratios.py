"""The ratios that the executor is held to, from the measurements of all rounds.

A ratio is taken within a round, where both sides ran within seconds of each other, and its median over the rounds counts. Of
several prompt lengths or layouts, the worst counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from rows import EXACT, FUSED, INT4_AS_Q4_0, LLAMA_Q4, OPTIMUM, OURS, ROWS, TRANSFORMERS, Row, Shape

# Peers that run on ONNX Runtime.
ORT_PEERS = ("optimum", "onnxruntime", "onnxruntime-genai")
LAYOUTS = {"fused": FUSED, "optimum": OPTIMUM}
# So many tokens have to be the same in 32 bits; later ones may part where two logits are nearly equal.
SAME_TOKENS = 16


@dataclass
class Round:
    """One measurement of each row and prompt length that did not fail, of the bandwidth beside it, and of a picture."""

    lines: dict[tuple[Row, int], dict] = field(default_factory=dict)
    bytes_per_second: dict[int, float] = field(default_factory=dict)
    picture: dict = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Limit:
    name: str
    least: float | None
    most: float | None
    meaning: str

    def holds(self, value: float | None) -> bool:
        return value is not None and (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"≥ {self.least}" if self.most is None else f"≤ {self.most}"


LIMITS = [
    Limit("vs_transformers.fused", 3.0, None, "tokens/s, fused layout, over transformers"),
    Limit("vs_transformers.optimum", 2.3, None, "tokens/s, Optimum layout, over transformers"),
    Limit("vs_best_peer.fused", 0.97, None, "tokens/s over the fastest peer on the same file, fused layout"),
    Limit("vs_best_peer.optimum", 0.97, None, "tokens/s over the fastest peer on the same file, Optimum layout"),
    Limit("vs_bandwidth", 0.9, None, "bytes that tokens need, fused layout, over what the probe reads in that time"),
    Limit("int4_vs_llamacpp", 1.1, None, "tokens/s, 4 bits fused, over llama.cpp with Q4_0, both with 4.5 bits a weight"),
    Limit(
        "ttft_vs_best_ort",
        None,
        1.0,
        "time to the first token, longest prompt, over the fastest ONNX Runtime peer's on the same file",
    ),
    Limit("overhead", None, 0.02, "share of the time per token that is spent outside the runtime"),
    Limit("image_over_calls", None, 1.05, "time of a picture over the sum of the runtime's calls for it"),
    Limit("peak_over_weights", None, 1.1, "largest resident set over weights and cache, 32-bit layouts"),
]


class Ratios:
    """What could not be measured is `None`, and so is everything that follows from it."""

    def __init__(self, rounds: list[Round], prompts: list[int], new: int, shape: Shape):
        self.rounds, self.prompts, self.new, self.shape = rounds, prompts, new, shape

    def figures(self, row: Row, prompt: int, key: str) -> list[float | None]:
        """One figure of a row, round by round."""
        return [one.lines.get((row, prompt), {}).get(key) for one in self.rounds]

    def middle(self, row: Row, prompt: int, key: str) -> float | None:
        return choose(median, self.figures(row, prompt, key))

    def over(self, ours: Row, peer: Row, prompt: int, key: str) -> float | None:
        pairs = zip(self.figures(ours, prompt, key), self.figures(peer, prompt, key))
        return choose(median, [None if None in pair else pair[0] / pair[1] for pair in pairs])

    def rate_over(self, ours: Row, peer: Row) -> float | None:
        return choose(min, [self.over(ours, peer, prompt, "decode_tokens_per_s") for prompt in self.prompts])

    def over_best_peer(self, ours: Row) -> float | None:
        """The smallest of the ratios to the peers on the same file is the one to the fastest."""
        return choose(min, [self.rate_over(ours, peer) for peer in same_file(ours)])

    def over_bandwidth(self) -> float | None:
        return choose(min, [self.bandwidth_share(FUSED, prompt) for prompt in self.prompts])

    def bandwidth_share(self, row: Row, prompt: int) -> float | None:
        needed = self.shape.read_for_a_token(prompt + self.new / 2)
        rates = self.figures(row, prompt, "decode_tokens_per_s")
        limits = [one.bytes_per_second[prompt] / needed for one in self.rounds]
        return choose(median, [rate and rate / limit for rate, limit in zip(rates, limits)])

    def first_token_over_best_ort(self) -> float | None:
        longest = max(self.prompts)
        return choose(max, [self.over(ours, peer, longest, "ttft_ms") for ours in LAYOUTS.values() for peer in same_file(ours)])

    def overhead(self) -> float | None:
        ours = [row for row in ROWS if row.engine == OURS]
        return choose(max, [self.middle(row, prompt, "overhead") for row in ours for prompt in self.prompts])

    def picture(self, key: str) -> float | None:
        return choose(median, [one.picture.get(key) for one in self.rounds])

    def peak_over_weights(self) -> float | None:
        return choose(max, [self.peak_share(row, prompt) for row in LAYOUTS.values() for prompt in self.prompts])

    def peak_share(self, row: Row, prompt: int) -> float | None:
        peak = self.middle(row, prompt, "peak_rss_bytes")
        return peak and peak / (self.shape.weights(row.layout) + self.shape.cache(prompt + self.new))

    def all(self) -> dict:
        """In the form of the last line."""
        return {
            "vs_transformers": {name: rounded(self.rate_over(row, TRANSFORMERS)) for name, row in LAYOUTS.items()},
            "vs_best_peer": {name: rounded(self.over_best_peer(row)) for name, row in LAYOUTS.items()},
            "vs_bandwidth": rounded(self.over_bandwidth()),
            "int4_vs_llamacpp": rounded(self.rate_over(INT4_AS_Q4_0, LLAMA_Q4)),
            "ttft_vs_best_ort": rounded(self.first_token_over_best_ort()),
            "overhead": rounded(self.overhead()),
            "image_over_calls": rounded(self.picture("over_runtime")),
            "peak_over_weights": rounded(self.peak_over_weights()),
        }

    def same_tokens(self, row: Row, prompt: int) -> int | None:
        """How many tokens a row writes before one that transformers does not."""
        mine, theirs = (self.figures(one, prompt, "tokens")[0] for one in (row, TRANSFORMERS))
        if mine is None or theirs is None:
            return None
        pairs = zip(mine, theirs)
        return next((index for index, (a, b) in enumerate(pairs) if a != b), len(mine))


def choose(pick: Callable[[list[float]], float], values: list[float | None]) -> float | None:
    return None if None in values else pick(values)


def same_file(ours: Row) -> list[Row]:
    return [row for row in ROWS if row.layout == ours.layout and row.engine in ORT_PEERS]


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def value_of(ratios: dict, name: str) -> float | None:
    """A value of the last line by its dotted name."""
    for part in name.split("."):
        ratios = ratios[part]
    return ratios


def missed(ratios: dict) -> list[str]:
    """What is said of each limit that does not hold."""
    broken = [(limit, value_of(ratios, limit.name)) for limit in LIMITS if not limit.holds(value_of(ratios, limit.name))]
    return [
        f"{limit.name} is {'not measured' if value is None else value}, has to be {limit} ({limit.meaning})"
        for limit, value in broken
    ]


def parted(measured: Ratios) -> list[str]:
    """Rows of 32 bits that write other tokens than transformers: they do not compute the same model."""
    due = min(SAME_TOKENS, measured.new)
    found = [(row, prompt, measured.same_tokens(row, prompt)) for row in EXACT for prompt in measured.prompts]
    return [f"{row} parts from transformers after {same} tokens, prompt of {prompt}" for row, prompt, same in found if same < due]
