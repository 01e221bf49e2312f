"""The form of a file of golden vectors."""

import importlib.metadata
import json
import pathlib
import platform

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "vectors" / "text"


def write(path, cases):
    """One JSON file: the versions it was made with, and the cases, one per line."""
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f'{{"made_with": {json.dumps(versions())},\n"cases": [\n{lines}\n]}}\n')
    print(f"{path.name}: {len(cases)} cases", flush=True)


def versions():
    """Versions of everything that could change the vectors."""
    names = ("torch", "transformers", "tokenizers", "jinja2", "onnx", "onnxruntime")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}
