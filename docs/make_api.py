"""Writes docs/api.md, the reference of the Python interface: ``python docs/make_api.py``.

Signatures and docstrings are read from the sources with ``ast``; nothing is imported, so that it needs no package and
takes a moment, and ``tests/house/test_api_reference.py`` can hold the file to the sources.
"""

import ast
import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "ran_deploy"
WIDTH = 100
WITHOUT_VERB = "In Python only"
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_HEAD = """# The Python interface

Everything in `ran_deploy.__all__`, in the order of the commands that do the same, and the types that they take and
return. Each is imported when it is first used, so that `import ran_deploy` costs little. Errors are subclasses of
`ran_deploy.errors.RanDeployError`, each with a `message`, a `fix` and an `exit_code`.

Written by `python docs/make_api.py` from signatures and docstrings; do not edit it.
"""


@dataclass(frozen=True, eq=False)
class Module:
    """A source file."""

    name: str

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """What stands at its top level, and under ``if TYPE_CHECKING``."""
        path = ROOT / Path(*self.name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        top = ast.parse(path.read_text(encoding="utf-8")).body
        return [inner for outer in top for inner in (outer.body if isinstance(outer, ast.If) else [outer])]

    @cached_property
    def definitions(self) -> "dict[str, Definition]":
        """What it defines."""
        found = {}
        for node, text in strings_behind(self.statements):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = Definition(node.name, self, node, ast.get_docstring(node) or "")
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                found[name] = Definition(name, self, node, text)
        return found

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """Module and name there, by the name here."""
        nodes = [node for node in self.statements if isinstance(node, ast.ImportFrom) and node.module]
        return {alias.asname or alias.name: (str(node.module), alias.name) for node in nodes for alias in node.names}

    def find(self, name: str) -> "Definition | None":
        """Return what ``name`` means here; None: nothing of this package."""
        if name in self.definitions:
            return self.definitions[name]
        home, there = self.imports.get(name, ("", ""))
        return module(home).find(there) if home.startswith(f"{PACKAGE}.") else None

    def constant(self, name: str) -> dict[str, object]:
        """Return the value of a dictionary of plain values."""
        node = self.definitions[name].node
        assert isinstance(node, ast.Assign)  # noqa: S101
        return dict(ast.literal_eval(node.value))


@dataclass(frozen=True, eq=False)
class Definition:
    """A function, a class or a name for a type, where it is defined."""

    name: str
    module: Module
    node: ast.FunctionDef | ast.ClassDef | ast.Assign
    text: str
    """Its docstring."""

    @property
    def is_type(self) -> bool:
        """Whether it is a class, or a name such as ``Split`` for a type."""
        if isinstance(self.node, ast.Assign):
            return isinstance(self.node.value, ast.Subscript | ast.BinOp) and not self.name.isupper()
        return isinstance(self.node, ast.ClassDef)


module = cache(Module)
Titles = dict[Definition, str]


def strings_behind(nodes: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each statement with the string that follows it, which documents it."""
    for node, after in zip(nodes, [*nodes[1:], ast.Pass()], strict=True):
        value = after.value if isinstance(after, ast.Expr) else None
        documents = isinstance(value, ast.Constant) and isinstance(value.value, str)
        yield node, inspect.cleandoc(value.value) if documents else ""  # type: ignore[union-attr]


def groups() -> dict[str, dict[str, str]]:
    """Return the verb of each public function, by panel of the command line; none: an empty string."""
    left = {name: str(home) for name, home in module(PACKAGE).constant("_HOMES").items()}
    found: dict[str, dict[str, str]] = {}
    for panel, verbs in module(f"{PACKAGE}.cli.app").constant("_PANELS").items():
        for verb in verbs:  # type: ignore[attr-defined]
            sources = [
                path.read_text(encoding="utf-8") for path in sorted((ROOT / PACKAGE / "cli").glob(f"{verb}*.py"))
            ]
            nodes = [
                node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
            ]
            names = [alias.name for node in nodes for alias in node.names if left.get(alias.name) == node.module]
            for name in dict.fromkeys(names):
                found.setdefault(panel, {})[name] = verb
                del left[name]
    return {**found, WITHOUT_VERB: dict.fromkeys(left, "")}


def names_in(node: ast.AST | None) -> Iterator[str]:
    """Yield the names in an annotation, also in one that is written as a string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval")
    for part in ast.walk(node) if node else ():
        if isinstance(part, ast.Name):
            yield part.id


def annotations(function: ast.FunctionDef) -> Iterator[ast.AST | None]:
    """Yield what a function takes and returns."""
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        yield argument.annotation
    yield function.returns


def types_of(definition: Definition, *, by_methods: bool = True) -> list[Definition]:
    """Return the types of this package that a definition names, those that only its methods name if asked for."""
    node = definition.node
    named: list[str] = []
    if isinstance(node, ast.FunctionDef):
        named = [name for part in annotations(node) for name in names_in(part)]
    elif isinstance(node, ast.Assign):
        named = list(names_in(node.value))
    else:
        named = [name for base in node.bases for name in names_in(base)]
        named += [name for field, _ in fields(node) for name in names_in(field.annotation)]
        functions = methods(node) if by_methods else []
        named += [name for method in functions for part in annotations(method) for name in names_in(part)]
    found = [definition.module.find(name) for name in dict.fromkeys(named)]
    return [each for each in found if each and each.is_type and each != definition]


def all_types(functions: Iterable[Definition]) -> list[Definition]:
    """Return what the functions take and return, what those have, and so on, by name."""
    left = [(each, True) for function in functions for each in types_of(function)]
    found: dict[Definition, None] = {}
    while left:
        definition, direct = left.pop(0)
        if definition not in found:
            found[definition] = None
            left += [(each, False) for each in types_of(definition, by_methods=direct)]
    return sorted(found, key=lambda each: (each.name.lower(), each.module.name))


def fields(node: ast.ClassDef) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Yield the public fields of a class with their docstrings."""
    for field, text in strings_behind(node.body):
        if isinstance(field, ast.AnnAssign) and not ast.unparse(field.target).startswith("_"):
            yield field, text


def methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """Return the public methods and properties of a class."""
    return [each for each in node.body if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")]


def plain(text: str) -> str:
    """Turn the marks of docstrings into those of Markdown, on one line."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<*])", r"\\\1", part) for part in parts)


