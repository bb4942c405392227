"""Studies made of sweeps: their settings can be, a folder is one study's, a kill costs nothing."""

import json

import pytest

from experiments.fields import UsageError
from experiments.reports.read import read_runs
from experiments.runs import loop
from experiments.studies import draw, study
from experiments.studies.__main__ import main
from experiments.studies.grids import STUDIES
from experiments.studies.grids.demo import DEMO
from experiments.studies.grids.leaderboard import LEADERBOARD
from experiments.studies.study import FOLDER, Part, Study
from tests.experiments.reports.fake_runs import write_run
from tests.experiments.tools import by_member, killed_after

SMALL = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1, "checkpoint_every": 0.0}
TINY = Study(
  "tiny",
  "Does it run?",
  {
    "one": Part({"method": "baseline", "steps": 60, **SMALL}, seeds=2, full={"seeds": 3}),
    "two": Part({"method": ["baseline", "grokfast_ema"], "steps": 30, **SMALL}, seeds=1),
  },
)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("each", STUDIES, ids=lambda each: each.name)
def test_all_settings_are_such_as_a_run_can_have(each, full):
  for part in each.parts.values():
    members = part.members(full=full)
    assert len({str(sorted(m.kept().items())) for m in members}) == len(members)


@pytest.mark.parametrize("each", STUDIES, ids=lambda each: each.name)
def test_the_full_size_is_larger(each):
  assert study.member_steps(each, full=True) > study.member_steps(each)
  assert len({each.name for each in STUDIES}) == len(STUDIES)


