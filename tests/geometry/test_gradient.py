"""Gradients that are turned or made equal, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import grokfax
from tests.geometry.tools import once
from tests.helpers import needs_devices, x64

SEEDS = st.integers(0, 2**32 - 1)


TURN = jax.jit(lambda g, w: once(grokfax.orthogonal_gradient(), g, w))


def direct_turn(g, w):
  turned = g - np.vdot(w, g).real / np.vdot(w, w).real * w
  return np.linalg.norm(g) / np.linalg.norm(turned) * turned


@given(SEEDS, st.sampled_from([1.0, 1e-25, 1e25]), st.sampled_from([1.0, 1e-25]))
def test_the_gradient_is_turned_off_the_parameters(seed, of_g, of_w):
  """Of the same norm, at any scale; a float32 sum of squares would be 0 or inf."""
  rng = np.random.default_rng(seed)
  g, w = (scale * rng.normal(size=(4, 5)) for scale in (of_g, of_w))
  ours = np.asarray(TURN(*(jnp.asarray(a, jnp.float32) for a in (g, w))), np.float64)
  np.testing.assert_allclose(ours, direct_turn(g, w), rtol=0, atol=3e-6 * np.linalg.norm(g))
  assert abs(np.vdot(w, ours)) <= 1e-6 * np.linalg.norm(w) * np.linalg.norm(ours)
  np.testing.assert_allclose(np.linalg.norm(ours), np.linalg.norm(g), rtol=1e-6)


@given(SEEDS, st.floats(-5, 0))
def test_a_gradient_almost_along_the_parameters(seed, exponent):
  """What comes out is orthogonal all the same."""
  rng = np.random.default_rng(seed)
  w = rng.normal(size=(4, 5)).astype(np.float32)
  g = w + 10.0**exponent * rng.normal(size=w.shape).astype(np.float32)
  ours = np.asarray(TURN(g, w), np.float64)
  np.testing.assert_allclose(np.linalg.norm(ours), np.linalg.norm(g), rtol=1e-6)
  assert abs(np.vdot(w, ours)) <= 1e-6 * np.linalg.norm(w) * np.linalg.norm(ours)


def test_complex_parameters_count_as_two():
  rng = np.random.default_rng(0)
  g, w = (rng.normal(size=5) + 1j * rng.normal(size=5) for _ in range(2))
  ours = np.asarray(TURN(*(jnp.asarray(a, jnp.complex64) for a in (g, w))))
  np.testing.assert_allclose(ours, direct_turn(g, w), rtol=1e-5)


def test_what_has_no_orthogonal():
  g = jnp.asarray([1.5, -2.25e-7, 3.0])
  np.testing.assert_array_equal(TURN(g, jnp.zeros(3)), g)
  np.testing.assert_array_equal(TURN(jnp.asarray([2.0]), jnp.asarray([3.0])), [2.0])
  np.testing.assert_array_equal(TURN(jnp.float32(2.0), jnp.float32(3.0)), 2.0)
  np.testing.assert_array_equal(TURN(-3 * g, g), 0)
  np.testing.assert_array_equal(TURN(0 * g, g), 0)


def test_turning_needs_the_parameters():
  tx = grokfax.orthogonal_gradient()
  with pytest.raises(ValueError, match="orthogonal_gradient needs the parameters"):
    tx.update(jnp.ones(2), tx.init(jnp.ones(2)))


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (1, 7)])
def test_svd_is_numpys(shape, scale):
  g = scale * np.random.default_rng(0).normal(size=shape)
  u, _, vh = np.linalg.svd(g, full_matrices=False)
  tx = grokfax.egalitarian_gradient()
  ours = once(tx, jnp.asarray(g, jnp.float32), jnp.ones(shape))
  np.testing.assert_allclose(ours, u @ vh, atol=1e-5)
  np.testing.assert_allclose(np.linalg.svd(ours)[1], 1, atol=1e-5)
  with x64():
    np.testing.assert_allclose(once(tx, jnp.asarray(g), jnp.ones(shape)), u @ vh, atol=1e-12)


def test_svd_of_a_complex_matrix():
  rng = np.random.default_rng(0)
  g = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
  u, _, vh = np.linalg.svd(g, full_matrices=False)
  ours = once(grokfax.egalitarian_gradient(), jnp.asarray(g, jnp.complex64), jnp.ones((4, 3)))
  np.testing.assert_allclose(ours, u @ vh, atol=1e-5)


@pytest.mark.parametrize("method", ["svd", "newton_schulz"])
def test_a_direction_without_a_gradient_stays_without(method):
  """An embedding's rows that no example used, and a matrix of rank 2; a gradient of zeros."""
  rng = np.random.default_rng(0)
  g = rng.normal(size=(8, 2)) @ rng.normal(size=(2, 5))
  g[3] = 0
  ours = once(grokfax.egalitarian_gradient(method), jnp.asarray(g, jnp.float32), jnp.ones((8, 5)))
  s = np.linalg.svd(ours)[1]
  np.testing.assert_allclose(s[:2], 1, atol=1e-5 if method == "svd" else 0.33)
  np.testing.assert_allclose(s[2:], 0, atol=1e-3)
  np.testing.assert_allclose(ours[3], 0, atol=1e-5)
  zeros = jnp.zeros((3, 4))
  np.testing.assert_array_equal(once(grokfax.egalitarian_gradient(method), zeros, zeros), 0)


