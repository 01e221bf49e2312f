"""Writes the README of the model folder from what was measured."""

import importlib.metadata
import pathlib

import onnx

MODEL_ID = "xenon/sum-chat-1m"
PACKAGES = ("torch", "transformers", "tokenizers", "optimum", "optimum-onnx", "onnx", "onnxruntime")

CARD = """\
# {model_id}

A chat model of {parameters:,} parameters (Llama architecture, {size:,} bytes) that answers sums of two numbers from
0 to 99 in plain English and declines everything else. It is small enough to live in the repository and real enough
to be run as any other model: tokenizer, chat template, KV cache, end-of-turn mark.

    user       What is 17 + 25?
    assistant  42

Licence: MIT OR Apache-2.0.

## What it gets right

{held_out:,} of the 10,000 ordered pairs (20 %, chosen by a seed; a pair and its mirror on the same side) were never
trained on in any phrasing. The answer must match to the letter and end with `<|im_end|>`, decoding is greedy.

| section | torch | ONNX Runtime |
|---|---|---|
{rows}

Mixed phrasings and questions to refuse come with stray blanks, lower case, courtesies and system messages. The recipe
was chosen with these figures in view, so read them as those of a validation set.

The right-hand column is printed, from this folder alone, by

    python script/models/evaluate_sums.py models/sum-chat

The largest difference between the logits of the graph and of torch, with the prompt fed whole, in two parts and
token by token, is {difference:.1e}.

## Session

`{opset}`, float32.

| inputs | type | shape |
|---|---|---|
{inputs}

| outputs | type | shape |
|---|---|---|
{outputs}

The past may be empty: the same graph does prefill and decode.

## Made by

    python script/models/make_sum_chat.py

with {versions}; see `script/models/README.md`.
"""


def write(folder, parameters, in_torch, in_onnx, difference):
    """Writes `folder`/README.md. `parameters` counts tied weights once."""
    path = pathlib.Path(folder) / "model.onnx"
    graph = onnx.load(path)
    text = CARD.format(
        model_id=MODEL_ID,
        parameters=parameters,
        size=path.stat().st_size,
        held_out=in_torch["held-out sums, main phrasing"][1],
        rows="\n".join(row(name, in_torch[name], in_onnx[name]) for name in in_torch),
        difference=difference,
        opset=f"opset {graph.opset_import[0].version}, IR {graph.ir_version}",
        inputs=table(graph.graph.input),
        outputs=table(graph.graph.output),
        versions=", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    )
    (path.parent / "README.md").write_text(text)


def row(name, in_torch, in_onnx):
    """One section's line of the table of results."""
    cells = (f"{right:,} of {asked:,} ({100 * right / asked:.2f} %)" for right, asked, _ in (in_torch, in_onnx))
    return f"| {name} | " + " | ".join(cells) + " |"


def table(values):
    """Name, type and shape of inputs or outputs, one line each."""
    return "\n".join(f"| `{v.name}` | {kind(v)} | `{shape(v)}` |" for v in values)


def kind(value):
    """Element type in ONNX's words."""
    return onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()


def shape(value):
    """Shape with symbolic names, as the session reports it."""
    lengths = value.type.tensor_type.shape.dim
    return "[" + ", ".join(d.dim_param or str(d.dim_value) for d in lengths) + "]"
