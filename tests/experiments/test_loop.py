"""Many members through the loop: retired, refilled, diverged; each is what it is alone."""

import functools
import math

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import loop, methods, modular
from experiments.journal import read_log
from experiments.loop import Loop
from experiments.members import Member, Program, Rules
from experiments.population import SideBySide
from experiments.training import make_train
from tests.experiments.tools import perceptron

MEMBERS = 32
STEPS = 95  # 31 epochs of three steps, and two steps more
GOAL = 0.12  # between two and three of 21
DIVERGES = 7
EXPERIMENT = modular.EXPERIMENT


class Seen:
  """A watcher that remembers how members ended."""

  def __init__(self):
    self.ended = {}

  def begin(self, active):
    pass

  def update(self, seen):
    self.ended |= {member.label["member"]: member.ended for member in seen if member.ended}


@functools.cache
def program(width):
  settings = [
    EXPERIMENT.resolve(
      modular.Settings(
        method="grokfast_ma",
        window_size=5,
        p=7,
        batch_size=8,
        seed=i,
        operation=["add", "mul"][i % 2],
        lamb=float(i % 4),
        learning_rate=0.003 * (1 + i % 3),
      )
    )
    for i in range(MEMBERS)
  ]

  def start(i):
    start, _ = EXPERIMENT.start(settings[i])
    if i == DIVERGES:
      start.numbers["learning_rate"] = jnp.float32(math.inf)
    return start

  return Program(
    train=make_train(perceptron(), functools.partial(methods.make_optimizer, settings[0]), 8),
    members=[Member({"member": i}, functools.partial(start, i)) for i in range(MEMBERS)],
    steps=STEPS,
    epoch=3,
    interval=3,
    width=width,
    chunk=None if width == 1 else 4,
  )


def run(width, folder, **rules):
  folder.mkdir()
  seen = Seen()
  outcome = Loop([program(width)], folder, Rules(goal=GOAL, **rules), seen).run()
  assert not outcome.stopped
  logs: dict[int, list] = {i: [] for i in range(MEMBERS)}
  for record in read_log(folder / "metrics.jsonl"):
    logs[record.pop("member")].append(record)
  return logs, seen.ended


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
  """Each to the end of its budget, one after another."""
  return run(1, tmp_path_factory.mktemp("alone") / "run")


def assert_close(logs, expected):
  for i in range(MEMBERS):
    assert [r["step"] for r in logs[i]] == [r["step"] for r in expected[i]], i
    for record, other in zip(logs[i], expected[i], strict=True):
      for name in ("train_loss", "val_loss"):
        if other[name] is None:
          assert record[name] is None
        else:
          np.testing.assert_allclose(record[name], other[name], rtol=2e-3, err_msg=f"{i}")


def test_budgets_and_divergence(alone):
  logs, ended = alone
  assert set(ended) == set(range(MEMBERS))
  assert {i for i, why in ended.items() if why == "diverged"} == {DIVERGES}
  assert logs[DIVERGES][-1]["train_loss"] is None
  assert all(r["train_loss"] is not None for r in logs[DIVERGES][:-1])
  steps = [*range(3, STEPS, 3), STEPS]
  assert all([r["step"] for r in logs[i]] == steps for i in logs if i != DIVERGES)


def test_thirty_two_members_in_five_places(alone, tmp_path):
  logs, ended = run(5, tmp_path / "run")
  assert_close(logs, alone[0])
  assert ended == alone[1]


def up_to_held(records, steps):
  """A log as it is when its member ends once it has held the goal for so many steps."""
  since = None
  for i, record in enumerate(records):
    since = (since or record["step"]) if record["val_accuracy"] >= GOAL else None
    if since is not None and record["step"] - since >= steps:
      return records[: i + 1]
  return records


@pytest.mark.parametrize("width", [1, 5])
def test_who_has_held_makes_room(width, alone, tmp_path):
  """The log ends at the evaluation at which it was so, though the chunk went on."""
  expected = {i: up_to_held(records, 6) for i, records in alone[0].items()}
  early = {i for i in expected if len(expected[i]) < len(alone[0][i])}
  assert 5 < len(early) < MEMBERS, "some do and some do not"
  logs, ended = run(width, tmp_path / "run", stop_when_held=6)
  assert {i for i, why in ended.items() if why == "held"} == early
  assert_close(logs, expected)


def test_places_do_not_wait_for_the_slowest(tmp_path, monkeypatch):
  """What is trained is the sum of the runs, but for the end of a chunk each and the last ones."""
  trained = []
  advance = SideBySide.advance

  def counted(self, evaluations, *piece):
    trained.append(evaluations)
    return advance(self, evaluations, *piece)

  monkeypatch.setattr(SideBySide, "advance", counted)
  width, longest = 5, math.ceil(STEPS / 3)
  logs, ended = run(width, tmp_path / "run", stop_when_held=0)
  assert sum(why == "held" for why in ended.values()) > MEMBERS / 2
  logged = sum(map(len, logs.values()))
  assert width * sum(trained) <= logged + 4 * MEMBERS + width * longest
  assert width * sum(trained) < MEMBERS * longest / 2


def test_what_a_watcher_takes_is_not_training(tmp_path, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])

  class Slow(Seen):
    def update(self, seen):
      now[0] += 100.0

  one = program(1)._replace(chunk=4, members=program(1).members[:1])
  outcome = Loop([one], tmp_path, Rules(checkpoint_every=1e9), Slow()).run()
  assert now[0] >= 700.0
  assert outcome.seconds == 0.0
