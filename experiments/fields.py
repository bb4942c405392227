"""A setting: its default, kind, range and help, all in one field of a frozen dataclass.

    @dataclasses.dataclass(frozen=True)
    class Ema:
      alpha: float = setting(0.98, "number", "decay of the average", FRACTION)

What *kind* a setting is stands here and in no list elsewhere:

* `number`: enters the compiled program as an argument; many values share one program;
* `data`: changes what is in the data, not its shape;
* `model`, `shape`: another program;
* `seed`: of the run; runs that differ in it alone are one setting;
* `length`: when the run ends, which is no part of what is compared;
* `place`: where and how it runs; the result is the same.
"""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

T = TypeVar("T")
Kind = Literal["data", "model", "number", "shape", "seed", "length", "place"]


class UsageError(Exception):
  """What a user asked for cannot be done; the message is one line that says what can."""

  def __init__(self, message: str):
    super().__init__(" ".join(message.replace("\0", "").splitlines()))  # whatever a value holds


class Range(NamedTuple):
  """Allowed values.

  Attributes:
    text: stands after "must be".
    holds: whether a value of the setting's type is one of them.
    choices: all of them, where they are words.
  """

  text: str
  holds: Callable[[Any], bool]
  choices: tuple[str, ...] = ()


ANY = Range("anything", lambda v: True)
FINITE = Range("a finite number", lambda v: math.isfinite(v))
POSITIVE = Range("above 0 and finite", lambda v: 0 < v < math.inf)
NOT_NEGATIVE = Range("finite and at least 0", lambda v: 0 <= v < math.inf)
FRACTION = Range("in [0, 1)", lambda v: 0 <= v < 1)
SHARE = Range("between 0 and 1, or one of them", lambda v: 0 <= v <= 1)
INSIDE = Range("between 0 and 1", lambda v: 0 < v < 1)


def between(low: int, high: int) -> Range:
  """Whole numbers from `low` to `high`, both included.

  >>> between(2, 1000).text
  'from 2 to 1,000'
  """
  return Range(f"from {low:,} to {high:,}", lambda v: low <= v <= high)


def one_of(*choices: str) -> Range:
  """One of some words.

  >>> one_of("adam", "adamw").text
  'one of adam, adamw'
  """
  return Range(f"one of {', '.join(choices)}", lambda v: v in choices, choices)


def setting(
  default: Any, kind: Kind, help: str, allowed: Range = ANY, only: tuple[str, ...] = ()
) -> Any:
  """A field of a frozen dataclass; None as the default lets it be left out.

  `only` names another setting, then those of its values with which this one has a meaning.
  """
  metadata = {"kind": kind, "help": help, "allowed": allowed, "only": only}
  return dataclasses.field(default=default, metadata=metadata)


def flag(name: str) -> str:
  """A setting's flag on the command line.

  >>> flag("weight_decay")
  '--weight-decay'
  """
  return "--" + name.replace("_", "-")


class Field(NamedTuple):
  """A setting as the code reads it off its dataclass; see `setting`."""

  name: str
  type: type
  optional: bool
  default: Any
  kind: Kind
  help: str
  allowed: Range
  only: tuple[str, ...]

  def has_meaning(self, values: Mapping[str, Any]) -> bool:
    """Whether a run with these values looks at the setting."""
    return not self.only or values[self.only[0]] in self.only[1:]

  def checked(self, value: Any) -> Any:
    """The value in the setting's type.

    Raises:
      UsageError: for another type, or a value out of its range.
    """
    if value is None and self.optional:
      return None
    converted = _converted(self.type, value)
    if converted is None or not self.allowed.holds(converted):
      wanted = self.allowed.text if self.allowed is not ANY else _NAMES[self.type]
      if self.type is int and isinstance(value, float):
        wanted = f"a whole number, {wanted}"
      raise UsageError(f"{flag(self.name)} must be {wanted}; got {value}.")
    return converted


_NAMES = {
  int: "a whole number",
  float: "a number",
  bool: "true or false",
  str: "a word",
  Path: "a path",
}


def _converted(type_: type, value: Any) -> Any:
  """`value` as a `type_`; None where it is of another type."""
  if type_ is bool:
    return value if isinstance(value, bool) else None
  if isinstance(value, bool):
    return None
  if type_ is int:
    return int(value) if isinstance(value, numbers.Integral) else None
  if type_ is float:
    return float(value) if isinstance(value, numbers.Real) else None
  if type_ is Path:
    return as_path(value) if isinstance(value, str | Path) else None
  return value if isinstance(value, type_) else None


def as_path(value: str | Path) -> Path | None:
  """A path as a shell would take it, ~ the home folder; None for an empty one, or no one's home."""
  try:
    return Path(value).expanduser() if str(value) else None
  except RuntimeError:
    return None


def fields_of(dataclass: type) -> dict[str, Field]:
  """The settings of a dataclass by name.

  Raises:
    TypeError: for a field that `setting` did not make.
  """
  hints = typing.get_type_hints(dataclass)
  found = {}
  for field in dataclasses.fields(dataclass):
    if field.metadata.keys() != {"kind", "help", "allowed", "only"}:
      raise TypeError(f"{dataclass.__name__}.{field.name} needs a kind: write it as setting(...).")
    hint = hints[field.name]
    optional = isinstance(hint, types.UnionType)
    if optional:
      (hint,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
    found[field.name] = Field(field.name, hint, optional, field.default, **field.metadata)
  return found


def part(dataclass: type[T], values: Mapping[str, Any]) -> T:
  """An instance of a settings dataclass from a mapping that has its values among others."""
  return dataclass(**{name: values[name] for name in fields_of(dataclass)})
