"""A recorder: the spectrum of the gradient over the steps, measured while it trains."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees

PROJECTIONS = 8  # one for each bit of a byte


class SpectrumState(NamedTuple):
  """State of :func:`record`.

  Attributes:
    record_step: updates made so far, int32 of shape ().
    spectrum_segments: how many segments ended so far and are in the mean, int32 of shape ().
    spectrum_power: their mean power, at the frequencies k of n steps, k = 0 ... n/2:
      float32 (n/2 + 1,).
    running: the transforms of the two segments that have not ended, complex64
      (2, 8, n/2 + 1).
  """

  record_step: jax.typing.ArrayLike
  spectrum_segments: jax.typing.ArrayLike
  spectrum_power: jax.typing.ArrayLike
  running: jax.typing.ArrayLike


def _projected(updates: optax.Updates, key: jax.Array) -> jax.Array:
  """The gradients' products with random signs, the same at every step: (8,)."""

  def project(index, part):
    part = jnp.asarray(part, jnp.float32)
    drawn = jax.random.bits(jax.random.fold_in(key, index), part.shape, jnp.uint8)
    bits = (jnp.asarray((drawn >> bit) & 1, jnp.float32) for bit in range(PROJECTIONS))
    return jnp.stack([jnp.sum(part * (1 - 2 * bit)) for bit in bits])

  parts = []
  for g in jax.tree.leaves(updates):
    if not _trees.is_missing(g):
      parts += [jnp.real(g), jnp.imag(g)] if jnp.iscomplexobj(g) else [g]
  products = [project(index, part) for index, part in enumerate(parts)]
  return sum(products, jnp.zeros([PROJECTIONS], jnp.float32))


def _angle(turns: jax.Array, length: int) -> jax.Array:
  """So many nth parts of a whole turn, in radians."""
  return jnp.asarray(turns, jnp.float32) * jnp.float32(2 * jnp.pi / length)


def record(length: int = 512, *, seed: int = 0) -> optax.GradientTransformationExtraArgs:
  r"""Passes the gradient on, and keeps the spectrum of what passes.

  The gradient is a signal over the steps, and Grokfast's premise is that what is
  slow in it generalizes. This measures how much is slow. With random signs r the
  number :math:`y_t = \sum_i r_i g_{t,i}` has, on average over r, the spectrum of
  all coordinates together; eight of them are averaged. Their power is estimated by
  Welch's method, over segments of n steps in a row that overlap by half, with
  Hann's window:

  .. math::

    P(\omega_k) = \frac{c_k}{\sum_m h_m^2} \Bigl\langle \Bigl|
      \sum_{m=0}^{n-1} h_m \, y_m \, e^{-i \omega_k m} \Bigr|^2 \Bigr\rangle,
      \qquad \omega_k = \frac{2 \pi k}{n}

  with c = 1 at both ends and 2 between (the density of ``scipy.signal.welch``
  without detrending), so that their sum divided by n is about the mean of
  :math:`\lVert g \rVert^2`. Nothing is kept of the past but the running transforms:
  the state is 17 arrays of n/2 + 1 numbers, whatever the model.

  Before a filter in a chain it sees the gradient, after it what the filter made of
  that. Where phases of training are to be told apart, read
  ``spectrum_segments`` and ``spectrum_power`` at their ends, or start anew with
  :func:`grokfax.reset_when`. A segment with a gradient that is not finite is left
  out. Gradients of any shape and of any floating or complex dtype; what comes out
  is what went in. The signs are no state: they are drawn again at each step.

  Args:
    length: n, steps of a segment: an even Python int from 2 to 32,768. The lowest
      frequency that is told from 0 is 2π/n.
    seed: of the signs, a Python int.

  Returns:
    A gradient transformation, for anywhere in a chain.

  Raises:
    ValueError: if ``length`` is no even int in its range.

  Examples:
    >>> import grokfax, jax.numpy as jnp, numpy as np, optax
    >>> tx = optax.chain(grokfax.spectrum.record(length=8), optax.sgd(0.1))
    >>> state = tx.init(jnp.zeros([]))
    >>> for step in range(40):
    ...   _, state = tx.update(jnp.cos(np.pi / 2 * step), state)  # one period in 4 steps
    >>> int(optax.tree.get(state, "spectrum_segments"))
    9
    >>> int(optax.tree.get(state, "spectrum_power").argmax())  # of 8 steps, 2 periods
    2
    >>> omega = 2 * np.pi * np.fft.rfftfreq(8)

  References:
    Welch, `The use of fast Fourier transform for the estimation of power spectra
    <https://doi.org/10.1109/TAU.1967.1161901>`_, 1967; the premise: Lee et al.,
    `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024.
  """
  whole = isinstance(length, int) and not isinstance(length, bool)
  if not whole or length % 2 or not 2 <= length <= 32_768:
    raise ValueError(f"length must be an even Python int from 2 to 32,768; got {length!r}.")
  _arguments.check_int("seed", seed, 0)
  frequencies = jnp.arange(length // 2 + 1)
  ends = (frequencies == 0) | (frequencies == length // 2)
  scale = jnp.where(ends, 8 / 3, 16 / 3).astype(jnp.float32) / length  # Σh² is 3n/8

  def init_fn(params):
    del params
    return SpectrumState(
      record_step=jnp.zeros([], jnp.int32),
      spectrum_segments=jnp.zeros([], jnp.int32),
      spectrum_power=jnp.zeros([length // 2 + 1], jnp.float32),
      running=jnp.zeros([2, PROJECTIONS, length // 2 + 1], jnp.complex64),
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, SpectrumState)
    step = state.record_step
    y = _projected(updates, jax.random.key(seed))

    def advance(running, age, begun):
      """One of the two segments with this step, and the power of one that ends with it."""
      hann = (1 - jnp.cos(_angle(age, length))) / 2
      angles = _angle(frequencies * age % length, length)
      wave = jax.lax.complex(jnp.cos(angles), -jnp.sin(angles))
      running = jnp.where(age == 0, 0, running) + jnp.outer(hann * y, wave)
      power = jnp.mean(jnp.abs(running) ** 2, axis=0) * scale
      return running, power, begun & (age == length - 1) & jnp.all(jnp.isfinite(power))

    age, half = step % length, length // 2
    first = advance(state.running[0], age, True)
    second = advance(state.running[1], (age + half) % length, step >= half)
    mean, segments = state.spectrum_power, state.spectrum_segments
    for _, power, ended in (first, second):
      segments = jnp.where(ended, optax.safe_increment(segments), segments)
      mean = jnp.where(ended, mean + (power - mean) / jnp.maximum(segments, 1), mean)
    running = jnp.stack([first[0], second[0]])
    return updates, SpectrumState(optax.safe_increment(step), segments, mean, running)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
