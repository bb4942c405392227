"""A search's command: it resumes, refuses what is damaged or wrong, and says what was found."""

import json
import zlib

import numpy as np
import pytest

from experiments.fields import UsageError
from experiments.reports import trials
from experiments.runs.folder import alone
from experiments.studies import search, spaces
from experiments.studies import trainer as trainer_
from experiments.studies.contenders import Contender
from tests.experiments.studies.tiny import FIXED, SPACE


def test_a_stopped_search_resumes(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(search, "CONTENDERS", {"tiny": Contender(FIXED, SPACE)})
  command = ["tiny", "--trials", "3", "--rounds", "2", "--again", "2", "--steps", "9"]
  command += ["--out", str(tmp_path / "out")]
  assert search.main(command) == 0
  log = tmp_path / "out" / "trials.jsonl"
  whole = log.read_text()
  assert len(whole.splitlines()) == 3 + 3 + 2
  for kept, resumed in ((4, 2), (7, 3)):  # torn in the second round, and in the last
    log.write_text("".join(whole.splitlines(keepends=True)[:kept]) + '{"round": 1, "se')
    capsys.readouterr()
    assert search.main(command) == 0
    assert log.read_text() == whole
    assert capsys.readouterr().out.startswith(f"tiny, round {resumed} of 3")


def test_what_is_known_at_a_constant_rate(tmp_path, monkeypatch, capsys):
  first, earlier = {"learning_rate": 0.01, "b1": 0.6}, {"learning_rate": 0.02, "b1": 0.7}
  falling = {**FIXED, "schedule": "linear", "lr_end": 0.1}
  tiny = Contender(falling, SPACE, first, earlier=earlier)
  monkeypatch.setattr(search, "CONTENDERS", {"tiny": tiny})
  for place in ("TUNING", "CONSTANT"):
    monkeypatch.setattr(trials, place, tmp_path / place)
  size = ["--trials", "2", "--rounds", "1", "--again", "2", "--steps", "9"]
  assert search.main(["tiny", *size, "--out", str(tmp_path / "TUNING" / "tiny")]) == 0
  out = tmp_path / "CONSTANT" / "tiny"
  assert search.main(["tiny", "--constant", "--steps", "9", "--out", str(out)]) == 0
  assert capsys.readouterr().out.endswith(f"to be entered as tuned: {trials.found('tiny')}\n")
  (form, rows), (_, before) = trials.read(out), trials.read(tmp_path / "TUNING" / "tiny")
  assert form["fixed"] == {**falling, "lr_end": 1.0}
  best = trials.best(before, [*SPACE])
  chosen = [first, earlier] if best == first else [first, best, earlier]
  *once, again = ({n: row[n] for n in SPACE} for row in rows)
  assert once == chosen
  assert again == once[np.argmax([row["score"] for row in rows[:-1]])]
  assert [row["seed"] for row in rows] == [1_000] * len(chosen) + [1_001]
  rows[-1]["score"] = 9.0  # a constant rate wins
  (out / trials.LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert trials.found("tiny") == {**again, "lr_end": 1.0}
  rows[-1]["score"] = -9.0
  (out / trials.LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert trials.found("tiny") == best


@pytest.mark.parametrize(
  ("words", "told"),
  [
    (["tyny"], "NAME must be one of adam"),
    (["recipe"], "got 'recipe'"),  # it has nothing to search
    (["adam", "--trials", "0"], "--trials must be at least 1"),
    (["adam", "--trials", "3", "--again", "4"], "--again must be from 0 to --trials 3; got 4"),
    (["adam", "--steps", "60"], "holds another search: name a new folder. It has search filter"),
    (["untried", "--constant"], "--constant needs the trials of untried"),
    (["constant", "--constant"], "--constant needs a rate that falls; constant has no lr_end"),
    (["adam", "--constant", "--rounds", "2"], "--constant has no --trials, --rounds or --again"),
  ],
)
def test_bad_input_is_one_line(words, told, tmp_path, monkeypatch, capsys):
  more = {
    "untried": Contender({**FIXED, "lr_end": 0.1}, SPACE),
    "constant": Contender(FIXED, SPACE),
  }
  monkeypatch.setattr(search, "CONTENDERS", {**search.CONTENDERS, **more})
  (tmp_path / "search.json").write_text(json.dumps({"search": "filter"}))
  assert search.main([*words, "--out", str(tmp_path)]) == 2
  error = capsys.readouterr().err
  assert told in error
  assert error.count("\n") == 1


@pytest.fixture
def searched(tmp_path, monkeypatch):
  """A search that has ended, in `tmp_path`: it can only be looked at."""
  each = Contender(FIXED, SPACE)
  monkeypatch.setattr(search, "CONTENDERS", {"tiny": each})
  form = {"search": "tiny", "trials": 2, "rounds": 1, "again": 0, "fixed": FIXED, "space": SPACE}
  form |= {"first": {}, "environment": {"commit": "of then"}}
  (tmp_path / trials.FORM).write_text(json.dumps(form))
  drawn = spaces.spread(SPACE, 2, np.random.default_rng(zlib.crc32(b"tiny")))
  more = {"round": 0, "seed": 1_000, "val_accuracy": [[0.5], [0.5]]}
  rows = [{**more, "score": score, **trial} for score, trial in zip((0.5, 0.6), drawn, strict=True)]
  (tmp_path / trials.LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
  return tmp_path


COMMAND = ["tiny", "--trials", "2", "--rounds", "1", "--again", "0", "--steps", "9", "--out"]


def test_a_search_that_has_ended_says_of_which_commit_it_is(searched, capsys):
  before = {file.name: file.read_text() for file in searched.glob("*.json*")}
  assert search.main([*COMMAND, str(searched)]) == 0
  out = capsys.readouterr().out
  assert "has all trials, of commit of then" in out
  assert f"best of these: {trials.best(trials.read(searched)[1], [*SPACE])}" in out
  assert {file.name: file.read_text() for file in searched.glob("*.json*")} == before


def lines(change):
  """Changes the lines of a log."""

  def damage(folder):
    log = folder / trials.LOG
    log.write_text("\n".join(change(log.read_text().splitlines())) + "\n")

  return damage


def row(**change):
  """Changes the first trial, or takes what is None from it."""

  def changed(rows):
    first = {n: v for n, v in {**json.loads(rows[0]), **change}.items() if v is not None}
    return [json.dumps(first), *rows[1:]]

  return lines(changed)


@pytest.mark.parametrize(
  ("damage", "told"),
  [
    (lines(lambda rows: ["garbage", *rows[1:]]), "trials.jsonl, line 1, is damaged"),
    (lines(lambda rows: [rows[0], "[1]"]), "line 2, is damaged"),
    (lines(lambda rows: [*rows, rows[0]]), "has 3 trials of round 0, which has 2"),
    (row(score=None), "line 1, is no trial: it has no score"),
    (row(b1=None), "line 1, is no trial: it has no b1"),
    (row(b1="high"), "line 1, is damaged"),
    (row(val_accuracy=[0.5, [0.5]]), "line 1, is damaged"),
    (row(b1=0.55), "the trials of round 0 are not those that this search has there"),
    (lambda folder: (folder / trials.FORM).unlink(), "holds trials without their search.json"),
    (lambda folder: (folder / trials.FORM).write_text("{}"), "trials without their search.json"),
    (lambda folder: (folder / trials.FORM).write_text("[]"), "search.json is damaged"),
    (lambda folder: (folder / trials.LOG).write_bytes(b"\xff\xfe\n\0\n"), "line 1, is damaged"),
  ],
)
def test_a_damaged_search_stays_as_it_is(damage, told, searched, capsys):
  damage(searched)
  before = {file.name: file.read_bytes() for file in searched.glob("*.json*")}
  assert search.main([*COMMAND, str(searched)]) == 2
  error = capsys.readouterr().err
  assert told in error
  assert error.count("\n") == 1
  assert {file.name: file.read_bytes() for file in searched.glob("*.json*")} == before


def test_a_search_is_read_when_it_has_ended(searched):
  assert len(trials.read(searched)[1]) == 2
  lines(lambda rows: rows[:1])(searched)
  with pytest.raises(UsageError, match="has 0 of 2 trials"):
    trials.read(searched)
  (searched / trials.LOG).unlink()
  with pytest.raises(UsageError, match="must have a search"):
    trials.read(searched)


@pytest.mark.parametrize(
  ("each", "told"),
  [
    (Contender(FIXED, SPACE, {"b1": 0.6}), "must have the numbers of its space, learning_rate, b1"),
    (
      Contender(FIXED, SPACE, {"learning_rate": 0.01, "b1": 0.6, "b2": 0.9}),
      "got learning_rate, b",
    ),
    (Contender(FIXED, {"weight_decay": (0.0, 1.0, True)}), "above 0 for a logarithm; got weight_d"),
    (Contender(FIXED, {"b1": (0.9, 0.5, False)}), "must go up"),
    (Contender({**FIXED, "optimizer": "adamn"}, SPACE), "adamn"),
  ],
)
def test_an_entry_that_is_wrong_trains_nothing(each, told, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(search, "CONTENDERS", {"tiny": each})
  out = tmp_path / "out"
  assert search.main([*COMMAND, str(out)]) == 2
  assert told in capsys.readouterr().err
  assert not out.exists() or not [*out.glob("*.json*")]


def test_a_folder_is_one_search_s_at_a_time(tmp_path, capsys):
  with alone(tmp_path):
    assert search.main(["adam", "--out", str(tmp_path)]) == 2
  assert "in use by another process" in capsys.readouterr().err


def test_ctrl_c_says_how_to_resume(tmp_path, monkeypatch, capsys):
  def stop(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(trainer_.Trainer, "curves", stop)
  words = ["adamw", "--out", str(tmp_path)]
  assert search.main(words) == 130
  assert capsys.readouterr().err.endswith(
    f"to resume:\npython -m experiments.studies.search {' '.join(words)}\n"
  )


def test_another_size_is_not_put_where_the_benchmark_s_is(capsys):
  assert search.main(["adamw_b1", "--steps", "30"]) == 2
  assert "needs an --out" in capsys.readouterr().err
