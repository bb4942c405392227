"""The LSTM against a step by hand, its gradients against those of the plain scan."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.tasks.models.lstm import BLOCK, Layer, States, Weights, lstm
from tests.helpers import x64

T, B, D, H = 2 * BLOCK + 8, 3, 5, 4  # blocks, and a part of one


def parts(dtype=np.float64):
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.normal(size=shape).astype(dtype)  # noqa: E731
  weights = Weights(draw(D, 4 * H), draw(H, 4 * H), draw(4 * H))
  return weights, draw(T, B, D), States(draw(B, H), draw(B, H))


def by_hand(weights, x, initial, steps):
  """The equations for a row and a unit at a time, gates in torch's order: i, f, g, o."""
  sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
  hs, cs = np.zeros((2, T + 1, B, H))
  hs[0], cs[0] = initial
  for t in range(steps):
    for b in range(B):
      for u in range(H):
        i, f, g, o = (
          x[t, b] @ weights.x[:, k * H + u] + hs[t, b] @ weights.h[:, k * H + u]
          + weights.b[k * H + u]
          for k in range(4)
        )  # fmt: skip
        cs[t + 1, b, u] = sigmoid(f) * cs[t, b, u] + sigmoid(i) * np.tanh(g)
        hs[t + 1, b, u] = sigmoid(o) * np.tanh(cs[t + 1, b, u])
  return hs[1:], cs[1:]


STEPS = [0, 1, BLOCK, BLOCK + 1, T - 3, T, None]


@pytest.mark.parametrize("steps", STEPS)
def test_against_a_step_by_hand(steps):
  """At least so many steps are made; from the next whole block on all is 0."""
  made = T if steps is None else min(T, -(-steps // BLOCK) * BLOCK)
  with x64():
    states = jax.jit(lstm)(*parts(), steps)
    for ours, theirs in zip(states, by_hand(*parts(), made), strict=True):
      assert ours.dtype == np.float64
      np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def plain(weights, x, initial, steps):
  def step(states, x):
    i, f, g, o = jnp.split(x @ weights.x + states.h @ weights.h + weights.b[None], 4, axis=-1)
    c = jax.nn.sigmoid(f) * states.c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return (States(jax.nn.sigmoid(o) * jnp.tanh(c), c),) * 2

  return jax.lax.scan(step, initial, x[:steps])[1]


@pytest.mark.parametrize("steps", STEPS)
def test_gradients_are_those_of_the_plain_scan(steps):
  """From a function of all states that are wanted; of weights, inputs and initial states."""
  wanted = T if steps is None else steps

  def value(layer, args, steps):
    h, c = layer(*args, steps)
    k = jnp.arange(wanted * B * H).reshape(-1, B, H)
    return jnp.sum(jnp.sin(k) * h[:wanted]) + jnp.sum(jnp.cos(k) * c[:wanted] ** 2)

  with x64():
    ours = jax.jit(jax.grad(functools.partial(value, lstm)))(parts(), steps)  # traced, or None
    theirs = jax.jit(jax.grad(lambda args: value(plain, args, wanted)))(parts())
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), ours, theirs
    )


def test_members_with_sequences_of_their_own():
  """Under vmap each member wants its own number of steps."""
  steps = jnp.asarray([5, T])
  weights, x, initial = jax.tree.map(jnp.asarray, parts(np.float32))

  def value(weights, steps):
    return jnp.sum(lstm(weights, x, initial, steps).h[steps - 1] ** 2)

  together = jax.jit(jax.vmap(jax.grad(value), in_axes=(None, 0)))(weights, steps)
  for i in range(2):
    alone = jax.grad(value)(weights, steps[i])
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-5),  # noqa: B023
      together,
      alone,
    )


def test_torchs_parameters():
  """Drawn from U(±1/√H), and two biases."""
  layer = Layer(64, 256, nnx.Rngs(0))
  for name, shape in (
    ("x", (64, 1024)),
    ("h", (256, 1024)),
    ("bias_x", (1024,)),
    ("bias_h", (1024,)),
  ):
    values = np.asarray(getattr(layer, name)[...])
    assert values.shape == shape
    assert 0.99 < np.abs(values).max() * 16 <= 1
    assert np.std(values) * 16 == pytest.approx(3**-0.5, rel=0.05)
  np.testing.assert_allclose(layer.weights().b, layer.bias_x[...] + layer.bias_h[...])
