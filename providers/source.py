"""A YAML file as JSON values, with the line of each: only JSON's numbers, true, false and null are not text.

YAML 1.1 would read `16:9` as 969 and `no` as False. Problems are collected here and raised together.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from .errors import CatalogueError

Where = tuple[str | int, ...]
DEPTH = 40  # deeper than any catalogue; an anchor that holds itself would never end


class _JsonLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}


_JsonLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^null$"), ["n"])
_JsonLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), ["t", "f"])
_JsonLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(0|[1-9]\d*)$"), list("-0123456789"))
_JsonLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$"),
    list("-0123456789"),
)


class Source:
    """One catalogue file: its data, where each value stands, and what is wrong with it so far."""

    def __init__(self, file: Path, data: Any = None) -> None:
        self.file = file
        self.lines: dict[Where, int] = {(): 1}
        self.problems: list[tuple[int, str]] = []
        self.unsound: set[Where] = set()
        self.data: Any = self._read() if data is None else data

    def report(self, where: Where, problem: str, remedy: str) -> None:
        line = self.line(where)
        path = ".".join(map(str, where)) or "file"
        self.problems.append((line, f"{self.file}:{line}: {path}: {problem}. {remedy}."))

    def line(self, where: Where) -> int:
        return next(self.lines[where[:size]] for size in range(len(where), -1, -1) if where[:size] in self.lines)

    def sound(self, *where: str | int) -> bool:
        """No problem of shape at this place or below it, so that its meaning can be judged."""
        return not any(bad[: len(where)] == where for bad in self.unsound)

    def finish(self) -> None:
        if self.problems:
            raise CatalogueError("\n".join(text for _, text in sorted(set(self.problems))))

    def _read(self) -> Any:
        try:
            loader = _JsonLoader(self.file.read_text(encoding="utf-8"))
            root = loader.get_single_node()
            data = self._value(loader, root, ()) if root else {}
        except OSError as error:
            raise CatalogueError(f"{self.file}:1: file: cannot be read ({error.strerror}). Put it there.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
            why = getattr(error, "problem", None) or "is not UTF-8 text"
            raise CatalogueError(f"{self.file}:{line}: file: is not YAML: {why}. Correct that line.") from error
        if not isinstance(data, dict):
            raise CatalogueError(f"{self.file}:1: file: must be an object. Start with `slug: …`.")
        return data

    def _value(self, loader: Any, node: yaml.Node, where: Where) -> Any:
        self.lines.setdefault(where, node.start_mark.line + 1)
        if len(where) > DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=node.start_mark)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(loader, item, (*where, place)) for place, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._object(loader, node, where)
        return loader.construct_object(node)

    def _object(self, loader: Any, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=name.start_mark)
            below = (*where, name.value)
            self.lines[below] = name.start_mark.line + 1
            if name.value in found:
                self.report(below, "stands here twice", "Keep one of the two")
            found[name.value] = self._value(loader, value, below)
        return found
