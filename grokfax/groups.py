"""Groups of parameters: told by the names on a path and by rank, in whichever framework."""

import re
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from grokfax import _paths
from grokfax.masks import is_bias_name

GROUPS = ("matrices", "attention", "embedding", "positions", "head", "rest")

_HEAD = re.compile(r"(head|unembed|unembedding|readout|logits)(_?\d+)?(/|$)")
_POSITIONS = re.compile(r"(^|[/_])(pos(ition(al|s)?)?|wpe)([/_]|$)")
_EMBEDDING = re.compile(r"embed|(^|/)wte(/|$)")
_ATTENTION = re.compile(r"(^|[/_])(qkv|query|key|value|[qkv]_proj|w[qkv]|c_attn)([/_]|$)")


def parameter_groups(params: optax.Params) -> Any:
  """The group of each parameter: matrices, attention, embedding, positions, head or rest.

  Biases (see :func:`not_bias`), and what has less than two axes or no elements, are the rest:
  scales of normalisation layers, too. Of all else, by the names on the path,

  * the *head* has one that ends in ``head``, ``unembed``, ``unembedding``, ``readout`` or
    ``logits``: the last layer;
  * *positions* have ``pos``, ``position``, ``positional``, ``positions`` or ``wpe`` as a word;
  * an *embedding* has one with ``embed`` in it, or ``wte``;
  * *attention* is what makes queries, keys and values: ``qkv``, ``query``, ``key``, ``value``,
    ``q_proj``, ``wq`` and the like, ``c_attn``;
  * all others are *matrices*: of an MLP, a convolution, attention's output.

  Args:
    params: any tree of arrays, or of their shapes.

  Returns:
    A tree of the groups' names with the structure of ``params``: labels for ``optax.partition``.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> kernel, bias = jnp.ones((2, 2)), jnp.ones(2)
    >>> grokfax.parameter_groups({"embed": kernel, "attn": {"query": kernel, "out": kernel}})
    {'attn': {'out': 'matrices', 'query': 'attention'}, 'embed': 'embedding'}
    >>> grokfax.parameter_groups({"lm_head": {"kernel": kernel, "bias": bias}})
    {'lm_head': {'bias': 'rest', 'kernel': 'head'}}
  """
  return _paths.map_with_names(lambda names, _, leaf: _group_of(names, leaf), params)


def _group_of(names: Sequence[str], leaf: Any) -> str:
  path, shape = "/".join(names).lower(), jnp.shape(leaf)
  if len(shape) < 2 or 0 in shape or is_bias_name(names):
    return "rest"
  for group, pattern in (
    ("head", _HEAD),
    ("positions", _POSITIONS),
    ("embedding", _EMBEDDING),
    ("attention", _ATTENTION),
  ):
    if pattern.search(path):
      return group
  return "matrices"
