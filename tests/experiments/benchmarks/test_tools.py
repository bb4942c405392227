"""What benchmarks have in common: turns, tables and files."""

import json

from experiments.benchmarks import growth, tools


def test_in_turns():
  calls = []
  runs = {name: lambda name=name: calls.append(name) for name in "ab"}
  times = tools.in_turns(runs, seconds=0.0, rounds=3)
  assert calls == [*"aabb", *"ab" * 3]
  assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}


def test_results_say_where_and_how(tmp_path, monkeypatch, capsys):
  rows = [{"filter": "ema", "times AdamW": tools.Ratio(1.5, 1.25, 2.0)}, {"needs": "80 GB"}]
  tools.write("filter_step", rows, tmp_path)
  tools.show(rows)
  saved = json.loads(tools.file_of("filter_step", tmp_path).read_text())
  assert saved["rows"] == [{"filter": "ema", "times AdamW": [1.5, 1.25, 2.0]}, {"needs": "80 GB"}]
  assert {"jax", "optax"} <= saved["environment"]["packages"].keys()
  assert saved["environment"]["cores"]
  assert "| ema | 1.5 (1.25 to 2) |  |" in capsys.readouterr().out
  assert not list(tmp_path.glob("*.part"))


def test_growth_is_drawn(tmp_path):
  rows = [{"window": w, "filter": f"ma {w}", "times AdamW": [2.0, 1.0, 3.0]} for w in (1, 10)]
  rows += [{"parameters": 10, "filter": name, "ms a step": 2.0} for name in growth.FILTERS]
  rows += [{"parameters": 100, "filter": "ma 10", "needs": "80 GB"}]
  ran = {"operands": "float32", "member-steps/s": [3.0, 2.0, 4.0]}
  members = [{"members": 1, **ran}, {"members": 4, "operands": "float32", "needs": "80 GB"}]
  growth.draw(rows, members, tmp_path / "growth.png")
  assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
