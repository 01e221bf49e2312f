"""Exports a checkpoint to ONNX with KV cache through Optimum, and compares the graph with torch."""

import json
import pathlib

import numpy as np
from optimum.exporters.onnx import main_export

from onnx_chat import OnnxChat
from torch_chat import TorchChat

OPSET = 18
TOLERANCE = 1e-4
PROBES = (
    [{"role": "user", "content": "What is 17 + 25?"}],
    [{"role": "system", "content": "Be concise."}, {"role": "user", "content": "Who are you? 日本 🙂"}],
    [
        {"role": "user", "content": "8+99"},
        {"role": "assistant", "content": "107"},
        {"role": "user", "content": "Add 3 and 4."},
    ],
)


def export(checkpoint, folder):
    """Writes the Optimum layout of `checkpoint` into `folder`."""
    main_export(str(checkpoint), output=folder, task="text-generation-with-past", opset=OPSET, do_validation=False)
    state_greedy(pathlib.Path(folder) / "generation_config.json")


def state_greedy(path):
    """Says `do_sample: false` in so many words: transformers leaves out what equals its own defaults."""
    settings = json.loads(path.read_text())
    settings.pop("_from_model_config", None)
    path.write_text(json.dumps(settings | {"do_sample": False}, indent=2, sort_keys=True) + "\n")


def largest_difference(checkpoint, folder):
    """Largest difference between the logits of torch and of the graph, over the probes and ways to feed them."""
    torch_chat, onnx_chat = TorchChat(checkpoint), OnnxChat(folder)
    largest = 0.0
    for messages in PROBES:
        ids = torch_chat.prompt_ids(messages)
        expected = torch_chat.logits(ids).numpy()
        for widths in ([len(ids)], [5, len(ids) - 5], [1] * len(ids)):
            largest = max(largest, float(np.abs(fed_in_parts(onnx_chat, ids, widths) - expected).max()))
    return largest


def fed_in_parts(chat, ids, widths):
    """Logits of all positions when the prompt is fed in parts of the given widths, the cache carried along."""
    cache, parts, start = chat.empty_cache(), [], 0
    for width in widths:
        logits, cache = chat.forward(ids[start:start + width], cache)
        parts.append(logits[0])
        start += width
    return np.concatenate(parts)
