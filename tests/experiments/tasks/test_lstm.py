"""The LSTM against a step by hand, its gradients against those of the plain scan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.tasks.models.lstm import BLOCK, Layer, States, Weights, lstm
from tests.helpers import x64

G, T, B, D, H = 3, 2 * BLOCK + 8, 2, 5, 4  # blocks, and a part of one


def parts(dtype=np.float64):
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.normal(size=shape).astype(dtype)  # noqa: E731
  weights = Weights(draw(D, 4 * H), draw(H, 4 * H), draw(4 * H))
  return weights, draw(G, T, B, D), States(draw(G, B, H), draw(G, B, H))


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


# Of each group: none, one, whole blocks, parts of them, all; None makes all of all groups.
STEPS = [(0, 0, 0), (1, 0, T), (BLOCK, T - 3, BLOCK + 1), (T, 1, 0), None]


def wanted(steps):
  return (T,) * G if steps is None else steps


@pytest.mark.parametrize("steps", STEPS)
def test_against_a_step_by_hand(steps):
  """At least so many steps are made of each group; from the next whole block on all is 0."""
  weights, x, initial = parts()
  with x64():
    states = jax.jit(lstm)(weights, x, initial, steps and jnp.asarray(steps))
  for g, n in enumerate(wanted(steps)):
    made = min(T, -(-n // BLOCK) * BLOCK)
    theirs = by_hand(weights, x[g], States(*(s[g] for s in initial)), made)
    for our, their in zip(states, theirs, strict=True):
      assert our.dtype == np.float64
      np.testing.assert_allclose(our[g], their, rtol=1e-12)


def plain(weights, x, initial):
  """All groups side by side, all steps."""

  def step(states, x):
    i, f, g, o = jnp.split(x @ weights.x + states.h @ weights.h + weights.b[None, None], 4, -1)
    c = jax.nn.sigmoid(f) * states.c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return (States(jax.nn.sigmoid(o) * jnp.tanh(c), c),) * 2

  states = jax.lax.scan(step, initial, jnp.swapaxes(x, 0, 1))[1]
  return jax.tree.map(lambda s: jnp.swapaxes(s, 0, 1), states)


@pytest.mark.parametrize("steps", STEPS)
def test_gradients_are_those_of_the_plain_scan(steps):
  """From a function of all states that are wanted; of weights, inputs and initial states."""
  k = np.arange(G * T * B * H).reshape(G, T, B, H)
  used = np.arange(T)[None, :] < np.asarray(wanted(steps))[:, None]
  used = used[..., None, None]

  def value(states):
    return jnp.sum(used * jnp.sin(k) * states.h) + jnp.sum(used * jnp.cos(k) * states.c**2)

  with x64():
    steps = steps and jnp.asarray(steps)
    ours = jax.jit(jax.grad(lambda args, steps: value(lstm(*args, steps))))(parts(), steps)
    theirs = jax.jit(jax.grad(lambda args: value(plain(*args))))(parts())
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), ours, theirs
    )


def test_members_with_sequences_of_their_own():
  """Under vmap each member wants its own numbers of steps, and blocks none wants are skipped."""
  steps = jnp.asarray([[5, 0, BLOCK], [BLOCK + 2, 1, BLOCK]])
  weights, x, initial = jax.tree.map(jnp.asarray, parts(np.float32))

  def value(weights, steps):
    h = lstm(weights, x, initial, steps).h
    used = jnp.arange(T)[None, :] < steps[:, None]
    return jnp.sum(used[..., None, None] * h**2), h

  gradient = jax.grad(value, has_aux=True)
  together, h = jax.jit(jax.vmap(gradient, in_axes=(None, 0)))(weights, steps)
  for i in range(2):
    alone, _ = gradient(weights, steps[i])
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-5),  # noqa: B023
      together,
      alone,
    )
  for g, most in enumerate(steps.max(0)):
    made = -(-int(most) // BLOCK) * BLOCK
    assert np.all(h[:, g, :made])
    assert not np.any(h[:, g, made:])


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
