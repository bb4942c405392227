"""Groups of parameters, by the names on a path and by rank."""

import jax
import jax.numpy as jnp
import pytest

import grokfax
from grokfax.groups import GROUPS


@pytest.mark.parametrize(
  ("path", "rank", "group"),
  [
    ("lm_head/kernel", 2, "head"),
    ("head_0/kernel", 2, "head"),
    ("params/LMHead/kernel", 2, "head"),
    ("unembed/embedding", 2, "head"),
    ("unembedding/kernel", 2, "head"),
    ("head/bias", 1, "rest"),
    ("head/bias", 2, "rest"),
    ("Embed_0/embedding", 2, "embedding"),
    ("patch_embed/kernel", 4, "embedding"),
    ("wte", 2, "embedding"),
    ("wpe", 2, "positions"),
    ("positions/embedding", 2, "positions"),
    ("pos_embed", 3, "positions"),
    ("position_embeddings/weight", 2, "positions"),
    ("composition/kernel", 2, "matrices"),
    ("MultiHeadDotProductAttention_0/query/kernel", 3, "attention"),
    ("attention/query_proj/weight", 2, "attention"),
    ("blocks/0/qkv/kernel", 2, "attention"),
    ("layers/3/wq", 2, "attention"),
    ("attention/out/kernel", 3, "matrices"),
    ("monkey/kernel", 2, "matrices"),
    ("heads/0/kernel", 2, "matrices"),
    ("conv/kernel", 4, "matrices"),
    ("scale", 0, "rest"),
  ],
)
def test_the_group_of_a_path(path, rank, group):
  tree = jnp.ones((2,) * rank)
  for name in reversed(path.split("/")):
    tree = {name: tree}
  assert jax.tree.leaves(grokfax.parameter_groups(tree)) == [group]
  assert jax.tree.leaves(grokfax.parameter_groups({path: jnp.ones((2,) * rank)})) == [group]
  assert group in GROUPS


def test_shapes_are_enough():
  tree = {"embed": jnp.ones((3, 2)), "empty": jnp.ones((0, 2)), "none": None}
  shapes = jax.eval_shape(lambda: tree)
  assert grokfax.parameter_groups(shapes) == grokfax.parameter_groups(tree)
  assert grokfax.parameter_groups(tree) == {"embed": "embedding", "empty": "rest", "none": None}
