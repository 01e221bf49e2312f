"""Finds the mutants of a Solidity file: its checks and its state writes, each taken out once.

Works on the compiler's syntax tree, so a mutant is a piece of source with its replacement and nothing is guessed from text.

kind      what is taken out
check     `if (...) revert ...;`, `require`, a call of a view or pure function for its checks or what it does to memory
modifier  one modifier of one function
write     an assignment to storage, `delete`, `++`, `--`; each part of a tuple on its own
call      a call that writes: own functions, libraries on storage, other contracts, transfers; a value it gives becomes 0
field     one link of a chain that writes a packed word: `.withX(...)`, `.set(...)`, `.plus(...)`, `.minus(...)`, `| (1 << n)`
"""

import hashlib
import re
from dataclasses import dataclass

FIELD_WRITERS = {"set", "plus", "minus"}


@dataclass(frozen=True)
class Mutant:
    """One replacement in one file. `id` does not depend on where in the file it stands."""

    id: str
    file: str
    line: int
    kind: str
    function: str
    start: int
    end: int
    original: str
    replacement: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]


class Unsupported(Exception):
    """A value of this type has no default that can be written in place."""


def find(file: str, source: bytes, ast: dict) -> tuple[list[Mutant], list[str]]:
    """The mutants of `file` in the order of the source, and what could not be made into one."""
    finder = _Finder(file, source)
    finder.visit(ast, None, [])
    return finder.numbered(), finder.skipped


