"""Muon by groups: against NumPy's singular vectors in float64, and formulas of rate and decay."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from grokfax.groups import GROUPS
from grokfax.muon import DECAYS, RATES
from tests.helpers import run

RNG = np.random.default_rng(0)
SHAPES = {
  "mlp": (6, 10), "query": (6, 2, 3), "embed": (7, 6), "wpe": (4, 6), "head": (6, 5), "scale": (6,)
}  # fmt: skip
GROUP = dict(zip(SHAPES, GROUPS, strict=True))
STILL = {"warmup_steps": 0, "rate_end": 1.0, "decay_end": 1.0}
NO_DECAY = {"decays": dict.fromkeys(GROUPS, 0.0)}


def arrays():
  return {name: jnp.asarray(RNG.normal(size=s), jnp.float32) for name, s in SHAPES.items()}


def updates_of(tx, gradients, params):
  return [jax.tree.map(np.float64, u) for u in run(tx, gradients, params)[0]]


def nearest_orthogonal(matrix):
  u, _, v = np.linalg.svd(np.float64(matrix), full_matrices=False)
  return u @ v


@pytest.mark.parametrize(("name", "rows"), [("mlp", 6), ("query", 6)])
def test_muon_s_groups_go_along_the_nearest_orthogonal_matrix(name, rows):
  """By how much differs with Newton and Schulz's iteration, a third at most."""
  params, g = arrays(), arrays()
  (update,) = updates_of(grokfax.grouped_muon(**STILL, **NO_DECAY), [g], params)
  ours = -update[name].reshape(rows, -1)
  theirs = nearest_orthogonal(g[name].reshape(rows, -1))
  scale = RATES[GROUP[name]] * (ours.shape[1] / rows) ** 0.5
  np.testing.assert_allclose(np.linalg.svd(ours)[1], scale, rtol=0.34)
  cosine = np.vdot(ours, theirs) / np.linalg.norm(ours) / np.linalg.norm(theirs)
  assert cosine > 0.98


def test_muon_looks_ahead_by_the_momentum():
  """Nesterov's: with weights 1 + β and 1 on two gradients, corrected for the bias."""
  params, g = arrays(), [arrays(), arrays()]
  beta = 0.5
  tx = grokfax.grouped_muon(momentum=beta, **STILL, **NO_DECAY)
  _, second = updates_of(tx, g, params)
  g0, g1 = (np.float64(each["mlp"]) for each in g)
  mean = beta * (1 - beta) * g0 + (1 - beta) * g1
  ahead = beta * mean / (1 - beta**3) + (1 - beta) * g1 / (1 - beta**2)
  cosine = -np.vdot(second["mlp"], nearest_orthogonal(ahead)) / (
    np.linalg.norm(second["mlp"]) * np.linalg.norm(nearest_orthogonal(ahead))
  )
  assert cosine > 0.98


@pytest.mark.parametrize("name", ["embed", "wpe", "head", "scale"])
def test_adamw_s_groups_take_a_step_of_their_rate(name):
  """Adam's first one with Nesterov's momentum is the sign times 1 + β₁ (1 - β₁) / (1 - β₁²)."""
  params, g, b1 = arrays(), arrays(), 0.8
  tx = grokfax.grouped_muon(b1=b1, **STILL, **NO_DECAY)
  (update,) = updates_of(tx, [g], params)
  ahead = b1 * (1 - b1) / (1 - b1**2) + (1 - b1) / (1 - b1)
  np.testing.assert_allclose(
    update[name], -RATES[GROUP[name]] * ahead * np.sign(g[name]), rtol=1e-4
  )


def test_decays_are_multiplied_by_their_group_s_rate():
  params = arrays()
  zeros = jax.tree.map(jnp.zeros_like, params)
  (update,) = updates_of(grokfax.grouped_muon(0.5, **STILL), [zeros], params)
  for name, group in GROUP.items():
    expected = -0.5 * RATES[group] * DECAYS[group] * np.float64(params[name])
    np.testing.assert_allclose(update[name], expected, rtol=1e-5, atol=1e-9)


