"""IMDb: 1,000 film reviews as lists of words, and whether they are positive.

A. Maas et al., *Learning word vectors for sentiment analysis*, ACL 2011. The paper takes the
first 1,000 rows of the csv file `review,sentiment` of 50,000 rows that is on Kaggle. Words are
made as it makes them: split at white space, in lower case, without punctuation, digits and stop
words.
"""

import csv
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.fields import UsageError
from experiments.tasks.datasets import store
from experiments.tasks.datasets.store import Rows

REVIEWS = 1_000
LABELS = {"negative": 0, "positive": 1}
# Of "sentiment<tab>review<newline>", row by row.
SHA256 = "39ea75f2d71a36294b2c34f44a4a7a408a6cb54fa2f209acb552ea73c53ea5d0"
# NLTK's English list but for words with an apostrophe, which cannot occur.
_STOP_WORDS = """
  a about above after again against ain all am an and any are aren as at be because been before
  being below between both but by can couldn d did didn do does doesn doing don down during each
  few for from further had hadn has hasn have haven having he her here hers herself him himself
  his how i if in into is isn it its itself just ll m ma me mightn more most mustn my myself needn
  no nor not now o of off on once only or other our ours ourselves out over own re s same shan she
  should shouldn so some such t than that the their theirs them themselves then there these they
  this those through to too under until up ve very was wasn we were weren what when where which
  while who whom why will with won wouldn y you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


class Review(NamedTuple):
  """A row that is used: its text, and "positive" or "negative"."""

  text: str
  sentiment: str


def words(text: str) -> list[str]:
  """The words of a review that count, in order.

  >>> words("One of the 2 best films<br />I've seen: 10/10!")
  ['one', 'best', 'filmsbr', 'ive', 'seen']
  """
  letters = (re.sub(r"[\W\d]", "", word) for word in text.lower().split())
  return [word for word in letters if word and word not in STOP_WORDS]


def tokens(reviews: Iterable[Review]) -> dict[str, np.ndarray]:
  """All reviews' words as numbers.

  Returns:
    `words`, a str array of all words; `tokens` int32, the words of one review after the other as
    positions there; `lengths` int32, how many are each review's; `labels` uint8, 1 for positive.
  """
  reviews = list(reviews)
  lists = [words(review.text) for review in reviews]
  vocabulary, numbers = np.unique([word for each in lists for word in each], return_inverse=True)
  return {
    "words": vocabulary,
    "tokens": numbers.astype(np.int32),
    "lengths": np.array([len(each) for each in lists], np.int32),
    "labels": np.array([LABELS[review.sentiment] for review in reviews], np.uint8),
  }


def from_folder(folder: Path) -> Rows:
  """Reads Kaggle's csv file, whole or its head, gzipped or not."""
  file = store.only_file(folder, "IMDB*.csv", "IMDB*.csv.gz")
  reviews = []
  try:
    with (gzip.open if file.suffix == ".gz" else open)(
      file, "rt", newline="", encoding="utf-8"
    ) as stream:
      for row in csv.DictReader(stream):
        review = Review(row["review"], row["sentiment"])
        if review.sentiment is None:  # the file ends within the row
          break
        if review.sentiment not in LABELS:
          raise UsageError(f"{file}: row {len(reviews) + 1} is neither positive nor negative.")
        reviews.append(review)
        if len(reviews) == REVIEWS:
          break
  except KeyError as error:
    raise UsageError(f"{file} has no column {error}; it needs review and sentiment.") from None
  except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
    raise UsageError(f"{file} is damaged or another file: {error}.") from None
  if len(reviews) < REVIEWS:
    raise UsageError(
      f"{file} is truncated: {len(reviews):,} reviews, expected {REVIEWS:,} or more."
    )
  content = "".join(f"{review.sentiment}\t{review.text}\n" for review in reviews)
  if (actual := hashlib.sha256(content.encode()).hexdigest()) != SHA256:
    raise UsageError(
      f"{file}: the first {REVIEWS:,} reviews have another checksum: their SHA-256 is "
      f"{actual}, expected {SHA256}."
    )
  return Rows(tokens(reviews), "the original csv file", "the original's")


def from_tfds() -> Rows:
  """Downloads through TensorFlow Datasets: other reviews than the csv's, in an order of its own."""
  rows, name = store.through_tfds("imdb_reviews", {"train": REVIEWS})
  sentiments = {label: sentiment for sentiment, label in LABELS.items()}
  reviews = [
    Review(store.text(row["text"]), sentiments[int(row["label"])]) for row in rows["train"]
  ]
  return Rows(tokens(reviews), name, "TensorFlow Datasets'")
