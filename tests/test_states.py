"""States that meet a filter, or gradients, that they were not made for."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from flax import serialization
from flax.core import FrozenDict

import grokfax
from tests.helpers import run

PARAMS = {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}
OTHERS = {
  "ma, smaller": (grokfax.grokfast_ma(4), grokfax.grokfast_ma(6), "window of 4 .*one of 6"),
  "ma, larger": (grokfax.grokfast_ma(6), grokfax.grokfast_ma(4), "window of 6 .*one of 4"),
  "fir": (grokfax.grokfast_fir([1, 2]), grokfax.grokfast_fir([1, 2, 3]), "window of 2 .*one of 3"),
  "iir": (
    grokfax.grokfast_iir([1, 1, 1], [1]), grokfax.grokfast_iir([1], [1, -0.5]), "2 delays.* has 1"
  ),
  "multiscale": (
    grokfax.grokfast_multiscale([0.5], [1.0]),
    grokfax.grokfast_multiscale([0.5, 0.9], [1.0, 1.0]),
    "1 averages.* has 2",
  ),
  "another kind": (grokfax.grokfast_ema(), grokfax.grokfast_ma(4), "must be a GrokfastMaState"),
}  # fmt: skip


@pytest.mark.parametrize("through", ["itself", "pickle", "msgpack"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_state_of_another_filter(name, through):
  before, after, says = OTHERS[name]
  state = before.init(PARAMS)
  if through == "pickle":
    state = pickle.loads(pickle.dumps(jax.device_get(state)))
  elif through == "msgpack":
    content = serialization.msgpack_restore(serialization.to_bytes(state))
    state = serialization.from_state_dict(before.init(PARAMS), content)
  with pytest.raises(ValueError, match=says) as error:
    jax.jit(after.update)(PARAMS, state, PARAMS)
  assert "\n" not in str(error.value).split("\n-----")[0]


def test_a_state_that_lost_its_type():
  tx = grokfax.grokfast_ema()
  with pytest.raises(ValueError, match=r"must be a GrokfastEmaState.*got a dict"):
    tx.update(PARAMS, tx.init(PARAMS)._asdict(), PARAMS)


@pytest.mark.parametrize(
  "tx", [grokfax.grokfast_ema(), grokfax.grokfast_ma(3), grokfax.grokfast_fir([1.0]),
         grokfax.grokfast_iir([1], [1, -0.5]), grokfax.grokfast_multiscale([0.5], [1.0])]
)  # fmt: skip
def test_gradients_of_other_shapes(tx):
  """They would be broadcast, and stay in the state."""
  with pytest.raises(ValueError, match=r"the state at w has shape .*gradient \(2, 1\)"):
    tx.update({**PARAMS, "w": jnp.ones((2, 1))}, tx.init(PARAMS), PARAMS)
  with pytest.raises(ValueError, match="must be trees of one structure"):
    tx.update({"w": PARAMS["w"]}, tx.init(PARAMS), PARAMS)


@pytest.mark.parametrize(
  "tx", [grokfax.grokfast_ema(), grokfax.grokfast_ma(3), grokfax.grokfast_fir([1.0, 2.0])]
)
def test_gradients_in_another_container(tx):
  """Matched by path; the updates are like the gradients, the state stays as it was."""
  gradients = [{"w": PARAMS["w"] * i, "b": PARAMS["b"] / i} for i in (1.0, 2.0, 3.0, 4.0)]
  expected, _ = run(tx, gradients, PARAMS)
  state = tx.init(PARAMS)
  for g, plain in zip(gradients, expected, strict=True):
    updates, state = tx.update(FrozenDict(g), state, PARAMS)
    assert isinstance(updates, FrozenDict)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), dict(updates), plain)
  assert jax.tree.structure(state) == jax.tree.structure(tx.init(PARAMS))


@pytest.mark.parametrize(
  "tx", [grokfax.grokfast_ema(), grokfax.grokfast_ma(3), grokfax.grokfast_iir([1], [1, -0.5])]
)
@pytest.mark.parametrize("leaf", ["text", jnp.tanh, jax.random.key(0)], ids=["str", "fun", "key"])
def test_a_parameter_that_is_no_array(tx, leaf):
  with pytest.raises(ValueError, match=r"^the parameter deep/act must be an array of numbers"):
    tx.init({"w": PARAMS["w"], "deep": {"act": leaf}})


@pytest.mark.parametrize("tx", [grokfax.grokfast_ema(), grokfax.grokfast_ma(2, warmup=False)])
def test_gradients_of_integers(tx):
  """`jax.grad` gives float0 there: no gradient, and it leaves as it came."""
  params = {"w": jnp.ones(2), "steps": jnp.arange(3)}
  grads = jax.grad(lambda p: (p["w"] ** 2).sum(), allow_int=True)(params)
  assert grads["steps"].dtype == jax.dtypes.float0
  updates, _ = tx.update(grads, tx.init(params), params)
  assert updates["steps"].dtype == jax.dtypes.float0
  plain, _ = tx.update({"w": grads["w"]}, tx.init({"w": params["w"]}), {"w": params["w"]})
  np.testing.assert_array_equal(updates["w"], plain["w"])
  penalised = optax.chain(tx, grokfax.frobenius_penalty(0.5))
  penalised.update(grads, penalised.init(params), params)


WINDOWED = {
  "ma": lambda dtype: grokfax.grokfast_ma(2, 1.0, filter_type="sum", accumulator_dtype=dtype),
  "ma of blocks": lambda dtype: grokfax.grokfast_ma(
    4, 1.0, blocks=2, filter_type="sum", accumulator_dtype=dtype
  ),
  "fir": lambda dtype: grokfax.grokfast_fir([1.0, 0.5], accumulator_dtype=dtype),
}


SMALL = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float4_e2m1fn"]


@pytest.mark.parametrize("dtype", SMALL)
def test_floats_of_eight_bits_and_less(dtype):
  """Computed in float32, given back as they came."""
  g = jnp.asarray([1.0, 0.5, 2.0]).astype(dtype)
  gated = grokfax.gate(grokfax.grokfast_ema(0.5, 1.0), grokfax.ramped(grokfax.from_step(0), 2))
  for tx, expected in (
    (grokfax.grokfast_ema(0.5, 1.0), 2.0),
    (grokfax.grokfast_ma(2, 1.0, warmup=False), 2.0),
    (grokfax.grokfast_fir([1.0, 0.0]), 2.0),
    (grokfax.grokfast_iir([1.0], [1.0]), 2.0),
    (grokfax.frobenius_penalty(0.5), 2.0),
    (gated, 1.5),
  ):
    updates, _ = run(tx, [g], g)
    assert updates[0].dtype == jnp.dtype(dtype)
    wide = (g.astype(jnp.float32) * expected).astype(dtype).astype(jnp.float32)
    np.testing.assert_array_equal(updates[0].astype(jnp.float32), wide)


@pytest.mark.parametrize(
  ("dtype", "accumulator"),
  [
    *((dtype, None) for dtype in ("bfloat16", *SMALL)),
    ("float8_e5m2", "bfloat16"),
    ("float32", "float8_e5m2"),
  ],
)
@pytest.mark.parametrize("name", WINDOWED)
def test_a_ring_in_its_own_dtype(name, dtype, accumulator, monkeypatch):
  """As accelerators keep it: JAX promotes no float of 8 bits, and there was a sum with one.

  Gradients whose sums are exact in any of these dtypes: the numbers are those of a CPU's ring.
  """
  tx = WINDOWED[name](accumulator)
  stream = [
    jnp.asarray(g).astype(dtype) for g in np.asarray([[1, 0], [-1, 1], [0, -1]] * 5, np.float32)
  ]
  found = {}
  for backend in ("cpu", "gpu"):
    monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
    found[backend] = run(tx, stream)
  (ours, states), (cpus, _) = found["gpu"], found["cpu"]
  ring = states[-1][2]  # behind the clocks
  of_sums = accumulator or "float32"
  assert ring.dtype == jnp.dtype(of_sums if name == "ma of blocks" else dtype)
  for mine, theirs in zip(ours, cpus, strict=True):
    assert mine.dtype == theirs.dtype == jnp.dtype(dtype)
    np.testing.assert_array_equal(mine.astype(jnp.float32), theirs.astype(jnp.float32))
  assert any((mine != g).any() for mine, g in zip(ours, stream, strict=True))  # it was added


def test_the_derivative_by_lamb_at_zero_is_the_slow_part():
  for make in (
    lambda lamb: grokfax.grokfast_ema(0.5, lamb),
    lambda lamb: grokfax.grokfast_ma(1, lamb),
  ):
    state = make(0.0).init(jnp.ones(2))

    def objective(lamb, make=make, state=state):
      return make(lamb).update(jnp.asarray([2.0, -1.0]), state)[0]

    np.testing.assert_allclose(jax.jacobian(objective)(0.0), [2.0, -1.0])


def test_adam_l2_without_decay_wants_no_parameters():
  g = jnp.asarray([1.0, -2.0])
  tx, adam = grokfax.adam_l2(0.1), optax.adam(0.1, b2=0.98)
  ours, _ = tx.update(g, tx.init(g))
  theirs, _ = adam.update(g, adam.init(g))
  np.testing.assert_array_equal(ours, theirs)


FILTERS = {
  "ema": grokfax.grokfast_ema(0.5),
  "ma": grokfax.grokfast_ma(2, 1.0),
  "fir": grokfax.grokfast_fir([0.5, 0.5]),
  "iir": grokfax.grokfast_iir([0.5], [1, -0.5]),
  "multiscale": grokfax.grokfast_multiscale([0.5, 0.9], [1.0, 1.0]),
}


@pytest.mark.parametrize("tx", FILTERS.values(), ids=FILTERS)
def test_leaves_of_one_name(tx):
  """A complex leaf in its two parts; a key that is a path, beside that path: places decide."""
  rng = np.random.default_rng(0)

  def draw():
    return jnp.asarray(rng.normal(size=3) + 1j * rng.normal(size=3), "complex64")

  gradients = [{"w/x": draw(), "w": {"x": draw()}} for _ in range(5)]
  expected, _ = run(tx, gradients)
  split, _ = run(optax.contrib.split_real_and_imaginary(tx), gradients)
  for one, other in zip(expected, split, strict=True):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), one, other)
  for name in ("w/x", "w"):
    alone, _ = run(tx, [{name: g[name]} for g in gradients])
    for one, other in zip(expected, alone, strict=True):
      jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), one[name], other[name])


@pytest.mark.parametrize("tx", FILTERS.values(), ids=FILTERS)
def test_none_for_all_below_a_name(tx):
  """As a frozen layer has it: what is kept for it stays, a window moves on."""
  params = {"frozen": {"w": jnp.ones(2), "b": jnp.ones(3)}, "free": jnp.ones(2)}
  found, states = run(tx, [{"frozen": None, "free": jnp.ones(2)}] * 3, params)
  assert jax.tree.structure(states[-1]) == jax.tree.structure(tx.init(params))
  alone, _ = run(tx, [{"free": jnp.ones(2)}] * 3)
  for one, other in zip(found, alone, strict=True):
    assert one["frozen"] is None
    np.testing.assert_allclose(one["free"], other["free"], rtol=1e-6)