@given(SEEDS, st.sampled_from([(16, 12), (12, 16)]), st.floats(-3, 0))
def test_newton_schulz_brings_singular_values_to_what_is_said(seed, shape, exponent):
  """Singular values from .002 of the matrix's norm on; directions are those of the SVD."""
  rng = np.random.default_rng(seed)
  u, _, vh = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
  s = np.geomspace(10.0**exponent, 1, 12)
  s = np.maximum(s, 2.5e-3 * np.linalg.norm(s))
  g = jnp.asarray((u * s) @ vh, jnp.float32)
  ours = NEWTON_SCHULZ[shape](g)
  core = u.T @ np.asarray(ours, np.float64) @ vh.T
  np.testing.assert_allclose(core, np.diag(np.diag(core)), atol=2e-3)
  assert np.all((np.diag(core) > 0.68) & (np.diag(core) < 1.21))


NEWTON_SCHULZ = {
  shape: jax.jit(lambda g: once(grokfax.egalitarian_gradient("newton_schulz"), g, g))
  for shape in ((16, 12), (12, 16))
}


def test_columns_have_norm_1():
  g = np.random.default_rng(0).normal(size=(5, 4))
  g[:, 2] = 0
  ours = once(
    grokfax.egalitarian_gradient("columns"), jnp.asarray(g, jnp.float32), jnp.ones(g.shape)
  )
  np.testing.assert_allclose(np.linalg.norm(ours, axis=0), [1, 1, 0, 1], rtol=1e-6)
  np.testing.assert_allclose(ours[:, 0], g[:, 0] / np.linalg.norm(g[:, 0]), rtol=1e-5)


@pytest.mark.parametrize("method", ["svd", "newton_schulz", "columns"])
def test_which_arrays_are_matrices(method):
  """A kernel is its inputs by its outputs, a stack is matrices by themselves, a vector passes."""
  rng = np.random.default_rng(0)
  shapes = {"bias": (4,), "conv": (3, 3, 2, 4), "dense": (5, 4), "layers": (2, 5, 4), "s": ()}
  g = {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
  stacked = grokfax.by_path("^(layers|bias)$")
  ours = once(grokfax.egalitarian_gradient(method, stacked=stacked), g, g)
  plain = grokfax.egalitarian_gradient(method)
  np.testing.assert_array_equal(ours["bias"], g["bias"])
  np.testing.assert_array_equal(ours["s"], g["s"])
  matrix = g["conv"].reshape(-1, 4)
  np.testing.assert_allclose(ours["conv"].reshape(-1, 4), once(plain, matrix, matrix), atol=1e-5)
  for mine, layer in zip(ours["layers"], g["layers"], strict=True):
    np.testing.assert_allclose(mine, once(plain, layer, layer), atol=1e-5)


@needs_devices(8)
@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def test_a_matrix_that_is_sharded(axis_type):
  """It is gathered; on axes that are explicit it comes out as it went in."""
  mesh = jax.make_mesh((8,), ("shards",), axis_types=(axis_type,))
  g = jnp.asarray(np.random.default_rng(0).normal(size=(8, 3)), jnp.float32)
  tx = grokfax.egalitarian_gradient()
  expected = once(tx, g, g)
  with jax.set_mesh(mesh):
    ours = once(tx, jax.device_put(g, NamedSharding(mesh, P("shards", None))), g)
  np.testing.assert_allclose(jax.device_get(ours), expected, atol=1e-6)
  if axis_type is AxisType.Explicit:
    assert ours.sharding.spec == P("shards", None)
