"""Writes llama.cpp's model file from a transformers folder."""

import json
from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, get_tensor_name_map, quants
from safetensors.numpy import load_file


def write_gguf(source: Path, target: Path, kind: str) -> None:
    """`kind` is the type of all matrices, as ggml calls it: F32, Q8_0, Q4_0. Vectors (the norms) stay F32."""
    config = json.loads((source / "config.json").read_text())
    writer = GGUFWriter(target, "llama")
    add_settings(writer, config, kind)
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, weight in sorted(load_file(source / "model.safetensors").items()):
        weight = interleave_halves(name, weight.astype(np.float32), config)
        quantised = GGMLQuantizationType[kind] if weight.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), quants.quantize(weight, quantised), raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_settings(writer: GGUFWriter, config: dict, kind: str) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    # Token ids go in and come out.
    writer.add_tokenizer_model("none")


def interleave_halves(name: str, weight: np.ndarray, config: dict) -> np.ndarray:
    """transformers rotates the first half of a head against the second, llama.cpp even rows against odd ones."""
    for projection, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
        if projection in name:
            halves = weight.reshape(config[heads], 2, -1, weight.shape[-1])
            return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))
    return weight
