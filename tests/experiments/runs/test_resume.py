"""Runs that are killed or damaged, and resumed; nothing that was measured is lost."""

import json
from pathlib import Path

import filelock
import numpy as np
import pytest

from experiments import commands
from experiments.fields import UsageError
from experiments.runs import checkpoints, folder, launch, loop, settings, sweep
from experiments.runs.log import read_log
from tests.experiments.runs.resume_helpers import (
  OFTEN,
  RUN,
  assert_same_run,
  content,
  main,
  newest_first,
  refused,
)
from tests.experiments.tools import Killed, killed_after

pytestmark = pytest.mark.usefixtures("compiled_once")


def positions(out):
  return {file: position for file, position, _ in checkpoints.saved(out)}


def resumed_from(out, checkpoint):
  """Resumes, from that checkpoint: what was logged before it stays, times too."""
  log = out / "metrics.jsonl"
  kept = log.read_bytes()[: positions(out)[checkpoint]["log"]]
  assert kept
  assert main("--out", out, "--resume") == 0
  assert log.read_bytes().startswith(kept)


def test_a_run_resumes_where_it_was(broken, unbroken, capsys):
  resumed_from(broken, newest_first(broken)[0])
  assert_same_run(broken, unbroken)
  assert not (broken / checkpoints.FOLDER).exists()
  environment = json.loads((broken / "environment.json").read_text())
  assert len(environment["resumed"]) == 1

  capsys.readouterr()
  before = content(broken)
  assert main("--out", broken, "--resume") == 0, "there is nothing more to do"
  assert "best validation accuracy" in capsys.readouterr().out
  assert before == content(broken)


def test_killed_before_the_first_evaluation(unbroken, tmp_path, monkeypatch):
  """The checkpoint of the beginning is there, and needs no arrays."""
  out = tmp_path / "run"

  def killed(*_):
    raise Killed

  with monkeypatch.context() as patch:
    patch.setattr("experiments.training.population.Population.advance", killed)
    with pytest.raises(Killed):
      main("--out", out)
  ((_, position, arrays),) = checkpoints.saved(out)
  assert (position["evaluations"], position["log"], arrays) == (0, 0, [])
  assert main("--out", out, "--resume") == 0
  assert_same_run(out, unbroken)


def test_killed_before_the_second_checkpoint(unbroken, tmp_path, monkeypatch):
  """The log has more than the checkpoint of the beginning: that part is trained again."""
  out = tmp_path / "run"
  with killed_after(2, monkeypatch) as patch:
    patch.setattr(loop, "CHUNK_SECONDS", 0.0)
    main("--out", out)
  assert read_log(out / "metrics.jsonl")
  assert main("--out", out, "--resume") == 0
  assert_same_run(out, unbroken)


def test_killed_after_the_last_step(unbroken, tmp_path, monkeypatch):
  """When all was trained and nothing of the end was written."""
  out = tmp_path / "run"

  def killed(*_):
    raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(launch, "_finish_run", killed)
    with pytest.raises(Killed):
      main("--out", out, *OFTEN)
  assert main("--out", out, "--resume") == 0
  assert_same_run(out, unbroken)


def test_damaged_files_are_one_line(broken, capsys):
  environment = (broken / "environment.json").read_text()
  (broken / "environment.json").write_text(environment[:30])
  assert "environment.json is damaged" in refused(capsys, *RUN, "--out", broken, "--resume")
  (broken / "environment.json").write_text(environment)
  (broken / "summary.json").write_text("{")
  assert "summary.json is damaged" in refused(capsys, *RUN, "--out", broken, "--resume")


def test_what_is_left_out_is_as_it_was(broken, unbroken):
  assert commands.run_main("modular", ["--out", str(broken), "--resume"]) == 0
  assert_same_run(broken, unbroken)


def test_the_log_s_torn_line_is_written_anew(broken, unbroken):
  log = broken / "metrics.jsonl"
  log.write_bytes(log.read_bytes()[:-20])
  resumed_from(broken, newest_first(broken)[0])
  assert_same_run(broken, unbroken)


def tear(checkpoint):
  checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])


def empty(checkpoint):
  checkpoint.write_bytes(b"")


def another_form(checkpoint):
  """As another version might write it."""
  with np.load(checkpoint) as archive:
    arrays = dict(archive)
  arrays["position"] = np.array(json.dumps({"colour": 3}))
  with checkpoint.open("wb") as file:
    np.savez(file, **arrays)


DAMAGES = [tear, empty, another_form]


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_checkpoint_the_one_before_serves(damage, broken, unbroken):
  newest, older = newest_first(broken)
  damage(newest)
  resumed_from(broken, older)
  assert_same_run(broken, unbroken)


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_no_checkpoint_can_be_read_all_files_stay(damage, broken, capsys):
  """One clear line; the log is not begun anew."""
  for checkpoint in newest_first(broken):
    damage(checkpoint)
  before = content(broken)
  assert str(broken) in refused(capsys, *RUN, "--out", broken, "--resume")
  assert content(broken) == before


