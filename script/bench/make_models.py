#!/usr/bin/env python3
"""Makes the benchmark's model in every layout that an engine reads, from one set of random weights, below cache/bench/models.

    script/bench/make_models.py             what is missing
    script/bench/make_models.py LAYOUT...   these again
    script/bench/make_models.py --list      names of the layouts

The model is a Llama with 124.7 million parameters. A token reads 100.1 million of them: all but the input embedding, of which it
reads one row. Random weights are as fast as trained ones, and no engine can tell from their values what to leave out.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environment import MODELS, environment, python, recipe

SEED = 20_261_121
SHAPE = {
    "vocab_size": 32_000,
    "hidden_size": 768,
    "intermediate_size": 2_048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "max_position_embeddings": 2_048,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
    # Wide enough that answers depend on all of the prompt: with the usual 0.02 one token repeats for ever.
    "initializer_range": 0.1,
}
# Weights that share a scale. Blocks of 32, as in Q4_0 and most published models, take 5 bits a weight, since scales have 32 bits;
# Q4_0's have 16, and take 4.5. So do blocks of 64 with scales of 32 bits.
BLOCK, Q4_0_SIZED_BLOCK = 32, 64


def transformers_folder(target: Path) -> None:
    """What `save_pretrained` writes: the source of all others."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, bos_token_id=1, eos_token_id=2, pad_token_id=0)).eval()
    model.save_pretrained(target)
    tokenizer().save_pretrained(target)


def tokenizer():
    """One token per byte: exporters copy it and engines load it, but nothing that is measured uses it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>"]
    pieces = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=bytewise, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def optimum(target: Path) -> None:
    """Optimum's export for text generation, KV cache in and out, one file or two as the exporter decides."""
    from optimum.exporters.onnx import main_export

    main_export(str(MODELS / "transformers"), target, task="text-generation-with-past", do_validation=False)


def genai(precision: str, block: int = BLOCK):
    """onnxruntime-genai's own builder: fused attention (GroupQueryAttention), cache in a shared buffer."""

    def build(target: Path) -> None:
        command = [python(), "-m", "onnxruntime_genai.models.builder", "--input", str(MODELS / "transformers")]
        command += ["--output", str(target), "--precision", precision, "--execution_provider", "cpu"]
        with tempfile.TemporaryDirectory() as scratch:
            quantised = [] if precision == "fp32" else [f"block_size={block}", "accuracy_level=4"]
            command += ["--cache_dir", scratch, "--extra_options", "hf_token=false", *quantised]
            subprocess.run(command, check=True, env=environment("main"))
        complete(target)

    return build


def complete(target: Path) -> None:
    """The builder leaves out config.json, which names the model's sizes for every other engine."""
    for name in ("config.json", "tokenizer.json"):
        if not (target / name).exists():
            shutil.copy(MODELS / "transformers" / name, target)


def gguf(kind: str):
    """llama.cpp's file. All matrices, both embeddings included, have one type, so that nothing in it reads more than its peers."""

    def write(target: Path) -> None:
        from gguf_file import write_gguf

        write_gguf(MODELS / "transformers", target / "model.gguf", kind)

    return write


# Folder: environment that makes it, and how. Later ones are made from earlier ones.
LAYOUTS = {
    "transformers": ("optimum", transformers_folder),
    "optimum": ("optimum", optimum),
    "genai-fp32": ("main", genai("fp32")),
    "genai-int8": ("main", genai("int8")),
    "genai-int4": ("main", genai("int4")),
    "genai-int4-64": ("main", genai("int4", Q4_0_SIZED_BLOCK)),
    "gguf-f32": ("main", gguf("F32")),
    "gguf-q8_0": ("main", gguf("Q8_0")),
    "gguf-q4_0": ("main", gguf("Q4_0")),
}


def bring(layout: str) -> None:
    """Makes a layout in a process of its own, since the environments differ, and puts it in place when it is whole."""
    started = time.monotonic()
    stage = Path(tempfile.mkdtemp(prefix=".making-", dir=MODELS))
    try:
        command = [python(), __file__, "--make", layout, str(stage)]
        log = MODELS / f"{layout}.log"
        with log.open("w") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment(LAYOUTS[layout][0]))
        if done.returncode != 0:
            sys.exit(f"models: {layout} was not made; the end of {log}:\n{tail(log)}")
        (stage / "recipe").write_text(recipe())
        shutil.rmtree(MODELS / layout, ignore_errors=True)
        stage.chmod(0o755)
        stage.rename(MODELS / layout)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    size = sum(file.stat().st_size for file in (MODELS / layout).rglob("*") if file.is_file())
    print(f"models: {layout}: {size / 1e6:,.0f} MB in {time.monotonic() - started:.0f} s", file=sys.stderr)


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def is_made(layout: str) -> bool:
    stamp = MODELS / layout / "recipe"
    return stamp.is_file() and stamp.read_text() == recipe()


def main(arguments: list[str]) -> None:
    if arguments == ["--list"]:
        print("\n".join(LAYOUTS))
    elif arguments[:1] == ["--make"]:
        LAYOUTS[arguments[1]][1](Path(arguments[2]))
    elif unknown := [name for name in arguments if name not in LAYOUTS]:
        sys.exit(f"models: there is no layout {unknown[0]}; there are {', '.join(LAYOUTS)}")
    else:
        MODELS.mkdir(parents=True, exist_ok=True)
        for layout in LAYOUTS:
            if layout in arguments or (not arguments and not is_made(layout)):
                bring(layout)


if __name__ == "__main__":
    main(sys.argv[1:])
