"""The benchmarks' torch side: against the recordings of the reference, and against our filters.

Collected where torch is installed; see the conftest.py of the project.
"""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import torch  # pyright: ignore[reportMissingImports]

import grokfax
from experiments.benchmarks.torch_side import torch_filters, torch_loop
from experiments.tasks import modular

SHAPES = {"weight": (4, 3), "bias": (3,)}


@pytest.fixture(autouse=True)
def one_thread():
  """Beside other tests, torch's threads would wait for each other most of the time."""
  threads = torch.get_num_threads()
  torch.set_num_threads(1)
  yield
  torch.set_num_threads(threads)


def penalised_ma():
  """What was recorded: a Frobenius penalty of .01 in the loss, so before the filter."""
  average = torch_filters.ma(5, 5.0)

  def apply(named_parameters):
    named_parameters = list(named_parameters)
    for name, p in named_parameters:
      if "weight" in name:
        p.grad = p.grad + 0.02 * p.detach()
    average(named_parameters)

  return apply


RUNS = {
  "ema": torch_loop.METHODS["ema"],
  "penalty": torch_loop.Method(penalised_ma, 0.0),
}


def parameters_of(recording, part):
  prefix = f"{part}/"
  return {
    name.removeprefix(prefix): torch.from_numpy(recording[name])
    for name in recording.files
    if name.startswith(prefix)
  }


def without_key_biases(name, values):
  """Their gradient is exactly 0, and Adam blows up its rounding noise to a full step."""
  if not name.endswith("in_proj_bias"):
    return values
  q, _, v = values.chunk(3)
  return torch.cat([q, v])


@pytest.fixture(params=RUNS)
def case(request, reference):
  recording = np.load(reference / "model" / f"{request.param}.npz")
  model = torch_loop.Transformer()
  model.load_state_dict(parameters_of(recording, "init"))
  batches = [
    torch.from_numpy(batch[:, :size].astype(np.int64))
    for batch, size in zip(recording["batches"], recording["batch_sizes"], strict=True)
  ]
  return recording, model, batches, RUNS[request.param]


def test_twenty_five_steps_of_the_reference(case):
  recording, model, batches, method = case
  logits = model(batches[0][:-1])[-1].detach()
  np.testing.assert_allclose(logits, recording["logits0"], rtol=0, atol=1e-5)

  step = torch_loop.make_step(model, method.make_filter(), method.weight_decay)
  losses, accuracies = np.array([[s.item() for s in step(batch)] for batch in batches]).T
  np.testing.assert_allclose(losses, recording["losses"], rtol=0, atol=1e-4)
  np.testing.assert_allclose(accuracies, recording["accuracies"], rtol=0, atol=1e-6)
  for name, values in parameters_of(recording, "final").items():
    ours, theirs = (
      without_key_biases(name, v) for v in (model.get_parameter(name).detach(), values)
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4, err_msg=name)

  held_out = torch_loop.table()[:, recording["valid_index"].astype(np.int64)]
  with torch.no_grad():
    loss, _ = torch_loop.mean_scores(lambda batch: torch_loop.score(model, batch), held_out)
  np.testing.assert_allclose(loss, recording["valid_loss_final"], rtol=0, atol=1e-4)


def test_the_model_has_the_papers_parameters():
  assert sum(p.numel() for p in torch_loop.Transformer().parameters()) == 422_784


def test_the_table_is_ours():
  x, op, y, eq, answer = torch_loop.table().numpy()
  assert (op == 98).all()
  assert (eq == 97).all()
  for column, ours in zip((x, y, answer), modular.table("mul", 97), strict=True):
    np.testing.assert_array_equal(column, ours)


def test_an_epoch_is_ten_steps_and_the_run_ends_at_its_goal(capsys):
  torch_loop.main(["--steps", "11", "--filter", "ma"])
  records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [record["step"] for record in records] == [10, 20]
  assert records[0]["train_loss"] > records[1]["train_loss"]
  assert all(0 <= record["val_accuracy"] <= 1 for record in records)
  assert 0 < records[0]["seconds"] < records[1]["seconds"]
  (record,) = torch_loop.train(seed=0, filter="none", steps=20, stop_at=0.0)
  assert record["step"] == 10


@pytest.mark.parametrize(
  ("theirs", "ours"),
  [
    (torch_filters.ema(0.9, 2.0), grokfax.grokfast_ema(0.9, 2.0)),
    (torch_filters.ma(3, 5.0), grokfax.grokfast_ma(3, 5.0)),
  ],
  ids=["ema", "ma"],
)
def test_filters_are_ours(theirs, ours):
  rng = np.random.default_rng(0)
  parameters = {n: torch.nn.Parameter(torch.zeros(shape)) for n, shape in SHAPES.items()}
  state = ours.init({n: jnp.zeros(shape) for n, shape in SHAPES.items()})
  for _ in range(8):
    grads = {n: rng.normal(size=shape).astype(np.float32) for n, shape in SHAPES.items()}
    for n, p in parameters.items():
      p.grad = torch.from_numpy(grads[n].copy())
    theirs(parameters.items())
    filtered, state = ours.update({n: jnp.asarray(g) for n, g in grads.items()}, state)
    for n, p in parameters.items():
      np.testing.assert_allclose(p.grad, filtered[n], rtol=0, atol=1e-5)


@pytest.mark.parametrize("fused", [False, True], ids=["default", "fused"])
@pytest.mark.parametrize("filter", ["none", "ema", "ma"])
def test_gradients_have_memory_of_their_own_and_stay(filter, fused, monkeypatch):
  make, seen = torch_filters._make_filter, []

  def spy(filter, window_size):
    apply = make(filter, window_size)

    def apply_and_note(named_parameters):
      grads = [p.grad for _, p in named_parameters]
      seen.append([(g.data_ptr(), g.clone()) for g in grads])
      apply(named_parameters)
      changed = [p.grad is not g for (_, p), g in zip(named_parameters, grads, strict=True)]
      # The window is full before the first step.
      assert changed == [filter == "ema" or (filter == "ma" and len(seen) >= 3)] * 2

    return apply_and_note

  monkeypatch.setattr(torch_filters, "_make_filter", spy)
  step = torch_filters.steps(
    [*SHAPES.values()], filter, window_size=3, fused=fused, dtype=torch.float32, device="cpu"
  )
  before = len(seen)
  assert before == (3 if filter == "ma" else 0)
  for _ in range(8):
    step()
  sets = 4 if filter == "ma" else 2
  assert len({memory for grads in seen[:sets] for memory, _ in grads}) == 2 * sets
  for grads, again in zip(seen, seen[sets:], strict=False):
    for (memory, g), (same_memory, h) in zip(grads, again, strict=True):
      assert memory == same_memory
      assert torch.equal(g, h)


def test_bytes_needed():
  # Parameters, two moments, gradients; the average and what the filter returns; what passes.
  count = torch_filters.bytes_needed
  assert count([(4, 3), (4,)], "none", 100, torch.float32) == (3 + 2) * 64 + 3 * 48
  assert count([(4, 3), (4,)], "ema", 100, torch.float32) == (3 + 2 + 2) * 64 + 3 * 48
  assert count([(4, 3)] * 4, "ma", 100, torch.bfloat16) == (3 + 101 + 1 + 1) * 96
