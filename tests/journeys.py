"""Count the places at which somebody must stop who follows one value through the source.

    python -m tests.journeys [CHECKOUT] [--path]

The reader follows a name in a function, the parts of its value (attributes, elements, copies by `replace` and the like), and
objects in whose attributes it is stored. Each function, method or constructor of the project that receives the value, or reads
it from its object, is opened once, in the order of evaluation: all functions of a table from which one is called, and all
methods of subclasses that override one. After a call the reader is back in the caller as soon as the value is used there again.

Properties of the value and methods that are called on it are not opened, unless the method receives a part of it. What a
function returns is another value.

A stay is an unbroken stretch of this way in one file. A return is a stay in a file that the reader had left before, so returns
are stays minus files. With `--path` all stays are listed.
"""

import ast
import sys
from pathlib import Path

from tests.function_reading import Frame
from tests.source_names import Code, Function, Value, union

JOURNEYS = {
    "a batch becomes rows": ("model", "rnc.probe.measure_epoch:Probe.measure", "train.probe:Probe.measure"),
    "a chosen epoch becomes a chart": ("selection", "pages.collapse:"),
    "a request to the lab and back": ("request", "rnc.lab.engine.worker:Worker._run", "rnc.lab.worker:Worker._run"),
}
"""The followed name, and the function where it enters (a module's body if it is empty), now and in older versions."""


class Walk:
    """The way of a value from its entry: `path` has the module and the name of each function where the reader is."""

    def __init__(self, code: Code, value: str, entry: str) -> None:
        self.code, self.path, self.opened, self.held = code, [], set(), set()
        self.open_now: list = []
        self.read_nested: set[ast.AST] = set()
        self.silent = 0
        """Above 0 while something is evaluated only for what it returns."""
        module, _, name = entry.partition(":")
        function = (
            code.resolve(module, ast.parse(name).body[0].value)[1]
            if name
            else Function(entry, module, code.bodies[module])
        )
        owner = Value(types=frozenset([function.owner]) if function.owner else frozenset())
        self.path.append((module, entry))
        self.opened.add(function.name)
        frame = Frame(self, function, {"self": owner, value: Value(True)}, follows=value if not name else "")
        frame.run(function.node.body)
        self._read_nested(frame)

    @property
    def stays(self) -> list[tuple[str, list[str]]]:
        """The module and the functions of each stay."""
        result: list[tuple[str, list[str]]] = []
        for module, name in self.path:
            if not result or result[-1][0] != module:
                result.append((module, []))
            result[-1][1].append(name)
        return result

    def holds(self, value: Value) -> bool:
        """Return whether objects of a value's classes store the followed value in an attribute."""
        return any(base == holder for name in value.types for base in self.code.bases(name) for holder, _ in self.held)

    def open(self, function: Function, arguments: dict[str, Value], caller: Frame) -> Value:
        """Read a function with these arguments, if it has to do with the followed value; return what it returns."""
        if self.silent or function.frame:
            value, uses = self._read(function, arguments)
            caller.away |= uses and not self.silent
            return value
        given = union(arguments.values())
        if not given.followed and not self.holds(given):
            if not given.functions:
                return Value(types=self._returned_types(function))
            self.silent += 1
            value, _ = self._read(function, arguments)
            self.silent -= 1
            return value
        if function.name in self.opened:
            return Value(types=self._returned_types(function))
        self.opened.add(function.name)
        self.path.append((function.module, function.name))
        length = len(self.path)
        value, uses = self._read(function, arguments)
        if given.followed or uses or len(self.path) > length:
            caller.away = True
        else:  # it took an object that stores the value, but does not look at the value
            self.path.pop()
            self.opened.discard(function.name)
        return value

    def _returned_types(self, function: Function) -> frozenset[str]:
        return self.code.types(function.module, getattr(function.node, "returns", None))

    def _read(self, function: Function, arguments: dict[str, Value]) -> tuple[Value, bool]:
        """Read a function's body; return what it returns, and whether it uses the followed value."""
        key, types = function.node if function.frame else function.name, self._returned_types(function)
        if key in self.open_now:
            return Value(types=types), False
        self.open_now.append(key)
        frame = Frame(self, function, arguments, away=function.frame is not None)
        body = function.node.body
        returned = frame.run(body) if isinstance(body, list) else frame.value(body)
        self._read_nested(frame)
        self.read_nested.add(function.node)
        self.open_now.remove(key)
        return Value(
            types=types | (returned.types if function.frame else frozenset()), functions=returned.functions
        ), frame.uses

    def _read_nested(self, frame: Frame) -> None:
        """Read the nested functions that nobody called, where they stand."""
        for nested in [] if self.silent else frame.nested:
            if nested.node not in self.read_nested:
                frame.away |= self._read(nested, {})[1]


def count(root: Path) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the stays of each journey in a checkout."""
    code = Code(root)
    result = {}
    for journey, (value, *entries) in JOURNEYS.items():
        entry = next(entry for entry in entries if entry.partition(":")[0] in code.bodies)
        result[journey] = Walk(code, value, entry).stays
    return result


def main(arguments: list[str]) -> None:
    roots = [Path(argument) for argument in arguments if not argument.startswith("--")]
    for journey, stays in count(roots[0] if roots else Path(__file__).resolve().parents[1]).items():
        files = list(dict.fromkeys(module for module, _ in stays))
        print(f"{journey}: {len(stays)} stays in {len(files)} files, {len(stays) - len(files)} returns")
        for module, names in stays if "--path" in arguments else ():
            print(f"    {module}: {', '.join(name.rpartition(':')[2] for name in names)}")


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(sys.argv[1:])
