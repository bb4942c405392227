"""Masks: what each framework calls a bias, and trees of bools of every kind."""

import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from flax import nnx
from flax.core import FrozenDict

import grokfax
from tests.helpers import run

W, B = jnp.ones((2, 3)), jnp.ones(3)


class Dense(NamedTuple):
  weight: jax.Array
  bias: jax.Array


# Each a tree of one matrix and one bias, as a framework has them.
TREES = {
  "Flax": {"params": {"Dense_0": {"kernel": W, "bias": B}}},
  "FrozenDict": FrozenDict({"Dense_0": {"kernel": W, "bias": B}}),
  "Haiku": {"mlp/~/linear": {"w": W, "b": B}},
  "Haiku's normalisation": {"layer_norm": {"scale": W, "offset": B}},
  "attributes": {"layer": Dense(W, B)},
  "stax": [(W, B), ()],
  "stax's convolution": [(jnp.ones((3, 3, 2, 4)), jnp.ones((1, 1, 1, 4)))],
  "by hand": {"W1": W, "b1": B},
  "torch": {"attention.in_proj_weight": W, "attention.in_proj_bias": B},
  "torch's recurrence": {"weight_hh_l0": W, "bias_hh_l0": B},
  "Equinox's recurrence": {"weight_hh": W, "bias_n": B},
  "Keras": {"sequential/dense/kernel": W, "sequential/dense/bias": B},
  "Keras' normalisation": {"layer_normalization/gamma": W, "layer_normalization/beta": B},
  "one key": {"dense/kernel": W, "dense/bias": B},
  "dots": {"dense.kernel": W, "dense.bias": B},
  "tuples": {("dense", "kernel"): W, ("dense", "bias"): B},
  "a list below": {"kernel": [W], "bias": [B]},
}


@pytest.mark.parametrize("name", TREES)
def test_not_bias(name):
  """The bias is the leaf of one axis, or with but one that is longer than 1."""
  tree = TREES[name]
  expected = jax.tree.map(lambda p: sum(n > 1 for n in p.shape) >= 2, tree)
  assert jax.tree.leaves(expected).count(False) == 1
  assert grokfax.not_bias(tree) == expected


@pytest.mark.parametrize("name", TREES)
def test_a_bias_does_not_move(name):
  """With zero gradients what moves is the penalty's own."""
  tree = TREES[name]
  tx = grokfax.delayed_compression(0.5, mask=grokfax.not_bias)
  updates, _ = tx.update(
    jax.tree.map(jnp.zeros_like, tree), tx.init(tree), tree, train_accuracy=1.0
  )
  bias, weights = sorted(jax.tree.leaves(updates), key=jnp.size)
  np.testing.assert_array_equal(bias, 0.0)
  np.testing.assert_array_equal(weights, 1.0)


def test_what_is_no_bias():
  for tree in ({"unbiased": W, "bond": W}, [W, W], [B, B], (W, B, B), {"value": W, "a": 1.0}):
    assert all(jax.tree.leaves(grokfax.not_bias(tree)))
  assert grokfax.not_bias(W) is True


def test_in_one_vector_it_says_what_it_cannot_tell(caplog):
  assert grokfax.not_bias(B) is True
  assert "optax.flatten" in caplog.text
  caplog.clear()
  with caplog.at_level(logging.DEBUG):
    assert grokfax.not_bias({"w": B}) == {"w": True}
  assert caplog.text == ""


@pytest.mark.parametrize("pure", [True, False])
def test_of_an_nnx_state(pure):
  state = nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
  mask = grokfax.not_bias(nnx.to_pure_dict(state) if pure else state)
  assert (mask if pure else nnx.to_pure_dict(mask)) == {"kernel": True, "bias": False}


def test_of_a_complex_leaf_in_two():
  """`split_real_and_imaginary` puts two arrays where one was."""
  tree = {"kernel": W.astype(complex), "bias": B.astype(complex)}
  seen = []

  def spy(params):
    seen.append(grokfax.not_bias(params))
    return seen[-1]

  tx = optax.contrib.split_real_and_imaginary(grokfax.frobenius_penalty(0.5, mask=spy))
  updates, _ = tx.update(jax.tree.map(jnp.zeros_like, tree), tx.init(tree), tree)
  np.testing.assert_array_equal(updates["bias"], 0.0)
  np.testing.assert_array_equal(updates["kernel"], tree["kernel"])


def test_by_path():
  params = {"embed": {"table": W}, "blocks": [{"w": W, "b": B}, {"w": W, "b": B}]}
  assert grokfax.by_path(r"^blocks/1/")(params) == {
    "embed": {"table": False},
    "blocks": [{"w": False, "b": False}, {"w": True, "b": True}],
  }
  names = grokfax.by_path(["b", "table"], matching=False)(params)
  assert names == {"embed": {"table": False}, "blocks": [{"w": True, "b": False}] * 2}


