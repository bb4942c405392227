"""What several tests of the experiments use."""

import jax
import jax.numpy as jnp


def with_key_biases(change, tree):
  """The tree with `change` made to the biases of the keys, the middle third of qkv/bias."""

  def leaf(path, values):
    if "qkv/bias" not in jax.tree_util.keystr(path, simple=True, separator="/"):
      return values
    q, k, v = jnp.split(jnp.asarray(values), 3)
    return jnp.concatenate([q, change(k), v])

  return jax.tree_util.tree_map_with_path(leaf, tree)