def prose(docstring: str) -> Iterator[str]:
    """Yield a docstring as Markdown: its paragraphs, and lists of arguments, results and errors."""
    blocks = re.split(r"\n\s*\n", docstring)
    for block in blocks:
        first, *rest = block.splitlines() or [""]
        section = _SECTION.match(first)
        if not section:
            yield block if block.startswith("    ") else plain(block)
            continue
        yield f"{section[1]}:"
        body = inspect.cleandoc("\n" + "\n".join(rest))
        if section[1] in ("Returns", "Yields"):
            yield f"- {plain(body)}"
            continue
        entries = [entry.partition(": ") for entry in re.split(r"\n(?=\S)", body)]
        yield "\n".join(f"- `{name}`: {plain(text)}" for name, _, text in entries)


def parameters(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the arguments of a function as they are written, the bare star included."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = [None] * (len(positional) - len(arguments.defaults))
    for argument, default in zip(positional, [*missing, *arguments.defaults], strict=True):
        yield declaration(argument.arg, argument.annotation, default)
    if arguments.vararg:
        yield "*" + declaration(arguments.vararg.arg, arguments.vararg.annotation, None)
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield declaration(argument.arg, argument.annotation, default)
    if arguments.kwarg:
        yield "**" + declaration(arguments.kwarg.arg, arguments.kwarg.annotation, None)


def declaration(name: str, annotation: ast.expr | None, default: ast.expr | None) -> str:
    """Return a name with its type and its default."""
    typed = f"{name}: {ast.unparse(annotation)}" if annotation else name
    return f"{typed} = {ast.unparse(default)}" if default else typed


def signature(function: ast.FunctionDef) -> str:
    """Return the first lines of a function, one argument on a line where they are many."""
    result = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    single = list(parameters(function))
    one = f"{function.name}({', '.join(single)}){result}"
    if len(one) <= WIDTH:
        return one
    return f"{function.name}(\n" + "".join(f"    {argument},\n" for argument in single) + f"){result}"


def describe_function(definition: Definition, verb: str, titles: Titles) -> Iterator[str]:
    """Yield the chapter of a function."""
    assert isinstance(definition.node, ast.FunctionDef)  # noqa: S101
    yield f"### {titles[definition]}"
    yield f"`{definition.module.name}`" + (f", on the command line `ran-deploy {verb}`" if verb else "")
    yield f"```python\n{signature(definition.node)}\n```"
    yield from prose(definition.text)
    named = [link(titles[each]) for each in types_of(definition)]
    if named:
        yield f"Types: {', '.join(named)}"


def describe_type(definition: Definition, titles: Titles) -> Iterator[str]:
    """Yield the chapter of a class or of a name for a type."""
    yield f"### {titles[definition]}"
    yield f"`{definition.module.name}`"
    node = definition.node
    if isinstance(node, ast.Assign):
        yield f"```python\n{ast.unparse(node)}\n```"
    yield from prose(definition.text)
    if isinstance(node, ast.ClassDef):
        bases = [each for base in node.bases for name in names_in(base) if (each := definition.module.find(name))]
        if bases:
            yield f"Has all that {', '.join(link(titles[base]) for base in bases)} has."
        yield "\n".join([*(field_line(*each) for each in fields(node)), *map(method_line, methods(node))])
    named = [link(titles[each]) for each in types_of(definition, by_methods=False) if each in titles]
    if named:
        yield f"Types: {', '.join(named)}"


def link(title: str) -> str:
    """Return a link to the chapter of that title, as GitHub names its anchors."""
    return f"[{title}](#{re.sub(r'[^a-z0-9_]', '', title.lower())})"


def field_line(field: ast.AnnAssign, text: str) -> str:
    """Return one field of a class."""
    head = declaration(ast.unparse(field.target), field.annotation, field.value)
    return f"- `{head}` {plain(text)}".rstrip()


def method_line(method: ast.FunctionDef) -> str:
    """Return one method of a class, with the first paragraph of its docstring."""
    result = f" -> {ast.unparse(method.returns)}" if method.returns else ""
    arguments = ", ".join(each for each in parameters(method) if each not in ("self", "cls"))
    is_property = "property" in [ast.unparse(decorator) for decorator in method.decorator_list]
    head = f"{method.name}{result}" if is_property else f"{method.name}({arguments}){result}"
    return f"- `{head}` {plain((ast.get_docstring(method) or '').split(chr(10) * 2)[0])}".rstrip()


def make_titles(functions: Iterable[Definition], types: Iterable[Definition]) -> Titles:
    """Return a chapter's title for each: its name, and for a type that shares it with another also its file's."""
    counts = Counter(each.name.lower() for each in [*functions, *types])
    short = {each: f"{each.module.name.rpartition('.')[2]}.{each.name}" for each in types}
    return {
        **{each: name if counts[each.name.lower()] > 1 else each.name for each, name in short.items()},
        **{each: each.name for each in functions},
    }


def reference() -> str:
    """Return the text of docs/api.md."""
    panels = groups()
    homes = module(PACKAGE).constant("_HOMES")
    functions = {name: module(str(home)).definitions[name] for name, home in homes.items()}
    types = all_types(functions.values())
    titles = make_titles(list(functions.values()), types)
    rows = [f"| {panel} | {', '.join(map(link, names))} |" for panel, names in panels.items()]
    chapters = [_HEAD.rstrip(), "\n".join(["| | |", "|---|---|", *rows])]
    for panel, names in panels.items():
        chapters.append(f"## {panel}")
        for name, verb in names.items():
            chapters += describe_function(functions[name], verb, titles)
    chapters.append("## Types")
    for definition in types:
        chapters += describe_type(definition, titles)
    return "\n\n".join(chapter for chapter in chapters if chapter) + "\n"


if __name__ == "__main__":
    path = ROOT / "docs" / "api.md"
    path.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{path.relative_to(ROOT)} is written.\n")
