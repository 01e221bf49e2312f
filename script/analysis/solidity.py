"""Compiles single contracts with the project's compiler and settings, without forge: a mutant changes one file."""

import json
import os
import re
import subprocess
from pathlib import Path

IMPORT = re.compile(rb'^\s*import\s[^;]*?"([^"]+)"\s*;', re.MULTILINE)


class CompileError(Exception):
    """The compiler's first error."""


class Compiler:
    """The compiler of the project in `root`; `sources` caches files, which do not change while it lives."""

    def __init__(self, root: Path, forge: Path):
        self.root = root
        config = json.loads(subprocess.run([forge, "config", "--json"], cwd=root, capture_output=True, check=True).stdout)
        self.remappings = [remapping.split("=", 1) for remapping in config["remappings"]]
        self.settings = {
            "remappings": ["=".join(remapping) for remapping in self.remappings],
            "evmVersion": config["evm_version"],
            "viaIR": config["via_ir"],
            "optimizer": {"enabled": config["optimizer"], "runs": config["optimizer_runs"]},
            "metadata": {"bytecodeHash": config["bytecode_hash"], "appendCBOR": config["cbor_metadata"]},
        }
        self.sources: dict[str, bytes] = {}

    def source(self, file: str) -> bytes:
        if file not in self.sources:
            self.sources[file] = (self.root / file).read_bytes()
        return self.sources[file]

    def closure(self, file: str) -> set[str]:
        """`file` and all it imports."""
        seen: set[str] = set()
        open_files = [file]
        while open_files:
            current = open_files.pop()
            if current not in seen:
                seen.add(current)
                open_files += [self._resolve(current, path.decode()) for path in IMPORT.findall(self.source(current))]
        return seen

    def _resolve(self, importer: str, path: str) -> str:
        if path.startswith("."):
            return os.path.normpath(os.path.join(os.path.dirname(importer), path))
        for prefix, target in self.remappings:
            if path.startswith(prefix):
                return target + path[len(prefix) :]
        return path

    def run(self, files: list[str], selection: dict, changed: dict[str, bytes], settings: dict) -> dict:
        """The compiler's answer for `files` and what they import, with the files of `changed` in their changed form."""
        names = set().union(*(self.closure(file) for file in files))
        request = {
            "language": "Solidity",
            "sources": {name: {"content": changed.get(name, self.source(name)).decode()} for name in sorted(names)},
            "settings": {**self.settings, **settings, "outputSelection": selection},
        }
        command = ["nice", "-n", "10", str(self.root / "script/solc.cjs"), "--standard-json"]
        answer = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, check=True, cwd=self.root)
        output = json.loads(answer.stdout)
        for error in output.get("errors", []):
            if error["severity"] == "error":
                raise CompileError(" ".join(error["formattedMessage"].split())[:300])
        return output

    def trees(self, files: list[str]) -> dict[str, dict]:
        """The syntax trees of `files` and of what they import."""
        output = self.run(files, {"*": {"": ["ast"]}}, {}, {})
        return {name: source["ast"] for name, source in output["sources"].items()}

    def bytecode(self, name: str, file: str, changed: dict[str, bytes], settings: dict) -> str:
        """The creation code of contract `name` in `file`."""
        output = self.run([file], {file: {name: ["evm.bytecode.object"]}}, changed, settings)
        return output["contracts"][file][name]["evm"]["bytecode"]["object"]
