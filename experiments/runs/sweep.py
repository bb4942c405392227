"""Many settings at once: the product of all that is given more than once."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from experiments.fields import UsageError, flag
from experiments.runs.settings import Settings, make

LARGEST = 10_000  # members


def expand(task: str, given: Mapping[str, Any], seeds: int) -> list[Settings]:
  """The product of all that is given more than once, all of the first seed first.

  Args:
    task: its name.
    given: values, or sequences of values, by name.
    seeds: how many, from 0.

  Raises:
    UsageError: says what is allowed.
  """
  several = {n: v for n, v in given.items() if isinstance(v, list | tuple)}
  common = {n: v for n, v in given.items() if n not in several}
  size = seeds
  for name, values in several.items():
    if len(set(values)) < len(values):
      raise UsageError(f"{flag(name)} has one of {', '.join(map(str, values))} twice.")
    size *= len(values)
  if size > LARGEST:
    raise UsageError(f"a sweep has at most {LARGEST:,} members; these are {size:,}.")
  return [
    make(task, seed=seed, **common, **dict(zip(several, product, strict=True)))
    for seed in range(seeds)
    for product in itertools.product(*several.values())
  ]


def common_and_own(members: Sequence[Settings]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
  """What all members have in common, and of each what they have not."""
  kept = [member.kept() for member in members]
  common = {n: v for n, v in kept[0].items() if all(n in k and k[n] == v for k in kept)}
  return common, [{n: v for n, v in k.items() if n not in common} for k in kept]


def grouped(members: Iterable[Settings], key: Callable[[Settings], Any]) -> dict[Any, list[int]]:
  """Positions of the members with the same key."""
  groups: dict[Any, list[int]] = {}
  for index, member in enumerate(members):
    groups.setdefault(key(member), []).append(index)
  return groups


def program_of(settings: Settings) -> tuple[Any, ...]:
  """What members of one compiled program have in common: all but numbers, data and seed."""
  numbers = settings.of_kind("number")
  given = tuple(name for name, value in numbers.items() if value is not None)
  return (tuple(settings.of_kind("model", "shape", "length").items()), given)
