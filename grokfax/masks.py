"""Masks: which parameters a penalty or a weight decay acts on.

A mask is a function from the parameters to a tree of bools, as Optax has it, or such a tree.
These are functions that say the same thing in every framework: by the names on a leaf's path,
or by its number of axes.
"""

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grokfax import _arguments, _paths

Mask: TypeAlias = Any | Callable[[optax.Params], Any] | None

_BOOLS = (bool, np.bool_)
_log = logging.getLogger(__name__)
# Flax and PyTorch: bias, in_proj_bias, bias_hh; Equinox: bias_n; Haiku: b, offset; Keras: beta.
_BIAS = re.compile(r"(.*_)?bias(_.*|\d*)|b\d*|offset|beta")


def not_bias(params: optax.Params) -> Any:
  """A mask by path: True for every leaf that is no bias.

  A leaf is a bias if the last name on its path is ``bias``, begins with ``bias_`` or ends in
  ``_bias`` (Flax, Equinox, Keras, PyTorch), or is ``b`` or ``offset`` (Haiku), ``beta`` (Keras),
  or ``b1``, ``b2`` and so on. A path may be nested or one key, such as "dense/bias". Where there
  are no names, the bias is the second of a pair (W, b) whose sizes fit, as in stax. This is the
  fork's choice of what to penalise: it takes the matrices, and with them the embeddings and the
  scales of normalisation layers. For other names there is :func:`by_path`, and
  :func:`ndim_at_least`.

  Args:
    params: any tree. An array that is not in a tree has no path, and gets True; a line in
      the log says so if it has one axis, as within ``optax.flatten``.

  Returns:
    A tree of bools with the structure of ``params``.

  Examples:
    >>> import grokfax
    >>> grokfax.not_bias({"dense": {"kernel": 1.0, "bias": 2.0}})
    {'dense': {'bias': False, 'kernel': True}}
    >>> grokfax.not_bias({"linear": {"w": 1.0, "b": 2.0}, "layer_norm/offset": 3.0})
    {'layer_norm/offset': False, 'linear': {'b': False, 'w': True}}
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(params)
  shapes = {path: getattr(leaf, "shape", ()) for path, leaf in leaves}
  if len(shapes.get((), ())) == 1:
    _log.warning(
      "not_bias cannot tell weights from biases in an array of one axis without a path, and takes "
      "it for weights: if this is within optax.flatten, put the penalty outside of it."
    )

  def is_bias(names, path):
    if not path:
      return False
    if is_bias_name(names):
      return True
    *way, last = path
    if not isinstance(last, jax.tree_util.SequenceKey):
      return False
    weights = shapes.get((*way, jax.tree_util.SequenceKey(0)), ())
    pair = last.idx == 1 and (*way, jax.tree_util.SequenceKey(2)) not in shapes
    return pair and len(weights) >= 2 and weights[-1] == np.prod(shapes[path])

  return _paths.map_with_names(lambda names, path, _: not is_bias(names, path), params)


def is_bias_name(names: Sequence[str]) -> bool:
  """Whether the last name on a path, but for an index, is a bias's."""
  named = [name for name in names if not name.isdigit()]
  return bool(named) and _BIAS.fullmatch(named[-1]) is not None


