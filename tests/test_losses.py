"""StableMax's cross entropy, against its definition in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grokfax import losses


def s(x):
  return np.where(x >= 0, x + 1, 1 / (1 - np.minimum(x, 0)))


def direct(z, y):
  """-log(s_y / Σ s), where the fraction's distance from 1 is summed first."""
  terms = s(z)
  right = np.take_along_axis(terms, y[:, None], axis=1)[:, 0]
  np.put_along_axis(terms, y[:, None], 0, axis=1)
  return np.log1p(terms.sum(1) / right)


def direct_gradient(z, y):
  slope = np.where(z >= 0, 1, s(z) ** 2)
  terms = s(z)
  total = slope / terms.sum(1, keepdims=True)
  own = np.zeros_like(z)
  right = np.take_along_axis(terms, y[:, None], axis=1)
  missing = 1 - right / terms.sum(1, keepdims=True)  # of the label's share
  label_slope = np.take_along_axis(slope, y[:, None], axis=1)
  np.put_along_axis(own, y[:, None], -label_slope / right * missing, axis=1)
  np.put_along_axis(total, y[:, None], 0, axis=1)
  return own + total


LOSS = jax.jit(losses.stablemax_cross_entropy)
GRADIENT = jax.jit(jax.grad(lambda z, y: losses.stablemax_cross_entropy(z, y).sum()))


def logits(seed, exponent):
  """Of all sizes up to 10**exponent, of both signs, and some 0."""
  rng = np.random.default_rng(seed)
  z = rng.choice([-1, 1], (40, 7)) * 10 ** rng.uniform(-6, exponent, (40, 7))
  z[rng.random(z.shape) < 0.05] = 0
  z = z.astype(np.float32)
  z[0], z[1] = -1e4, 1e4
  z[0, 0], z[1, 0] = 1e4, -1e4  # as right, and as wrong, as can be
  y = rng.integers(0, 7, 40)
  y[:2] = 0
  return z, y


@given(st.integers(0, 2**32 - 1), st.floats(-3, 4))
@example(0, 4.0)
def test_it_is_the_definition_within_a_millionth(seed, exponent):
  z, y = logits(seed, exponent)
  wide = z.astype(np.float64)
  np.testing.assert_allclose(LOSS(z, y), direct(wide, y), rtol=1e-6)
  # 1 - share has lost digits where the share is 1; the loss has not.
  tolerance = 1e-15 * np.abs(direct_gradient(wide, y)).max()
  np.testing.assert_allclose(GRADIENT(z, y), direct_gradient(wide, y), rtol=3e-6, atol=tolerance)


@pytest.mark.parametrize("size", [1e4, 1e18])
def test_gradients_are_finite_where_logits_are_huge(size):
  z = size * np.array([[1, -1, 0], [-1, 1, 1], [-1, -1, -1], [0, 0, 0]], np.float32)
  for label in range(3):
    y = np.full(4, label)
    assert np.isfinite(LOSS(z, y)).all()
    gradient = np.asarray(GRADIENT(z, y))
    assert np.isfinite(gradient).all()
    assert np.all(gradient[:, label] <= 0)


def test_where_the_softmax_ends():
  """A loss and a gradient are left, where those of the softmax are 0 in float32."""
  z, y = jnp.asarray([[200.0, 0.0, 0.0]]), jnp.asarray([0])
  softmax = jax.value_and_grad(lambda z: -jax.nn.log_softmax(z)[0, 0])(z)
  assert float(softmax[0]) == 0
  assert not np.any(softmax[1])
  np.testing.assert_allclose(LOSS(z, y), np.log1p(2 / 201), rtol=1e-6)
  assert np.all(np.asarray(GRADIENT(z, y)) != 0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_narrow_logits_are_widened(dtype):
  z = jnp.asarray([[3.0, -1.5, 0.25]], dtype)
  loss = losses.stablemax_cross_entropy(z, jnp.asarray([2]))
  assert loss.dtype == jnp.float32
  np.testing.assert_allclose(loss, direct(np.asarray(z, np.float64), np.array([2])), rtol=1e-6)


def test_any_axes_before_the_classes():
  z = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
  y = np.arange(6).reshape(2, 3) % 5
  flat = LOSS(z.reshape(6, 5), y.reshape(6))
  np.testing.assert_allclose(LOSS(z, y), flat.reshape(2, 3), rtol=1e-6)
  np.testing.assert_allclose(jax.vmap(losses.stablemax_cross_entropy)(z, y), LOSS(z, y), rtol=1e-6)
  assert losses.stablemax_cross_entropy(z[0, 0], 2).shape == ()


def test_a_label_of_no_class_has_no_loss():
  assert np.isnan(LOSS(np.zeros((2, 3), np.float32), np.array([3, -1]))).all()


BAD = {
  "logits": ((np.zeros((2, 3), int), np.zeros(2, int)), "logits must be floats; got int"),
  "labels": ((np.zeros((2, 3)), np.zeros(2)), "labels must be integers"),
  "one-hot": ((np.zeros((2, 3)), np.zeros((2, 3), int)), "an axis of classes after it"),
  "scalar": ((np.zeros(()), np.zeros((), int)), "an axis of classes after it"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(arguments, message):
  with pytest.raises(ValueError, match=message):
    losses.stablemax_cross_entropy(*arguments)
