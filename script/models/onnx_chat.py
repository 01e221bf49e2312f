"""Runs an exported chat model with nothing but ONNX Runtime, tokenizers and jinja2: greedy, with the KV cache."""

import json
import pathlib

import numpy as np
import onnxruntime
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

PAST, PRESENT = "past_key_values.", "present."


class OnnxChat:
    """A model folder in the layout of an Optimum export."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.generation = json.loads((folder / "generation_config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self.template = environment.from_string((folder / "chat_template.jinja").read_text())
        self.session = open_session(folder / "model.onnx")
        self.outputs = [output.name for output in self.session.get_outputs()]

    def answers(self, conversations):
        """The raw answer, end-of-turn mark included, to each conversation."""
        return [self.answer(messages) for messages in conversations]

    def answer(self, messages):
        """The raw answer to one conversation."""
        prompt = self.template.render(messages=messages, add_generation_prompt=True)
        ids = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        return self.tokenizer.decode(self.generate(ids), skip_special_tokens=False)

    def generate(self, ids):
        """Greedy continuation of `ids`, up to and including the end-of-turn mark."""
        cache, new, fed = self.empty_cache(), [], ids
        for _ in range(self.generation["max_new_tokens"]):
            logits, cache = self.forward(fed, cache)
            new.append(int(logits[0, -1].argmax()))
            if new[-1] == self.generation["eos_token_id"]:
                break
            fed = new[-1:]
        return new

    def empty_cache(self):
        """Keys and values of no tokens at all."""
        past = [i for i in self.session.get_inputs() if i.name.startswith(PAST)]
        return {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in past}

    def forward(self, ids, cache):
        """Logits of `ids`, which follow what is in `cache`, and the cache grown by them."""
        start = next(iter(cache.values())).shape[2]
        end = start + len(ids)
        inputs = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, end), np.int64),
            "position_ids": np.arange(start, end, dtype=np.int64)[None],
        }
        result = dict(zip(self.outputs, self.session.run(None, inputs | cache), strict=True))
        logits = result.pop("logits")
        return logits, {name.replace(PRESENT, PAST): value for name, value in result.items()}


def open_session(path):
    """A session on the CPU with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
