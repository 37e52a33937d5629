"""No page module writes a text of others where Streamlit reads Markdown, unless `rnc.ui.markdown.escape_markdown` escaped it.

A text is safe where it is a literal, a constant in capitals, a number by its format (`{count:,}`), the answer of
`escape_markdown`, or made of such. A parameter, field or answer that is annotated as `Markdown` (or `MarkdownTable`) is safe
where it is used, and whatever is given to it is looked at as if it were given to Streamlit.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture import ROOT, imported, python_files

Places = set[int | str]
_LABEL: Places = {0, "label", "help"}
_BODY: Places = {0, "body", "help"}
SINKS: dict[str, Places] = {
    **dict.fromkeys(
        ["markdown", "caption", "header", "subheader", "title", "info", "warning", "error", "success"], _BODY
    ),
    **dict.fromkeys(["toast", "status", "spinner", "expander", "popover", "badge", "tabs", "dialog"], _BODY | _LABEL),
    **dict.fromkeys(["button", "download_button", "form_submit_button", "link_button", "toggle", "checkbox"], _LABEL),
    **dict.fromkeys(
        ["selectbox", "multiselect", "slider", "select_slider", "number_input", "text_input", "text_area"], _LABEL
    ),
    **dict.fromkeys(["segmented_control", "pills", "radio"], _LABEL),
    **dict.fromkeys(["TextColumn", "NumberColumn", "DatetimeColumn", "ProgressColumn", "ListColumn"], _LABEL),
    "page_link": {"label", "help"},
    "metric": {0, 1, 2, "label", "value", "delta", "help"},
    "progress": {1, "text"},
    "image": {"caption"},
    "table": {0, "data"},
    "write": {*range(9)},
    "Page": {"title"},
    "cache_data": {"show_spinner"},
    "cache_resource": {"show_spinner"},
}
"""Streamlit's calls, whatever they are called on, and which of their arguments are read as Markdown."""
OPTIONS = ("segmented_control", "pills", "radio")
"""Whose options are read as Markdown, too."""
FORBIDDEN = ("latex", "exception", "write_stream", "help")
TEXTS = {name + rest for name in ("Markdown", "MarkdownTable") for rest in ("", " | None")}
SAFE_ANSWERS = {"escape_markdown", "escape_table", "len", "int", "round"}
NUMBER_FORMATS = tuple("dfgeE%,")


def is_view(path: Path) -> bool:
    source = path.read_text()
    return "streamlit" in source and "streamlit" in imported(source)


VIEWS = [path for path in python_files() if is_view(path)]


def is_markdown(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) in TEXTS


class Annotated:
    """Everything annotated as Markdown in all of some sources: answers, parameters by place and name, and fields."""

    def __init__(self, trees: list[ast.Module]) -> None:
        self.answers, self.fields = set(SAFE_ANSWERS), set[str]()
        self.sinks: dict[str, Places] = defaultdict(set)
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self._take_function(node)
                elif isinstance(node, ast.ClassDef):
                    self._take_class(node)

    def _take_function(self, node: ast.FunctionDef) -> None:
        if is_markdown(node.returns):
            self.answers.add(node.name)
        for place, argument in enumerate(one for one in node.args.args if one.arg != "self"):
            if is_markdown(argument.annotation):
                self.sinks[node.name] |= {place, argument.arg}
        self.sinks[node.name] |= {one.arg for one in node.args.kwonlyargs if is_markdown(one.annotation)}

    def _take_class(self, node: ast.ClassDef) -> None:
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)]
        for place, part in enumerate(fields):
            if is_markdown(part.annotation) and isinstance(part.target, ast.Name):
                self.fields.add(part.target.id)
                self.sinks[node.name] |= {place, part.target.id}


