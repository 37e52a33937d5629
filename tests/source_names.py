"""The names of a checkout's source: what they stand for, and which classes an expression may be of. For `tests/journeys.py`."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PRODUCT = ("app.py", "pages", "rnc", "train")


@dataclass(frozen=True)
class Function:
    """A function, method, lambda or class of the project, with what is bound to it."""

    name: str
    module: str
    node: ast.AST = field(compare=False)
    owner: str = ""
    """The class of a method, or the class itself."""
    receiver: "Value | None" = None
    bound: tuple = ()
    """The positional and named arguments of `partial`."""
    frame: Any = field(default=None, compare=False)
    """The call in which a nested function or lambda was made."""


@dataclass(frozen=True)
class Value:
    """Knowledge of an expression: whether it is the followed value or a part of it, and which classes and functions it may be."""

    followed: bool = False
    types: frozenset[str] = frozenset()
    functions: tuple[Function, ...] = ()

    def __or__(self, other: "Value") -> "Value":
        functions = tuple(dict.fromkeys(self.functions + other.functions))
        return Value(self.followed or other.followed, self.types | other.types, functions)


def union(values) -> Value:
    result = Value()
    for value in values:
        result |= value
    return result


def pairs(target: ast.AST, value: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """Return which target of an assignment gets which value."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


class Code:
    """The modules of a checkout: what their names stand for, and the classes of attributes."""

    def __init__(self, root: Path) -> None:
        paths = [
            path
            for name in PRODUCT
            for path in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
        ]
        dotted = [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths]
        self.bodies = {
            name: ast.parse(path.read_text()) for name, path in sorted(zip(dotted, paths, strict=True)) if path.exists()
        }
        self.classes: dict[str, ast.ClassDef] = {}
        self.names = {module: dict(self._names(module, body)) for module, body in self.bodies.items()}
        for remembered in ("bases", "method", "attribute"):
            setattr(self, remembered, cache(getattr(self, remembered)))

    def _names(self, module: str, body: ast.Module) -> Iterator[tuple[str, tuple]]:
        for node in ast.walk(body):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from ((name.asname or name.name, ("import", node.module, name.name)) for name in node.names)
        for node in body.body:
            if isinstance(node, ast.FunctionDef):
                yield node.name, ("function", Function(f"{module}:{node.name}", module, node))
            elif isinstance(node, ast.ClassDef):
                self.classes[name := f"{module}:{node.name}"] = node
                yield node.name, ("class", Function(name, module, node, name))
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                yield ast.unparse(target), ("value", module, node.value)

    def find(self, module: str, name: str) -> tuple:
        """Return what a name stands for in a module."""
        if f"{module}.{name}" in self.bodies:
            return "module", f"{module}.{name}"
        entry = self.names.get(module, {}).get(name, ("nothing",))
        return self.find(*entry[1:]) if entry[0] == "import" and entry[1:] != (module, name) else entry

    def resolve(self, module: str, node: ast.AST) -> tuple:
        """Return what a name or a dotted name stands for in a module."""
        if isinstance(node, ast.Name):
            return self.find(module, node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(module, node.value)
            if base[0] == "module":
                return self.find(base[1], node.attr)
            if base[0] == "class" and (method := self.method(base[1].name, node.attr)):
                return "function", method
        return ("nothing",)

    def bases(self, name: str) -> tuple[str, ...]:
        """Return a class and its bases."""
        module = name.split(":")[0]
        bases = [self.resolve(module, getattr(base, "value", base)) for base in self.classes[name].bases]
        return (name, *(further for base in bases if base[0] == "class" for further in self.bases(base[1].name)))

    def overriding(self, method: Function, name: str) -> list[Function]:
        """Return a method of a class and those of its subclasses."""
        subclasses = [other for other in self.classes if name in self.bases(other)]
        return [method, *(self.method(other, method.node.name) for other in subclasses)]

    def method(self, name: str, method: str) -> Function | None:
        for base in self.bases(name):
            for node in self.classes[base].body:
                if isinstance(node, ast.FunctionDef) and node.name == method:
                    return Function(f"{base}.{method}", base.split(":")[0], node, base)
        return None

    def fields(self, name: str) -> list[tuple[str, str, bool]]:
        """Return the fields of a dataclass: class, name, and whether it is passed by name only."""
        result: list[tuple[str, str, bool]] = []
        for base in reversed(self.bases(name)):
            named = False
            for node in self.classes[base].body:
                if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation):
                    named |= "KW_ONLY" in ast.unparse(node.annotation)
                    result.append((base, ast.unparse(node.target), named))
        return [entry for entry in result if entry[1] != "_"]

    def types(self, module: str, annotation: ast.AST | None) -> frozenset[str]:
        """Return the classes of the project that an annotation names."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode="eval").body
        if isinstance(annotation, ast.Name | ast.Attribute):
            entry = self.resolve(module, annotation)
            if entry[0] == "value":
                return self.types(entry[1], entry[2])
            return frozenset([entry[1].name] if entry[0] == "class" else [])
        if annotation is None or (
            isinstance(annotation, ast.Subscript) and "Callable" in ast.unparse(annotation.value)
        ):
            return frozenset()
        return frozenset().union(*(self.types(module, part) for part in ast.iter_child_nodes(annotation)))

    def attribute(self, name: str, attribute: str) -> frozenset[str]:
        """Return the classes of an attribute, from its annotation or from its assignment in the constructor."""
        for base in self.bases(name):
            constructor = self.method(base, "__init__")
            arguments = (
                {argument.arg: argument.annotation for argument in constructor.node.args.args} if constructor else {}
            )
            for node in [*self.classes[base].body, *(ast.walk(constructor.node) if constructor else ())]:
                module = base.split(":")[0]
                if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in (attribute, f"self.{attribute}"):
                    return self.types(module, node.annotation)
                for target, value in pairs(node.targets[0], node.value) if isinstance(node, ast.Assign) else ():
                    if ast.unparse(target) == f"self.{attribute}":
                        made = self.resolve(module, value.func) if isinstance(value, ast.Call) else ("nothing",)
                        returned = made[1].node.returns if made[0] == "function" else arguments.get(ast.unparse(value))
                        return frozenset([made[1].name]) if made[0] == "class" else self.types(module, returned)
        return frozenset()
