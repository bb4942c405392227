"""Many members through the loop: in waves, stopped, diverged; each is what it is alone."""

import functools
import math
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.runs import loop, plan, settings
from experiments.runs.log import read_log
from experiments.runs.loop import Loop
from experiments.runs.outcomes import StopRules
from experiments.runs.plan import Program
from experiments.tasks.task import Goal
from experiments.training.population import Population
from experiments.training.train import Train
from tests.experiments.tools import perceptron

MEMBERS = 32
BUDGET = 96  # 32 epochs of three steps
GOAL = Goal("val_accuracy", 0.12)  # between two and three of 21
DIVERGES = 7
SMALL = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1}


class Seen:
  """A watcher that remembers how members ended."""

  def __init__(self):
    self.ended = {}

  def begin(self, running):
    pass

  def update(self, running):
    self.ended |= {member.label["member"]: member.ended for member in running if member.ended}


@functools.cache
def members():
  return [
    settings.make(
      "modular",
      method="grokfast_ma",
      window_size=5,
      seed=i,
      operation=["add", "mul"][i % 2],
      lamb=float(i % 4),
      learning_rate=0.003 * (1 + i % 3),
      **SMALL,
    )
    for i in range(MEMBERS)
  ]


@functools.cache
def train():
  net = perceptron()
  return Train(net.init, net.score, plan.train_of(members()[0]).make_optimizer, 8)


@functools.cache
def init(i):
  made, _ = plan.init_of(members()[i])
  if i == DIVERGES:
    made.numbers["learning_rate"] = jnp.float32(math.inf)
  return made


@functools.cache
def compiled(width):
  return Population(train(), init(0), epochs=1, width=width)


def program(width, positions=range(MEMBERS), budget=BUDGET):
  return Program(
    lambda _: compiled(width), positions, init, budget, interval=3, width=width, member_bytes=0
  )


def looped(programs, folder, watcher=None, *, goal=GOAL, stop_when_held=None, **kwargs):
  rules = StopRules(goal, stop_when_held)
  folder.mkdir(exist_ok=True)
  made = Loop(programs, lambda i: {"member": i}, rules, folder, watcher or Seen(), **kwargs)
  made.open()
  return made


def run(width, folder, **rules):
  seen = Seen()
  outcome = looped([program(width)], folder, seen, **rules).run()
  assert not outcome.interrupted
  return logs_of(folder), seen.ended


def logs_of(folder):
  logs: dict[int, list] = {i: [] for i in range(MEMBERS)}
  for record in read_log(folder / "metrics.jsonl"):
    logs[record.pop("member")].append(record)
  return logs


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
  steps = [*range(3, BUDGET + 1, 3)]
  assert all([r["step"] for r in logs[i]] == steps for i in logs if i != DIVERGES)


def test_thirty_two_members_in_waves_of_five(alone, tmp_path):
  logs, ended = run(5, tmp_path / "run")
  assert_close(logs, alone[0])
  assert ended == alone[1]


def up_to_held(records, steps):
  """A log as it is when its member stops once it has held the goal for so many steps."""
  since = None
  for i, record in enumerate(records):
    since = (since or record["step"]) if GOAL.reached(record) else None
    if since is not None and record["step"] - since >= steps:
      return records[: i + 1]
  return records


@pytest.mark.parametrize("width", [1, 5])
def test_a_member_that_has_held_stops(width, alone, tmp_path):
  """The log ends at the evaluation at which it was so, though the chunk went on."""
  expected = {i: up_to_held(records, 6) for i, records in alone[0].items()}
  early = {i for i in expected if len(expected[i]) < len(alone[0][i])}
  assert 5 < len(early) < MEMBERS, "some do and some do not"
  logs, ended = run(width, tmp_path / "run", stop_when_held=6)
  assert {i for i, why in ended.items() if why == "held"} == early
  assert_close(logs, expected)


