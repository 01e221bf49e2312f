# The verdict of `make bench-executor`: what counts as the ratio, and that a missed limit is named. No peer is run.

# verdict PYTHON: runs statements with `rounds`, two rounds in which every limit holds, and `judge(rounds)` in reach.
verdict() {
  cd "$REPOSITORY/script/bench"
  python3 - "$1" <<'PYTHON'
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from ratios import LIMITS, Ratios, Round, missed, parted
from rows import FUSED, INT4, LLAMA_Q4, OPTIMUM, ROWS, TRANSFORMERS, Row, Shape

CONFIG = {"vocab_size": 1000, "hidden_size": 10, "intermediate_size": 20, "num_hidden_layers": 2, "head_dim": 5}
CONFIG |= {"num_attention_heads": 2, "num_key_value_heads": 1}
PROMPTS, NEW = [16, 512], 32
GENAI, BARE = Row("onnxruntime-genai", "genai-fp32"), Row("onnxruntime", "optimum")
shape = Shape(CONFIG, Path("/nonexistent"))
shape.weights = lambda layout: 1_000_000
# Memory that allows no more than 110 tokens per second.
BYTES_PER_S = {p: 110 * shape.read_for_a_token(p + NEW / 2) for p in PROMPTS}
RATES = {FUSED: 100.0, OPTIMUM: 80.0, TRANSFORMERS: 30.0, INT4: 400.0, LLAMA_Q4: 300.0, GENAI: 101.0, BARE: 80.0}


def line(row):
    rate = RATES.get(row, 70.0)
    first = 200.0 if row in (FUSED, OPTIMUM) else 210.0
    figures = {"decode_tokens_per_s": rate, "ttft_ms": first, "peak_rss_bytes": 1_050_000, "overhead": 0.01}
    return figures | {"tokens": list(range(NEW))}


def judge(rounds):
    measured = Ratios(rounds, PROMPTS, NEW, shape)
    return parted(measured) + missed(measured.all())


rounds = [Round({(row, p): line(row) for row in ROWS for p in PROMPTS}, dict(BYTES_PER_S), {"over_runtime": 1.01}) for _ in range(2)]
exec(sys.argv[1])
PYTHON
}

test_every_missed_limit_is_named_alone() {
  verdict '
worse = {
    "vs_transformers.fused": lambda r: [r.lines[TRANSFORMERS, 512].update(decode_tokens_per_s=34.0)],
    "vs_transformers.optimum": lambda r: [r.lines[OPTIMUM, p].update(decode_tokens_per_s=68.0) or r.lines[BARE, p].update(decode_tokens_per_s=68.0) for p in PROMPTS],
    "vs_best_peer.fused": lambda r: [r.lines[GENAI, 16].update(decode_tokens_per_s=105.0)],
    "vs_best_peer.optimum": lambda r: [r.lines[BARE, 512].update(decode_tokens_per_s=84.0)],
    "vs_bandwidth": lambda r: [r.bytes_per_second.update({512: BYTES_PER_S[512] * 1.1})],
    "int4_vs_llamacpp": lambda r: [r.lines[LLAMA_Q4, 16].update(decode_tokens_per_s=390.0)],
    "ttft_vs_best_ort": lambda r: [r.lines[BARE, 512].update(ttft_ms=199.0)],
    "overhead": lambda r: [r.lines[INT4, 16].update(overhead=0.03)],
    "image_over_calls": lambda r: [r.picture.update(over_runtime=1.06)],
    "peak_over_weights": lambda r: [r.lines[OPTIMUM, 512].update(peak_rss_bytes=1_300_000)],
}
assert sorted(worse) == sorted(limit.name for limit in LIMITS)
import copy
for name, spoil in worse.items():
    spoiled = copy.deepcopy(rounds)
    for one in spoiled:
        spoil(one)
    said = judge(spoiled)
    assert len(said) == 1 and said[0].startswith(name + " is "), (name, said)
'
}

test_nothing_is_missed_when_every_limit_holds() {
  verdict 'assert judge(rounds) == [], judge(rounds)'
}

test_what_was_not_measured_does_not_pass() {
  verdict '
rounds[0].lines[FUSED, 16]["overhead"] = None
(said,) = judge(rounds)
assert said.startswith("overhead is not measured"), said
'
}

test_another_model_by_its_tokens() {
  verdict '
rounds[0].lines[FUSED, 16]["tokens"] = [0, 1, 2, 99] + list(range(4, NEW))
assert judge(rounds) == ["xenon, genai-fp32 parts from transformers after 3 tokens, prompt of 16"], judge(rounds)
'
}

test_a_ratio_is_taken_within_its_round() {
  verdict '
for row in ROWS:
    rounds[1].lines[row, 512]["decode_tokens_per_s"] /= 10
rounds[1].bytes_per_second[512] /= 10
assert judge(rounds) == [], judge(rounds)
'
}

test_a_row_that_failed_leaves_its_ratios_unmeasured() {
  verdict '
del rounds[1].lines[INT4, 16]
said = judge(rounds)
assert [text.split(",")[0] for text in said] == ["int4_vs_llamacpp is not measured", "overhead is not measured"], said
'
}