class _Finder:
    def __init__(self, file: str, source: bytes):
        self.file = file
        self.source = source
        self.found: dict[tuple[int, int, str], tuple[str, str]] = {}
        self.skipped: list[str] = []

    def numbered(self) -> list[Mutant]:
        seen: dict[str, int] = {}
        mutants = []
        for (start, end, replacement), (kind, function) in sorted(self.found.items()):
            original = self.source[start:end].decode()
            digest = hashlib.sha256(f"{' '.join(original.split())}>{replacement}".encode()).hexdigest()[:8]
            name = f"{self.file}:{function}:{kind}:{digest}"
            seen[name] = seen.get(name, 0) + 1
            line = self.source.count(b"\n", 0, start) + 1
            unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
            mutants.append(Mutant(unique, self.file, line, kind, function, start, end, original, replacement))
        return mutants

    # --- the walk ------------------------------------------------------------------------------------------------------

    def visit(self, node: dict, function: str | None, parents: list[dict]) -> None:
        kind = node.get("nodeType")
        if kind in ("FunctionDefinition", "ModifierDefinition"):
            if node.get("stateMutability") in ("view", "pure") and not _has_checks(node):
                return
            function = node.get("name") or node.get("kind", "modifier")
            self._modifiers(node, function)
        if function is not None:
            self._node(kind, node, function, parents)
        for child in _children(node):
            self.visit(child, function, [*parents, node])

    def _modifiers(self, node: dict, function: str) -> None:
        for modifier in node.get("modifiers", []):
            if modifier.get("kind") == "modifierInvocation":
                self._add("modifier", function, modifier, "")

    def _node(self, kind: str, node: dict, function: str, parents: list[dict]) -> None:
        if kind == "IfStatement" and _only_reverts(node["trueBody"]):
            otherwise = node.get("falseBody")
            self._add("check", function, node, self._text(otherwise) if otherwise else "{}")
        elif kind == "ExpressionStatement":
            self._statement(node, function)
        elif kind == "Assignment":
            self._tuple_parts(node, function)
            if parents[-1]["nodeType"] != "ExpressionStatement" and _writes_storage(node["leftHandSide"]):
                self._add("write", function, node, f"({self._text(node['rightHandSide'])})")
        elif kind == "UnaryOperation" and parents[-1]["nodeType"] != "ExpressionStatement":
            self._step(node, function)
        elif kind == "Return":
            self._return(node, function)
        elif kind == "FunctionCall":
            self._call(node, function, parents)
        elif kind == "BinaryOperation" and _sets_bit(node):
            self._add("field", function, node, self._text(node["leftExpression"]))
        elif kind == "InlineAssembly":
            self.skipped.append(f"{self._where(node)}: assembly")

    def _statement(self, node: dict, function: str) -> None:
        expression = node["expression"]
        kind = expression["nodeType"]
        if kind == "Assignment":
            written = _parts(expression["leftHandSide"])
            if any(_writes_storage(part) for part in written):
                self._add("write", function, node, "{}")
        elif kind == "UnaryOperation":
            if expression["operator"] in ("++", "--", "delete") and _writes_storage(expression["subExpression"]):
                self._add("write", function, node, "{}")
        elif kind == "FunctionCall" and expression.get("kind") == "functionCall":
            writes = _mutability(expression) not in ("view", "pure")
            self._add("call" if writes and not _is_require(expression) else "check", function, node, "{}")

    def _tuple_parts(self, node: dict, function: str) -> None:
        """`(a, b) = ...` writes twice: each part is left out on its own."""
        left = node["leftHandSide"]
        if left["nodeType"] != "TupleExpression":
            return
        for part in _parts(left):
            if _writes_storage(part) and len(_parts(left)) > 1:
                self._add("write", function, part, "")

    def _step(self, node: dict, function: str) -> None:
        if node["operator"] not in ("++", "--") or not _writes_storage(node["subExpression"]):
            return
        operand = self._text(node["subExpression"])
        value = f"({operand} {node['operator'][0]} 1)" if node["prefix"] else operand
        self._add("write", function, node, value)

    def _return(self, node: dict, function: str) -> None:
        """`return f();` of a function without a value is a statement in disguise."""
        expression = node.get("expression")
        if expression and expression["nodeType"] == "FunctionCall" and expression.get("kind") == "functionCall":
            if _mutability(expression) == "" and _type(expression) == "tuple()":
                self._add("call", function, node, "return;")

    def _call(self, node: dict, function: str, parents: list[dict]) -> None:
        if node.get("kind") != "functionCall":
            return
        if self._is_field(node):
            base = node["expression"]["expression"]
            if not self._assigns_back(base, parents):
                self._add("field", function, node, self._text(base))
            return
        parent = parents[-1]["nodeType"]
        used = parent not in ("ExpressionStatement", "EmitStatement", "RevertStatement") and _type(node) != "tuple()"
        if not used or _mutability(node) in ("view", "pure"):
            return
        try:
            value = '(true, "")' if _is_low_level(node) else _default(_type(node))
        except Unsupported as reason:
            self.skipped.append(f"{self._where(node)}: no default for {reason}: {self._text(node)}")
            return
        self._add("call", function, node, value)

    def _is_field(self, node: dict) -> bool:
        callee = node["expression"]
        if callee["nodeType"] != "MemberAccess" or _mutability(node) != "pure":
            return False
        name = callee["memberName"]
        return (name in FIELD_WRITERS or re.match(r"with[A-Z]", name) is not None) and _type(node) == _type(
            callee["expression"]
        )

    def _assigns_back(self, base: dict, parents: list[dict]) -> bool:
        """`x = x.set(...)` without its `.set(...)` is `x = x`: the same mutant as without the assignment."""
        parent = parents[-1]
        return (
            parent["nodeType"] == "Assignment"
            and _writes_storage(parent["leftHandSide"])
            and self._text(parent["leftHandSide"]) == self._text(base)
        )

    # --- text ----------------------------------------------------------------------------------------------------------

    def _add(self, kind: str, function: str, node: dict, replacement: str) -> None:
        start, end = _span(node)
        # A statement's span leaves out its semicolon, which would be an empty statement behind `{}`.
        if replacement in ("{}", "return;") and self.source[end : end + 1] == b";":
            end += 1
        self.found.setdefault((start, end, replacement), (kind, function))

    def _text(self, node: dict) -> str:
        start, end = _span(node)
        return self.source[start:end].decode()

    def _where(self, node: dict) -> str:
        return f"{self.file}:{self.source.count(bytes([10]), 0, _span(node)[0]) + 1}"


def _children(node: dict) -> list[dict]:
    found = []
    for value in node.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and "nodeType" in item:
                found.append(item)
    return found


def _span(node: dict) -> tuple[int, int]:
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length