def test_a_wave_ends_with_its_last_member(tmp_path, monkeypatch):
  """Nothing is trained beyond that but the chunk that was under way."""
  trained = []
  advance = Population.advance

  def counted(self):
    trained.append(self.width)
    return advance(self)

  monkeypatch.setattr(Population, "advance", counted)
  monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)  # one evaluation a chunk
  logs, ended = run(5, tmp_path / "run", stop_when_held=0)
  assert sum(why == "held" for why in ended.values()) > MEMBERS / 2
  waves = [[len(logs[i]) for i in range(MEMBERS)][i : i + 5] for i in range(0, MEMBERS, 5)]
  longest = sum(max(wave) for wave in waves)
  assert longest < 7 * BUDGET / 3, "at least one wave ended early"
  assert longest <= len(trained) <= longest + len(waves)


def test_two_programs(alone, tmp_path):
  """The second one's members are trained as if they were alone, and in the log behind."""
  few, others = range(4), range(4, 10)
  programs = [program(1, few), program(5, others, budget=30)]
  outcome = looped(programs, tmp_path / "run").run()
  logs = logs_of(tmp_path / "run")
  assert outcome.step == 30
  whole = {**dict.fromkeys(few), **dict.fromkeys(others, 10)}
  expected = {i: alone[0][i][: whole[i]] if i in whole else [] for i in range(MEMBERS)}
  assert_close(logs, expected)


def test_the_next_chunk_is_dispatched_before_the_last_one_is_read(tmp_path, monkeypatch):
  events = []
  advance, get = Population.advance, jax.device_get

  def dispatched(self):
    events.append("dispatch")
    return advance(self)

  def read(tree):
    events.append("read")
    return get(tree)

  monkeypatch.setattr(Population, "advance", dispatched)
  monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
  compiled(1)
  monkeypatch.setattr(loop.jax, "device_get", read)
  looped([program(1, [0], budget=12)], tmp_path / "run", checkpoint_every=1e9).run()
  assert events == ["dispatch", "dispatch", "read", "dispatch", "read", "dispatch", "read", "read"]


def test_a_chunk_lasts_as_long_as_the_clock_says(tmp_path, monkeypatch):
  """At a tenth of a second each, twenty evaluations are two seconds."""
  now, chunks = [0.0], []
  monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
  get = jax.device_get

  def slow(rows):
    chunks.append(len(rows))
    now[0] += 0.1 * len(rows)
    return get(rows)

  compiled(1)
  monkeypatch.setattr(loop.jax, "device_get", slow)
  looped([program(1, [0], budget=180)], tmp_path / "run", checkpoint_every=1e9).run()
  assert sum(chunks) == 60
  assert chunks[:2] == [1, 1]
  assert set(chunks[2:-1]) <= {19, 20}


def test_what_a_watcher_takes_is_not_training(tmp_path, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])

  class Slow(Seen):
    def update(self, running):
      now[0] += 100.0

  one = program(1, [0])
  outcome = looped([one], tmp_path / "run", Slow(), checkpoint_every=1e9).run()
  assert now[0] >= 100.0
  assert outcome.seconds == 0.0


class Interrupts(Seen):
  """A watcher in whose first update so many signals come."""

  def __init__(self, number, times):
    super().__init__()
    self.number, self.left = number, times

  def update(self, running):
    super().update(running)
    while self.left:
      self.left -= 1
      signal.raise_signal(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_an_evaluation_and_a_resume_finishes(number, alone, tmp_path):
  """In the middle of a wave, of a sweep of two programs."""
  folder, programs = tmp_path / "run", [program(1, [0]), program(5, range(1, 9))]
  outcome = looped(programs, folder, Interrupts(number, 1)).run()
  assert outcome.interrupted
  stopped = (folder / "metrics.jsonl").read_bytes()
  again = looped(programs, folder, resume=True).run()
  assert not again.interrupted
  assert (folder / "metrics.jsonl").read_bytes().startswith(stopped), "none was trained again"
  logs = logs_of(folder)
  expected = {i: alone[0][i] if i < 9 else [] for i in range(MEMBERS)}
  assert_close(logs, expected)


def test_a_second_signal_stops_at_once(tmp_path):
  """The log is whole, and the checkpoints before are there."""
  folder = tmp_path / "run"
  with pytest.raises(KeyboardInterrupt):
    looped([program(1, [0])], folder, Interrupts(signal.SIGINT, 2)).run()
  assert [r["step"] for r in read_log(folder / "metrics.jsonl")] == [3]
  assert list((folder / "checkpoints").iterdir())
  assert not looped([program(1, [0])], folder, resume=True).run().interrupted
