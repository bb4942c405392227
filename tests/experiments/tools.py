"""What several tests of the experiments use."""

import contextlib
import gzip
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

from experiments import data as prepare_command
from experiments.runs.log import Log, read_log


def with_key_biases(change, tree):
  """The tree with `change` made to the biases of the keys, the middle third of qkv/bias."""

  def leaf(path, values):
    if "qkv/bias" not in jax.tree_util.keystr(path, simple=True, separator="/"):
      return values
    q, k, v = jnp.split(jnp.asarray(values), 3)
    return jnp.concatenate([q, change(k), v])

  return jax.tree_util.tree_map_with_path(leaf, tree)


def plain_step(task, optimizer):
  """One training step as one would write it by hand, on a true batch: no padding, no weights."""

  @jax.jit
  def step(params, opt_state, rows):
    def objective(params):
      scores = task.score(params, rows)
      return scores["loss"].mean(), scores["accuracy"].mean()

    (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params, train_accuracy=accuracy)
    return optax.apply_updates(params, updates), opt_state, loss, accuracy

  return step


class Net(NamedTuple):
  """Functions as `training.train.Train` takes them."""

  init: Callable[..., Any]
  score: Callable[..., Any]


def perceptron():
  """A net that compiles in no time."""

  def init(key):
    one, two = jax.random.split(key)
    return {"in": jax.random.normal(one, (2, 7, 16)), "out": jax.random.normal(two, (16, 7)) / 4}

  def score(params, rows):
    x, y, answer = rows
    z = jnp.tanh(params["in"][0, x] + params["in"][1, y]) @ params["out"]
    losses = optax.softmax_cross_entropy_with_integer_labels(z, answer)
    return {"loss": losses, "accuracy": (z.argmax(-1) == answer).astype(losses.dtype)}

  return Net(init, score)


def by_member(folder):
  """The log of each member of a sweep, without the times."""
  logs_: dict[int, list] = {}
  for record in read_log(folder / "metrics.jsonl"):
    logs_.setdefault(record.pop("member"), []).append({**record, "seconds": None})
  return logs_


class Killed(BaseException):
  """What nothing catches."""


@contextlib.contextmanager
def killed_after(chunks, monkeypatch):
  """What trains in this block ends as if it were killed, right after a chunk was logged."""
  appended, left = Log.append, iter(range(chunks))

  def append(self, records):
    appended(self, records)
    if next(left, None) is None:
      raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(Log, "append", append)
    with pytest.raises(Killed):
      yield patch


# What may be wrong with a gzipped file.


def missing(file):
  file.unlink()


def truncated(file):
  content = file.read_bytes()
  file.write_bytes(content[: len(content) // 2])


def shortened(file):
  file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-5000], 1))


def altered(file):
  content = bytearray(gzip.decompress(file.read_bytes()))
  content[100] ^= 1
  file.write_bytes(gzip.compress(bytes(content), 1))


def another(file):
  file.write_bytes(gzip.compress(bytes(10**7), 1))


def no_gzip(file):
  file.write_bytes(b"not a gzip file")


def error_of(main, arguments, capsys):
  """The one line with which a command line ends that cannot be done."""
  capsys.readouterr()
  assert main([str(word) for word in arguments]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  (line,) = captured.err.splitlines()
  assert line.startswith("error: ")
  return line


def assert_refused(dataset, source, told, folder, capsys):
  """Preparing ends in one line with the source and each of `told`; nothing is written."""
  arguments = ["prepare", dataset, "--from", source, "--folder", folder]
  line = error_of(prepare_command.main, arguments, capsys)
  for part in (str(source), *told):
    assert part in line
  assert not folder.exists()
