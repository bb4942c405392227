"""What a notebook looks at while members train."""

from colab import runtime
from experiments.runs.loop import Watcher
from experiments.runs.outcomes import RunningMember


def test_looks_now_and_then_and_at_the_end(monkeypatch):
  clock = iter([0.0, 1.0, 2.0, 2.0, 3.0, 3.5, 3.5])
  monkeypatch.setattr(runtime.time, "monotonic", lambda: next(clock))
  looks = []
  watcher: Watcher = runtime.Live(lambda: looks.append(member.step), seconds=2.0)
  member = RunningMember({}, budget=40)
  watcher.begin([member])
  for step in (10, 20, 30, 40):
    member.update({"step": step})
    watcher.update([member])
  assert member.ended
  assert looks == [20, 40]
