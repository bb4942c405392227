"""What every transformation's state must honour, for every case in the table.

What a compiler or a loop may do to it is tried with one case of each kind.
"""

import jax
import jax.export
import jax.numpy as jnp
import optax
import pytest

import grokfax
from tests.cases import CASES, FILTERS
from tests.contract.tools import (
  STEPS,
  assert_close,
  at,
  make_gradients,
  make_params,
  metrics_of,
  of_each_kind,
  run_case,
  stacked,
  tree_of,
)
from tests.helpers import avals, run, x64


def test_is_a_transformation_with_extra_arguments(case):
  tx = case.make()
  assert isinstance(tx, optax.GradientTransformationExtraArgs)
  params = make_params()
  state = tx.init(params)
  assert type(state) is tuple or hasattr(state, "_fields")  # a chain's, or one with names
  assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
  tx.update(params, state, params, another_metric=1.0, **at(metrics_of(case), 0))


def test_state_is_a_fixed_point(case, bare):
  """In shape, dtype and weak type: no second compilation, legal as a scan's carry."""
  params, metrics = make_params(), metrics_of(case)
  initial = case.make().init(params)
  for state in bare[1]:
    assert avals(state) == avals(initial)
    assert jax.tree.structure(state) == jax.tree.structure(initial)
  update = jax.jit(case.make().update)
  state = initial
  for i, g in enumerate(make_gradients()):
    _, state = update(g, state, params, **at(metrics, i))
  assert update._cache_size() == 1


def test_counters_saturate(case, bare):
  """At the largest int32 they stay, and the transformation does what it did."""
  tx, params, metrics = case.make(), make_params(), metrics_of(case)
  largest = jnp.iinfo(jnp.int32).max

  def late(by):
    def leaf(path, value):
      name = jax.tree_util.keystr(path[-1:], simple=True)
      return jnp.int32(largest - by) if name.endswith("_step") or name == "count" else value

    return jax.tree_util.tree_map_with_path(leaf, bare[1][-1])

  g, metric = make_gradients()[0], at(metrics, 1)
  before, _ = tx.update(g, late(2), params, **metric)
  updates, state = tx.update(g, late(0), params, **metric)
  assert_close(updates, before, rtol=1e-5, atol=1e-5)
  assert all((leaf >= 0).all() for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.int32)


@of_each_kind
def test_scan_and_jit_give_what_plain_calls_give(case, bare):
  tx, params, metrics = case.make(), make_params(), metrics_of(case)
  plain, states = bare

  def step(state, g_and_metrics):
    g, metrics = g_and_metrics
    u, state = tx.update(g, state, params, **metrics)
    return state, u

  last, scanned = jax.lax.scan(step, tx.init(params), (stacked(make_gradients()), metrics))
  assert_close(scanned, stacked(plain))
  assert_close(last, states[-1])


@of_each_kind
def test_vmap_gives_each_member_its_own_result(case, bare):
  """Members differ in gradients and metrics, so in what their gates decide."""
  tx, params, metrics = case.make(), make_params(), metrics_of(case)
  gradients = stacked(make_gradients())
  backwards = jax.tree.map(lambda g: -g[::-1], gradients)
  other_metrics = {name: values[::-1] for name, values in metrics.items()}

  def train(gradients, metrics):
    def step(state, g_and_metrics):
      u, state = tx.update(g_and_metrics[0], state, params, **g_and_metrics[1])
      return state, u

    return jax.lax.scan(step, tx.init(params), (gradients, metrics))[1]

  members = stacked([(gradients, metrics), (backwards, other_metrics)])
  together = jax.device_get(jax.vmap(train)(*members))
  steps = [jax.tree.map(lambda g: g[i], backwards) for i in range(STEPS)]  # noqa: B023
  other, _ = run(tx, steps, params, **other_metrics)
  for i, alone in enumerate((bare[0], other)):
    assert_close(jax.tree.map(lambda u: u[i], together), stacked(alone))  # noqa: B023


def test_init_is_a_pure_tree_map(case):
  tx, params = case.make(), make_params()
  concrete = tx.init(params)
  abstract = jax.eval_shape(tx.init, params)
  assert jax.tree.structure(abstract) == jax.tree.structure(concrete)
  shapes = tree_of(jax.ShapeDtypeStruct)
  assert avals(tx.init(shapes)) == avals(concrete)
  tx.init(None)
  for empty in ({}, (), {"a": None}, {"a": optax.MaskedNode()}):
    state = tx.init(empty)
    updates, _ = tx.update(empty, state, empty, **at(metrics_of(case), 0))
    assert jax.tree.structure(updates) == jax.tree.structure(empty)


