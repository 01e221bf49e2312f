"""llama.cpp through its C interface, version 0.5.0: the structures below are those of its llama.h."""

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int8, c_int32, c_size_t, c_uint32, c_void_p
from pathlib import Path

import numpy as np

from environment import LLAMA_CPP

FOLDER = LLAMA_CPP / "linux-x64" / "bins" / "linux-x64"


class ModelParams(ctypes.Structure):
    _fields_ = [
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int),
        ("load_mode", c_int),
        ("lazy_mode", c_int),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        *((flag, c_bool) for flag in ("vocab_only", "check_tensors", "use_extra_bufts", "no_host", "no_alloc", "load_mtp")),
    ]


class ContextParams(ctypes.Structure):
    _fields_ = [
        *((size, c_uint32) for size in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq")),
        *((size, c_uint32) for size in ("n_outputs_max", "n_outputs_max_per_seq")),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        *((kind, c_int) for kind in ("ctx_type", "rope_scaling_type", "pooling_type", "attention_type", "flash_attn_type")),
        *((number, c_float) for number in ("rope_freq_base", "rope_freq_scale", "yarn_ext_factor", "yarn_attn_factor")),
        *((number, c_float) for number in ("yarn_beta_fast", "yarn_beta_slow")),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int),
        ("type_v", c_int),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        *((flag, c_bool) for flag in ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "kv_unified")),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
    ]


class Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", c_void_p),
        ("n_seq_id", c_void_p),
        ("seq_id", c_void_p),
        ("logits", POINTER(c_int8)),
    ]


LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
# Function: what it returns, what it takes.
FUNCTIONS = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [LogCallback, c_void_p]),
    "llama_model_default_params": (ModelParams, []),
    "llama_context_default_params": (ContextParams, []),
    "llama_model_load_from_file": (c_void_p, [c_char_p, ModelParams]),
    "llama_init_from_model": (c_void_p, [c_void_p, ContextParams]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_n_ctx": (c_uint32, [c_void_p]),
    "llama_n_threads": (c_int32, [c_void_p]),
    "llama_get_memory": (c_void_p, [c_void_p]),
    "llama_memory_clear": (None, [c_void_p, c_bool]),
    "llama_batch_get_one": (Batch, [POINTER(c_int32), c_int32]),
    "llama_decode": (c_int32, [c_void_p, Batch]),
    "llama_get_logits_ith": (POINTER(c_float), [c_void_p, c_int32]),
    "llama_print_system_info": (c_char_p, []),
}


# ggml's number for 32-bit floats, and llama.cpp's for attention without its flash kernel.
F32 = 0
NO_FLASH_ATTENTION = 0


class LlamaCpp:
    """A model and one sequence. A quantised model gets what llama.cpp takes by itself: a cache in 16 bits, and flash attention,
    which rounds to 16 bits. One in 32 bits gets neither, so that it computes what the others do: its logits are then as near
    to theirs as theirs are to each other (0.0002), with them 0.1 away."""

    def __init__(self, file: Path, tokens: int, threads: int):
        self.library = load_library()
        self.silence = LogCallback(lambda level, text, data: None)
        self.library.llama_log_set(self.silence, None)
        model = self.library.llama_model_load_from_file(str(file).encode(), self.library.llama_model_default_params())
        if not model:
            raise SystemExit(f"llama.cpp does not load {file}")
        self.vocabulary = self.library.llama_vocab_n_tokens(self.library.llama_model_get_vocab(model))
        settings = self.settings(tokens, threads)
        if file.parent.name.endswith("-f32"):
            settings.type_k = settings.type_v = F32
            settings.flash_attn_type = NO_FLASH_ATTENTION
        self.context = self.library.llama_init_from_model(model, settings)
        # A structure that is not laid out as the library's would show here.
        if (
            not self.context
            or self.library.llama_n_ctx(self.context) < tokens
            or self.library.llama_n_threads(self.context) != threads
        ):
            raise SystemExit("llama.cpp did not take the context's settings: is llama_cpp.py written for this version of it?")

    def settings(self, tokens: int, threads: int) -> ContextParams:
        settings = self.library.llama_context_default_params()
        settings.n_ctx = tokens
        settings.n_threads = settings.n_threads_batch = threads
        return settings

    def forget(self) -> None:
        self.library.llama_memory_clear(self.library.llama_get_memory(self.context), True)

    def read(self, tokens: list[int]) -> int:
        """Reads tokens after those before. Returns the one with the largest logit."""
        ids = (c_int32 * len(tokens))(*tokens)
        if status := self.library.llama_decode(self.context, self.library.llama_batch_get_one(ids, len(tokens))):
            raise SystemExit(f"llama.cpp: llama_decode returned {status}")
        logits = self.library.llama_get_logits_ith(self.context, -1)
        return int(np.ctypeslib.as_array(logits, (self.vocabulary,)).argmax())

    def system(self) -> str:
        """The instruction sets that its kernels use."""
        return self.library.llama_print_system_info().decode()


def load_library() -> ctypes.CDLL:
    (path,) = FOLDER.glob("libllama.v*.so")
    (ggml,) = FOLDER.glob("libggml.v*.so")
    library = ctypes.CDLL(str(path))
    for name, (returns, takes) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = returns, takes
    load_kernels = ctypes.CDLL(str(ggml)).ggml_backend_load_all_from_path
    load_kernels.restype, load_kernels.argtypes = None, [c_char_p]
    load_kernels(str(FOLDER).encode())
    library.llama_backend_init()
    return library
