"""The exponential moving average of the gradient, at one time scale or several."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step


def _average(alpha: optax.ScalarOrSchedule, step: jax.typing.ArrayLike) -> Callable[..., jax.Array]:
  """μ ← α·μ + (1-α)·g, from μ₁ = g₁."""
  decay = jnp.where(step == 0, 0.0, at_step(alpha, step))

  def rule(g, mu):
    g, mu = _trees.promoted(g, mu)
    a = _trees.as_scalar_of(decay, mu)
    return a * mu + (1 - a) * g

  return rule


def _check_alpha(name: str, alpha: optax.ScalarOrSchedule) -> None:
  _arguments.check_scalar(name, alpha, "a number in [0, 1)", lambda a: 0 <= a < 1)


class GrokfastEmaState(NamedTuple):
  """State of :func:`grokfast_ema`.

  Attributes:
    filter_step: updates made so far, int32 of shape ().
    slow_gradient: μ, shaped like the parameters, in the accumulator's dtype.
  """

  filter_step: jax.typing.ArrayLike
  slow_gradient: Any


def grokfast_ema(
  alpha: optax.ScalarOrSchedule = 0.98,
  lamb: optax.ScalarOrSchedule = 2.0,
  *,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  r"""Adds λ times the exponential moving average of the gradient.

  .. math::

    \mu_1 = g_1, \qquad \mu_t = \alpha \mu_{t-1} + (1 - \alpha) g_t, \qquad
    \hat g_t = g_t + \lambda \mu_t

  The gain of the whole is 1 + λ for a constant gradient. Works on gradients of
  any shape and of any floating or complex dtype; what comes out has the shape
  and dtype of what went in. The state holds one array for each parameter. A
  gradient that is not finite stays in it for good: ``optax.apply_if_finite``
  keeps such out.

  It composes with any optimizer and does not pay before each: on modular
  arithmetic it does before Adam with coupled weight decay, and before AdamW it
  did harm, where :func:`grokfax.grokfast_ma` did not.

  Args:
    alpha: α, the decay of the average, in [0, 1). A number, a traced scalar or
      a schedule of the step, counted from 0. To start with, see
      :func:`grokfax.spectrum.design_for_delay`.
    lamb: λ, how much of the average is added, not negative. A number, a traced
      scalar or a schedule of the step.
    accumulator_dtype: dtype of μ. None is that of the parameter, but at least
      float32: in bfloat16 the average of a constant gradient stops short of it.

  Returns:
    A gradient transformation, to be chained before the optimizer.

  Raises:
    ValueError: if ``alpha`` is a number outside [0, 1), or ``lamb`` one below 0.

  Examples:
    Before Adam with coupled weight decay, which is :func:`grokfax.grokfast_adam`:

    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = optax.chain(
    ...   grokfax.grokfast_ema(alpha=0.98, lamb=2.0), grokfax.adam_l2(1e-3, weight_decay=0.005)
    ... )
    >>> params = {"w": jnp.ones(3)}
    >>> state = tx.init(params)
    >>> updates, state = tx.update({"w": jnp.ones(3)}, state, params)

    The filter alone, on a gradient that is 1 and then 0:

    >>> tx = grokfax.grokfast_ema(alpha=0.5, lamb=2.0)
    >>> state = tx.init(jnp.zeros([]))
    >>> for g in (1.0, 0.0, 0.0):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    3.0
    1.0
    0.5

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024, algorithm 2
    (which prints μ ← θ₀; the authors' code starts from the first gradient, and
    so does this).
  """
  _check_alpha("alpha", alpha)
  _arguments.check_not_negative("lamb", lamb)
  _trees.check_float("accumulator_dtype", accumulator_dtype)

  def init_fn(params):
    return GrokfastEmaState(
      filter_step=jnp.zeros([], jnp.int32),
      slow_gradient=_trees.accumulators_like(params, accumulator_dtype),
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, GrokfastEmaState)
    _trees.check_shapes(updates, state.slow_gradient)
    step = state.filter_step
    slow_gradient = _trees.advance(_average(alpha, step), updates, state.slow_gradient)
    updates = _trees.emit(_trees.amplify(at_step(lamb, step)), updates, slow_gradient)
    return updates, GrokfastEmaState(optax.safe_increment(step), slow_gradient)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)


class GrokfastMultiscaleState(NamedTuple):
  """State of :func:`grokfast_multiscale`.

  Attributes:
    filter_step: updates made so far, int32 of shape ().
    slow_gradients: a tuple with one μ for each time scale, shaped like the
      parameters, in the accumulator's dtype.
  """

  filter_step: jax.typing.ArrayLike
  slow_gradients: tuple[Any, ...]


def grokfast_multiscale(
  alphas: Sequence[optax.ScalarOrSchedule],
  lambs: Sequence[optax.ScalarOrSchedule],
  *,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  r"""Adds exponential moving averages of the gradient at several time scales.

  .. math::

    \mu^{(j)}_1 = g_1, \qquad \mu^{(j)}_t = \alpha_j \mu^{(j)}_{t-1} + (1 - \alpha_j) g_t,
    \qquad \hat g_t = g_t + \sum_j \lambda_j \mu^{(j)}_t

  With one time scale it is :func:`grokfast_ema`. Works on gradients of any shape
  and of any floating or complex dtype; what comes out has the shape and dtype of
  what went in. The state holds one array for each parameter and time scale; a
  gradient that is not finite stays in it for good.

  Args:
    alphas: the decays α_j, each in [0, 1): numbers, traced scalars or schedules
      of the step, counted from 0. Their number is static.
    lambs: how much of each average is added, λ_j, not negative; as many as
      ``alphas``.
    accumulator_dtype: dtype of the averages. None is that of the parameter, but
      at least float32.

  Returns:
    A gradient transformation, to be chained before the optimizer.

  Raises:
    ValueError: if ``alphas`` and ``lambs`` are not sequences of the same length,
      or one of their numbers is out of its range.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_multiscale(alphas=(0.0, 0.5), lambs=(1.0, 2.0))
    >>> state = tx.init(jnp.zeros([]))
    >>> for g in (1.0, 0.0, 0.0):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    4.0
    1.0
    0.5

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024, of which it
    is the sum over several α.
  """
  alphas = _arguments.as_tuple("alphas", alphas)
  lambs = _arguments.as_tuple("lambs", lambs)
  if len(alphas) != len(lambs):
    raise ValueError(
      "alphas and lambs must have the same length, one pair for each time scale; "
      f"got {len(alphas)} and {len(lambs)}."
    )
  for j, (alpha, lamb) in enumerate(zip(alphas, lambs, strict=True)):
    _check_alpha(f"alphas[{j}]", alpha)
    _arguments.check_not_negative(f"lambs[{j}]", lamb)
  _trees.check_float("accumulator_dtype", accumulator_dtype)

  def init_fn(params):
    return GrokfastMultiscaleState(
      filter_step=jnp.zeros([], jnp.int32),
      slow_gradients=tuple(_trees.accumulators_like(params, accumulator_dtype) for _ in alphas),
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, GrokfastMultiscaleState)
    _trees.check_order("averages", len(state.slow_gradients), len(alphas))
    for slow_gradient in state.slow_gradients:
      _trees.check_shapes(updates, slow_gradient)
    step = state.filter_step
    slow_gradients = tuple(
      _trees.advance(_average(alpha, step), updates, mu)
      for alpha, mu in zip(alphas, state.slow_gradients, strict=True)
    )
    gains = [at_step(lamb, step) for lamb in lambs]
    updates = _trees.emit(_trees.amplify(*gains), updates, *slow_gradients)
    return updates, GrokfastMultiscaleState(optax.safe_increment(step), slow_gradients)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
