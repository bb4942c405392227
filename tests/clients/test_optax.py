"""Optax's wrappers around ours, and its contributed optimizers behind ours."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import grokfax
from tests.clients.page import table

PARAMS = {
  "conv": {"kernel": jnp.full((3, 3, 2, 4), 0.5), "bias": jnp.ones(4)},
  "dense": {"kernel": jnp.eye(4, 2), "bias": jnp.ones(2)},
}
SHAPES = jax.tree.map(jnp.shape, PARAMS)
METHODS = {
  "filter": lambda: optax.chain(grokfax.grokfast_ema(0.5), grokfax.grokfast_ma(2, 1.0)),
  "metric": lambda: grokfax.delayed_compression(0.1, 0.5, mask=grokfax.not_bias),
}


def everywhere(value):
  return jax.tree.map(lambda _: value, PARAMS)


def gradients(steps):
  rng = np.random.default_rng(0)
  return [
    jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), PARAMS)
    for _ in range(steps)
  ]


# Each such that it changes nothing, so that what is within must come out.
WRAPPERS = {
  "chain": optax.chain,
  "named_chain": lambda tx: optax.named_chain(("ours", tx)),
  "masked": lambda tx: optax.masked(tx, everywhere(True)),
  "partition": lambda tx: optax.partition({"ours": tx}, {"conv": "ours", "dense": "ours"}),
  "selective_transform": lambda tx: optax.selective_transform(tx, freeze_mask=everywhere(False)),
  "MultiSteps": lambda tx: optax.MultiSteps(tx, 1).gradient_transformation(),
  "apply_if_finite": lambda tx: optax.apply_if_finite(tx, 3),
  "conditionally_transform": lambda tx: optax.conditionally_transform(tx, lambda step, **_: True),
  "conditionally_mask": lambda tx: optax.conditionally_mask(tx, lambda step, **_: True),
  "inject_hyperparams": lambda tx: optax.inject_hyperparams(
    lambda scale: optax.chain(tx, optax.scale(scale))
  )(scale=1.0),
  "with_extra_args_support": optax.with_extra_args_support,
  "flatten": optax.flatten,
  "contrib.reduce_on_plateau": lambda tx: optax.chain(tx, optax.contrib.reduce_on_plateau()),
  "contrib.schedule_free": lambda tx: optax.contrib.schedule_free(tx, 0.1),
  "contrib.mechanize": optax.contrib.mechanize,
  "contrib.sam": lambda tx: optax.contrib.sam(tx, optax.sgd(0.05)),
  "contrib.split_real_and_imaginary": optax.contrib.split_real_and_imaginary,
  "lookahead": lambda tx: optax.lookahead(tx, 10, 0.5),
}
# These make something else of the updates.
OF_THEIR_OWN = ("contrib.schedule_free", "contrib.mechanize", "contrib.sam")
GUIDE = {row[0].strip("`"): row[1:] for row in table("Under Optax's wrappers")}


def run(tx, wrapped, accuracies, metrics):
  params = PARAMS
  if "lookahead" in wrapped:
    params = optax.LookaheadParams.init_synced(PARAMS)
  state, found = tx.init(params), []
  for g, accuracy in zip(gradients(len(accuracies)), accuracies, strict=True):
    extra = {"train_accuracy": accuracy} if metrics else {}
    if "plateau" in wrapped:
      extra["value"] = 1.0
    updates, state = jax.jit(tx.update)(g, state, params, **extra)
    found.append(updates.fast if "lookahead" in wrapped else updates)
  return found


def test_the_page_has_every_wrapper():
  assert set(GUIDE) == set(WRAPPERS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_does_what_the_page_says(name, method):
  said = GUIDE[name][0 if method == "filter" else 1]
  tx, accuracies = WRAPPERS[name](METHODS[method]()), [0.2, 0.9, 0.4]
  plain = run(METHODS[method](), "", accuracies, method == "metric")
  if said == "takes no metric":
    with pytest.raises(TypeError, match="train_accuracy"):  # Optax's own
      run(tx, name, accuracies, metrics=True)
    with pytest.raises(ValueError, match=r"'train_accuracy' is missing.*optax\.lookahead"):
      run(tx, name, accuracies, metrics=False)
    return
  found = run(tx, name, accuracies, method == "metric")
  if said == "penalises all":
    for updates, g in zip(found, gradients(3), strict=True):
      scale = 0.2 if updates is found[1] else 0.0
      expected = jax.tree.map(lambda g, p, scale=scale: g + scale * p, g, PARAMS)
      jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), updates, expected)
    return
  assert said == "works"
  for ours, theirs in zip(found, plain, strict=True):
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(ours))
    if name not in OF_THEIR_OWN:
      jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, theirs)


NAN = jax.tree.map(lambda p: jnp.full_like(p, jnp.nan), PARAMS)


@pytest.mark.parametrize("inside", [True, False])
def test_one_nan_among_micro_batches(inside):
  """`apply_if_finite` goes outside of `MultiSteps`: inside, the sum stays NaN for good."""
  tx = optax.chain(grokfax.grokfast_ema(), grokfax.delayed_compression(0.1), optax.sgd(0.1))
  if inside:
    tx = optax.MultiSteps(optax.apply_if_finite(tx, 5), 2).gradient_transformation()
  else:
    many = optax.MultiSteps(tx, 2)  # its own `gradient_transformation()` hands no metric on
    tx = optax.apply_if_finite(optax.GradientTransformationExtraArgs(many.init, many.update), 5)
  state, params = tx.init(PARAMS), PARAMS
  for g in [NAN, *gradients(6)]:
    updates, state = jax.jit(tx.update)(g, state, params, train_accuracy=1.0)
    params = optax.apply_updates(params, updates)
  moved = bool(jnp.any(params["dense"]["kernel"] != PARAMS["dense"]["kernel"]))
  assert moved == (not inside)
  assert bool(jnp.isfinite(params["dense"]["kernel"]).all())


@pytest.mark.parametrize("make", [grokfax.latched, grokfax.until, lambda w: grokfax.ramped(w, 3)])
@pytest.mark.parametrize("reset", [True, False])
def test_a_latch_in_lookahead_in_a_scan(reset, make):
  """A state that is reset is blended with its first: a bool would come back as a number."""
  gated = grokfax.gate(grokfax.grokfast_ema(), make(grokfax.from_step(1)))
  tx = optax.lookahead(optax.chain(gated, optax.sgd(0.1)), 2, 0.5, reset_state=reset)

  def step(carry, g):
    params, state = carry
    updates, state = tx.update(g, state, params)
    return (optax.apply_updates(params, updates), state), None

  start = optax.LookaheadParams.init_synced(PARAMS)
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *gradients(4))
  scanned, _ = jax.lax.scan(step, (start, tx.init(start)), stacked)
  plain = start, tx.init(start)
  for g in gradients(4):
    plain, _ = step(plain, g)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), scanned, plain)


def test_a_penalty_in_lookahead():
  """On the fast parameters; the metric-free kind, for lookahead hands none on."""
  tx = optax.lookahead(grokfax.frobenius_penalty(0.5, mask=grokfax.not_bias), 10, 0.5)
  fast = jax.tree.map(lambda p: 2 * p, PARAMS)
  params = optax.LookaheadParams(fast=fast, slow=PARAMS)
  updates, _ = tx.update(jax.tree.map(jnp.zeros_like, PARAMS), tx.init(params), params)
  for layer in PARAMS:
    np.testing.assert_array_equal(updates.fast[layer]["kernel"], fast[layer]["kernel"])
    np.testing.assert_array_equal(updates.fast[layer]["bias"], 0.0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_window_that_lookahead_resets(dtype):
  """After a reset it is as it was at first: the ring holds numbers, which may be blended."""
  tx = optax.lookahead(grokfax.grokfast_ma(2, 1.0, warmup=False), 2, 0.5, reset_state=True)
  params = optax.LookaheadParams.init_synced(jnp.zeros(3, dtype))
  state, fast = tx.init(params), []
  for g in (1.0, 3.0, 5.0, 7.0):
    updates, state = jax.jit(tx.update)(jnp.full(3, g, dtype), state, params)
    fast.append(float(updates.fast[0]))
  assert fast[0] == 2.0  # 1 + 1
  assert fast[2] == 10.0  # 5 + 5: the 3 before the reset is forgotten
  window = state.fast_state.window
  assert jnp.issubdtype(window.dtype, jnp.floating)
  np.testing.assert_array_equal(window, 0.0)


def filtered(steps):
  """The gradients after grokfast_ema(.5, 2), by NumPy in float64."""
  slow, found = None, []
  for g in gradients(steps):
    g = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), g)
    slow = g if slow is None else jax.tree.map(lambda m, x: 0.5 * m + 0.5 * x, slow, g)
    found.append(jax.tree.map(lambda x, m: jnp.asarray(x + 2 * m, jnp.float32), g, slow))
  return found


def muon():
  numbers = {
    "conv": {
      "kernel": optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=(3,)),
      "bias": None,
    },
    "dense": {"kernel": optax.contrib.MuonDimensionNumbers(), "bias": None},
  }
  return optax.contrib.muon(0.02, muon_weight_dimension_numbers=numbers)


OPTIMIZERS = {
  "muon": muon,
  "ademamix": lambda: optax.contrib.ademamix(1e-2),
  "adopt": lambda: optax.contrib.adopt(1e-2),
  "dadapt_adamw": lambda: optax.contrib.dadapt_adamw(1.0),
  "dog": lambda: optax.contrib.dog(1.0),
  "galore": lambda: optax.contrib.galore(1e-2, rank=2),
  "madgrad": lambda: optax.contrib.madgrad(1e-2),
  "momo_adam": lambda: optax.contrib.momo_adam(1e-2),
  "prodigy": lambda: optax.contrib.prodigy(1.0),
  "schedule_free_adamw": lambda: optax.contrib.schedule_free_adamw(1e-2),
  "mechanize": lambda: optax.contrib.mechanize(optax.sgd(0.1)),
  "reduce_on_plateau": lambda: optax.chain(
    optax.sgd(0.1), optax.contrib.reduce_on_plateau(patience=1, factor=0.5)
  ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_contributed_optimizer_is_given_the_filtered_gradient(name):
  ours, alone = optax.chain(grokfax.grokfast_ema(0.5), OPTIMIZERS[name]()), OPTIMIZERS[name]()

  def train(tx, stream):
    params, state = PARAMS, tx.init(PARAMS)
    update = jax.jit(tx.update)
    for g in stream:
      updates, state = update(g, state, params, value=jnp.float32(1.0))
      params = optax.apply_updates(params, updates)
    return params

  found, expected = train(ours, gradients(6)), train(alone, filtered(6))
  for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_sam_around_the_filter():
  """Transparent: of two gradients the first goes into the ascent, the second into the filter."""
  inner = optax.chain(grokfax.grokfast_ema(0.5), optax.sgd(0.1))
  tx = optax.contrib.sam(inner, optax.chain(optax.contrib.normalize(), optax.sgd(0.05)))
  params, state = PARAMS, tx.init(PARAMS)
  for g in gradients(4):
    updates, state = jax.jit(tx.update)(g, state, params)
    params = optax.apply_updates(params, updates)
  expected, state = PARAMS, inner.init(PARAMS)
  for g in gradients(4)[1::2]:
    updates, state = inner.update(g, state, expected)
    expected = optax.apply_updates(expected, updates)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), params, expected
  )


def test_lbfgs_with_its_line_search():
  tx = optax.chain(grokfax.grokfast_ema(0.5, 0.5), optax.lbfgs())

  def loss(params):
    return sum(jnp.sum((p - 3.0) ** 2) for p in jax.tree.leaves(params))

  @jax.jit
  def step(params, state):
    value, grad = jax.value_and_grad(loss)(params)
    updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=loss)
    return optax.apply_updates(params, updates), state

  params, state = PARAMS, tx.init(PARAMS)
  for _ in range(20):
    params, state = step(params, state)
  assert float(loss(params)) < 1e-3 * float(loss(PARAMS))


def test_hyperparameters_of_bfloat16_parameters():
  """Injected, α = .999 would be 1: refused; told to be float32, it is the plain run."""
  params = jnp.ones(3, jnp.bfloat16)
  for make, values in (
    (grokfax.grokfast_ema, {"alpha": 0.999}),
    (grokfax.delayed_compression, {"threshold": 0.999}),
    (lambda lamb: grokfax.grokfast_ma(2, lamb), {"lamb": 0.3}),
  ):
    with pytest.raises(ValueError, match=r"hyperparam_dtype=jnp\.float32"):
      optax.inject_hyperparams(make)(**values).init(params)
    told = optax.inject_hyperparams(make, hyperparam_dtype=jnp.float32)(**values)
    plain = make(**values)
    state, plain_state = told.init(params), plain.init(params)
    for g in (1.0, 0.0, 2.0):
      g = jnp.full(3, g, jnp.bfloat16)
      ours, state = told.update(g, state, params, train_accuracy=0.9995)
      theirs, plain_state = plain.update(g, plain_state, params, train_accuracy=0.9995)
      np.testing.assert_array_equal(ours.astype(jnp.float32), theirs.astype(jnp.float32))