class Source:
    """One source, with what its names stand for in each function."""

    def __init__(self, source: str, known: Annotated) -> None:
        self.tree, self._known = ast.parse(source), known
        self._scopes: list[ast.AST] = [self.tree, *(n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef))]

    def wrong(self) -> list[str]:
        """Return the values that are given to Streamlit and are not safe."""
        return [found for scope in self._scopes for node in _own(scope) for found in self._wrong_node(node, scope)]

    def _wrong_node(self, node: ast.AST, scope: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Call):
            yield from self._wrong_call(node, scope)
        elif (
            isinstance(node, ast.Return)
            and isinstance(scope, ast.FunctionDef)
            and is_markdown(scope.returns)
            and node.value
        ):
            yield from [] if self.is_safe(node.value, scope) else [f"{scope.name} returns {ast.unparse(node.value)}"]

    def _wrong_call(self, call: ast.Call, scope: ast.AST) -> Iterator[str]:
        name = _name(call.func)
        if name in FORBIDDEN and _name(getattr(call.func, "value", None)) == "st":
            yield ast.unparse(call)
        places = self._known.sinks.get(name, set()) | (
            SINKS.get(name, set()) if isinstance(call.func, ast.Attribute) else set()
        )
        given = [(place, value) for place, value in enumerate(call.args) if place in places]
        given += [(one.arg or "**", one.value) for one in call.keywords if one.arg in places]
        starred = bool(places) and any(isinstance(value, ast.Starred) for value in call.args)
        if starred or not all(self.is_safe(value, scope) for _place, value in given):
            yield ast.unparse(call)
        if name in OPTIONS and not self._has_safe_options(call, scope):
            yield f"options of {ast.unparse(call)}"

    def _has_safe_options(self, call: ast.Call, scope: ast.AST) -> bool:
        told = {one.arg: one.value for one in call.keywords}
        return _name(told.get("format_func")) == "escape_markdown" or (
            len(call.args) > 1 and self.is_safe(call.args[1], scope)
        )

    def is_safe(self, value: ast.AST, scope: ast.AST, depth: int = 0) -> bool:
        """Return whether a value is a text of the product, or no text."""
        match value:
            case ast.Constant():
                return True
            case ast.FormattedValue(format_spec=ast.JoinedStr(values=[ast.Constant(value=str(spec))])) if spec.endswith(
                NUMBER_FORMATS
            ):
                return True
            case ast.Call():
                return self._is_safe_call(value, scope, depth)
            case ast.Attribute(attr=name):
                return _is_constant(name) or name in self._known.fields
            case ast.Name(id=name):
                return _is_constant(name) or (depth < 20 and self._is_safe_name(name, scope, depth))
        parts = _parts(value)
        return bool(parts) and all(self.is_safe(part, scope, depth + 1) for part in parts)

    def _is_safe_call(self, call: ast.Call, scope: ast.AST, depth: int) -> bool:
        name = _name(call.func)
        if name in self._known.answers:
            return True
        if name == "list" or (name == "join" and isinstance(call.func, ast.Attribute)):
            joined = name == "list" or self.is_safe(call.func.value, scope, depth + 1)  # type: ignore[attr-defined]
            return joined and all(self.is_safe(one, scope, depth + 1) for one in call.args)
        if name == "map" and call.args:
            return _name(call.args[0]) == "escape_markdown"
        return name == "column_config"

    def _is_safe_name(self, name: str, scope: ast.AST, depth: int) -> bool:
        """Return whether a name has a safe value wherever it is given one: as a parameter, by assignment, in a loop."""
        if isinstance(scope, ast.FunctionDef):
            for argument in (*scope.args.args, *scope.args.kwonlyargs):
                if argument.arg == name:
                    return is_markdown(argument.annotation)
        values = list(_given(name, scope))
        if not values and scope is not self.tree:
            return self._is_safe_name(name, self.tree, depth)
        return bool(values) and all(self.is_safe(value, scope, depth + 1) for value in values)


def _parts(value: ast.AST) -> list[ast.expr]:
    """The parts of which a text is made; none where it is made another way."""
    match value:
        case ast.JoinedStr(values=parts) | ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            return parts
        case ast.IfExp():
            return [value.body, value.orelse]
        case ast.BinOp(op=ast.Add()):
            return [value.left, value.right]
        case ast.FormattedValue(value=part) | ast.Starred(value=part) | ast.Subscript(value=part):
            return [part]
        case ast.GeneratorExp(elt=part) | ast.ListComp(elt=part):
            return [part]
    return []


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module or function, those of functions within it left out."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef):
            yield from _own(child)
        else:
            for part in (*child.decorator_list, *child.args.defaults, *child.args.kw_defaults):
                if part is not None:
                    yield part
                    yield from _own(part)


