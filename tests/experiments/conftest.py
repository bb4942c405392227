"""What tests begin with: made data, prepared; runs, whole, broken off and of each fate."""

import numpy as np
import pytest

from experiments import checkpoints, members
from experiments.data import store
from experiments.data.imdb import Review, tokens
from experiments.journal import read_log
from tests.experiments.logged import append, diverged_at, write_run
from tests.experiments.resumable import OFTEN, main, newest_first
from tests.experiments.tools import killed_after


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
  """A folder with all datasets prepared, of the right size and form; the content is made up."""
  folder = tmp_path_factory.mktemp("prepared")
  rng = np.random.default_rng(0)

  def keep(dataset, arrays):
    store.keep(dataset, store.Rows(arrays, "a made source", "a made"), folder)

  keep(
    "mnist",
    {
      f"{part}_{kind}": rng.integers(0, 10, (rows, *shape), np.uint8)
      for part, rows in (("train", 1_000), ("test", 10_000))
      for kind, shape in (("images", (28, 28)), ("labels", ()))
    },
  )
  bonds = rng.integers(0, 5, (100, 4, 4), np.uint8)
  keep(
    "qm9",
    {
      "atoms": rng.integers(0, 2, (100, 4, 11), np.uint8),
      "bonds": np.maximum(bonds, bonds.transpose(0, 2, 1)),
      "sizes": rng.integers(1, 5, 100).astype(np.int32),
      "alpha": rng.normal(size=100).astype(np.float32),
    },
  )
  vocabulary = [f"{a}{b}" for a in "bcdfg" for b in "eou"]
  reviews = [" ".join(rng.choice(vocabulary, rng.integers(0, 12))) for _ in range(1_000)]
  sentiments = rng.choice(["positive", "negative"], 1_000)
  keep("imdb", tokens(map(Review, reviews, sentiments.tolist())))
  return folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
  out = tmp_path_factory.mktemp("unbroken") / "run"
  assert main("--out", out) == 0
  assert not (out / checkpoints.NAME).exists()
  return out


@pytest.fixture
def broken(tmp_path, monkeypatch):
  """A run that was killed in the middle, right after its fourth chunk was logged."""
  out = tmp_path / "run"
  with killed_after(3, monkeypatch) as patch:
    patch.setattr(members, "CHUNK_STEPS", 30)
    main("--out", out, *OFTEN)
  assert 0 < len(read_log(out / "metrics.jsonl")) < 101
  assert len(newest_first(out)) == 2
  return out


@pytest.fixture
def fates(tmp_path):
  """A run of each fate: to the end, cut off before the goal and after, diverged, held."""
  write_run(tmp_path, 0, [0.5, 0.96, 0.5, *[0.99] * 97])
  write_run(tmp_path, 1, [0.5, 0.5], 1_000)
  write_run(tmp_path, 2, [0.5, 0.5, 0.5, 0.99], 1_000)
  append(write_run(tmp_path, 3, [0.5, 0.5], 1_000), diverged_at(30))
  append(write_run(tmp_path, 4, [0.5, 0.99], 1_000), diverged_at(30))
  write_run(tmp_path, 5, [0.5, *[0.99] * 6], 1_000, stop_when_held=50)
  return tmp_path
