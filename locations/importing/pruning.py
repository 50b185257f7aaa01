"""Parse a mended object; an optional part that is wrong is left out rather than the whole lost."""

import re
from collections.abc import Collection
from typing import Any, TypeVar

from cpo_platform.common.shapes import Problem, Shape, ShapeError, parse
from locations.importing.reader import Path
from locations.importing.report import Note, Rule

ShapeT = TypeVar("ShapeT", bound=Shape)
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_ROUNDS = 20


def parse_leniently(
    shape: type[ShapeT], value: dict[str, Any], notes: list[Note], *, keep: Collection[str] = ()
) -> ShapeT:
    """Return `value` as `shape`, without the optional parts that are wrong; note each of them.

    Required fields and those in `keep` are never left out. `value` is changed.

    Raises:
        ShapeError: what is wrong cannot be left out.

    """
    locked = {name for name, field in shape.model_fields.items() if field.is_required()} | {*keep}
    pruner = _Pruner(value)
    for _round in range(_ROUNDS):
        try:
            parsed = parse(shape, value)
        except ShapeError as error:
            problems = [(path_of(problem), problem) for problem in error.problems]
            fatal = [problem for path, problem in problems if not path or path[0] in locked]
            if fatal:
                raise ShapeError(fatal) from error
            pruner.leave_out(problems)
        else:
            notes.extend(pruner.notes())
            return parsed
    raise ShapeError([Problem("", "has too many mistakes")])


def path_of(problem: Problem) -> Path:
    """Return `("evses", 0, "status")` for a problem at `evses[0].status`."""
    return tuple(name or int(position) for name, position in _PART.findall(problem.path))


def _position(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (0, part) for part in path)


class _Pruner:
    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value
        self._reasons: dict[Path, str] = {}
        self._gone: dict[Path, list[int]] = {}

    def leave_out(self, problems: list[tuple[Path, Problem]]) -> None:
        """Leave out, for each problem, the smallest part that holds it."""
        left: list[Path] = []
        # From the back, so that leaving out an entry does not move those still to come.
        for path, problem in sorted(problems, key=lambda item: _position(item[0]), reverse=True):
            if not any(path[: len(gone)] == gone for gone in left):
                left.append(self._leave_out_one(path, problem.reason))

    def _leave_out_one(self, path: Path, reason: str) -> Path:
        while not self._remove(path):
            # It is missing, or was left out before: the object that requires it has to go.
            earlier = self._reasons.get(self._original(path), reason)
            reason = f"{path[-1]} {earlier}"
            path = path[:-1]
        original = self._original(path)
        for inside in [known for known in self._reasons if known[: len(original)] == original]:
            del self._reasons[inside]
        self._reasons[original] = reason
        if isinstance(original[-1], int):
            self._gone.setdefault(original[:-1], []).append(original[-1])
        return path

    def _remove(self, path: Path) -> bool:
        parent: Any = self._value
        for part in path[:-1]:
            try:
                parent = parent[part]
            except (KeyError, IndexError, TypeError):
                return False
        try:
            del parent[path[-1]]
        except (KeyError, IndexError, TypeError):
            return False
        return True

    def _original(self, path: Path) -> Path:
        """Return the path as it is in the file: entries that are gone still count there."""
        original: Path = ()
        for part in path:
            if isinstance(part, int):
                for gone in sorted(self._gone.get(original, ())):
                    part += gone <= part  # noqa: PLW2901  the position moves with each one gone
            original = (*original, part)
        return original

    def notes(self) -> list[Note]:
        return [Note(path, Rule.PART, reason) for path, reason in self._reasons.items()]
