"""Where the benchmark keeps its things, and the two environments that its peers run in."""

import hashlib
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BENCH = ROOT / "cache" / "bench"
MODELS = BENCH / "models"
# The newest transformers, onnxruntime-genai and what they need.
VENV = BENCH / "venv"
# Optimum needs an older transformers; both are put in front of the others, for processes that use Optimum.
OPTIMUM = BENCH / "optimum"
# llama.cpp as node-llama-cpp ships it: with kernels for every x86 or Arm processor, of which it chooses.
LLAMA_CPP = BENCH / "npm" / "node_modules" / "@node-llama-cpp"

# Peer: the environment that it runs in.
PEERS = {
    "transformers": "main",
    "optimum": "optimum",
    "onnxruntime": "main",
    "onnxruntime-genai": "main",
    "llama.cpp": "main",
}

# Whatever changes these files may change the models.
RECIPE = ["make_models.py", "gguf_file.py", "requirements.txt", "optimum.txt"]


def python() -> str:
    return str(VENV / "bin" / "python")


def environment(name: str, threads: int = 2) -> dict[str, str]:
    """The environment variables of a process: `main` or `optimum`. No process may ask a hub for anything."""
    variables = dict(os.environ)
    for variable in ("PYTHONPATH", "PYTHONHOME", "OMP_NUM_THREADS", "KMP_AFFINITY"):
        variables.pop(variable, None)
    variables |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    variables |= {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    if name == "optimum":
        variables["PYTHONPATH"] = str(OPTIMUM)
    return variables


def recipe() -> str:
    """Changes when the models have to be made again."""
    digest = hashlib.sha256()
    for name in RECIPE:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()
