"""The study of trajectories: its axes are numpy's, its distances exact; it makes no run twice."""

import json

import numpy as np
import pytest

from experiments.reports import ways
from experiments.runs import settings
from experiments.studies import snapshots, study, trajectory

TINY = {
  "p": 7,
  "batch_size": 8,
  "width": 16,
  "heads": 2,
  "layers": 1,
  "steps": 60,
  "learning_rate": 0.01,
}
ARMS = {arm: trajectory.ARMS[arm] for arm in ("baseline", "weight decay")}  # of one program


def test_the_axes_are_those_of_numpys_decomposition():
  rows = np.random.default_rng(0).normal(size=(9, 50)) * np.geomspace(1, 30, 50)
  mean, axes = snapshots.principal_axes(rows, 3, block=7)
  _, values, right = np.linalg.svd(rows - rows.mean(0, keepdims=True), full_matrices=False)
  np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-12)
  np.testing.assert_allclose(np.abs(axes @ right[:3].T), np.eye(3), atol=1e-12)
  seen, share = snapshots.projected(rows, mean, axes)
  np.testing.assert_allclose(np.sum(seen**2, 0), values[:3] ** 2, rtol=1e-12)
  assert share == pytest.approx(np.sum(values[:3] ** 2) / np.sum(values**2))
  assert np.all(seen[-1] > 0)


def test_snapshots_come_back_from_their_file(tmp_path):
  with (tmp_path / "rows").open("w+b") as file:
    for i in range(3):
      snapshots.append(file, {"a": np.full((2, 2), i), "b": np.array([7.5])})
    rows = snapshots.rows_of(file, 3)
    np.testing.assert_array_equal(rows, [[i, i, i, i, 7.5] for i in range(3)])


def test_distances_of_a_way_made_by_hand():
  a = {"w": np.zeros((1, 3), np.float32), "b": np.zeros(1, np.float32)}
  b = {"w": np.array([[3.0, 0, 0]], np.float32), "b": np.array([-4.0], np.float32)}
  found = snapshots.distances(a, b)
  assert found == {"euclidean": 5.0, "rms": 2.5, "mean_square": 6.25, "mean_absolute": 1.75}
  assert snapshots.norms(b) == {"w": 3.0, "b": 4.0}


