"""The Frobenius penalty, and Delayed Compression."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import run

PARAMS = {
  "dense": {"kernel": jnp.asarray([[1.0, -2.0], [3.0, 0.5]]), "bias": jnp.asarray([4.0, 5.0])},
  "norm": {"scale": jnp.asarray([6.0]), "in_proj_bias": jnp.asarray([7.0])},
}
ZEROS = jax.tree.map(jnp.zeros_like, PARAMS)


def test_it_is_the_gradient_of_the_penalty():
  coefficient = 0.3

  def penalty(w):
    return coefficient * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(w))

  (updates,), _ = run(grokfax.frobenius_penalty(coefficient), [ZEROS], PARAMS)
  jax.tree.map(np.testing.assert_allclose, updates, jax.grad(penalty)(PARAMS))


def test_it_is_added_in_float32():
  """In bfloat16 2c·W would be rounded before it is added."""
  g, w = (jnp.asarray([v], jnp.bfloat16) for v in (-0.0390625, 3.9))
  (update,), _ = run(grokfax.frobenius_penalty(0.005003), [g], w)
  exact = float(g[0]) + 2 * 0.005003 * float(w[0])
  assert update.dtype == jnp.bfloat16
  np.testing.assert_array_equal(update, jnp.asarray([exact], jnp.bfloat16))
  naive = g + jnp.asarray(2 * 0.005003, jnp.bfloat16) * w
  assert naive[0] != update[0]  # so that this test can fail


def test_a_mask_by_path_bears_missing_gradients():
  tx = grokfax.frobenius_penalty(0.5, mask=grokfax.not_bias)
  (update,), _ = run(tx, [{**ZEROS, "norm": {"scale": None, "in_proj_bias": None}}], PARAMS)
  np.testing.assert_array_equal(update["dense"]["kernel"], PARAMS["dense"]["kernel"])
  assert update["norm"] == {"scale": None, "in_proj_bias": None}


def test_before_adam_it_is_coupled_weight_decay():
  """The fork's .01 is an L2 of .02."""
  g = [jax.tree.map(lambda w, i=i: jnp.sin(w + i), PARAMS) for i in range(5)]
  ours = optax.chain(grokfax.frobenius_penalty(0.01), optax.adam(0.1))
  theirs = optax.chain(optax.add_decayed_weights(0.02), optax.adam(0.1))
  a, b = run(ours, g, PARAMS)[0], run(theirs, g, PARAMS)[0]
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), a, b)


@pytest.mark.parametrize(
  ("mask", "penalised"),
  [
    (None, {"kernel", "bias", "scale", "in_proj_bias"}),
    (grokfax.not_bias, {"kernel", "scale"}),
    ({"dense": True, "norm": False}, {"kernel", "bias"}),
  ],
)
def test_masks(mask, penalised):
  (updates,), _ = run(grokfax.frobenius_penalty(0.5, mask=mask), [ZEROS], PARAMS)
  for path, update in jax.tree_util.tree_flatten_with_path(updates)[0]:
    w = PARAMS[path[0].key][path[1].key]
    np.testing.assert_allclose(update, w if path[1].key in penalised else jnp.zeros_like(w))


@pytest.mark.parametrize(("latch", "expected"), [(False, [0, 1, 0, 1]), (True, [0, 1, 1, 1])])
def test_delayed_compression_acts_from_the_threshold_on(latch, expected):
  tx = grokfax.delayed_compression(0.5, 0.99, latch=latch)
  updates, _ = run(tx, [ZEROS] * 4, PARAMS, train_accuracy=jnp.asarray([0.98, 0.99, 0.5, 1.0]))
  acted = [float(u["norm"]["scale"][0]) / 6.0 for u in updates]
  np.testing.assert_allclose(acted, expected)


def test_the_metric_may_have_another_name():
  tx = grokfax.delayed_compression(0.5, 0.9, metric="probe_accuracy")
  (update,), _ = run(tx, [ZEROS], PARAMS, probe_accuracy=jnp.asarray([1.0]))
  assert float(update["norm"]["scale"][0]) == 6.0


def test_a_schedule_counts_steps_from_0():
  tx = grokfax.frobenius_penalty(lambda step: 0.5 * step)
  updates, _ = run(tx, [jnp.zeros(1)] * 3, jnp.ones(1))
  np.testing.assert_allclose(np.stack(updates)[:, 0], [0, 1, 2])


