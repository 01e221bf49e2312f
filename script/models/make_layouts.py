"""Makes the smallest language models in the layouts that real models come in: tests/models/.

    python script/models/make_layouts.py export CHECKPOINTS   # with requirements.txt
    python script/models/make_layouts.py genai CHECKPOINTS    # with requirements-genai.txt
    python script/models/make_layouts.py answers CHECKPOINTS  # with requirements.txt, after both

CHECKPOINTS is a folder for what is between the two. All Llama layouts hold the same random weights, so their logits can be compared:
with each other, and with those of torch in tests/models/logits.json. What 16 bits and quantised weights make of them is in
tests/models/reduced.json: the logits of Python's onnxruntime on the same files.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "models"
PROMPT = [1, 300, 20, 31, 45, 270, 5, 6, 7, 400, 2, 90]
CONTINUATION = [17, 250, 3]
VOCABULARY = 512


def llama():
    """A Llama with grouped keys: 4 heads, 2 of keys and values."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True, initializer_range=0.2,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def gpt2():
    """A GPT-2: places learned, keys for every head."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(8)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.3, bos_token_id=1, eos_token_id=2
    )
    return GPT2LMHeadModel(config).eval()


def logits_of(model):
    """The logits of torch after the prompt, and after each token of the continuation."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([PROMPT + CONTINUATION])).logits[0, len(PROMPT) - 1:]
    return [[round(float(x), 6) for x in row] for row in logits]


def export(checkpoints):
    """Everything that Optimum and ONNX Runtime's tools write."""
    vectors = {"prompt": PROMPT, "continuation": CONTINUATION}
    for name, model in (("llama", llama()), ("gpt2", gpt2())):
        model.save_pretrained(checkpoints / name)
        vectors[name] = logits_of(model)
    (MODELS / "logits.json").write_text(json.dumps(vectors) + "\n")
    common(checkpoints / "llama")
    optimum(checkpoints / "llama", MODELS / "optimum")
    optimum(checkpoints / "gpt2", MODELS / "gpt2")
    older(MODELS / "optimum" / "model.onnx")
    hub(MODELS / "optimum" / "model.onnx", MODELS / "hub" / "onnx")


def common(checkpoint):
    """What every Llama layout has beside its graphs."""
    folder = fresh(MODELS / "common")
    for name in ("config.json", "generation_config.json"):
        shutil.copy(checkpoint / name, folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(ROOT / "models" / "sum-chat" / name, folder)


def optimum(checkpoint, folder):
    """Optimum's export: one graph, which reads prompts as well as it continues them."""
    from optimum.exporters.onnx import main_export

    work = checkpoint.parent / f"export-{folder.name}"
    main_export(str(checkpoint), output=fresh(work), task="text-generation-with-past", opset=18, do_validation=False)
    take(work, folder, sorted(path.name for path in work.glob("*.onnx*")))


def older(graph):
    """Older exports: a graph for prompts and one that continues them, and both behind one `If`."""
    import onnx
    from optimum.onnx.graph_transformations import merge_decoders

    separate, merged = fresh(MODELS / "separate"), fresh(MODELS / "merged")
    onnx.save(without_past(onnx.load(graph)), separate / "decoder_model.onnx")
    shutil.copy(graph, separate / "decoder_with_past_model.onnx")
    merge_decoders(
        separate / "decoder_model.onnx", separate / "decoder_with_past_model.onnx", save_path=merged / "decoder_model_merged.onnx", strict=False
    )


def without_past(model):
    """The graph with empty tensors in place of the cache's inputs."""
    from onnx import TensorProto, helper, numpy_helper
    import numpy as np

    past = [port for port in model.graph.input if port.name.startswith("past_key_values.")]
    shape = [dimension.dim_value for dimension in past[0].type.tensor_type.shape.dim]
    parts = {"zero": [0], "one": [1], "rest": [shape[1], 0, shape[3]]}
    model.graph.initializer.extend(numpy_helper.from_array(np.array(value, np.int64), f"empty.{name}") for name, value in parts.items())
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["empty.tokens"]),
        helper.make_node("Slice", ["empty.tokens", "empty.zero", "empty.one"], ["empty.rows"]),
        helper.make_node("Concat", ["empty.rows", "empty.rest"], ["empty.shape"], axis=0),
    ]
    zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    nodes += [helper.make_node("ConstantOfShape", ["empty.shape"], [f"empty.{port.name}"], value=zero) for port in past]
    names = {port.name for port in past}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in names:
                node.input[place] = f"empty.{name}"
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    for port in past:
        model.graph.input.remove(port)
    return model