def test_effective_ranks_of_known_matrices():
  turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
  assert snapshots.effective_rank(turn) == pytest.approx(6)
  assert snapshots.effective_rank(np.outer(turn[0], turn[1])) == pytest.approx(1)
  shares = np.array([0.5, 0.25, 0.25])
  expected = np.exp(-np.sum(shares * np.log(shares)))
  matrix = turn[:, :3] * (8 * shares)[None, :]
  assert snapshots.effective_rank(matrix) == pytest.approx(expected)
  assert snapshots.ranks({"w": matrix, "b": np.ones(3)}).keys() == {"w"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Two arms, of which the goals are low enough to be reached."""
  folder = tmp_path_factory.mktemp("trajectory") / "out"
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(trajectory, "ARMS", ARMS)
    patch.setattr(snapshots, "SNAPSHOTS", 10)
    patch.setitem(snapshots.REACHED, "B", ("train_accuracy", 0.15))
    patch.setitem(snapshots.REACHED, "C", ("val_accuracy", 2.0))
    study.claim(trajectory.NAME, folder, full=False)
    trajectory.run_all(folder, 1, **TINY)
  return folder


@pytest.fixture
def two_arms(monkeypatch):
  monkeypatch.setattr(trajectory, "ARMS", ARMS)


@pytest.mark.usefixtures("two_arms")
def test_a_run_has_its_points_and_what_lies_between(folder):
  for arm, (run,) in ways.read(folder).items():
    steps = run["steps"]
    assert steps["A"] == 0 < steps["B"] < steps[ways.END] == 60
    assert steps["C"] is run["distances"]["B to C"] is run["distances"]["A to C"] is None
    assert run["places"].keys() == run["norms"].keys() == {"A", "B", ways.END}
    to_b, to_end = (run["distances"][f"A to {b}"] for b in ("B", ways.END))
    assert 0 < to_b["euclidean"] < to_end["euclidean"]
    assert to_b["rms"] ** 2 * run["parameters"] == pytest.approx(to_b["euclidean"] ** 2, rel=1e-3)
    way = run["way"]
    assert way["step"][0] == 0
    assert len(way["step"]) == len(way["first"]) == len(way["second"]) >= 8
    assert [way["first"][0], way["second"][0]] == run["places"]["A"]
    assert (run["share"] > 0.5) or arm != "baseline"
    made = settings.make("modular", **{**ARMS[arm], **TINY}, seed=0)
    assert run["settings"] == json.loads(json.dumps(made.kept()))


@pytest.mark.usefixtures("two_arms")
def test_no_scratch_is_left_and_nothing_is_trained_again(folder, monkeypatch):
  assert sorted(file.name for file in folder.iterdir()) == [
    "baseline-0.json", "study.json", "weight_decay-0.json",
  ]  # fmt: skip
  monkeypatch.setattr(trajectory, "recorded", lambda *_, **__: pytest.fail("it trains"))
  trajectory.run_all(folder, 1, **TINY)


@pytest.mark.usefixtures("two_arms")
def test_what_is_missing(tmp_path):
  """The first arm is made again where another needs its axes and they are gone."""

  def there(arm, axes):
    trajectory.write_json(ways.file_of(tmp_path, arm, 3), {"axes": axes})

  assert trajectory.missing(tmp_path, 3) == ["baseline", "weight decay"]
  there("baseline", "x")
  assert trajectory.missing(tmp_path, 3) == ["baseline", "weight decay"]
  there("weight decay", "y")
  assert trajectory.missing(tmp_path, 3) == ["baseline", "weight decay"]
  there("weight decay", "x")
  assert trajectory.missing(tmp_path, 3) == []
  there("weight decay", "y")
  (tmp_path / "scratch").mkdir()
  (tmp_path / "scratch" / "axes-3.npy").write_bytes(b"axes")
  there("baseline", trajectory.digest(tmp_path / "scratch" / "axes-3.npy").hexdigest())
  assert trajectory.missing(tmp_path, 3) == ["weight decay"]


@pytest.mark.usefixtures("two_arms")
def test_the_command_writes_tables_and_a_picture(folder, monkeypatch, capsys):
  monkeypatch.setattr(trajectory, "recorded", lambda *_, **__: pytest.fail("it trains"))
  assert trajectory.main(["--out", str(folder), "--seeds", "1"]) == 0
  assert "| baseline | 1 |" in capsys.readouterr().out
  found = json.loads((folder / "distances.json").read_text())
  assert found["arms"]["weight decay"]["steps"]["C"] is None
  assert found["published, times 1000"]["Grokfast"]["B to C over A to B"] == 1.99
  assert "tokens/embedding" in (folder / "table.md").read_text()
  assert (folder / "trajectory.png").stat().st_size > 10_000


def test_medians_and_ratios_are_of_the_seeds_that_got_there():
  def run(seed, ab, bc):
    told = {f"{a} to {b}": None for a, b in ways.WAYS}
    for way, far in (("A to B", ab), ("B to C", bc)):
      told[way] = far and dict.fromkeys(snapshots.MEASURES, far)
    steps = {"A": 0, "B": 10 * seed, "C": 100 if bc else None, ways.END: 200}
    return {"steps": steps, "share": 0.5, "distances": told}

  arms = {"EMA": [run(1, 2.0, 4.0), run(2, 2.0, 12.0), run(3, 4.0, None)]}
  found = ways.distances(arms)["arms"]["EMA"]
  assert found["steps"]["B"] == {"runs": 3, "median": 20.0, "lowest": 10.0, "highest": 30.0}
  assert found["steps"]["C"]["runs"] == 2
  expected = {"runs": 2, "median": 4.0, "lowest": 2.0, "highest": 6.0}
  assert found[ways.RATIO]["rms"] == expected
  assert "| EMA | 2,000 (2,000 to 4,000) | 8,000 (4,000 to 12,000, 2 of 3 runs) | " in (
    ways.squares_table(arms)
  )


@pytest.mark.parametrize("words", [["--seeds", "0"], ["--seeds", "x"], ["--sed"]])
def test_bad_input_is_one_line(words, tmp_path, capsys):
  assert trajectory.main(["--out", str(tmp_path / "new"), *words]) == 2
  assert capsys.readouterr().err.count("\n") == 1
  assert not (tmp_path / "new").exists()


def test_another_studys_folder_is_refused(tmp_path, capsys):
  study.claim("fork", tmp_path / "out", full=False)
  assert trajectory.main(["--out", str(tmp_path / "out")]) == 2
  told = capsys.readouterr().err
  assert told.count("\n") == 1
  assert "another study: fork" in told
