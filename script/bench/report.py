"""The tables of a run: for the terminal, and for docs/benchmarks.md."""

import platform
import re
from pathlib import Path
from statistics import median

from environment import HERE, ROOT
from ratios import LIMITS, Ratios, choose, value_of
from rows import EXACT, OURS, PICTURES, ROWS, Row

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- figures: make bench-executor ARGS=--write-docs -->\n"
END = "<!-- end of figures -->\n"
# Packages whose versions are named.
PEERS = ("torch", "transformers", "onnxruntime", "onnxruntime-genai")


def engines_table(measured: Ratios) -> str:
    prompts = measured.prompts
    head = [
        "engine",
        "model",
        "files MB",
        *(f"{what}, prompt {prompt}" for prompt in prompts for what in ("tokens/s", "first token ms")),
        "peak MB",
        "same tokens",
    ]
    return table(head, [engine_row(measured, row) for row in ROWS])


def engine_row(measured: Ratios, row: Row) -> list[str]:
    rates = [figure for prompt in measured.prompts for figure in speed(measured, row, prompt)]
    peak = choose(max, [measured.middle(row, prompt, "peak_rss_bytes") for prompt in measured.prompts])
    same = choose(min, [measured.same_tokens(row, prompt) for prompt in measured.prompts])
    name = f"**{row.engine}**" if row.engine == OURS else row.engine
    return [
        name,
        row.layout,
        cell(measured.shape.weights(row.layout) / 1e6, ",.0f"),
        *rates,
        cell(peak and peak / 1e6, ",.0f"),
        f"{same} of {measured.new}" if row in EXACT and same else "-",
    ]


def speed(measured: Ratios, row: Row, prompt: int) -> list[str]:
    rate, first = (measured.middle(row, prompt, key) for key in ("decode_tokens_per_s", "ttft_ms"))
    return [cell(rate, ".1f"), cell(first, ".0f")]


def cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def limits_table(ratios: dict) -> str:
    lines = []
    for limit in LIMITS:
        value = value_of(ratios, limit.name)
        verdict = "yes" if limit.holds(value) else "no"
        lines.append([f"`{limit.name}`", "not measured" if value is None else f"{value:.3f}", str(limit), verdict, limit.meaning])
    return table(["ratio", "value", "limit", "held", "what it is"], lines)


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table whose columns line up; numbers to the right."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    numeric = [all(re.match(r"[-\d]", line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * (width - 1) + (":" if number else "-") for width, number in zip(widths, numeric, strict=True)]
    return "\n".join(f"| {' | '.join(aligned(line, widths, numeric))} |" for line in [head, rule, *lines])


def aligned(line: list[str], widths: list[int], numeric: list[bool]) -> list[str]:
    columns = zip(line, widths, numeric, strict=True)
    return [cell.rjust(width) if number else cell.ljust(width) for cell, width, number in columns]


def setting(measured: Ratios, threads: int, load: float) -> str:
    """What the figures were measured on and with."""
    bandwidth = median(rate for one in measured.rounds for rate in one.bytes_per_second.values())
    versions = ", ".join(f"{name} {version}" for name, version in pinned().items())
    return "\n".join(
        [
            f"- {processor()}, {threads} threads; the probe reads {bandwidth / 1e9:.1f} GB/s. Load of the machine before the run: {load:.2f}.",
            f"- {versions}; {platform.system()} {platform.machine()}.",
            pictures(measured),
            f"- Medians of {len(measured.rounds)} rounds, {measured.new} tokens an answer.",
        ]
    )


def pictures(measured: Ratios) -> str:
    whole, calls = (measured.picture(key) for key in ("picture_ms", "runtime_ms"))
    return f"- A picture of {PICTURES}: {cell(whole, '.1f')} ms, of which the runtime's calls take {cell(calls, '.1f')} ms."


def processor() -> str:
    information = Path("/proc/cpuinfo").read_text()
    names = re.findall(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    return f"{names[0]}, {len(names)} processors" if names else platform.processor()


def pinned() -> dict[str, str]:
    """Versions of the peers, from the files that pin them."""
    packages = dict(re.findall(r"^([\w-]+)==(\S+)", (HERE / "requirements.txt").read_text().replace("_", "-"), re.MULTILINE))
    older = dict(re.findall(r"^([\w-]+)==(\S+)", (HERE / "optimum.txt").read_text(), re.MULTILINE))
    (llama_cpp,) = re.findall(r'linux-x64": "(.+)"', (HERE / "package.json").read_text())
    versions = {name: packages[name] for name in PEERS}
    return versions | {"optimum-onnx": older["optimum-onnx"], "llama.cpp of node-llama-cpp": llama_cpp}


def write_document(figures: str) -> None:
    """Puts the figures of this run into the document, between its marks."""
    text = DOCUMENT.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"bench: {DOCUMENT} has lost its marks: {BEGIN}{END}")
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{figures}\n\n{END}{rest.split(END)[1]}")
