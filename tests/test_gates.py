"""When a transformation acts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import run

G = [jnp.asarray([float(i), -1.0]) for i in range(1, 7)]


def acts(when, **metrics):
  """At which of six steps a gate with this condition lets `scale(0)` act."""
  updates, _ = run(grokfax.gate(optax.scale(0.0), when), G, **metrics)
  return [float(1 - u[0] / g[0]) for u, g in zip(updates, G, strict=True)]


def in_a_row(metric, threshold, steps):
  """A condition with a memory: the metric has been high for some steps in a row."""

  def test(count, step, **metrics):
    del step
    count = jnp.where(metrics[metric] >= threshold, count + 1, 0)
    return count >= steps, count

  return grokfax.StatefulCondition(lambda: jnp.zeros([], jnp.int32), test)


ACCURACY = jnp.asarray([0.1, 0.99, 0.5, 0.995, 1.0, 0.2])


@pytest.mark.parametrize(
  ("when", "expected"),
  [
    (grokfax.from_step(0), [1, 1, 1, 1, 1, 1]),
    (grokfax.from_step(2), [0, 0, 1, 1, 1, 1]),
    (grokfax.metric_at_least("a", 0.99), [0, 1, 0, 1, 1, 0]),
    (grokfax.metric_below("a", 0.99), [1, 0, 1, 0, 0, 1]),
    (grokfax.metric_at_least("a", lambda step: 0.4 + 0.1 * step), [0, 1, 0, 1, 1, 0]),
    (grokfax.latched(grokfax.metric_at_least("a", 0.99)), [0, 1, 1, 1, 1, 1]),
    (grokfax.ramped(grokfax.from_step(1), 4), [0, 0.25, 0.5, 0.75, 1, 1]),
    (grokfax.ramped(grokfax.metric_at_least("a", 0.99), 2), [0, 0.5, 0, 0.5, 1, 0]),
    (grokfax.ramped(grokfax.latched(grokfax.metric_at_least("a", 0.99)), 3),
     [0, 1 / 3, 2 / 3, 1, 1, 1]),
    (grokfax.until(grokfax.metric_at_least("a", 0.99)), [1, 0, 0, 0, 0, 0]),
    (grokfax.until(grokfax.from_step(4)), [1, 1, 1, 1, 0, 0]),
    (grokfax.latched(in_a_row("a", 0.99, 2)), [0, 0, 0, 0, 1, 1]),
    (grokfax.until(in_a_row("a", 0.99, 2)), [1, 1, 1, 1, 0, 0]),
    (grokfax.ramped(in_a_row("a", 0.4, 2), 2), [0, 0, 0.5, 1, 1, 0]),
    (lambda step, **_: jnp.where(step == 3, 2.0, -1.0), [0, 0, 0, 1, 0, 0]),
    (lambda step, **_: jnp.where(step == 3, jnp.nan, 1.0), [1, 1, 1, 0, 1, 1]),
    (grokfax.latched(lambda step, **_: jnp.where(step == 3, 1.0, jnp.nan)), [0, 0, 0, 1, 1, 1]),
    (grokfax.ramped(grokfax.until(grokfax.from_step(3)), 2), [0.5, 1, 1, 0, 0, 0]),
    (lambda step, **_: step % 2 == 0, [1, 0, 1, 0, 1, 0]),
    (lambda step, **_: True, [1, 1, 1, 1, 1, 1]),
    (lambda step, a, **_: a, [0.1, 0.99, 0.5, 0.995, 1.0, 0.2]),
  ],
)  # fmt: skip
def test_conditions(when, expected):
  np.testing.assert_allclose(acts(when, a=ACCURACY), expected, rtol=1e-5, atol=1e-6)


def test_inner_state_goes_on_while_closed():
  gated, states = run(grokfax.gate(grokfax.grokfast_ema(0.5), grokfax.from_step(3)), G)
  open_, always = run(grokfax.grokfast_ema(0.5), G)
  for i in range(3):
    np.testing.assert_array_equal(gated[i], G[i])
  for i in range(3, 6):
    np.testing.assert_array_equal(gated[i], open_[i])
  np.testing.assert_array_equal(states[-1].inner_state.slow_gradient, always[-1].slow_gradient)


def test_closed_is_the_identity_whatever_inner_gives():
  nan = optax.stateless(lambda updates, _: jnp.full_like(updates, jnp.nan))
  for when in (grokfax.from_step(9), grokfax.ramped(grokfax.from_step(9), 3)):
    updates, _ = run(grokfax.gate(nan, when), G)
    np.testing.assert_array_equal(np.stack(updates), np.stack(G))


def test_open_is_inner_to_the_bit():
  g = [jnp.asarray([1e8, 1.0])]
  updates, _ = run(grokfax.gate(optax.scale(1e-8), grokfax.from_step(0)), g)
  expected, _ = run(optax.scale(1e-8), g)
  np.testing.assert_array_equal(updates[0], expected[0])


def test_start_at():
  lamb = grokfax.start_at(2, 5.0)
  assert [float(lamb(i)) for i in range(4)] == [0, 0, 5, 5]
  scheduled = grokfax.start_at(1, lambda step: 10.0 * step)
  assert [float(scheduled(i)) for i in range(3)] == [0, 10, 20]


def ema_by_hand(alpha=0.5, lamb=2.0):
  mu, out = G[0], []
  for g in G:
    mu = alpha * mu + (1 - alpha) * g
    out.append(g + lamb * mu)
  return out


def test_grokfast_from_memorisation_on():
  """The filter has seen all gradients when it starts to act, and acts from then on."""
  memorised = grokfax.latched(grokfax.metric_at_least("train_accuracy", 0.99))
  tx = grokfax.gate(grokfax.grokfast_ema(0.5), memorised)
  updates, _ = run(tx, G, train_accuracy=ACCURACY)
  expected = [G[0], *ema_by_hand()[1:]]
  np.testing.assert_allclose(np.stack(updates), np.stack(expected), rtol=1e-6)


def test_grokfast_up_to_the_grok():
  """Off for good, though the metric falls again."""
  grokked = grokfax.metric_at_least("probe_accuracy", 0.95)
  tx = grokfax.gate(grokfax.grokfast_ema(0.5), grokfax.until(grokked))
  updates, _ = run(tx, G, probe_accuracy=jnp.asarray([0.1, 0.2, 0.96, 0.5, 0.1, 1.0]))
  expected = [*ema_by_hand()[:2], *G[2:]]
  np.testing.assert_allclose(np.stack(updates), np.stack(expected), rtol=1e-6)


def test_the_two_stage_run_is_a_gate_too():
  gated, _ = run(grokfax.gate(grokfax.grokfast_ma(2, 5.0), grokfax.from_step(3)), G)
  scheduled, _ = run(grokfax.grokfast_ma(2, grokfax.start_at(3, 5.0)), G)
  np.testing.assert_allclose(np.stack(gated), np.stack(scheduled), rtol=1e-6)


def test_steps_open_are_counted_from_each_opening():
  seen = []

  def spy(updates, state, params=None, *, steps_open, **_):
    seen.append(int(steps_open))
    return updates, state

  tx = optax.GradientTransformationExtraArgs(lambda _: (), spy)
  gate = grokfax.gate(tx, grokfax.metric_at_least("a", 0.99))
  _, states = run(gate, G, jit=False, a=ACCURACY)
  assert seen == [0, 0, 1, 0, 1, 2]  # before each step, whether this one is open or not
  assert [int(state.steps_open) for state in states] == [0, 1, 0, 1, 2, 0]


def test_members_of_a_vmap_decide_each_for_themselves():
  tx = grokfax.gate(optax.scale(0.0), grokfax.latched(grokfax.metric_at_least("a", 0.5)))
  accuracy = jnp.asarray([[0.0, 0.6, 0.0], [0.0, 0.0, 0.0], [0.9, 0.0, 0.0]])

  def train(accuracy):
    def step(state, a):
      u, state = tx.update(jnp.ones([]), state, a=a)
      return state, u

    return jax.lax.scan(step, tx.init(jnp.ones([])), accuracy)[1]

  updates = jax.jit(jax.vmap(train))(accuracy)
  np.testing.assert_array_equal(updates, [[1, 0, 0], [1, 1, 1], [0, 0, 0]])


def test_between_open_and_closed_nothing_overflows():
  """A ramp in float16, where twice the gradient is too large."""
  tx = grokfax.gate(optax.scale(-1.0), grokfax.ramped(grokfax.from_step(0), 10))
  (update,), _ = run(tx, [jnp.asarray([6e4], jnp.float16)])
  np.testing.assert_allclose(update.astype(jnp.float32), 6e4 * (1 - 2 * 0.1), rtol=1e-3)


def test_in_nested_gates_the_innermost_counts():
  penalty = grokfax.frobenius_penalty(lambda step: 0.5 * step)
  tx = grokfax.gate(grokfax.gate(penalty, grokfax.from_step(1)), grokfax.from_step(3))
  updates, _ = run(tx, [jnp.zeros(1)] * 6, jnp.ones(1))
  np.testing.assert_allclose(np.stack(updates)[:, 0], [0, 0, 0, 2, 3, 4])


def test_in_a_ramped_gate_a_schedule_counts_from_the_opening():
  penalty = grokfax.frobenius_penalty(lambda step: 0.5 * (step + 1))
  tx = grokfax.gate(penalty, grokfax.ramped(grokfax.from_step(2), 4))
  updates, _ = run(tx, [jnp.zeros(1)] * 6, jnp.ones(1))
  np.testing.assert_allclose(np.stack(updates)[:, 0], [0, 0, 0.25, 1.0, 2.25, 4.0])


def test_extra_arguments_reach_what_is_inside_under_their_own_names():
  """Though a condition's own arguments be called so too."""
  seen = {}

  def spy(updates, state, params=None, **extra):
    seen.update(extra)
    return updates, state

  inner = optax.GradientTransformationExtraArgs(lambda params: (), spy)

  def own(step, *, a, **_):
    return step < a

  conditions = [
    grokfax.from_step(0),
    grokfax.latched(grokfax.metric_at_least("a", 0.5)),
    grokfax.until(grokfax.ramped(grokfax.metric_below("a", 0.5), 3)),
    own,
    grokfax.latched(own),
    in_a_row("a", 0.5, 1),
    grokfax.ramped(in_a_row("a", 0.5, 1), 2),
  ]
  for when in conditions:
    seen.clear()
    tx = grokfax.gate(inner, when)
    tx.update(jnp.ones(2), tx.init(jnp.ones(2)), step=7, count=8, inner=9, when=10, a=0.9)
    assert {name: seen[name] for name in ("step", "count", "inner", "when", "a")} == {
      "step": 7, "count": 8, "inner": 9, "when": 10, "a": 0.9
    }  # fmt: skip


