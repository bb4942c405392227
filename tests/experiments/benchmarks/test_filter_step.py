"""Steps of filters: what is counted, and that rows say what happened; not how long it took."""

import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import cases, filter_step, memory, tools
from experiments.training.devices import bytes_of

# Floats that a step moves for each parameter, and that the state holds, in float32.
FLOATS = {
  "adamw": (7, 2),
  "ema": (9, 3),
  "ma 10": (13, 14),
  "ma 100": (13, 104),
  "ma 1000": (13, 1004),
  "ma 100 in 10": (12, 14),
  "ma 1000 in 10": (12, 14),
  "fir 10": (17, 12),
  "iir 2": (11, 4),
  "multiscale 3": (13, 5),
}
PARAMS = [jax.ShapeDtypeStruct((30, 10), jnp.float32)]


@pytest.mark.parametrize("name", cases.KINDS)
def test_the_least_is_what_the_state_holds(name):
  kind = cases.KINDS[name]
  moved, held = FLOATS[name]
  assert cases.least_moved_bytes(kind, PARAMS) == 4 * 300 * moved
  assert cases.least_state_bytes(kind, PARAMS) == 4 * 300 * held
  for dtype in ("float32", "bfloat16"):
    params = [jax.ShapeDtypeStruct((1000, 10), jnp.dtype(dtype))]
    state = bytes_of(jax.eval_shape(cases.optimizer(kind).init, params))
    assert 1 <= state / cases.least_state_bytes(kind, params) < 1.001


# Arrays like the parameters, beside the state: what is filtered, or what is copied.
TEMPORARY = {"ema": 0.1, "ma 100": 0.1, "fir 10": 1.2, "iir 2": 2.1}


@pytest.mark.usefixtures("fused_as_for_users")
@pytest.mark.parametrize("form", filter_step.FORMS)
@pytest.mark.parametrize("name", TEMPORARY)
def test_a_step_is_made_in_place(name, form):
  row = memory.row_of("20M", "float32", form, name)
  assert row["updated in place"] > 0.99
  assert row["temporary, in parameters"] < TEMPORARY[name]


@pytest.mark.usefixtures("fused_as_for_users")
@pytest.mark.parametrize("form", filter_step.FORMS)
@pytest.mark.parametrize(
  ("name", "floats"), [("adamw", 10), ("ema", 15), ("ma 10", 24), ("ma 100", 24)]
)
def test_the_floats_that_the_compiler_counts(name, floats, form):
  """What the benchmarks' page says that a step moves for each parameter."""
  kind, params = cases.KINDS[name], [jax.ShapeDtypeStruct((100, 100), jnp.float32)] * 2
  carry = params, jax.eval_shape(cases.optimizer(kind).init, params)
  step = filter_step.make_step(kind, form, 4).lower(carry, params).compile()
  moved = step.cost_analysis()["bytes accessed"] / bytes_of(params)
  assert moved == pytest.approx(floats, abs=0.1)


def test_a_window_is_full_when_it_is_timed(monkeypatch):
  carries = []
  monkeypatch.setattr(filter_step, "repeated", lambda _, step, carry, *rest: carries.append(carry))
  filter_step.ours(cases.ma(10), PARAMS, "scan", 2)
  ((_, (state, _)),) = carries
  ones = jax.tree.map(lambda p: jnp.ones(p.shape, p.dtype), PARAMS)
  (ma,) = cases.ma(10).filters()
  for update in jax.tree.leaves(ma.update(ones, state)[0]):
    np.testing.assert_allclose(update, 1 + 5 / 10, rtol=1e-6)


@pytest.fixture(autouse=True)
def small_and_without_torch(monkeypatch):
  monkeypatch.setattr(filter_step, "torch_filters", None)
  monkeypatch.setattr(filter_step, "LARGE", 4 * 300 * 8)


def test_rows_of_the_filter_step():
  kinds = {name: cases.KINDS[name] for name in ("adamw", "ema")}
  rows = list(filter_step.rows_of(PARAMS, "scan", kinds, seconds=0.01))
  assert [row["filter"] for row in rows] == ["adamw", "ema"]
  assert [row["moves at least, MB"] for row in rows] == [n * 4 * 300 / 1e6 for n in (7, 9)]
  adamw, ema = rows
  assert "of the bound" not in adamw, "what lies in a cache is not bound by the memory"
  low, high = ema["of the bound"][1:]
  least_ms = ema["moves at least, MB"] / ema["bandwidth, GB/s"]
  assert low / 2 <= least_ms / ema["ms a step"] <= 2 * high


def test_a_scan_of_steps_is_that_many_steps():
  kind, steps = cases.KINDS["ma 10"], 12
  params = [jnp.linspace(-1.0, 1.0, 300).reshape(30, 10)]
  state, grads = cases.optimizer(kind).init(params), [jnp.ones((30, 10))]
  scan, _ = filter_step.make_step(kind, "scan", steps)(
    jax.tree.map(jnp.copy, (params, state)), grads
  )
  carry, one = (params, state), filter_step.make_step(kind, "jit", steps)
  for scale in np.linspace(0.5, 1.5, steps, dtype=np.float32):
    carry = one(carry, [grads[0] * scale])
  np.testing.assert_allclose(scan[0], carry[0][0], rtol=1e-6)


@pytest.mark.gate
def test_torch_takes_its_turns(monkeypatch):
  made = []

  def steps(shapes, filter, *, window_size, fused, dtype, device):
    made.append((shapes, filter, window_size, fused, dtype, device))
    return lambda: time.sleep(1e-3)

  fake = types.SimpleNamespace(
    steps=steps,
    bytes_needed=lambda shapes, filter, window_size, dtype: 1000,
    synchronize=lambda device: None,
    torch=types.SimpleNamespace(float32="torch.float32"),
  )
  monkeypatch.setattr(filter_step, "torch_filters", fake)
  kinds = {name: cases.KINDS[name] for name in ("adamw", "ma 10", "fir 10")}
  adamw, ma, fir = filter_step.rows_of(PARAMS, "scan", kinds, seconds=0.01)
  told = ([(30, 10)], "ma", 10, True, "torch.float32", "cpu")
  assert made[2] == told
  assert made[3] == (*told[:3], False, *told[4:])
  for row in (adamw, ma):
    for who in ("torch, fused", "torch, not fused"):
      assert row[f"{who}, ms"] >= 1
      assert row[f"{who}: times ours"].low > 1
  assert not any(name.startswith("torch") for name in fir)
  monkeypatch.setattr(fake, "bytes_needed", lambda *_: tools.memory_bytes())
  (adamw,) = filter_step.rows_of(PARAMS, "scan", {"adamw": kinds["adamw"]}, seconds=0.01)
  assert not any(name.startswith("torch") for name in adamw)


def test_what_does_not_fit_is_not_run(monkeypatch):
  monkeypatch.setattr(tools, "memory_bytes", lambda: 2 * 4 * 300 * 100)
  kinds = {name: cases.KINDS[name] for name in ("ma 10", "ma 100")}
  small, large = filter_step.rows_of(PARAMS, "jit", kinds, seconds=0.01)
  assert "needs" not in small
  assert large == {"filter": "ma 100", "needs": "0 GB"}
