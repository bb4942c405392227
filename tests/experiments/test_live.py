"""What a notebook looks at while members train."""

from experiments import live, loop
from experiments.live import Live
from experiments.members import Active


def test_looks_now_and_then_and_at_the_end(monkeypatch):
  clock = iter([0.0, 1.0, 2.0, 2.0, 3.0, 3.5, 3.5])
  monkeypatch.setattr(live.time, "monotonic", lambda: next(clock))
  looks = []
  watcher: loop.Watcher = Live(lambda: looks.append(member.step), seconds=2.0)
  member = Active(0, {}, budget=40)
  watcher.begin([member])
  for step in (10, 20, 30):
    member.records.append({"step": step})
    watcher.update([member])
  member.records.append({"step": 40})
  member.ended = "budget"
  watcher.update([member])
  assert looks == [20, 40]
