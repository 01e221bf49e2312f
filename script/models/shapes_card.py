"""Writes the README of the picture model's folder; `shapes_card.md` is its text, figures are filled in."""

import importlib.metadata
import pathlib

import onnx

import shapes
from model_card import table

PACKAGES = ("torch", "diffusers", "transformers", "tokenizers", "optimum", "optimum-onnx", "onnx", "onnxruntime")
PARTS = ("text_encoder", "unet", "vae_decoder")
TEXT = pathlib.Path(__file__).with_name("shapes_card.md")


def write(folder, differences, results):
    """Writes `folder`/README.md; `results` is what evaluate_shapes.py prints."""
    folder = pathlib.Path(folder)
    graphs = {part: onnx.load(folder / part / "model.onnx") for part in PARTS}
    text = TEXT.read_text()
    for name, value in {
        "SIZE": f"{sum(p.stat().st_size for p in folder.rglob('*') if p.is_file() and p.name != 'README.md'):,}",
        "PARTS": "\n".join(part_row(name, graph, differences) for name, graph in graphs.items()),
        "SESSIONS": "\n\n".join(session(name, graph) for name, graph in graphs.items()),
        "COLOURS": "\n".join(f"| {name} | {rgb[0]}, {rgb[1]}, {rgb[2]} |" for name, rgb in shapes.COLOURS.items()),
        "RESULTS": results,
        "VERSIONS": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    }.items():
        text = text.replace(f"@{name}@", value)
    (folder / "README.md").write_text(text)


def part_row(name, graph, differences):
    """One part's parameters and how far its graph is from torch."""
    count = sum(onnx.numpy_helper.to_array(tensor).size for tensor in graph.graph.initializer)
    return f"| `{name}` | {count:,} | {differences[name]:.1e} |"


def session(name, graph):
    """Inputs and outputs of one part."""
    opset = f"opset {graph.opset_import[0].version}, IR {graph.ir_version}"
    return "\n".join([
        f"`{name}`: {opset}, float32.", "",
        "| input or output | type | shape |", "|---|---|---|",
        table(graph.graph.input), table(graph.graph.output),
    ])