def by_path(
  pattern: str | re.Pattern[str] | Sequence[str], *, matching: bool = True
) -> Callable[[optax.Params], Any]:
  """A mask by path: True for the leaves whose path matches.

  The path is the names from the root with "/" between them: "Dense_0/kernel", "layers/0/weight".
  Where no path matches, a line in the log says so, once, and names the first paths that there are.

  Args:
    pattern: a regular expression, searched for in the path; or a sequence of names, one of which
      is to be the last on the path.
    matching: if False, it is the other way round: True for those that do not match.

  Returns:
    A function from the parameters to a tree of bools.

  Raises:
    ValueError: if ``pattern`` is neither, or no regular expression.

  Examples:
    >>> import grokfax
    >>> params = {"embed": {"table": 1.0}, "head": {"w": 2.0, "b": 3.0}}
    >>> grokfax.by_path("^head/")(params)
    {'embed': {'table': False}, 'head': {'b': True, 'w': True}}
    >>> grokfax.by_path(["b", "table"], matching=False)(params)
    {'embed': {'table': False}, 'head': {'b': False, 'w': True}}
  """
  _arguments.check_choice("matching", matching, (True, False))
  regex, names = None, ()
  try:
    if isinstance(pattern, (str, re.Pattern)):
      regex = re.compile(pattern)
    else:
      names = tuple(pattern)
  except (re.error, TypeError):
    pass
  if regex is None and not (names and all(isinstance(name, str) for name in names)):
    raise ValueError(
      "pattern must be a regular expression, or a sequence of names; "
      f"got {_arguments.shown(pattern)}."
    )

  told: list[str] = []

  def mask(params):
    matched: dict[str, bool] = {}

    def chosen(own, path, leaf):
      del path, leaf
      found = bool(regex.search("/".join(own))) if regex else bool(own) and own[-1] in names
      matched[_paths.shown(own)] = found
      return found == matching

    tree = _paths.map_with_names(chosen, params)
    if matched and not any(matched.values()) and not told:
      more = ", ..." if len(matched) > 5 else ""
      there = f"{', '.join([*matched][:5])}{more}"
      told.append(f"by_path: no path matches {_arguments.shown(pattern)}; there are {there}.")
      _log.warning(*told)
    return tree

  return mask


def ndim_at_least(n: int) -> Callable[[optax.Params], Any]:
  """A mask by rank: True for the leaves of at least n axes.

  With 2 it takes the matrices and convolutions, and neither biases nor the scales of
  normalisation layers, whatever they are called. (Layers that are stacked, as by ``nn.scan``, have
  an axis more: there 3 does it, or :func:`by_path`.)

  Args:
    n: a Python int >= 1.

  Returns:
    A function from the parameters to a tree of bools.

  Raises:
    ValueError: if ``n`` is no int >= 1.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> grokfax.ndim_at_least(2)([(jnp.ones((2, 3)), jnp.ones(3))])
    [(True, False)]
  """
  _arguments.check_int("n", n, 1)
  return lambda params: jax.tree.map(lambda leaf: jnp.ndim(leaf) >= n, params)


def spread(mask: Mask, params: optax.Params) -> Any:
  """A bool for each parameter, in their own structure.

  A tree of bools is matched by the names on its paths: it may be a prefix, and of another kind of
  container than the parameters (a dict for a FrozenDict, a pure tree for an ``nnx.State``).

  Raises:
    ValueError: if the mask says nothing about a parameter, or something else than a bool.
  """
  if mask is None:
    return jax.tree.map(lambda _: True, params)
  tree = mask(params) if _is_function(mask) else mask
  given = _paths.flatten(tree)

  def leaf(path, _):
    names = _paths.names_of(path)
    prefixes = (names[:n] for n in range(len(names), -1, -1))
    found = next((given[p] for p in prefixes if p in given), None)
    if isinstance(found, _BOOLS):
      return bool(found)
    own, theirs = (_arguments.shown(jax.tree.structure(each)) for each in (tree, params))
    raise ValueError(
      f"a mask must say True or False of each parameter; of {_paths.shown(names)} it says "
      f"{_arguments.shown(found)}. The mask is {own}, the parameters are {theirs}."
    )

  return jax.tree_util.tree_map_with_path(leaf, params)


def as_function(mask: Mask) -> Callable[[optax.Params], Any] | None:
  """A mask for Optax's own transformations, which want a tree of the parameters' structure."""
  return None if mask is None else lambda params: spread(mask, params)


def _is_function(mask: Mask) -> bool:
  """A module of bools is a tree, though it can be called."""
  leaves = jax.tree.leaves(mask)
  return callable(mask) and not (leaves and all(isinstance(leaf, _BOOLS) for leaf in leaves))
