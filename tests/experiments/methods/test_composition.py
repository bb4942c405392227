"""Methods composed on the command line, and methods that nobody here has written."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from experiments.fields import UsageError, setting
from experiments.methods import METHODS, named
from experiments.methods.method import Method
from experiments.runs import settings
from tests.experiments.methods.test_methods import SMALL, G, optimizer_of, updates_of

NUMBERS = {"optimizer": "adamw", "weight_decay": 0.005, "threshold": 0.98, "lr_warmup": 0.0}


def updates(method, **own):
  return updates_of(optimizer_of(settings.make("modular", method=method, **SMALL, **own)))


def close(ours, theirs):
  for x, y in zip(ours, theirs, strict=True):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9), x, y)


def test_composed_is_the_same_as_by_name():
  one = updates("grokfast_ema+delayed_compression", **NUMBERS)
  close(one, updates("grokfast_ema_delayed_compression", **NUMBERS))


def test_from_left_to_right():
  """The penalty behind the filter is not filtered; before it, it is."""
  ema = grokfax.grokfast_ema(0.98, 2.0)
  penalty = grokfax.delayed_compression(1.0, 0.98, mask=grokfax.not_bias)
  adamw = optax.adamw(1e-3, 0.9, 0.98, weight_decay=0.005)
  strong = {**NUMBERS, "coefficient": 1.0}
  first = updates("grokfast_ema+delayed_compression", **strong)
  close(first, updates_of(optax.chain(ema, penalty, adamw)))
  other = updates("delayed_compression+grokfast_ema", **strong)
  close(other, updates_of(optax.chain(penalty, ema, adamw)))
  assert abs(first[-1]["kernel"] / other[-1]["kernel"] - 1).max() > 0.01


@dataclasses.dataclass(frozen=True)
class Factor:
  """A factor."""

  factor: float = setting(1.0, "number", "of all updates")


@pytest.fixture
def foreign(monkeypatch):
  """A method before the optimizer, one after it, two instead of it, two with a loss."""

  def loss(logits, labels):
    return (logits - jax.nn.one_hot(labels, logits.shape[-1])).sum(-1) ** 2

  def scale(h):
    return optax.stateless(lambda u, _: jax.tree.map(lambda leaf: h.factor * leaf, u))

  for method in (
    Method("before", Factor, lambda h, o: optax.chain(scale(h), o)),
    Method("after", Factor, lambda h, o: optax.chain(o, scale(h))),
    Method("instead", build=lambda h, o: optax.sgd(1.0), replaces_optimizer=True),
    Method("instead_2", build=lambda h, o: optax.sgd(2.0), replaces_optimizer=True),
    Method("squared", loss=loss),
    Method("squared_2", loss=loss),
  ):
    monkeypatch.setitem(METHODS, method.name, method)


def test_before_and_after_the_optimizer(foreign):
  """Adam does not see a factor before it; after it, all is multiplied."""
  plain = updates("baseline", lr_warmup=0.0)
  close(updates("before", lr_warmup=0.0, factor=1000.0, weight_decay=0.0), plain)
  times = [jax.tree.map(lambda leaf: 3 * leaf, u) for u in plain]
  close(updates("after", lr_warmup=0.0, factor=3.0), times)
  filtered = updates("grokfast_ema", lr_warmup=0.0)
  times = [jax.tree.map(lambda leaf: 3 * leaf, u) for u in filtered]
  close(updates("grokfast_ema+after", lr_warmup=0.0, factor=3.0), times)


def test_instead_of_the_optimizer(foreign):
  """A filter may still stand before it."""
  close(updates("instead"), [jax.tree.map(jnp.negative, g) for g in G])
  first = updates("grokfast_ema+instead")[0]  # the first average is the first gradient
  close([first], [jax.tree.map(lambda g: -3 * g, G[0])])
  halves = [jax.tree.map(lambda g: -g / 2, g) for g in G]
  close(updates("instead+after", factor=0.5), halves)
  close(updates("after+instead", factor=0.5), halves)
  assert "optimizer" not in settings.make("modular", method="instead").values
  for flag in ("optimizer", "learning_rate", "weight_decay"):
    with pytest.raises(UsageError, match=f"--{flag.replace('_', '-')}"):
      settings.make("modular", method="instead", **{flag: "adam" if flag == "optimizer" else 0.1})


@pytest.mark.parametrize(
  "name",
  [
    "sgd", "", "+", "baseline+", "+baseline", "grokfast_ema++baseline", "baseline+baseline",
    "grokfast_ema+grokfast_ema", "grokfast_ema+grokfast_ma",
    "grokfast_ema_delayed_compression+delayed_compression", "squared+squared_2",
    "instead+instead_2", "before+after",
  ],
)  # fmt: skip
def test_what_does_not_compose(name, foreign):
  with pytest.raises(UsageError):
    named(name)
  with pytest.raises(UsageError):
    settings.make("modular", method=name)


def test_a_loss_needs_classes(foreign):
  settings.make("mnist", method="grokfast_ema+squared")
  for task in ("qm9", "imdb"):
    with pytest.raises(UsageError, match="squared"):
      settings.make(task, method="squared")


def test_a_method_s_setting_may_not_have_the_name_of_another(monkeypatch):
  @dataclasses.dataclass(frozen=True)
  class Clash:
    p: int = setting(3, "shape", "of something else")

  monkeypatch.setitem(METHODS, "clash", Method("clash", Clash))
  with pytest.raises(UsageError, match="--p"):
    settings.make("modular", method="clash")
  settings.make("mnist", method="clash")
