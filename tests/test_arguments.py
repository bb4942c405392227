"""Bad arguments: a `ValueError` that says what is allowed. Traced ones pass."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import butterworth


def update(when):
  """A gate's first update."""
  tx = grokfax.gate(optax.identity(), when)
  return tx.update(jnp.ones([]), tx.init(jnp.ones([])))


BAD = {
  "alpha too large": (
    lambda: grokfax.grokfast_ema(alpha=1.0),
    r"alpha must be a number in \[0, 1\)",
  ),
  "alpha negative": (lambda: grokfax.grokfast_ema(alpha=-0.1), r"alpha must be .* \[0, 1\)"),
  "alpha nan": (lambda: grokfax.grokfast_ema(alpha=float("nan")), r"alpha must be .* \[0, 1\)"),
  "alpha text": (lambda: grokfax.grokfast_ema(alpha="0.9"), r"alpha must be .* \[0, 1\)"),
  "alpha none": (lambda: grokfax.grokfast_ema(alpha=None), r"alpha must be .* \[0, 1\)"),
  "alpha bool": (lambda: grokfax.grokfast_ema(alpha=False), r"alpha must be .* \[0, 1\)"),
  "alpha array": (
    lambda: grokfax.grokfast_ema(alpha=jnp.ones(2)),
    "a scalar array",
  ),
  "ema lamb": (lambda: grokfax.grokfast_ema(lamb=-1.0), "lamb must be a finite number >= 0"),
  "ma lamb": (lambda: grokfax.grokfast_ma(lamb=-1.0), "lamb must be a finite number >= 0"),
  "ma lamb inf": (lambda: grokfax.grokfast_ma(lamb=float("inf")), "lamb must be a finite number"),
  "numpy": (lambda: grokfax.grokfast_ema(alpha=np.float32(1.5)), r"alpha must be"),
  "window zero": (lambda: grokfax.grokfast_ma(0), "window_size must be a Python int >= 1"),
  "window float": (lambda: grokfax.grokfast_ma(10.0), "window_size must be a Python int >= 1"),
  "window bool": (lambda: grokfax.grokfast_ma(True), "window_size must be a Python int >= 1"),
  "window plain": (lambda: grokfax.grokfast_ma(0), "shape; got 0.$"),  # no word of Optax's wrapper
  "window array": (lambda: grokfax.grokfast_ma(jnp.asarray(3)), "static_args"),
  "window traced": (
    lambda: jax.jit(lambda w: grokfax.grokfast_ma(w).init(jnp.ones(2)))(3),
    "static_args",
  ),
  "window injected": (
    lambda: optax.inject_hyperparams(grokfax.grokfast_ma)(window_size=3).init(jnp.ones(2)),
    "static_args",
  ),
  "blocks that do not divide": (
    lambda: grokfax.grokfast_ma(100, blocks=30),
    "blocks must divide window_size 100; got 30",
  ),
  "blocks zero": (lambda: grokfax.grokfast_ma(4, blocks=0), "blocks must be a Python int >= 1"),
  "blocks injected": (
    lambda: optax.inject_hyperparams(grokfax.grokfast_ma, static_args=("window_size",))(
      window_size=4, blocks=2
    ).init(jnp.ones(2)),
    "static_args",
  ),
  "blocks rounded": (
    lambda: grokfax.grokfast_ma(4, blocks=2, window_dtype="bfloat16"),
    "window_dtype is for a window of gradients",
  ),
  "window dtype": (
    lambda: grokfax.grokfast_ma(4, window_dtype="int8"),
    "window_dtype must be None or a floating dtype; got 'int8'",
  ),
  "egalitarian method": (
    lambda: grokfax.egalitarian_gradient("rows"),
    "method must be one of 'svd', 'newton_schulz', 'columns'; got 'rows'",
  ),
  "newton-schulz steps": (
    lambda: grokfax.egalitarian_gradient("newton_schulz", ns_steps=0),
    "ns_steps must be a Python int >= 1",
  ),
  "stacked": (
    lambda: grokfax.egalitarian_gradient(stacked=True),
    "stacked must be None, a tree of bools or a function",
  ),
  "ratio": (lambda: grokfax.project_params_norm(0.0), "ratio must be a finite number > 0"),
  "ratio of a clip": (lambda: grokfax.clip_by_mean_norm(-1.0), "ratio must be a finite number > 0"),
  "decay of a mean": (lambda: grokfax.clip_by_mean_norm(decay=1.0), r"decay must be in \[0, 1\)"),
  "ratio of a cap": (lambda: grokfax.cap_params_norm("1"), "ratio must be a finite number > 0"),
  "scope": (lambda: grokfax.cap_params_norm(scope="all"), "scope must be one of 'leaf', 'global'"),
  "alphas": (
    lambda: grokfax.grokfast_multiscale([0.5, 1.0], [1, 1]),
    r"alphas\[1\] must be .* \[0, 1\)",
  ),
  "lambs": (lambda: grokfax.grokfast_multiscale([0.5], [-1]), r"lambs\[0\] must be .* >= 0"),
  "scales": (
    lambda: grokfax.grokfast_multiscale([0.5, 0.9], [1.0]),
    "alphas and lambs must have the same length, .* got 2 and 1",
  ),
  "no scales": (
    lambda: grokfax.grokfast_multiscale([], []),
    "alphas must be a sequence of at least",
  ),
  "one alpha": (lambda: grokfax.grokfast_multiscale(0.5, [1.0]), "alphas must be a sequence"),
  "alphas text": (lambda: grokfax.grokfast_multiscale("0.5", [1.0]), "alphas must be a sequence"),
  "taps empty": (
    lambda: grokfax.grokfast_fir([]),
    "taps must be a sequence of at least one finite",
  ),
  "taps number": (lambda: grokfax.grokfast_fir(0.5), "taps must be a sequence"),
  "taps matrix": (lambda: grokfax.grokfast_fir(np.ones((20, 20))), "taps must be a sequence"),
  "taps ragged": (lambda: grokfax.grokfast_fir([[1], [1, 2]]), "taps must be a sequence"),
  "taps nan": (lambda: grokfax.grokfast_fir([1.0, float("nan")]), "one finite real number"),
  "taps text": (lambda: grokfax.grokfast_fir(["0.5"]), "one finite real number"),
  "taps bool": (lambda: grokfax.grokfast_fir([True]), "one finite real number"),
  "taps complex": (lambda: grokfax.grokfast_fir([1j]), "one finite real number"),
  "taps none": (lambda: grokfax.grokfast_fir(None), "taps must be a sequence"),
  "taps traced": (
    lambda: jax.jit(lambda h: grokfax.grokfast_fir(h).init(jnp.ones(2)))(0.5),
    "taps must be a sequence",
  ),
  "fir lamb": (lambda: grokfax.grokfast_fir([1.0], -1.0), "lamb must be a finite number >= 0"),
  "unstable": (
    lambda: grokfax.grokfast_iir([1.0], [1.0, -1.01]),
    r"must be stable, .* inside the unit circle; in float64 the largest has absolute value 1.01",
  ),
  "marginal": (lambda: grokfax.grokfast_iir([1.0], [1.0, -1.0]), "inside the unit circle"),
  "unstable pair": (lambda: grokfax.grokfast_iir([1.0], [2.0, 0.0, 2.5]), "inside the unit circle"),
  "unstable in float32": (
    lambda: grokfax.grokfast_iir(*butterworth(3, 0.001)).init(jnp.ones(2)),
    "must be stable, .* in float32 the largest has absolute value 1.0007",
  ),
  "a zero": (lambda: grokfax.grokfast_iir([1.0], [0.0, 1.0]), r"a\[0\] must not be 0"),
  "b empty": (lambda: grokfax.grokfast_iir([], [1.0]), "b must be a sequence"),
  "initial": (
    lambda: grokfax.grokfast_iir([1.0], [1.0], initial="ones"),
    "initial must be one of 'zero', 'first_gradient'; got 'ones'",
  ),
  "filter_type": (
    lambda: grokfax.grokfast_ma(filter_type="median"),
    "filter_type must be one of 'mean', 'sum'",
  ),
  "warmup": (lambda: grokfax.grokfast_ma(warmup="no"), "warmup must be one of True, False"),
  "accumulator": (
    lambda: grokfax.grokfast_ema(accumulator_dtype="int32"),
    "accumulator_dtype must be None or a floating dtype",
  ),
  "accumulator word": (
    lambda: grokfax.grokfast_ma(accumulator_dtype="fp32"),
    "accumulator_dtype must be None or a floating dtype",
  ),
  "coefficient": (lambda: grokfax.frobenius_penalty(-0.1), "coefficient must be .* >= 0"),
  "mask injected": (
    lambda: optax.inject_hyperparams(grokfax.frobenius_penalty)(0.5, mask=grokfax.not_bias).init(
      jnp.ones(2)
    ),
    r"mask must be None, a tree of bools .* static_args=\('mask',\)",
  ),
  "threshold text": (
    lambda: grokfax.delayed_compression(threshold="0.99"),
    "threshold must be a finite number",
  ),
  "threshold nan": (
    lambda: grokfax.metric_below("loss", float("nan")),
    "threshold must be a finite number",
  ),
  "metric name": (lambda: grokfax.metric_at_least(0.99, 0.5), "name must be"),
  "metric reserved": (lambda: grokfax.metric_below("state", 0.5), "none of updates, state, params"),
  "metric keyword": (lambda: grokfax.metric_below("lambda", 0.5), "that of a keyword argument"),
  "latch": (
    lambda: grokfax.delayed_compression(latch="no"),
    "latch must be one of True, False; got 'no'",
  ),
  "gate of a function": (
    lambda: grokfax.gate(grokfax.grokfast_ema, grokfax.from_step(1)),
    "inner must be a gradient transformation",
  ),
  "gate the wrong way round": (
    lambda: grokfax.gate(grokfax.latched(grokfax.from_step(1)), grokfax.from_step(1)),
    "inner must be a gradient transformation",
  ),
  "answer of a shape": (lambda: update(lambda step, **_: jnp.ones(3)), "answer with a boolean"),
  "answer of a condition": (lambda: update(grokfax.from_step), "answer with a boolean"),
  "answer none": (lambda: update(lambda step, **_: None), "answer with a boolean"),
  "iir a with b traced": (
    lambda: jax.jit(lambda v: grokfax.grokfast_iir([v], [1.0, -1.5]).init(jnp.ones(1)))(0.5),
    "must be stable",
  ),
  "one alpha is shown": (lambda: grokfax.grokfast_multiscale(0.5, [1.0]), r"got 0\.5\."),
  "alphas set": (lambda: grokfax.grokfast_multiscale({0.5}, [1.0]), "alphas must be a sequence"),
  "from_step": (lambda: grokfax.from_step(-1), "n must be a finite number >= 0"),
  "ramp": (lambda: grokfax.ramped(grokfax.from_step(1), 0), "steps must be a finite number >= 1"),
  "start_at": (lambda: grokfax.start_at(-5, 1.0), "step must be a finite number >= 0"),
  "start_at value": (lambda: grokfax.start_at(5, "1"), "value must be a finite number"),
  "condition": (lambda: grokfax.gate(optax.identity(), 500), "a condition must be a function"),
  "named": (lambda: grokfax.grokfast_adamw(1e-3, alpha=2.0), r"alpha must be .* \[0, 1\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_argument(call, message):
  with pytest.raises(ValueError, match=message) as error:
    call()
  assert "\n" not in str(error.value)


def test_missing_metric():
  tx = grokfax.delayed_compression()
  params = jnp.ones(2)
  with pytest.raises(ValueError, match="'train_accuracy' is missing: call update"):
    tx.update(params, tx.init(params), params)


def test_metric_of_another_shape():
  tx = grokfax.delayed_compression()
  params = jnp.ones(2)
  with pytest.raises(ValueError, match=r"must be a scalar; got one of shape \(2,\)"):
    tx.update(params, tx.init(params), params, train_accuracy=params)


def test_missing_parameters():
  tx = grokfax.frobenius_penalty()
  params = jnp.ones(2)
  with pytest.raises(ValueError, match=r"call update\(grads, state, params\)"):
    tx.update(params, tx.init(params))


def test_traced_arguments_pass():
  @jax.jit
  def build_and_update(v):
    tx = optax.chain(
      grokfax.grokfast_ema(v, v),
      grokfax.grokfast_ma(3, grokfax.start_at(v, v)),
      grokfax.grokfast_multiscale([v, 0.5], [1.0, v]),
      grokfax.grokfast_fir([v, 1.0], v),
      grokfax.grokfast_iir([v], [1.0, -v], v, initial="first_gradient"),
      grokfax.gate(grokfax.frobenius_penalty(v), grokfax.ramped(grokfax.from_step(v), v)),
      grokfax.delayed_compression(v, v),
    )
    params = jnp.ones(2)
    return tx.update(params, tx.init(params), params, train_accuracy=v)[0]

  assert jnp.all(jnp.isfinite(build_and_update(0.5)))


def test_good_edges_pass():
  grokfax.grokfast_ema(alpha=0, lamb=0)
  grokfax.grokfast_ma(np.int64(1), lamb=np.float32(0))
  grokfax.metric_at_least("accuracy", -1)
