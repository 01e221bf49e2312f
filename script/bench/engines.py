"""The peers. Each writes tokens greedily after a prompt of token ids, ignores the end token, and notes when it knew each.

An engine is made from a model's folder, the number of tokens that it has to hold, and a number of threads. `answer(prompt, new)`
returns the tokens and the times at which they were known, beginning with the start.
"""

import json
import time
from pathlib import Path

import numpy as np

from environment import MODELS


class TransformersGenerate:
    """`generate` of a transformers model; `model` is what its `from_pretrained` returned."""

    def __init__(self, model):
        self.model = model
        model.generation_config.eos_token_id = None
        model.generation_config.pad_token_id = 0

    def answer(self, prompt: list[int], new: int) -> tuple[list[int], list[float]]:
        import torch

        ids = torch.tensor([prompt])
        clock = Clock()
        with torch.inference_mode():
            output = self.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, num_beams=1, streamer=clock
            )
        # The streamer is shown the prompt before any token.
        return output[0, len(prompt) :].tolist(), [clock.times[0], *clock.times[2:]]


class Clock:
    """A streamer of transformers that keeps nothing but the time."""

    def __init__(self):
        self.times = [time.perf_counter()]

    def put(self, tokens) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


def transformers(model: Path, tokens: int, threads: int) -> TransformersGenerate:
    """torch in 32 bits: what the original network's nodes use."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    return TransformersGenerate(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32))


def optimum(model: Path, tokens: int, threads: int) -> TransformersGenerate:
    """Optimum's own class for its own export."""
    import onnxruntime
    import torch
    from optimum.onnxruntime import ORTModelForCausalLM

    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return TransformersGenerate(ORTModelForCausalLM.from_pretrained(model, session_options=options, use_io_binding=True))


class OnePassAtATime:
    """An engine that has `forget()` and `read(tokens)`, which returns the next token."""

    def __init__(self, passes):
        self.passes = passes

    def answer(self, prompt: list[int], new: int) -> tuple[list[int], list[float]]:
        self.passes.forget()
        times, tokens, unread = [time.perf_counter()], [], prompt
        for _ in range(new):
            unread = [self.passes.read(unread)]
            times.append(time.perf_counter())
            tokens += unread
        return tokens, times


class GenAi:
    """onnxruntime-genai; its generator samples by itself, so it is no `OnePassAtATime`."""

    def __init__(self, model: Path, tokens: int, threads: int):
        import onnxruntime_genai

        onnxruntime_genai.disable_telemetry_events()
        config = onnxruntime_genai.Config(str(model))
        options = {"session_options": {"intra_op_num_threads": threads}}
        # It insists on an end token. This one would have to be the likeliest to end an answer, and that would be noticed.
        config.overlay(json.dumps({"model": {"eos_token_id": 0, "decoder": options}}))
        self.library, self.tokens = onnxruntime_genai, tokens
        self.model = onnxruntime_genai.Model(config)

    def answer(self, prompt: list[int], new: int) -> tuple[list[int], list[float]]:
        times = [time.perf_counter()]
        settings = self.library.GeneratorParams(self.model)
        settings.set_search_options(max_length=self.tokens, do_sample=False, past_present_share_buffer=True)
        generator = self.library.Generator(self.model, settings)
        generator.append_tokens(np.array(prompt, dtype=np.int32))
        for _ in range(new):
            generator.generate_next_token()
            times.append(time.perf_counter())
        return [int(token) for token in generator.get_sequence(0)[len(prompt) :]], times


class BareSession:
    """Nothing but an ONNX Runtime session with bound inputs and outputs: what Python can do at best with a file."""

    def __init__(self, model: Path, tokens: int, threads: int):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.values = onnxruntime.OrtValue
        self.session = onnxruntime.InferenceSession(graph(model), options, providers=["CPUExecutionProvider"])
        names = {port.name: port for port in self.session.get_inputs()}
        self.masked, self.placed = "attention_mask" in names, "position_ids" in names
        self.caches = [name for name in names if name.startswith("past_key_values.")]
        config = json.loads((model / "config.json").read_text())
        self.heads, self.head_size = config["num_key_value_heads"], config["head_dim"]
        # Grouped-query attention of this layout writes the new keys behind the old ones, in place.
        self.shared = tokens if (model / "genai_config.json").exists() else 0
        self.past = {}
        self.forget()

    def forget(self) -> None:
        """Caches before the first token; shared buffers are made once and overwritten."""
        self.read_so_far = 0
        if not (self.shared and self.past):
            self.past = {name: self.cache() for name in self.caches}

    def cache(self):
        return self.values.ortvalue_from_numpy(np.zeros((1, self.heads, self.shared, self.head_size), dtype=np.float32))

    def read(self, tokens: list[int]) -> int:
        start, end = self.read_so_far, self.read_so_far + len(tokens)
        binding = self.session.io_binding()
        binding.bind_cpu_input("input_ids", np.array([tokens], dtype=np.int64))
        if self.masked:
            binding.bind_cpu_input("attention_mask", np.ones((1, end), dtype=np.int64))
        if self.placed:
            binding.bind_cpu_input("position_ids", np.arange(start, end, dtype=np.int64)[None])
        binding.bind_output("logits", "cpu")
        for name, value in self.past.items():
            binding.bind_ortvalue_input(name, value)
            self.bind_present(binding, name.replace("past_key_values.", "present."), value)
        self.session.run_with_iobinding(binding)
        self.read_so_far = end
        logits, *present = binding.get_outputs()
        if not self.shared:
            self.past = dict(zip(self.past, present, strict=True))
        return int(logits.numpy()[0, -1].argmax())

    def bind_present(self, binding, name: str, past) -> None:
        if self.shared:
            binding.bind_ortvalue_output(name, past)
        else:
            binding.bind_output(name, "cpu")


def graph(model: Path) -> str:
    (found,) = [*model.glob("*.onnx"), *model.glob("onnx/*.onnx")]
    return str(found)


def bare_session(model: Path, tokens: int, threads: int) -> OnePassAtATime:
    return OnePassAtATime(BareSession(model, tokens, threads))


def llama_cpp(model: Path, tokens: int, threads: int) -> OnePassAtATime:
    from llama_cpp import LlamaCpp

    return OnePassAtATime(LlamaCpp(model / "model.gguf", tokens, threads))


MAKERS = {
    "transformers": transformers,
    "optimum": optimum,
    "onnxruntime": bare_session,
    "onnxruntime-genai": GenAi,
    "llama.cpp": llama_cpp,
}


def vocabulary() -> int:
    return json.loads((MODELS / "transformers" / "config.json").read_text())["vocab_size"]
