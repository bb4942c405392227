"""The recorder of spectra, against SciPy's Welch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.signal

import grokfax
from grokfax import spectrum
from tests.helpers import run

LENGTH = 16


def recorded(tx, gradients):
  return jax.device_get(run(tx, gradients)[1][-1])


def projections(seed, shape):
  """Its eight random directions: what it makes of each coordinate's own unit gradient."""
  tx = spectrum.record(2, seed=seed)
  update = jax.jit(tx.update)
  columns = []
  for index in range(int(np.prod(shape))):
    unit = jnp.zeros(shape).ravel().at[index].set(1.0).reshape(shape)
    # Of two equal steps Hann's window of 2, (0, 1), leaves the second one.
    state = update(unit, update(unit, tx.init(unit))[1])[1]
    columns.append(np.asarray(state.running[0, :, 0].real))
  return np.stack(columns, axis=1)  # (8, coordinates)


def test_it_is_welchs_method():
  """On the eight projections, which are found by unit gradients."""
  g = np.random.default_rng(0).normal(size=(75, 6)).astype(np.float32).cumsum(0)
  state = recorded(spectrum.record(LENGTH, seed=3), [jnp.asarray(x) for x in g])
  y = g @ projections(3, (6,)).T
  _, power = scipy.signal.welch(
    y, window="hann", nperseg=LENGTH, noverlap=LENGTH // 2, detrend=False, axis=0
  )
  np.testing.assert_allclose(state.spectrum_power, power.mean(1), rtol=1e-4)
  assert state.spectrum_segments == (75 - LENGTH) // (LENGTH // 2) + 1


def test_the_directions_are_signs_that_differ():
  signs = projections(0, (40,))
  np.testing.assert_array_equal(np.abs(signs), 1)
  correlation = signs @ signs.T / 40
  assert np.abs(correlation - np.eye(8)).max() < 0.6
  assert np.any(signs != projections(1, (40,)))


def test_its_total_is_the_mean_square_of_the_gradient():
  """Over the signs: white noise in a tree of several arrays, complex ones too."""
  steps = 2_000
  noise = np.random.default_rng(0).normal(size=(steps, 700)).astype(np.float32)
  w, b, real, imaginary = np.split(noise, [600, 650, 675], axis=1)
  stream = {"w": w.reshape(steps, 30, 20), "b": b, "c": real + 1j * imaginary}
  tx = spectrum.record(64)

  def step(state, g):
    return tx.update(g, state)[1], None

  first = jax.tree.map(lambda leaf: leaf[0], stream)
  state = jax.jit(lambda s: jax.lax.scan(step, tx.init(first), s)[0])(stream)
  total = float(state.spectrum_power.sum()) / 64
  np.testing.assert_allclose(total, np.mean(np.sum(noise**2, axis=1)), rtol=0.06)
  inside = np.asarray(state.spectrum_power[1:-1])
  np.testing.assert_allclose(inside, inside.mean(), rtol=0.3)  # white


def test_what_it_passes_on_is_what_came():
  g = {"w": jnp.arange(3.0), "missing": None}
  updates, _ = run(spectrum.record(4), [g] * 3, params={"w": jnp.zeros(3), "missing": jnp.zeros(2)})
  np.testing.assert_array_equal(updates[0]["w"], g["w"])
  assert updates[0]["missing"] is None


def test_a_filter_multiplies_it_by_its_gain_squared():
  """Before the filter and after it: the ratio is |H|² where a long record settles it."""
  rng = np.random.default_rng(1)
  filter_ = grokfax.grokfast_ema(0.8, 2.0)
  tx = optax.chain(spectrum.record(32), filter_, spectrum.record(32))
  g = jnp.asarray(rng.normal(size=(20_000, 2)), jnp.float32)
  step = lambda state, g: (tx.update(g, state)[1], None)  # noqa: E731
  before, _, after = jax.jit(lambda g: jax.lax.scan(step, tx.init(g[0]), g)[0])(g)
  ratio = np.asarray(after.spectrum_power / before.spectrum_power)
  omega = 2 * np.pi * np.fft.rfftfreq(32)
  expected = spectrum.gain(filter_, omega, 256) ** 2
  np.testing.assert_allclose(ratio[4:], expected[4:], rtol=0.05)  # lower ones leak into each other
  assert ratio[0] > 5 * ratio[-1]


def test_segments_that_are_not_finite_are_left_out():
  g = np.random.default_rng(2).normal(size=(64, 3)).astype(np.float32)
  bad = g.copy()
  bad[20, 1] = np.nan
  bad[21, 2] = np.inf
  state = recorded(spectrum.record(LENGTH), [jnp.asarray(x) for x in bad])
  y = g @ projections(0, (3,)).T
  _, _, segments = scipy.signal.spectrogram(
    y, window="hann", nperseg=LENGTH, noverlap=LENGTH // 2, detrend=False, axis=0
  )
  starts = range(0, len(g) - LENGTH + 1, LENGTH // 2)
  good = [i for i, a in enumerate(starts) if not (a <= 20 < a + LENGTH or a <= 21 < a + LENGTH)]
  assert state.spectrum_segments == len(good)
  np.testing.assert_allclose(state.spectrum_power, segments[..., good].mean((1, 2)), rtol=1e-4)


def test_it_starts_anew_where_a_phase_begins():
  g = [jnp.asarray(x, jnp.float32) for x in np.random.default_rng(3).normal(size=(40, 3))]
  phase = grokfax.reset_when(spectrum.record(8), grokfax.from_step(11))
  ours = recorded(phase, g).inner_state
  alone = recorded(spectrum.record(8), g[11:])
  np.testing.assert_allclose(ours.spectrum_power, alone.spectrum_power, rtol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 3, 2.0, True, 40_000])
def test_a_length_that_is_none(length):
  with pytest.raises(ValueError, match="length must be an"):
    spectrum.record(length)
