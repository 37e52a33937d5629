"""Reading of a function's body to follow one value: its uses, and the calls that pass it on.

For `tests/journeys.py`, which has the rule.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.source_names import Function, Value, pairs, union

COPIES = {"cast", "enumerate", "list", "next", "replace", "reversed", "set", "sorted", "tuple", "zip"}
"""Functions that return their argument, a part of it or a copy."""


class Frame:
    """One reading of a function's body: the values of its names, and whether the reader is away in a function that it calls."""

    def __init__(
        self, walk: Any, function: Function, arguments: dict[str, Value], follows: str = "", away: bool = False
    ) -> None:
        self.walk, self.code, self.function, self.module = walk, walk.code, function, function.module
        self.away, self.uses, self.follows = away, False, follows
        self.returned = Value()
        self.nested: list[Function] = []
        self.names: dict[str, Value] = dict(function.frame.names) if function.frame else {}
        parameters = getattr(function.node, "args", None)
        for parameter in [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs] if parameters else ():
            given = arguments.get(parameter.arg, Value())
            declared = self.code.types(self.module, parameter.annotation)
            given_more = frozenset(name for name in given.types if declared & set(self.code.bases(name)))
            declared_more = frozenset(name for name in declared if given.types & set(self.code.bases(name)))
            types = given_more or declared_more or given.types or declared
            self.names[parameter.arg] = replace(given, types=types)

    def run(self, body: list[ast.stmt]) -> Value:
        """Read statements; return the value of the `return` statements among them."""
        for statement in body:
            self.statement(statement)
        return self.returned

    def use(self) -> None:
        """Note that the followed value is used here; a reader who is away comes back for it."""
        self.uses = True
        if self.away and not self.walk.silent:
            self.walk.path.append((self.module, self.function.name))
        self.away = False

    def statement(self, node: ast.stmt) -> None:
        kinds: dict[type, Callable[[Any], None]] = {
            ast.FunctionDef: self.nested_function,
            ast.ClassDef: lambda _: None,
            ast.Assign: self.assignment,
            ast.AnnAssign: self.annotated_assignment,
            ast.AugAssign: lambda node: self.assign(node.target, self.value(node.target) | self.value(node.value)),
            ast.For: self.loop,
            ast.Return: self.returning,
        }
        kinds.get(type(node), self.parts)(node)

    def nested_function(self, node: ast.FunctionDef) -> None:
        self.names[node.name] = self.function_made(node)
        self.nested += self.names[node.name].functions

    def assignment(self, node: ast.Assign) -> None:
        for target in node.targets:
            values = [(part, self.value(value)) for part, value in pairs(target, node.value)]
            for part, value in values:
                self.assign(part, value)

    def annotated_assignment(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            value = self.value(node.value)
            types = value.types or self.code.types(self.module, node.annotation)
            self.assign(node.target, replace(value, types=types))

    def loop(self, node: ast.For) -> None:
        self.assign(node.target, self.value(node.iter))
        self.run([*node.body, *node.orelse])

    def returning(self, node: ast.Return) -> None:
        if node.value is not None:
            self.returned |= self.value(node.value)

    def parts(self, node: ast.AST) -> None:
        """Read the expressions and statements of any other statement, in their order."""
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.withitem):
                value = self.value(part.context_expr)
                self.assign(part.optional_vars or ast.Tuple([]), value)
            elif isinstance(part, ast.expr):
                self.value(part)
            elif isinstance(part, ast.stmt):
                self.statement(part)
            else:
                self.parts(part)

    def assign(self, target: ast.AST, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = replace(value, followed=value.followed or target.id == self.follows)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.assign(part, value)
        elif isinstance(target, ast.Attribute) and (holder := self.value(target.value)) and value.followed:
            self.walk.held |= {(name, target.attr) for name in holder.types}

    def value(self, node: ast.AST) -> Value:
        """Read an expression, and return what is known of it."""
        kinds = {
            ast.Name: self.name,
            ast.Attribute: self.attribute,
            ast.Call: self.call,
            ast.Lambda: self.function_made,
        }
        if kind := kinds.get(type(node)):
            return kind(node)
        for comprehension in getattr(node, "generators", ()):
            self.assign(comprehension.target, self.value(comprehension.iter))
            for condition in comprehension.ifs:
                self.value(condition)
        values = [self.value(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        if isinstance(node, ast.NamedExpr):
            self.assign(node.target, values[1])
        if isinstance(node, ast.Compare | ast.JoinedStr | ast.FormattedValue):
            return Value()
        return union(values[1:] if isinstance(node, ast.IfExp) else values)

    def name(self, node: ast.Name) -> Value:
        value = self.names.get(node.id) or self.defined(self.code.find(self.module, node.id))
        if value.followed:
            self.use()
        return value

    def function_made(self, node: ast.Lambda | ast.FunctionDef) -> Value:
        name = f"{self.function.name}.{getattr(node, 'name', 'lambda')}.{id(node)}.{id(self)}"
        return Value(functions=(Function(name, self.module, node, frame=self),))

    def defined(self, entry: tuple) -> Value:
        """Return the value of a name that a module defines; of a table, all functions in it."""
        if entry[0] in ("function", "class"):
            return Value(functions=(entry[1],))
        if entry[0] != "value" or not isinstance(entry[2], ast.Dict):
            return Value()
        self.walk.silent += 1
        table = union(map(Frame(self.walk, Function(entry[1], entry[1], entry[2]), {}).value, entry[2].values))
        self.walk.silent -= 1
        return Value(functions=table.functions)

    def attribute(self, node: ast.Attribute) -> Value:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id not in self.names:
            return self.defined(self.code.resolve(self.module, node))
        if ast.unparse(node.value) == "super()":
            methods = [self.code.method(base, node.attr) for base in self.code.bases(self.function.owner)[1:]]
            return Value(
                functions=tuple(replace(method, receiver=self.names["self"]) for method in methods[:1] if method)
            )
        return self.part(self.value(node.value), node.attr)

    def part(self, base: Value, attribute: str) -> Value:
        """Return an attribute of a value: a stored object, or methods."""
        found, stored = Value(), False
        for name in sorted(base.types):
            method = self.code.method(name, attribute)
            if method is None:
                found |= Value(types=self.code.attribute(name, attribute))
                stored |= any((of, attribute) in self.walk.held for of in self.code.bases(name))
            elif "property" in " ".join(map(ast.unparse, method.node.decorator_list)):
                found |= Value(types=self.code.types(method.module, method.node.returns))
            else:
                methods = self.code.overriding(method, name)
                found |= Value(functions=tuple(replace(method, receiver=base) for method in dict.fromkeys(methods)))
        if found.functions:
            return found
        if stored:
            self.use()
        return replace(found, followed=stored or base.followed)

    def call(self, node: ast.Call) -> Value:
        called = self.value(node.func)
        arguments = [
            self.value(getattr(argument, "value", argument) if isinstance(argument, ast.Starred) else argument)
            for argument in node.args
        ]
        named = {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg}
        every = union([*arguments, *named.values()])
        name = ast.unparse(node.func)
        if name == "partial":
            functions = (
                replace(function, bound=(tuple(arguments[1:]), tuple(named.items())))
                for function in arguments[0].functions
            )
            return Value(every.followed, functions=tuple(functions))
        result = Value()
        for function in called.functions:
            if len(called.functions) > 1 and every.followed:
                self.use()
            result |= self.apply(function, arguments, named)
        if called.functions:
            return result
        for function in every.functions:  # handed to a library, which calls it
            if function.frame:
                self.apply(function, [], {})
        return replace(every, functions=()) if name in COPIES else Value()

    def apply(self, function: Function, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Read a call of a function with these arguments."""
        if function.bound:
            arguments, named = [*function.bound[0], *arguments], {**dict(function.bound[1]), **named}
        if isinstance(function.node, ast.ClassDef):
            return self.construct(function, arguments, named)
        parameters = [parameter.arg for parameter in [*function.node.args.posonlyargs, *function.node.args.args]]
        given: dict[str, Value] = {}
        if function.owner and "staticmethod" not in map(ast.unparse, getattr(function.node, "decorator_list", ())):
            given[parameters.pop(0)] = replace(function.receiver or Value(), followed=False)
        given |= dict(zip(parameters, arguments, strict=False)) | named
        if function.node.args.vararg:
            given[function.node.args.vararg.arg] = union(arguments[len(parameters) :])
        return self.walk.open(replace(function, bound=()), given, self)

    def construct(self, function: Function, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Read the constructor of a class; a dataclass stores its arguments."""
        made = Value(types=frozenset([function.owner]))
        if constructor := self.code.method(function.owner, "__init__"):
            self.apply(replace(constructor, receiver=made), arguments, named)
            return made
        fields = self.code.fields(function.owner)
        given = dict(zip((name for _, name, by_name in fields if not by_name), arguments, strict=False)) | named
        for base, name, _ in fields:
            if given.get(name, Value()).followed:
                self.walk.held |= {(base, name), (function.owner, name)}
        return made
