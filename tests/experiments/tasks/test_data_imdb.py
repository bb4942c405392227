"""IMDb prepared: from the csv's head or whole, through TensorFlow Datasets, and what is refused."""

import csv
import gzip
import hashlib
import io

import numpy as np
import pytest

from experiments.tasks.datasets import imdb
from experiments.tasks.datasets.store import load, prepare
from tests.experiments.tools import (
  altered,
  assert_refused,
  missing,
  no_gzip,
  shortened,
  truncated,
)

NAME = "IMDB-Dataset.head.csv.gz"
REVIEWS = [
  imdb.Review(f'Film {i} was "good",<br /><br />\nsaid reviewer{i % 7}!', "positive")
  if i % 2
  else imdb.Review(f"BAD film, I don't like it{' at all' * (i % 5)}. 10/10", "negative")
  for i in range(imdb.REVIEWS)
]


def csv_of(rows, header=("review", "sentiment")):
  text = io.StringIO()
  csv.writer(text).writerows([header, *rows])
  return text.getvalue().encode()


@pytest.fixture
def made(tmp_path, monkeypatch):
  """A folder with a made csv of a few more reviews than are used."""
  folder = tmp_path / "files"
  folder.mkdir()
  extra = [imdb.Review("another film", "positive")] * 500
  (folder / NAME).write_bytes(gzip.compress(csv_of([*REVIEWS, *extra])))
  content = "".join(f"{sentiment}\t{text}\n" for text, sentiment in REVIEWS)
  monkeypatch.setattr(imdb, "SHA256", hashlib.sha256(content.encode()).hexdigest())
  return folder


def texts(arrays):
  """The reviews' words, from the arrays."""
  return np.split(arrays["words"][arrays["tokens"]], np.cumsum(arrays["lengths"])[:-1])


def test_words():
  """No punctuation, no digits, no stop words; an apostrophe joins, as in the reference."""
  text = "I don't THINK so:\tit's 2nd-rate (a 'film'), und schön_es <br />end."
  assert imdb.words(text) == ["dont", "think", "ndrate", "film", "und", "schön_es", "br", "end"]
  assert len(imdb.STOP_WORDS) == 153


@pytest.mark.parametrize("form", ["head, gzipped", "whole, plain"])
def test_from_a_made_file(form, made, tmp_path):
  if form == "whole, plain":
    (made / "IMDB Dataset.csv").write_bytes(gzip.decompress((made / NAME).read_bytes()))
    (made / NAME).unlink()
  prepare("imdb", made, tmp_path / "data")
  arrays, manifest = load("imdb", tmp_path / "data")
  assert arrays["labels"].tolist() == [i % 2 for i in range(imdb.REVIEWS)]
  assert texts(arrays)[1].tolist() == ["film", "goodbr", "br", "said", "reviewer"]
  assert texts(arrays)[2].tolist() == ["bad", "film", "dont", "like"]
  assert manifest["source"] == "the original csv file"
  assert manifest["order"] == "the original's"


def test_from_the_real_file(real_data, tmp_path):
  """Its content has the SHA-256 that the module states; 501 are positive."""
  prepare("imdb", real_data / "imdb", tmp_path)
  arrays, _ = load("imdb", tmp_path)
  assert arrays["labels"].sum() == 501
  assert len(arrays["lengths"]) == 1_000
  first = texts(arrays)[0]
  assert first[:4].tolist() == ["one", "reviewers", "mentioned", "watching"]


def test_through_tensorflow_datasets(tmp_path):
  tfds = pytest.importorskip("tensorflow_datasets")
  rows = [{"text": text.encode(), "label": i % 2} for i, (text, _) in enumerate(REVIEWS)]
  with tfds.testing.mock_data(as_data_source_fn=lambda *_, **__: rows):
    prepare("imdb", None, tmp_path)
  arrays, manifest = load("imdb", tmp_path)
  for name, array in imdb.tokens(REVIEWS).items():
    np.testing.assert_array_equal(arrays[name], array)
  assert manifest["source"].startswith("TensorFlow Datasets, imdb_reviews/plain_text/")
  assert manifest["order"] == "TensorFlow Datasets'"


def test_tensorflow_datasets_own_mock(tmp_path):
  """Its features have the names that are read."""
  tfds = pytest.importorskip("tensorflow_datasets")
  with tfds.testing.mock_data(num_examples=imdb.REVIEWS):
    prepare("imdb", None, tmp_path)
  arrays, _ = load("imdb", tmp_path)
  assert len(arrays["labels"]) == imdb.REVIEWS


def another_header(file):
  file.write_bytes(gzip.compress(csv_of(REVIEWS, ("text", "label"))))


def another_sentiment(file):
  file.write_bytes(gzip.compress(csv_of([*REVIEWS[:9], ("fine", "neutral")])))


def two_files(file):
  (file.parent / "IMDB Dataset.csv").write_bytes(b"")


def no_text(file):
  file.write_bytes(gzip.compress(csv_of(REVIEWS).replace(b"film", b"f\xfflm", 1)))


@pytest.mark.parametrize(
  ("harm", "told"),
  [
    (missing, ("IMDB*.csv.gz",)),
    (two_files, (NAME, "IMDB Dataset.csv")),
    (truncated, (NAME, "damaged")),
    (no_gzip, (NAME, "gzip")),
    (no_text, (NAME, "damaged")),
    (lambda file: [shortened(file) for _ in range(8)], (NAME, "truncated", "1,000")),
    (altered, (NAME, "SHA-256")),
    (another_header, (NAME, "'review'")),
    (another_sentiment, (NAME, "row 10")),
  ],
)
def test_a_bad_file_is_one_line_and_leaves_nothing(made, tmp_path, capsys, harm, told):
  harm(made / NAME)
  assert_refused("imdb", made, told, tmp_path / "data", capsys)