@pytest.mark.parametrize(
  ("what", "reason"),
  [
    ("checkpoints", "(there is none)"),
    ("log", "the log, metrics.jsonl, is missing"),
    ("end of the log", "the log, metrics.jsonl, is shorter than it says"),
    ("log, with the first checkpoint", "the log, metrics.jsonl, is missing"),
  ],
)
def test_what_is_missing_is_named_and_all_files_stay(what, reason, broken, capsys):
  """And what was trained is not thrown away, though the first checkpoint fits any log."""
  log = broken / "metrics.jsonl"
  if what == "checkpoints":
    checkpoints.delete(broken)
  elif what.startswith("log"):
    log.unlink()
    if what != "log":
      (_, position, _), *_ = checkpoints.saved(broken)
      first, second = newest_first(broken)[::-1]
      first.unlink()
      checkpoints.save(broken, [], {**position, "log": 0, "sha256": {}, "evaluations": 0})
      newest_first(broken)[0].rename(first)
      assert newest_first(broken) == [second, first]
  else:
    log.write_text("")
  before = content(broken)
  error = refused(capsys, *RUN, "--out", broken, "--resume")
  assert error.startswith(f"error: cannot resume {broken}: ")
  assert reason in error
  assert "put back" in error
  assert "another --out" in error
  assert content(broken) == before


def test_a_checkpoint_of_another_program_is_refused(broken, capsys):
  """As after a change of the method: its arrays do not fit."""
  for _, position, _ in list(checkpoints.saved(broken)):
    checkpoints.save(broken, [np.ones(3, np.float32)], position)
  before = content(broken)
  assert str(broken) in _refused_after_the_plan(capsys, *RUN, "--out", broken, "--resume")
  assert content(broken) == before


def _refused_after_the_plan(capsys, *arguments):
  capsys.readouterr()
  assert commands.run_main("modular", [*map(str, arguments)]) == 2
  lines = capsys.readouterr().err.splitlines()
  (line,) = [line for line in lines if line.startswith("error: ")]
  return line


def test_other_settings_are_refused_by_name(broken, capsys):
  before = content(broken)
  changed = ["--lamb", "1.5", "--operation", "add"]
  error = refused(capsys, *RUN, *changed, "--out", broken, "--resume")
  assert f"cannot resume {broken}: it was started with --lamb 5.0, not 1.5" in error
  assert "--operation mul, not add" in error
  assert content(broken) == before


def test_another_model_is_refused_by_its_own_name_not_by_a_setting_that_it_lacks(broken, capsys):
  error = refused(capsys, "--model", "quadratic", "--out", broken, "--resume")
  assert "it was started with --model transformer, not quadratic" in error


@pytest.mark.parametrize("members", [None, [{"seed": 0}, {"seed": 1}]])
def test_a_setting_that_came_later_had_its_default(members, tmp_path):
  form = {"experiment": "modular", **settings.make("modular", lamb=1.5).kept()}
  if members:
    form |= {"members": members, "sweep": {"seed": [0, 1]}}
    del form["seed"]
  older = {name: value for name, value in form.items() if name not in ("model", "schedule")}
  (tmp_path / "settings.json").write_text(json.dumps(older))
  folder.check_same(tmp_path, form)
  with pytest.raises(UsageError, match="with --model transformer, not quadratic"):
    folder.check_same(tmp_path, form | {"model": "quadratic"})


COMMITTED = sorted((Path(__file__).parents[3] / "experiments" / "results").rglob("settings.json"))


def test_committed_runs_are_still_what_their_settings_make():
  """Those of earlier versions too, whose files hold what has no meaning in the run, or lack it."""
  assert len(COMMITTED) > 100
  for path in COMMITTED:
    before = folder.saved(path.parent)
    task, given = before["task"], before["sweep"]
    if given is None:
      members = [settings.make(task, **settings.resumed(task, before["common"], {}))]
    else:
      own = {name: value for name, value in given.items() if name != "seeds"}
      members = sweep.expand(task, own, given.get("seeds", 5))
    form, _ = launch._form(members, given)
    folder.check_same(path.parent, form)


def test_what_cannot_be_resumed_is_one_line(broken, tmp_path, capsys):
  assert "--resume needs the --out" in refused(capsys, *RUN, "--resume")
  assert "--resume" in refused(capsys, *RUN, "--out", broken)

  foreign = tmp_path / "foreign"
  foreign.mkdir()
  (foreign / "settings.json").write_text('{"experiment": "mnist"}')
  assert "mnist" in refused(capsys, *RUN, "--out", foreign, "--resume")
  (foreign / "settings.json").write_text("{")
  assert "settings.json" in refused(capsys, *RUN, "--out", foreign, "--resume")
  (foreign / "settings.json").rename(foreign / "metrics.jsonl")
  assert "settings.json" in refused(capsys, *RUN, "--out", foreign, "--resume")
  assert list(content(foreign)) == ["metrics.jsonl"]


def test_a_second_process_is_refused(broken, capsys):
  with filelock.FileLock(broken / folder.LOCK):
    error = refused(capsys, *RUN, "--out", broken, "--resume")
  assert "in use by another process" in error


def test_resume_begins_where_there_is_no_run(unbroken, tmp_path):
  assert main("--out", tmp_path / "run", "--resume") == 0
  assert_same_run(tmp_path / "run", unbroken)


def test_a_checkpoint_of_bfloat16_and_keys(tmp_path):
  """What NumPy has no name for comes back as it was."""
  import jax
  import jax.numpy as jnp

  from experiments.training import devices

  state = {"a": jnp.arange(3, dtype=jnp.bfloat16), "b": jnp.zeros((), jnp.bfloat16)}
  state |= {"key": jax.random.key(3), "empty": jnp.zeros((0, 4))}
  checkpoints.save(tmp_path, devices.gathered(state), {"log": 5})
  ((_, position, arrays),) = checkpoints.saved(tmp_path)
  assert position == {"log": 5}
  for one, other in zip(arrays, devices.gathered(state), strict=True):
    assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