@pytest.mark.parametrize(
  ("latch", "expected"), [(False, [0, 0, 1, 0, 0, 1, 2]), (True, [0, 0, 1, 2, 3, 4, 5])]
)
def test_in_a_gate_a_schedule_counts_from_the_opening(latch, expected):
  """0 at the first step that is open, whether it opens for the first time or again."""
  tx = grokfax.delayed_compression(lambda step: 0.5 * step, 0.99, latch=latch)
  accuracy = jnp.asarray([0.5, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0])
  updates, states = run(tx, [jnp.zeros(1)] * 7, jnp.ones(1), train_accuracy=accuracy)
  np.testing.assert_allclose(np.stack(updates)[:, 0], expected)
  assert int(states[-1].inner_state.penalty_step) == 7


def test_a_masked_schedule_counts_from_the_opening_too():
  tx = grokfax.delayed_compression(lambda step: 0.5 * (step + 1), 0.99, mask=grokfax.not_bias)
  accuracy = jnp.asarray([0.5, 1.0, 1.0])
  updates, _ = run(tx, [ZEROS] * 3, PARAMS, train_accuracy=accuracy)
  np.testing.assert_allclose([float(u["norm"]["scale"][0]) / 6 for u in updates], [0, 1, 2])
  assert not any(np.any(u["dense"]["bias"]) for u in updates)


def test_after_adam_it_is_decoupled_weight_decay():
  """Between Adam's scaling and the learning rate: AdamW's decay, of 2c."""
  g = [jax.tree.map(lambda w, i=i: jnp.sin(w + i), PARAMS) for i in range(5)]
  rate = optax.scale_by_learning_rate(0.1)
  ours = optax.chain(optax.scale_by_adam(), grokfax.frobenius_penalty(0.01), rate)
  a, b = run(ours, g, PARAMS)[0], run(optax.adamw(0.1, weight_decay=0.02), g, PARAMS)[0]
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)


def test_decoupled_compression():
  """Delayed Compression may stand there too, and its gate decides."""
  g = [jnp.ones(1)] * 2
  compression = grokfax.delayed_compression(0.25, 0.99)
  tx = optax.chain(optax.scale_by_adam(), compression, optax.scale_by_learning_rate(0.1))
  updates, _ = run(tx, g, jnp.full(1, 4.0), train_accuracy=jnp.asarray([0.5, 1.0]))
  np.testing.assert_allclose(np.stack(updates)[:, 0], [-0.1 * 1, -0.1 * (1 + 2)], rtol=1e-5)


def test_filter_then_penalty_differs_from_penalty_then_filter():
  """The order matters: a filter after the penalty amplifies the penalty too."""
  g, params = [jnp.ones(1)] * 3, jnp.ones(1)
  filter_, penalty = grokfax.grokfast_ema(0.9, 2.0), grokfax.frobenius_penalty(0.5)
  after, _ = run(optax.chain(filter_, penalty), g, params)
  before, _ = run(optax.chain(penalty, filter_), g, params)
  np.testing.assert_allclose(after[-1], 3 * 1 + 1, rtol=1e-6)
  np.testing.assert_allclose(before[-1], 3 * (1 + 1), rtol=1e-6)


def test_the_documented_order_is_that_of_the_named_chain():
  """Filter, penalty, optimizer: the penalty is not filtered, and Adam sees it."""
  g, params = [jnp.asarray([1.0, -1.0])] * 3, jnp.asarray([2.0, 0.5])
  ours = grokfax.grokfast_delayed_compression_adamw(0.1, 0.9, 2.0, 0.5, mask=None, weight_decay=0.0)
  chain = optax.chain(
    grokfax.grokfast_ema(0.9, 2.0), grokfax.frobenius_penalty(0.5), optax.adam(0.1, 0.9, 0.98)
  )
  a, _ = run(ours, g, params, train_accuracy=jnp.ones(3))
  b, _ = run(chain, g, params)
  np.testing.assert_allclose(np.stack(a), np.stack(b), rtol=1e-5)


def test_a_penalty_on_what_is_no_array():
  """What is penalised must be an array, and an error names it; the rest may be anything."""
  params = {"w": jnp.ones(2), "key": jax.random.key(0), "act": jnp.tanh}
  with pytest.raises(ValueError, match=r"^the parameter (act|key) must be an array of numbers"):
    grokfax.frobenius_penalty().init(params)
  tx = grokfax.frobenius_penalty(0.5, mask=grokfax.by_path(["w"]))
  grads = {"w": jnp.zeros(2), "key": None, "act": None}
  updates, _ = tx.update(grads, tx.init(params), params)
  np.testing.assert_array_equal(updates["w"], [1.0, 1.0])


def test_without_parameters_it_says_what_does_without():
  with pytest.raises(ValueError, match=r"needs the parameters.*filters alone"):
    grokfax.frobenius_penalty().update(jnp.ones(2), grokfax.frobenius_penalty().init(jnp.ones(2)))