def test_what_only_the_full_size_has():
  longer = Part({"method": "baseline", **SMALL}, seeds=1, full_only=True)
  both = Study("tiny", "Does it run?", {**TINY.parts, "longer": longer})
  assert both.chosen([], full=False) == TINY.parts
  assert both.chosen(["longer"], full=True) == {"longer": longer}
  assert study.member_steps(both) == study.member_steps(TINY)
  with pytest.raises(UsageError, match="among one, two; got 'longer', which --full has"):
    both.chosen(["longer"], full=False)
  with pytest.raises(UsageError, match=r"among one, two, longer; got 'other'\."):
    both.chosen(["other"], full=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  out = tmp_path_factory.mktemp("studies") / "whole"
  study.run(TINY, out)
  return out


def test_parts_have_folders_of_their_own(whole):
  runs = study.read(TINY, whole)
  assert {name: len(found) for name, found in runs.items()} == {"one": 2, "two": 2}
  assert json.loads((whole / study.NAME).read_text()) == {"study": "tiny", "full": False}


@pytest.mark.parametrize("rows", [1, 4, 30])
def test_what_is_not_reached_is_said_at_the_top_edge(rows, whole):
  """Whatever the number of settings; at their left, the names are not cut."""
  runs = study.read(TINY, whole)["one"]
  drawn = draw.picture([(f"setting {i}", runs) for i in range(rows)])
  drawn.canvas.draw()
  (axes,) = drawn.axes
  (text,) = axes.texts
  word, frame = text.get_window_extent(), axes.get_window_extent()
  assert text.get_text() == "not reached"
  assert frame.y1 <= word.y0 < frame.y1 + 10
  assert axes.get_ylim() == (rows - 0.5, -0.5)


def test_a_run_that_was_ended_as_it_held_has_no_ring(tmp_path):
  (early, *_), (whole, *_) = (
    _runs_of(tmp_path / name, stop_when_held=stop)
    for name, stop in (("early", 500), ("whole", None))
  )
  assert (early.ended, whole.ended) == ("held", "budget")
  first, rings = draw.picture([("both", [early, whole])]).axes[0].collections
  assert (len(first.get_offsets()), len(rings.get_offsets())) == (2, 1)


def test_settings_of_another_task_are_told_with_its_name(tmp_path):
  parts = {task: _runs_of(tmp_path / task, task=task) for task in ("modular", "mnist")}
  names = [name for name, _ in draw.settings_of(parts)]
  assert names[0].startswith("recipe")
  assert names[1].startswith("mnist: recipe")


def test_methods_stand_under_their_names_the_best_first():
  of = study.read(LEADERBOARD, FOLDER / "leaderboard")
  rows = draw.methods_of({name: of[name] for name in ("adamw", "recipe")})
  assert [name for name, _ in rows] == [f"{m} {s}" for m in ("recipe", "adamw") for s in "+−×÷"]
  assert [len(runs) for _, runs in rows] == [10] * 4 + [5] * 4
  assert {run.values["operation"] for run in rows[1][1]} == {"sub"}


def _runs_of(folder, task="modular", stop_when_held=None):
  """One run of a hundred evaluations that is at the goal from the tenth on."""
  folder.mkdir()
  log = [0.2] * 9 + [1.0] * (51 if stop_when_held else 91)
  own = {"stop_when_held": stop_when_held} if stop_when_held else {}
  write_run(folder, 0, log, steps=1_000, task=task, method="recipe", **own)
  return read_runs(folder)


def test_a_killed_study_goes_on(whole, tmp_path, monkeypatch):
  """Killed in its first part, and again in its second: the logs are those of one that was not."""
  out = tmp_path / "killed"
  with killed_after(3, monkeypatch) as patch:
    patch.setattr(loop, "CHUNK_SECONDS", 0.0)
    study.run(TINY, out)
  assert not (out / "two").exists()
  with killed_after(40, monkeypatch) as patch:
    patch.setattr(loop, "CHUNK_SECONDS", 0.0)
    study.run(TINY, out)
  assert not (out / "two" / "summary.json").exists()
  study.run(TINY, out)
  for name in TINY.parts:
    assert by_member(out / name) == by_member(whole / name)


def test_what_is_there_is_not_trained_again(whole, monkeypatch, capsys):
  before = (whole / "one" / "metrics.jsonl").read_bytes()
  monkeypatch.setattr("experiments.runs.loop.Loop.run", lambda self: pytest.fail("it trains again"))
  assert not study.run(TINY, whole)["interrupted"]
  draw.write(TINY, whole)
  assert "baseline" in capsys.readouterr().out
  assert (whole / "tiny.png").stat().st_size > 1_000
  assert (whole / "one" / "metrics.jsonl").read_bytes() == before


def test_curves_have_the_published_crossings_beside_them(whole):
  """The paper's baseline, and each method's own; at p = 7 nothing was published."""
  (axes,) = draw.curves(study.read(DEMO, FOLDER / "demo")["grokfast_ema"]).axes
  assert {39_890, 910} <= {line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2}
  (axes,) = draw.curves(study.read(TINY, whole)["two"]).axes
  assert 910 not in {line.get_xdata()[0] for line in axes.lines}


@pytest.mark.parametrize(
  ("words", "told"),
  [
    (["forks"], "NAME must be one of fork, two_by_two"),
    (["fork", "--part", "emma"], "--part must be among ema, compression"),
    (["fork", "--steps", "10"], "unrecognized arguments: --steps 10"),
    (["controls", "--out", "{whole}"], "is the folder of another study: tiny, default size"),
    (["fork", "--out", "{other}"], "must be a new or an empty folder, or this study's own"),
    (["fork", "--out", "{file}"], "must be a new or an empty folder, or this study's own"),
  ],
)
def test_bad_input_is_one_line(whole, tmp_path, capsys, words, told):
  (tmp_path / "other").mkdir()
  (tmp_path / "other" / "notes.txt").write_text("mine")
  places = {"whole": whole, "other": tmp_path / "other", "file": tmp_path / "other" / "notes.txt"}
  assert main([word.format(**places) for word in words]) == 2
  error = capsys.readouterr().err
  assert told in error
  assert error.count("\n") == 1
  assert (tmp_path / "other" / "notes.txt").read_text() == "mine"


def test_another_size_is_another_study(whole, capsys):
  with pytest.raises(study.UsageError, match="another study: tiny, default size"):
    study.run(TINY, whole, full=True)
  assert not capsys.readouterr().out


def test_a_damaged_claim_is_told(tmp_path):
  (tmp_path / study.NAME).write_text("{")
  with pytest.raises(study.UsageError, match=r"study\.json is damaged"):
    study.run(TINY, tmp_path)
