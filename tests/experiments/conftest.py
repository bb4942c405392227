"""What tests begin with: made data, prepared."""

import numpy as np
import pytest

from experiments.tasks.datasets import store
from experiments.tasks.datasets.imdb import Review, tokens


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