def _type(node: dict) -> str:
    return node["typeDescriptions"].get("typeString") or ""


def _mutability(call: dict) -> str:
    """`view`, `pure`, `payable`, or nothing, of what is called."""
    match = re.search(r"\b(view|pure|payable)\b(?!.*\))|\) (?:external |internal )?(view|pure|payable)\b", _type(call["expression"]))
    return next((group for group in match.groups() if group), "") if match else ""


def _only_reverts(body: dict) -> bool:
    statements = body["statements"] if body["nodeType"] == "Block" else [body]
    return bool(statements) and all(_reverts(statement) for statement in statements)


def _reverts(statement: dict) -> bool:
    if statement["nodeType"] == "RevertStatement":
        return True
    call = statement.get("expression") or {}
    return call.get("nodeType") == "FunctionCall" and call["expression"].get("name") == "revert"


def _is_require(call: dict) -> bool:
    return call["expression"].get("name") in ("require", "assert")


def _has_checks(node: dict) -> bool:
    if node.get("nodeType") == "IfStatement" and _only_reverts(node["trueBody"]):
        return True
    if node.get("nodeType") == "FunctionCall" and _is_require(node):
        return True
    return any(_has_checks(child) for child in _children(node))


def _sets_bit(node: dict) -> bool:
    right = node["rightExpression"]
    while right["nodeType"] == "TupleExpression" and len(right["components"]) == 1:
        right = right["components"][0]
    return node["operator"] == "|" and right["nodeType"] == "BinaryOperation" and right["operator"] == "<<"


def _is_low_level(call: dict) -> bool:
    callee = call["expression"]
    if callee["nodeType"] == "FunctionCallOptions":
        callee = callee["expression"]
    return callee.get("memberName") in ("call", "delegatecall") and _type(call) == "tuple(bool,bytes memory)"


def _parts(left: dict) -> list[dict]:
    if left["nodeType"] != "TupleExpression":
        return [left]
    return [part for component in left["components"] if component for part in _parts(component)]


def _writes_storage(left: dict) -> bool:
    kind = left["nodeType"]
    if kind == "Identifier":
        # A storage pointer is a local variable: pointing it elsewhere writes nothing.
        return left["typeDescriptions"]["typeIdentifier"].endswith("_storage") or left.get("isState", False)
    if kind == "MemberAccess":
        return " storage " in f"{_type(left['expression'])} "
    if kind == "IndexAccess":
        base = left["baseExpression"]
        return _type(base).startswith("mapping(") or " storage " in f"{_type(base)} "
    if kind == "TupleExpression":
        return any(_writes_storage(part) for part in _parts(left))
    return False


def mark_state(asts: dict[str, dict]) -> None:
    """Notes at every identifier whether it is a state variable; the tree itself holds only the declaration's number."""
    state: set[int] = set()
    nodes = [node for ast in asts.values() for node in _walk(ast)]
    for node in nodes:
        if node["nodeType"] == "VariableDeclaration" and node.get("stateVariable") and node.get("mutability") == "mutable":
            state.add(node["id"])
    for node in nodes:
        if node["nodeType"] == "Identifier":
            node["isState"] = node.get("referencedDeclaration") in state


def _walk(node: dict):
    yield node
    for child in _children(node):
        yield from _walk(child)


def _default(type_string: str) -> str:
    """Source of the zero value of a type."""
    if type_string.startswith("tuple("):
        return f"({', '.join(_default(part) for part in _split(type_string[6:-1]))})"
    array = re.fullmatch(r"(.+)\[(\d+)\] memory", type_string)
    if array:
        return f"[{', '.join([_default(array[1])] * int(array[2]))}]"
    if type_string == "bool":
        return "false"
    if re.fullmatch(r"(u?int|bytes)\d+|address", type_string):
        return f"{type_string}(0)"
    if type_string.startswith("enum "):
        return f"{type_string[5:]}(0)"
    if type_string.startswith("contract "):
        return f"{type_string[9:]}(address(0))"
    if re.fullmatch(r"[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*)?", type_string):
        return f"{type_string}.wrap(0)"
    raise Unsupported(type_string)


def _split(types: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for character in types:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current] if current else parts