@pytest.mark.parametrize(
  "case", [name for name, case in CASES.items() if case.bears_none], indirect=True
)
def test_a_missing_gradient_leaves_the_rest_alone(case, bare):
  params, gradients = make_params(), make_gradients()
  holey, states = run_case(case, [{**g, "scale": None} for g in gradients], params)
  for u, v in zip(holey, bare[0], strict=True):
    assert u["scale"] is None
    assert_close(u["layer"], v["layer"])
  assert avals(states[-1]) == avals(case.make().init(params))


@of_each_kind
def test_state_may_be_donated(case, bare):
  """No buffer twice in the state, and none that is a parameter."""
  tx, params, metrics = case.make(), make_params(), metrics_of(case)
  update = jax.jit(tx.update, donate_argnums=1)
  state, updates = jax.jit(tx.init)(params), None
  for i, g in enumerate(make_gradients()):
    pointers = [
      leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((state, params)) if leaf.size
    ]
    assert len(set(pointers)) == len(pointers)
    updates, state = update(g, state, params, **at(metrics, i))
  assert_close(updates, bare[0][-1])


DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64")


def test_each_leaf_keeps_its_dtype(case):
  """In one tree of all of them: the dtype of the gradients, and the float64 leaf's numbers."""
  with x64():
    of_dtype = {dtype: make_gradients(jnp.dtype(dtype)) for dtype in DTYPES}
    gradients = [
      {dtype: g["layer"] for dtype, g in zip(DTYPES, each, strict=True)}
      for each in zip(*of_dtype.values(), strict=True)
    ]
    params = {dtype: make_params(jnp.dtype(dtype))["layer"] for dtype in DTYPES}
    updates, states = run_case(case, gradients, params)
    assert avals(states[-1]) == avals(case.make().init(params))
    for update in updates:
      for dtype in DTYPES:
        assert {leaf.dtype for leaf in jax.tree.leaves(update[dtype])} == {jnp.dtype(dtype)}
      for dtype in DTYPES[:3]:
        wide = jax.tree.map(lambda u: u.astype(jnp.float64), update[dtype])
        tolerance = 30 * float(jnp.finfo(dtype).eps)
        assert_close(wide, update["float64"], rtol=tolerance, atol=tolerance)


@of_each_kind
def test_lowers_for_accelerators(case):
  tx, params = case.make(), make_params()
  args = (params, tx.init(params), params)
  function = jax.jit(lambda g, s, p, m: tx.update(g, s, p, **m))
  platforms = ("tpu", "cuda")
  exported = jax.export.export(function, platforms=platforms)(*args, at(metrics_of(case), 0))
  assert exported.platforms == platforms


def test_tree_utilities_find_their_way(case):
  """`optax.tree.map_params` touches what is shaped like a parameter, and nothing else."""
  tx, params = case.make(), make_params()
  state = tx.init(params)
  marked = optax.tree.map_params(tx, lambda s: jnp.full_like(s, 7), state)
  steps = [leaf for leaf in jax.tree.leaves(marked) if leaf.shape == () and leaf.dtype == jnp.int32]
  assert all(step == 0 for step in steps)
  shaped = [leaf for leaf in jax.tree.leaves(marked) if leaf.shape[-2:] == (3, 2)]
  assert all(jnp.all(leaf == 7) for leaf in shaped)
  assert len(shaped) == sum(leaf.shape[-2:] == (3, 2) for leaf in jax.tree.leaves(state))
  assert jax.tree.structure(marked) == jax.tree.structure(state)


@pytest.mark.parametrize("name", FILTERS)
def test_states_can_be_told_apart_in_a_chain(name):
  """By the names of their fields, whatever the filter."""
  filter_ = FILTERS[name].make()
  tx = optax.chain(filter_, grokfax.delayed_compression(), optax.adam(optax.constant_schedule(0.1)))
  params = make_params()
  state = tx.init(params)
  for field in (*filter_.init(params)._fields, "gate_step", "steps_open", "penalty_step", "mu"):
    optax.tree.get(state, field)  # raises a KeyError where a name stands twice
