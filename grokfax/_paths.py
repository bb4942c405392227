"""Paths: the names on the way to a leaf, in whichever framework's tree."""

import re
from collections.abc import Callable, Iterable
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
  return [name for part in parts for name in _parts(str(part))]


def shown(names: Iterable[str]) -> str:
  """Names for an error message: dense/bias."""
  return "/".join(names) or "(no path)"


def flatten(tree: Any) -> dict[tuple[str, ...], Any]:
  """The leaves of a tree by the names on their paths."""
  return {names_of(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def map_with_names(function: Callable[[tuple[str, ...], Any, Any], Any], tree: Any) -> Any:
  """`function(names, path, leaf)` for each leaf of a tree, in its structure.

  A node that carries its own name (a parameter of penzai, a variable of Keras) is called by it.
  """

  def node(path, node):
    own = _own_name(node)
    if own is None:
      return function(names_of(path), path, node)
    return jax.tree.map(lambda leaf: function(tuple(_parts(own)), path, leaf), node)

  is_named = lambda node: _own_name(node) is not None  # noqa: E731
  return jax.tree_util.tree_map_with_path(node, tree, is_leaf=is_named)


def _own_name(node: Any) -> str | None:
  names = (getattr(node, field, None) for field in ("label", "path"))
  own = next((name for name in names if isinstance(name, str)), None)
  return own if own is not None and hasattr(node, "value") else None


def _parts(name: str) -> list[str]:
  return [part for part in re.split(r"[/.]", name) if part]
