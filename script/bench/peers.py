#!/usr/bin/env python3
"""Measures one peer with one model, in a process of its own: the counterpart of executor/benches/text.rs.

    script/bench/peers.py ENGINE MODEL --prompt N --new N --threads N --runs N [--tokens]

ENGINE is transformers, optimum, onnxruntime, onnxruntime-genai or llama.cpp, MODEL a folder of cache/bench/models. It prints one
line of JSON: milliseconds to the first token, tokens per second after it, and the largest resident set; the medians of the runs,
after one that is not counted.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from statistics import median

from environment import MODELS, PEERS, environment, python
from prompts import prompt


def main() -> None:
    arguments = parse()
    enter(arguments)
    # What they import is there only now.
    from engines import MAKERS, vocabulary

    engine = MAKERS[arguments.engine](MODELS / arguments.model, arguments.prompt + arguments.new, arguments.threads)
    ids = prompt(arguments.prompt, vocabulary())
    engine.answer(ids, arguments.new)
    answers = [engine.answer(ids, arguments.new) for _ in range(arguments.runs)]
    print(json.dumps(report(arguments, answers)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures one peer with one model.")
    parser.add_argument("engine", choices=PEERS)
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=16)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tokens", action="store_true", help="print the written tokens too")
    return parser.parse_args()


def enter(arguments: argparse.Namespace) -> None:
    """Starts again in the engine's environment, unless this is it."""
    wanted = environment(PEERS[arguments.engine], arguments.threads) | {"XENON_BENCH_PEER": arguments.engine}
    if os.environ.get("XENON_BENCH_PEER") != arguments.engine:
        os.execve(python(), [python(), str(Path(__file__).resolve()), *sys.argv[1:]], wanted)


def report(arguments: argparse.Namespace, answers: list) -> dict:
    for tokens, times in answers:
        if len(tokens) != arguments.new or len(times) != arguments.new + 1:
            sys.exit(f"peers: {arguments.engine} wrote {len(tokens)} tokens, not {arguments.new}")
    line = {
        "engine": arguments.engine,
        "layout": arguments.model,
        "prompt": arguments.prompt,
        "new": arguments.new,
        "ttft_ms": median(times[1] - times[0] for _, times in answers) * 1e3,
        "decode_tokens_per_s": (arguments.new - 1) / median(times[-1] - times[1] for _, times in answers),
        "peak_rss_bytes": peak_rss(),
    }
    return line | ({"tokens": answers[-1][0]} if arguments.tokens else {})


def peak_rss() -> int:
    """The largest resident set so far. Not getrusage's: that counts the program which this one replaced."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


if __name__ == "__main__":
    main()
