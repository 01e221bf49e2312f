"""What is measured: each row is an engine with a model. One process measures one row with one prompt length."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from environment import HERE, MODELS, ROOT

# Seconds after which a process is taken for stuck.
PATIENCE = 900
OURS = "xenon"
# The image model that is measured: it comes with the repository. A larger one has more work in the runtime for each of ours.
PICTURES = "xenon/shapes-sd@1"


@dataclass(frozen=True)
class Row:
    engine: str
    layout: str

    def __str__(self) -> str:
        return f"{self.engine}, {self.layout}"


# Rows that are compared stand together, so that they are measured within seconds of each other.
FUSED, OPTIMUM = Row(OURS, "genai-fp32"), Row(OURS, "optimum")
INT4, INT8 = Row(OURS, "genai-int4"), Row(OURS, "genai-int8")
# With as many bits a weight as Q4_0.
INT4_AS_Q4_0 = Row(OURS, "genai-int4-64")
TRANSFORMERS = Row("transformers", "transformers")
LLAMA_Q4 = Row("llama.cpp", "gguf-q4_0")
ROWS = [
    Row("onnxruntime", "genai-fp32"),
    FUSED,
    Row("onnxruntime-genai", "genai-fp32"),
    Row("llama.cpp", "gguf-f32"),
    TRANSFORMERS,
    Row("optimum", "optimum"),
    OPTIMUM,
    Row("onnxruntime", "optimum"),
    Row("onnxruntime-genai", "genai-int8"),
    INT8,
    Row("llama.cpp", "gguf-q8_0"),
    Row("onnxruntime-genai", "genai-int4"),
    INT4,
    Row("onnxruntime-genai", "genai-int4-64"),
    INT4_AS_Q4_0,
    LLAMA_Q4,
]
# Rows that compute in 32 bits: they have to write the same tokens.
EXACT = [row for row in ROWS if row.layout in ("genai-fp32", "gguf-f32", "transformers", "optimum")]


@dataclass(frozen=True)
class Settings:
    new: int
    threads: int
    runs: int


class Failed(Exception):
    """A program that did not do its work; says which and why."""


class Programs:
    """Our own programs, built for release, and the command line of every row."""

    def __init__(self):
        built = subprocess.run(self.build_command(), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if built.returncode != 0:
            sys.exit("bench: the programs to measure do not build")
        messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
        built = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
        self.text, self.image, self.bandwidth = (built[f"bench-{name}"] for name in ("text", "image", "bandwidth"))

    @staticmethod
    def build_command() -> list[str]:
        cargo = os.environ.get("CARGO", "cargo")
        return [cargo, "build", "--locked", "--release", "--package", "xenon-bench", "--message-format", "json-render-diagnostics"]

    def measure(self, row: Row, prompt: int, settings: Settings) -> dict:
        """The line of JSON that the row's process printed. Raises `Failed`."""
        peer = [sys.executable, str(HERE / "peers.py"), row.engine, row.layout]
        program = [self.text, str(MODELS / row.layout)] if row.engine == OURS else peer
        numbers = {"prompt": prompt, "new": settings.new, "threads": settings.threads, "runs": settings.runs}
        options = [part for name, number in numbers.items() for part in (f"--{name}", str(number))]
        return last_line([*program, *options, "--tokens"], str(row))

    def picture(self, threads: int) -> dict:
        """The line of JSON about a picture of the repository's own model. Raises `Failed`."""
        return last_line([self.image, str(ROOT / "models"), PICTURES, "--threads", str(threads)], "the picture")

    def bytes_per_second(self, threads: int) -> float:
        return last_line([self.bandwidth, "--threads", str(threads)], "the bandwidth probe")["bytes_per_s"]


def last_line(command: list[str], name: str) -> dict:
    """Runs a program and reads the JSON in the last line that it prints."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{name} did not end within {PATIENCE} s") from late
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Failed(f"{name} failed ({done.returncode}): {said[-1]}")
    return json.loads(lines[-1])


class Shape:
    """Sizes of the model in bytes, from its config.json and files; `config` has the names of transformers."""

    def __init__(self, config: dict, models: Path):
        self.config, self.models = config, models

    @classmethod
    def of_models(cls) -> "Shape":
        return cls(json.loads((MODELS / "transformers" / "config.json").read_text()), MODELS)

    def weights(self, layout: str) -> int:
        """Size of a model's graph and weights on disk."""
        folder, patterns = self.models / layout, ("*.onnx*", "onnx/*", "*.gguf", "*.safetensors")
        return sum(file.stat().st_size for pattern in patterns for file in folder.glob(pattern))

    def cache(self, tokens: int) -> int:
        """Keys and values of that many tokens, in 32 bits."""
        c = self.config
        return 2 * 4 * c["num_hidden_layers"] * c["num_key_value_heads"] * c["head_dim"] * tokens

    def read_for_a_token(self, tokens: float) -> float:
        """What has to be read to compute the token after that many: all weights but the input embedding, and the cache."""
        return 4 * (self.matrices() + self.norms()) + self.cache(1) * tokens

    def matrices(self) -> int:
        c = self.config
        query, key = (c[heads] * c["head_dim"] for heads in ("num_attention_heads", "num_key_value_heads"))
        layer = c["hidden_size"] * (2 * query + 2 * key + 3 * c["intermediate_size"])
        return c["num_hidden_layers"] * layer + c["hidden_size"] * c["vocab_size"]

    def norms(self) -> int:
        return self.config["hidden_size"] * (2 * self.config["num_hidden_layers"] + 1)