def hub(graph, folder):
    """The names of transformers.js and onnx-community: variants beside each other, weights in files of their own."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
    from onnxruntime.transformers.float16 import convert_float_to_float16

    fresh(folder)
    external(onnx.load(graph), folder / "model.onnx")
    half = convert_float_to_float16(onnx.load(graph), keep_io_types=False, op_block_list=["Range", "Cast"])
    onnx.save(half, folder / "model_fp16.onnx")
    quantize_dynamic(graph, folder / "model_quantized.onnx", weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
    for source, name in ((onnx.load(graph), "model_q4.onnx"), (onnx.load(folder / "model_fp16.onnx"), "model_q4f16.onnx")):
        config = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, accuracy_level=4)
        quantizer = MatMulNBitsQuantizer(source, algo_config=config)
        quantizer.process()
        onnx.save(quantizer.model.model, folder / name)


def external(model, path):
    """Saves with all weights in `model.onnx_data`."""
    import onnx

    onnx.save_model(
        model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=path.name + "_data", size_threshold=128
    )


def genai(checkpoints):
    """onnxruntime-genai's builder: attention in one operator, cache in place."""
    shutil.copy(MODELS / "common" / "tokenizer.json", checkpoints / "llama")
    shutil.copy(MODELS / "common" / "tokenizer_config.json", checkpoints / "llama")
    for precision in ("fp32", "int4"):
        work = fresh(checkpoints / f"genai-{precision}")
        extra = ["--extra_options", "int4_block_size=32", "int4_accuracy_level=4"] if precision == "int4" else []
        build = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", checkpoints / "llama", "-o", work, "-p", precision]
        subprocess.run([*build, "-e", "cpu", "-c", checkpoints / "cache", *extra], check=True)
        take(work, MODELS / f"genai-{precision}", sorted(path.name for path in work.glob("model.onnx*")) + ["genai_config.json"])


REDUCED = [
    "hub/onnx/model_fp16.onnx", "hub/onnx/model_quantized.onnx", "hub/onnx/model_q4.onnx", "hub/onnx/model_q4f16.onnx", "genai-int4/model.onnx"
]


def answers(_):
    """The logits of onnxruntime for every graph that is not in single precision."""
    found = {graph: runtime_logits(MODELS / graph) for graph in REDUCED}
    (MODELS / "reduced.json").write_text(json.dumps(found) + "\n")


def runtime_logits(graph):
    """As logits_of: the prompt in one pass, then token by token through a cache that grows."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {port.name: port for port in session.get_inputs()}
    outputs = [port.name for port in session.get_outputs()]
    numbers = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    past = {name: np.zeros([1, port.shape[1], 0, 16], numbers[port.type]) for name, port in inputs.items() if name.startswith("past")}
    seen, rows = 0, []
    for tokens in [PROMPT] + [[token] for token in CONTINUATION]:
        total = seen + len(tokens)
        feeds = {"input_ids": [tokens], "attention_mask": [[1] * total], "position_ids": [list(range(seen, total))]}
        feeds = {name: np.array(values, np.int64) for name, values in feeds.items() if name in inputs}
        results = dict(zip(outputs, session.run(outputs, feeds | past)))
        past = {name: results[name.replace("past_key_values", "present")] for name in past}
        rows.append([round(float(x), 6) for x in results["logits"][0, -1]])
        seen = total
    return rows


def take(source, folder, names):
    """Copies the files of these names."""
    fresh(folder)
    for name in names:
        shutil.copy(source / name, folder)


def fresh(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def main():
    stage, checkpoints = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    checkpoints.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    {"export": export, "genai": genai, "answers": answers}[stage](checkpoints)


if __name__ == "__main__":
    main()
