"""Resets: the state from then on is that of a run that begins there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.cases import CASES, FILTERS
from tests.helpers import copies_and_scatters, run, temporary_bytes
from tests.test_windows import weights_at

G = [jnp.asarray(g, jnp.float32) for g in np.random.default_rng(0).normal(size=(20, 3))]


@pytest.mark.parametrize("name", [*FILTERS, "ma_blocks"])
def test_a_filter_begins_anew(name):
  case = CASES[name]
  first = 6 if name == "ma_blocks" else 7  # at the beginning of a block
  updates, _ = run(grokfax.reset_when(case.make(), grokfax.from_step(first)), G)
  before, _ = run(case.make(), G[:first])
  after, _ = run(case.make(), G[first:])
  np.testing.assert_allclose(updates, before + after, rtol=1e-5, atol=1e-6)


def test_a_whole_optimizer_begins_anew_and_with_it_its_schedule():
  tx = optax.adam(optax.linear_schedule(0.1, 0.0, 10))
  ours, _ = run(grokfax.reset_when(tx, grokfax.from_step(5)), G)
  np.testing.assert_allclose(ours, run(tx, G[:5])[0] + run(tx, G[5:])[0], rtol=1e-6)


def test_at_each_step_at_which_the_condition_comes_to_hold():
  accuracy = jnp.asarray([0.2, 0.9, 0.95, 0.3, 0.9, 0.9] + [0.1] * 14)
  when = grokfax.metric_at_least("train_accuracy", 0.5)
  tx = grokfax.grokfast_ema(0.9, 1.0)
  ours, _ = run(grokfax.reset_when(tx, when), G, train_accuracy=accuracy)
  parts = [run(tx, part)[0] for part in (G[:1], G[1:4], G[4:])]
  np.testing.assert_allclose(ours, [*parts[0], *parts[1], *parts[2]], rtol=1e-6)
  ours, _ = run(grokfax.reset_when(tx, grokfax.latched(when)), G, train_accuracy=accuracy)
  np.testing.assert_allclose(ours, run(tx, G[:1])[0] + run(tx, G[1:])[0], rtol=1e-6)


def test_in_the_middle_of_a_block_the_average_is_of_what_came_since():
  tx = grokfax.grokfast_ma(6, 1.0, blocks=2, warmup=False)
  ours, _ = run(grokfax.reset_when(tx, grokfax.from_step(7)), G)
  for t in range(7, len(G)):
    weights = weights_at(t, 6, 2)[: t - 6]
    average = np.average(G[t - len(weights) + 1 : t + 1][::-1], axis=0, weights=weights)
    np.testing.assert_allclose(ours[t], G[t] + average, rtol=1e-5)


def test_a_condition_that_holds_from_the_first_step_on_changes_nothing():
  tx = grokfax.grokfast_ma(3)
  ours, _ = run(grokfax.reset_when(tx, grokfax.from_step(0)), G)
  np.testing.assert_array_equal(ours, run(tx, G)[0])


@pytest.mark.parametrize("name", ["ema", "ma", "ma_blocks", "fir"])
def test_under_vmap_each_member_has_its_own(name):
  """The ring's clock stays one for all, as `unbatched_fields` says."""
  tx = grokfax.reset_when(CASES[name].make(), grokfax.metric_at_least("accuracy", 0.5))
  resets = np.array([6, 12])  # at the beginning of a block
  gradients = jnp.stack(G)
  state = tx.init(gradients[0])

  def axis(node):
    shared = getattr(node, "unbatched_fields", ())
    return type(node)(*(None if field in shared else 0 for field in node._fields))

  inner = axis(state.inner_state)
  axes = grokfax.ResetState(0, 0, 0, inner)

  def train(state, first):
    def step(state, g_and_step):
      g, step = g_and_step
      u, state = tx.update(g, state, accuracy=jnp.where(step < first, 0.0, 1.0))
      return state, u

    return jax.lax.scan(step, state, (gradients, jnp.arange(len(G))))

  begin = jax.vmap(lambda _: tx.init(gradients[0]), out_axes=axes)(resets)
  _, together = jax.vmap(train, in_axes=(axes, 0), out_axes=(axes, 0))(begin, resets)
  for ours, first in zip(together, resets, strict=True):
    bare = CASES[name].make()
    alone = run(bare, G[:first])[0] + run(bare, G[first:])[0]
    np.testing.assert_allclose(ours, jnp.stack(alone), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("fused_as_for_users")
def test_a_window_is_not_copied_at_every_step():
  tx = grokfax.reset_when(grokfax.grokfast_ma(100), grokfax.from_step(500))
  params = jnp.zeros((64, 32))

  def train(params, state, data):
    def step(carry, x):
      params, state = carry
      updates, state = tx.update(params * x, state, params)
      return (params - 0.1 * updates, state), None

    return jax.lax.scan(step, (params, state), data)[0]

  compiled = (
    jax.jit(train, donate_argnums=(0, 1)).lower(params, tx.init(params), jnp.zeros(300)).compile()
  )
  assert copies_and_scatters(compiled.as_text(), (100, 64, 32)) == []
  assert temporary_bytes(compiled) < 12 * params.nbytes


def test_without_parameters_the_updates_stand_for_them():
  tx = grokfax.reset_when(grokfax.grokfast_ema(0.5, 1.0), grokfax.from_step(1))
  g = {"w": jnp.ones(3, jnp.bfloat16)}
  state = tx.init(g)
  for _ in range(3):
    updates, state = tx.update(g, state)
    np.testing.assert_array_equal(updates["w"].astype(jnp.float32), 2.0)
