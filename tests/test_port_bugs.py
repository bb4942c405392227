"""The bugs found in ports of Grokfast: each test is passed by ours and failed by a port with it.

A port is written here as it was found, in its smallest form, so that each test shows that it
catches what it is there for.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import run


class Bug(NamedTuple):
  """A check that holds for `ours` and not for `port`, each a function that makes it."""

  check: Callable
  ours: Callable
  port: Callable


def ema_with(update_state, alpha=0.9, lamb=2.0):
  """A port of the EMA filter, with its own rule for μ."""

  def init(params):
    return jnp.zeros([], jnp.int32), jnp.zeros_like(params)

  def update(g, state, params=None):
    del params
    step, mu = state
    mu = update_state(step, alpha, mu, g)
    return g + lamb * mu, (step + 1, mu)

  return optax.GradientTransformation(init, update)


# 1. The queue of the moving average holds what was filtered, and so feeds on itself.


def port_with_a_queue_of_filtered_gradients():
  def init(params):
    return jnp.zeros((5, *params.shape))

  def update(g, window, params=None):
    del params
    filtered = g + 5.0 * (window.sum(0) + g) / 5
    return filtered, jnp.concatenate([window[1:], filtered[None]])

  return optax.GradientTransformation(init, update)


def check_is_bounded(make):
  updates, _ = run(make(), [jnp.ones(1)] * 200)
  np.testing.assert_allclose(updates[-1], 6.0, rtol=1e-5)


# 2. The average starts as the first gradient itself, not as a copy, and changes with it.


class Aliasing:
  """The port in NumPy, which as torch has arrays that change in place."""

  def __init__(self):
    self.mu = None

  def __call__(self, g):
    if self.mu is None:
      self.mu = g
    else:
      self.mu = 0.9 * self.mu + 0.1 * g
    g += 2.0 * self.mu
    return g


class Ours:
  def __init__(self):
    self.tx = grokfax.grokfast_ema(0.9, 2.0)
    self.state = self.tx.init(jnp.zeros(1))

  def __call__(self, g):
    update, self.state = self.tx.update(jnp.asarray(g), self.state)
    return update


def check_second_update(make):
  """Of a gradient that is 1: the first update must not change what the state holds."""
  update = make()
  first = np.ones(1)
  update(first)
  first[:] = 100
  np.testing.assert_allclose(update(np.ones(1)), 3.0, rtol=1e-5)


# 3. α and λ in each other's place: the average has a decay above 1 and diverges.


def check_gain_of_a_constant(make):
  updates, _ = run(make(), [jnp.ones(1)] * 50)
  np.testing.assert_allclose(updates[-1], 1 + 2.0, rtol=1e-5)


# 4. A learning rate divided by 1 + λ, "to be fair": Adam does not see its gradient's scale.


def check_rate_under_adam(make):
  """A constant gradient moves the parameters as far a step as Adam alone does."""
  ours, _ = run(make(), [jnp.ones(1)] * 20)
  adam, _ = run(optax.adam(0.01), [jnp.ones(1)] * 20)
  np.testing.assert_allclose(ours[-1], adam[-1], rtol=1e-3)


def port_with_a_divided_rate():
  return optax.chain(grokfax.grokfast_ema(0.98, 2.0), optax.adam(0.01 / (1 + 2.0)))


# 5. An average that starts from zero, so that the gain of the first steps is too low.


def check_first_step(make):
  updates, _ = run(make(), [jnp.ones(1)])
  np.testing.assert_allclose(updates[0], 3.0, rtol=1e-6)


# And one more: a filter that is to act from a later step on, and stands still until then.


def check_filter_goes_on_while_off(make):
  """Off for five steps of a rising gradient, it knows them all at the sixth."""
  gradients = [jnp.full(1, float(t)) for t in range(1, 7)]
  updates, _ = run(make(), gradients)
  mu = 1.0
  for g in gradients[1:]:
    mu = 0.9 * mu + 0.1 * g[0]
  np.testing.assert_allclose(updates[-1], 6 + 2 * mu, rtol=1e-6)
  np.testing.assert_array_equal(updates[4], gradients[4])


def port_that_stands_still():
  frozen = optax.conditionally_transform(grokfax.grokfast_ema(0.9, 2.0), lambda step: step >= 5)
  seen = grokfax.grokfast_ema(0.9, 2.0)

  def init(params):
    return frozen.init(params)

  def update(g, state, params=None):
    # It looks at the first gradient, and at none from then on until it acts.
    first = state.step == 0
    _, begun = seen.update(g, state.inner_state)
    inner = jax.tree.map(lambda a, b: jnp.where(first, a, b), begun, state.inner_state)
    return frozen.update(g, state._replace(inner_state=inner), params)

  return optax.GradientTransformationExtraArgs(init, update)


BUGS = {
  "filtered queue": Bug(
    check_is_bounded, lambda: grokfax.grokfast_ma(5, 5.0), port_with_a_queue_of_filtered_gradients
  ),
  "aliased state": Bug(check_second_update, Ours, Aliasing),
  "alpha and lamb swapped": Bug(
    check_gain_of_a_constant,
    lambda: grokfax.grokfast_ema(0.9, 2.0),
    lambda: ema_with(
      lambda step, a, mu, g: jnp.where(step == 0, g, a * mu + (1 - a) * g), alpha=2.0, lamb=0.9
    ),
  ),
  "divided learning rate": Bug(
    check_rate_under_adam,
    lambda: grokfax.grokfast_adam(0.01, weight_decay=0.0),
    port_with_a_divided_rate,
  ),
  "start from zero": Bug(
    check_first_step,
    lambda: grokfax.grokfast_ema(0.9, 2.0),
    lambda: ema_with(lambda step, a, mu, g: a * mu + (1 - a) * g),
  ),
  "stands still while off": Bug(
    check_filter_goes_on_while_off,
    lambda: grokfax.gate(grokfax.grokfast_ema(0.9, 2.0), grokfax.from_step(5)),
    port_that_stands_still,
  ),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_ours_does_not_have_it(bug):
  bug.check(bug.ours)


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_port_that_has_it_is_caught(bug):
  with pytest.raises(AssertionError, match="Not equal"):
    bug.check(bug.port)