def test_rates_and_decays_of_a_group_alone():
  params, g = arrays(), arrays()
  usual, other = (
    updates_of(tx, [g], params)[0]
    for tx in (
      grokfax.grouped_muon(),
      grokfax.grouped_muon(rates={"head": 2 * RATES["head"]}, decays={"positions": 0.0}),
    )
  )
  np.testing.assert_allclose(other["head"], 2 * usual["head"], rtol=1e-5)
  changed = {n for n in SHAPES if np.abs(other[n] - usual[n]).max() > 1e-9}
  assert changed == {"head", "wpe"}


def test_the_rate_rises_and_falls_and_the_decay_falls():
  """Of zero gradients only the decay is left: rate times decay, at each step."""
  params = arrays()
  zeros = jax.tree.map(jnp.zeros_like, params)
  settings = {"rate_steps": 8, "rate_end": 0.5, "decay_steps": 4, "decay_end": 0.25}
  tx = grokfax.grouped_muon(
    optax.constant_schedule(0.5), decays={"embedding": 2.0}, warmup_steps=3, **settings
  )
  state, found = tx.init(params), []
  for _ in range(12):
    update, state = tx.update(zeros, state, params)
    found.append(float(-update["embed"][0, 0] / params["embed"][0, 0]))
  step = np.arange(12)
  rate = (
    0.5 * RATES["embedding"] * np.minimum(1, (step + 1) / 4) * np.interp(step, [0, 8], [1, 0.5])
  )
  np.testing.assert_allclose(found, rate * 2.0 * np.interp(step, [0, 4], [1, 0.25]), rtol=1e-5)


def test_axes_of_one_s_own():
  """With rows and columns exchanged the update is the transpose's."""
  params, g = arrays(), arrays()
  swapped = lambda tree: jax.tree.map(lambda w: jnp.swapaxes(w, 0, -1), tree)  # noqa: E731
  own = lambda tree: jax.tree.map(  # noqa: E731
    lambda w: optax.contrib.MuonDimensionNumbers(w.ndim - 1, tuple(range(w.ndim - 1))), tree
  )
  (update,) = updates_of(grokfax.grouped_muon(**NO_DECAY), [g], params)
  tx = grokfax.grouped_muon(**NO_DECAY, dimension_numbers=own)
  (other,) = updates_of(tx, [swapped(g)], swapped(params))
  np.testing.assert_allclose(other["mlp"], update["mlp"].T, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
  ("given", "message"),
  [
    ({"learning_rate": "high"}, "learning_rate must be a finite number"),
    ({"dimension_numbers": {"mlp": 1}}, "dimension_numbers must be a function"),
    ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
    ({"b2": -0.1}, r"b2 must be in \[0, 1\)"),
    ({"rate_end": -1.0}, "rate_end must be a finite number >= 0"),
    ({"rates": {"heads": 0.1}}, "rates must be of matrices, attention, .*; got 'heads'"),
    ({"decays": {"head": -0.1}}, r"decays\['head'\] must be a finite number >= 0"),
  ],
)
def test_bad_arguments(given, message):
  with pytest.raises(ValueError, match=message):
    grokfax.grouped_muon(**given)


def test_members_have_rates_of_their_own():
  """Under vmap each gives what it gives alone."""
  params, g = arrays(), arrays()

  def update(rate, momentum):
    tx = grokfax.grouped_muon(rate, rates={"head": rate}, momentum=momentum)
    return tx.update(g, tx.init(params), params)[0]

  rates, momenta = jnp.asarray([0.5, 2.0]), jnp.asarray([0.3, 0.9])
  together = jax.vmap(update)(rates, momenta)
  for i in range(2):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6),
      jax.tree.map(lambda leaf, i=i: leaf[i], together),
      update(rates[i], momenta[i]),
    )