@pytest.mark.parametrize("batch", [7, 100, 200, 400, 512, 1_000, 4_096, 60_000])
def test_a_mean_in_float32_reaches_its_threshold(batch):
  """`jnp.mean` of 99 right of 100 is .98999995; one right fewer is below all the same."""
  for right in {batch - 1, int(0.99 * batch), batch // 3}:
    threshold = right / batch
    when, below = (f("a", threshold) for f in (grokfax.metric_at_least, grokfax.metric_below))
    for count, reaches in ((right, True), (right - 1, False), (right + 1, True)):
      hits = jnp.arange(batch) < count
      means = [jnp.mean(hits), jnp.sum(hits) / batch, jnp.float32(count / batch), count / batch]
      for mean in [*means, jnp.mean(hits.astype(jnp.float32)[::-1])]:
        for traced in (threshold, jnp.float32(threshold)):
          assert bool(grokfax.metric_at_least("a", traced)(0, a=mean)) == reaches
        assert bool(when(0, a=mean)) == reaches
        assert bool(below(0, a=mean)) != reaches


@pytest.mark.parametrize("metric", ["0.9", b"0.9", 1j, {"mean": 0.9}])
def test_a_metric_that_is_no_number_is_named(metric):
  tx = grokfax.gate(optax.scale(0.0), grokfax.metric_at_least("train_accuracy", 0.9))
  with pytest.raises(ValueError, match="the metric 'train_accuracy' must be a number; got "):
    tx.update(jnp.ones(2), tx.init(jnp.ones(2)), train_accuracy=metric)


def test_of_nan_neither_holds():
  for make in (grokfax.metric_at_least, grokfax.metric_below):
    assert not make("a", 0.5)(0, a=jnp.nan)