def _given(name: str, scope: ast.AST) -> Iterator[ast.AST]:
    """The values that a name is given in a scope; a constant's parts are the constant's."""
    for node in _own(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _matched(name, target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and _name(node.target) == name and node.value is not None:
            yield node.value
        elif isinstance(node, ast.For | ast.comprehension) and name in {_name(one) for one in ast.walk(node.target)}:
            yield _looped(node.iter)
        elif isinstance(node, ast.NamedExpr) and node.target.id == name:
            yield node.value


def _matched(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.AST]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, given in zip(target.elts, value.elts, strict=True):
            yield from _matched(name, one, given)
    elif name in {_name(one) for one in ast.walk(target) if isinstance(one, ast.Name)}:
        yield value


def _looped(value: ast.expr) -> ast.expr:
    """Return the expression that is looped over, without `.items()`."""
    return value.func.value if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else value


def _name(node: ast.AST | None) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_constant(name: str) -> bool:
    return name.lstrip("_").isupper()


@cache
def known() -> Annotated:
    """Return everything that the product annotates as Markdown."""
    return Annotated([ast.parse(path.read_text()) for path in python_files()])


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_of_others_are_escaped(path: Path) -> None:
    assert Source(path.read_text(), known()).wrong() == []


def test_all_pages_are_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in VIEWS} == {"app.py", "pages", "rnc"} and len(VIEWS) > 25


@pytest.mark.parametrize("source", [
    "st.caption(run.run_id)", "st.caption(f'{run.run_id} · {escape_markdown(x)}')",
    "st.markdown('**' + title + '**')", "st.error(str(e))",
    "st.button(label)", "st.toggle('x', help=help)", "where.metric('x', value)", "st.progress(0.5, f'`{sweep.name}`')",
    "column.image(picture, caption=told)", "st.segmented_control('Run', labels)", "st.pills('x', labels, format_func=str)",
    "st.table(frame)", "st.column_config.TextColumn(name)", "st.exception(error)", "st.tabs(names)", "st.tabs(['a', name])",
    "st.expander(f'{name!r}')", "st.caption(f'{count:>10}')", "x = name\nst.caption(x)",
    "def f(text: str):\n    st.caption(text)",
    "def f(text: Markdown):\n    st.caption(text)\nf(name)", "def f() -> Markdown:\n    return name", "st.progress(*told)",
    "for name in names:\n    st.caption(name)", "x = 'a'\nx += name\nst.caption(x)", "st.caption(', '.join(names))",
    "st.caption('a' if x else name)", "st.caption(name or 'none')", "with st.popover(name):\n    pass", "st.caption(body=name)",
    "def f():\n    def g():\n        st.caption(name)",
])  # fmt: skip
def test_the_test_above_can_fail(source: str) -> None:
    assert Source(source, Annotated([ast.parse(source)])).wrong()


@pytest.mark.parametrize("source", [
    "st.caption(escape_markdown(run.run_id))", "st.caption(f'{escape_markdown(x)} · {count:,} · {share:.0%}')",
    "st.metric('x', f'{value:.3f} rad')",
    "st.segmented_control('Run', labels, format_func=escape_markdown)", "st.pills('x', [ALL, 'b'])",
    "st.table(escape_table(frame))",
    "def f(text: Markdown | None = None):\n    st.caption(text)\nf('a')",
    "def f() -> Markdown:\n    return escape_markdown(name)",
    "for label, metric in CARDS:\n    st.metric(label, f'{x:.2f}')", "st.caption(', '.join(map(escape_markdown, names)))",
    "st.caption('; '.join(f'{escape_markdown(a)} {b:d}' for a in names))",
    "st.text(name)", "st.code(name)", "st.caption(READONLY_MESSAGE)",
])  # fmt: skip
def test_what_is_safe_is_let_through(source: str) -> None:
    assert Source(source, Annotated([ast.parse(source)])).wrong() == []
