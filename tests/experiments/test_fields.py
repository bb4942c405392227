"""Settings as fields: what is taken, what is refused, and in which type."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.fields import (
  FINITE,
  FRACTION,
  INSIDE,
  NOT_NEGATIVE,
  POSITIVE,
  UsageError,
  as_path,
  between,
  fields_of,
  flag,
  one_of,
  part,
  setting,
)

INFINITE = (math.inf, -math.inf, math.nan)


@dataclasses.dataclass(frozen=True)
class All:
  """A field of each type and range."""

  count: int = setting(3, "shape", "a count", between(1, 10))
  any_number: float = setting(0.5, "number", "any")
  finite: float = setting(0.5, "number", "no infinity", FINITE)
  positive: float = setting(0.5, "number", "above 0", POSITIVE)
  not_negative: float = setting(0.5, "number", "0 too", NOT_NEGATIVE)
  fraction: float = setting(0.5, "number", "a decay", FRACTION)
  inside: float = setting(0.5, "number", "neither 0 nor 1", INSIDE)
  truth: bool = setting(False, "model", "a truth")
  name: str = setting("adam", "shape", "a name", one_of("adam", "adamw"))
  word: str = setting("a", "data", "any word")
  folder: Path | None = setting(None, "place", "a folder")
  limit: int | None = setting(None, "length", "a limit", between(0, 10))


FIELDS = fields_of(All)

TAKEN = [
  ("count", 1, 1),
  ("count", 10, 10),
  ("count", np.int64(4), 4),
  ("count", np.uint8(4), 4),
  ("any_number", math.inf, math.inf),
  ("any_number", 2, 2.0),
  ("finite", -1e300, -1e300),
  ("positive", 5e-324, 5e-324),
  ("positive", np.float32(0.5), 0.5),
  ("positive", np.int32(2), 2.0),
  ("not_negative", 0, 0.0),
  ("fraction", 0, 0.0),
  ("fraction", 0.999, 0.999),
  ("inside", 1e-9, 1e-9),
  ("truth", True, True),
  ("name", "adamw", "adamw"),
  ("word", "", ""),
  ("folder", "a/b", Path("a/b")),
  ("folder", Path("a"), Path("a")),
  ("folder", None, None),
  ("limit", 0, 0),
  ("limit", None, None),
]


@pytest.mark.parametrize(("name", "value", "expected"), TAKEN)
def test_taken_in_its_type(name, value, expected):
  """Python's own types, so that the settings can be written as JSON."""
  taken = FIELDS[name].checked(value)
  assert taken == expected
  assert type(taken) is type(expected)


REFUSED = [
  *(("count", v) for v in (0, 11, 2.0, 2.5, True, "3", None, np.float64(3), np.bool_(True), [3])),
  *(("count", v) for v in INFINITE),
  *(("any_number", v) for v in (True, "0.5", None, 1j, np.bool_(False), [0.5])),
  *(("finite", v) for v in INFINITE),
  *(("positive", v) for v in (0, 0.0, -0.0, -1, *INFINITE)),
  *(("not_negative", v) for v in (-1, -1e-9, *INFINITE)),
  *(("fraction", v) for v in (1, 1.0, -0.1, *INFINITE)),
  *(("inside", v) for v in (0, 1, *INFINITE)),
  *(("truth", v) for v in (0, 1, "true", None)),
  *(("name", v) for v in ("Adam", "adam ", "", None, 3)),
  *(("word", v) for v in (3, None, b"a", Path("a"))),
  *(("folder", v) for v in (3, b"a", True)),
  *(("limit", v) for v in (-1, 11, False, 0.0, math.nan)),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=repr)
def test_refused_by_its_flag(name, value):
  with pytest.raises(UsageError) as refused:
    FIELDS[name].checked(value)
  line = str(refused.value)
  assert line.startswith(f"{flag(name)} ")
  assert str(value) in line
  assert "\n" not in line


def test_what_is_refused_is_one_line_whatever_it_holds():
  for value in ("a\nb", "a\0b", "a\r\nb"):
    with pytest.raises(UsageError) as refused:
      FIELDS["name"].checked(value)
    assert len(str(refused.value).splitlines()) == 1
    assert "\0" not in str(refused.value)


LIMITS = {
  "positive": lambda v: v > 0,
  "not_negative": lambda v: v >= 0,
  "fraction": lambda v: 0 <= v < 1,
  "inside": lambda v: 0 < v < 1,
  "finite": lambda v: True,
}


@given(st.sampled_from(sorted(LIMITS)), st.floats() | st.integers(-(10**6), 10**6))
def test_a_number_is_taken_where_it_is_in_its_range_and_nowhere_else(name, value):
  if math.isfinite(value) and LIMITS[name](value):
    taken = FIELDS[name].checked(value)
    assert type(taken) is float
    assert taken == value
  else:
    with pytest.raises(UsageError, match=flag(name)):
      FIELDS[name].checked(value)


ANYTHING = (
  st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
  | st.text() | st.binary() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers())
  | st.sampled_from([np.float32(0.5), np.int8(3), np.bool_(True), np.zeros(2), Path("a")])
)  # fmt: skip


@given(st.sampled_from(sorted(FIELDS)), ANYTHING)
def test_whatever_is_given_is_taken_in_the_type_or_is_a_usage_error(name, value):
  """And what was taken is taken again as it is."""
  field, line = FIELDS[name], ""
  taken = None
  try:
    taken = field.checked(value)
  except UsageError as refused:
    line = str(refused)
  if line:
    assert len(line.splitlines()) == 1
  elif taken is None:
    assert value is None
    assert field.optional
  else:
    assert isinstance(taken, field.type)
    again = field.checked(taken)
    assert again == taken or math.isnan(again)


def test_fields_of_a_dataclass():
  assert list(FIELDS) == [field.name for field in dataclasses.fields(All)]
  count, folder = FIELDS["count"], FIELDS["folder"]
  assert (count.type, count.optional, count.default, count.kind) == (int, False, 3, "shape")
  assert (folder.type, folder.optional, folder.default, folder.kind) == (Path, True, None, "place")
  assert All() == All(count=3)


def _with(field: Any) -> type:
  return dataclasses.make_dataclass("Own", [("width", int, field)], frozen=True)


@pytest.mark.parametrize(
  "field",
  [
    dataclasses.field(default=3),
    dataclasses.field(default=3, metadata={"help": "a width"}),
    dataclasses.field(default=3, metadata={"kind": "model"}),
  ],
)
def test_a_field_without_a_kind_is_refused(field):
  with pytest.raises(TypeError, match=r"Own\.width"):
    fields_of(_with(field))


def test_a_part_of_other_values():
  values = {name: field.default for name, field in FIELDS.items()} | {"count": 7, "foreign": 1}
  assert part(All, values) == All(count=7)
  with pytest.raises(KeyError, match="count"):
    part(All, {"foreign": 1})


def test_a_path_is_what_a_shell_user_expects(monkeypatch, tmp_path):
  monkeypatch.setenv("HOME", str(tmp_path))
  assert as_path("~/runs/x") == tmp_path / "runs" / "x"
  assert as_path("runs/~x") == Path("runs/~x")
  assert as_path("") is None
  assert as_path("~nobody-at-all/x") is None