@pytest.mark.parametrize(("pattern", "shown"), [("^embd/", "'^embd/'"), (["v"], "['v']")])
def test_a_pattern_without_a_match_is_told_once(pattern, shown, caplog):
  params = {"embed": {"table": W}, "blocks": [{"w": W, "b": B}] * 3}
  mask = grokfax.by_path(pattern)
  for _ in range(2):
    assert not any(jax.tree.leaves(mask(params)))
  (line,) = caplog.messages
  paths = "blocks/0/b, blocks/0/w, blocks/1/b, blocks/1/w, blocks/2/b, ..."
  assert line == f"by_path: no path matches {shown}; there are {paths}."
  assert grokfax.by_path(pattern)({}) == {}
  grokfax.by_path("table", matching=False)(params)
  assert len(caplog.messages) == 1, "nothing hidden, or a match"


@pytest.mark.parametrize("pattern", ["(", [], [1], 3, None])
def test_bad_patterns(pattern):
  with pytest.raises(ValueError, match="pattern must be a regular expression, or a sequence"):
    grokfax.by_path(pattern)


def test_ndim_at_least():
  tree = {"kernel": W, "bias": B, "scale": jnp.ones([])}
  assert grokfax.ndim_at_least(2)(tree) == {"kernel": True, "bias": False, "scale": False}
  assert grokfax.ndim_at_least(1)(tree) == {"kernel": True, "bias": True, "scale": False}
  for n in (0, 1.5, True, "2"):
    with pytest.raises(ValueError, match="n must be a Python int >= 1"):
      grokfax.ndim_at_least(n)


PARAMS = {"dense": {"kernel": W, "bias": B}, "norm": {"scale": B}}
MASKS = {
  "not_bias": grokfax.not_bias,
  "by_path": grokfax.by_path(["bias"], matching=False),
  "tree": {"dense": {"kernel": True, "bias": False}, "norm": {"scale": True}},
  "prefix": {"dense": {"kernel": True, "bias": False}, "norm": True},
  "FrozenDict": FrozenDict({"dense": {"kernel": True, "bias": False}, "norm": True}),
  "NumPy": {"dense": {"kernel": np.True_, "bias": np.False_}, "norm": np.True_},
}
NAMED = {
  "adam_l2": lambda mask: grokfax.adam_l2(0.1, weight_decay=0.5, mask=mask),
  "grokfast_adam": lambda mask: grokfax.grokfast_adam(0.1, weight_decay=0.5, mask=mask),
  "grokfast_adamw": lambda mask: grokfax.grokfast_adamw(0.1, weight_decay=0.5, mask=mask),
  "grokfast_ma_adam": lambda mask: grokfax.grokfast_ma_adam(0.1, 2, weight_decay=0.5, mask=mask),
  "delayed_compression_adam": lambda mask: grokfax.delayed_compression_adam(0.1, mask=mask),
}


@pytest.mark.parametrize("params", [PARAMS, FrozenDict(PARAMS)], ids=["dict", "FrozenDict"])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("name", NAMED)
def test_named_optimizers_take_every_mask(name, mask, params):
  zeros = jax.tree.map(jnp.zeros_like, params)
  (updates,), _ = run(NAMED[name](mask), [zeros], params, train_accuracy=[1.0])
  moved = jax.tree.map(lambda u: bool(jnp.any(u != 0)), updates)
  assert dict(moved["dense"]) == {"kernel": True, "bias": False}
  assert dict(moved["norm"]) == {"scale": True}


def test_inside_a_partition():
  """Where a part has no leaves the mask may say more than there is."""
  tx = optax.partition(
    {"own": grokfax.frobenius_penalty(0.5, mask=MASKS["tree"]), "none": optax.identity()},
    {"dense": "own", "norm": "none"},
  )
  (updates,), _ = run(tx, [jax.tree.map(jnp.zeros_like, PARAMS)], PARAMS)
  np.testing.assert_array_equal(updates["dense"]["kernel"], W)
  np.testing.assert_array_equal(updates["norm"]["scale"], 0.0)


@pytest.mark.parametrize(
  "mask", [{"dense": True}, {"dense": True, "norm": 1.0}, {"dense": True, "norm": None}]
)
def test_a_mask_that_leaves_a_parameter_out(mask):
  tx = grokfax.frobenius_penalty(0.5, mask=mask)
  with pytest.raises(
    ValueError, match=r"of norm/scale it says (None|1\.0)\. The mask is .*, the"
  ) as e:
    tx.init(PARAMS)
  assert "\n" not in str(e.value)
