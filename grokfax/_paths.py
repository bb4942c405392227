"""Paths: the names on the way to a leaf, in whichever framework's tree."""

import re
from collections.abc import Iterable
from typing import Any

import jax

# What wraps an array and is no name of its own: boxes of Flax and penzai, a complex leaf in two.
_WRAPPERS = ("value", "raw_value", "real", "imaginary")


def names_of(path: Iterable[Any]) -> tuple[str, ...]:
  """The names on a path, from the root: "dense/bias", ("dense", "bias") and nested dicts alike.

  An attribute's name, a dict's key (one that holds a whole path is taken apart at "/" and "."), an
  index in a sequence as its digits. What wraps an array at the end is left out.
  """
  names = [name for entry in path for name in _names_of_entry(entry)]
  while len(names) > 1 and names[-1] in _WRAPPERS:
    names.pop()
  return tuple(names)


def _names_of_entry(entry: Any) -> list[str]:
  for field in ("key", "name", "idx"):
    if hasattr(entry, field):
      entry = getattr(entry, field)
      break
  parts = entry if isinstance(entry, tuple) else (entry,)
  return [name for part in parts for name in re.split(r"[/.]", str(part)) if name]


def shown(path: Iterable[Any]) -> str:
  """A path for an error message: dense/bias."""
  return "/".join(names_of(path)) or "the tree itself"


def flatten(tree: Any, is_leaf: Any = None) -> list[tuple[tuple[str, ...], Any]]:
  """The leaves of a tree, each after the names on its path."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf)
  return [(names_of(path), leaf) for path, leaf in leaves]
