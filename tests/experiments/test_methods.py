"""Methods by name: the sources' settings, and what is refused."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from experiments import methods, modular
from experiments.cli import UsageError
from experiments.methods import METHODS, MethodSettings
from tests.helpers import run

# The paper's and the fork's own settings, from their texts.
SOURCES = {
  "baseline": {"weight_decay": 0},
  "grokfast_ma": {"window_size": 100, "lamb": 5, "weight_decay": 0.01},
  "grokfast_ma_two_stage": {"window_size": 100, "lamb": 5, "start_step": 500, "weight_decay": 0},
  "grokfast_ema": {"alpha": 0.98, "lamb": 2, "weight_decay": 0.005},
  "delayed_compression": {"coefficient": 0.01, "threshold": 0.99, "weight_decay": 0},
  "grokfast_ema_delayed_compression": {
    "alpha": 0.98,
    "lamb": 2,
    "coefficient": 0.01,
    "threshold": 0.99,
    "optimizer": "adamw",
  },
}
ADAM = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.98, "lr_warmup": 10, "optimizer": "adam"}


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_the_sources(name):
  settings = modular.EXPERIMENT.resolve(modular.Settings(name))
  for key, value in {**ADAM, **SOURCES[name]}.items():
    assert getattr(settings, key) == value, key


G = [{"kernel": jnp.asarray([[0.3 * i, -1.0]]), "bias": jnp.asarray([0.1])} for i in range(1, 15)]
W = {"kernel": jnp.asarray([[1.0, 2.0]]), "bias": jnp.asarray([3.0])}


def by_hand(name):
  ema = grokfax.grokfast_ema(0.98, 2.0)
  penalty = grokfax.delayed_compression(0.01, 0.99, mask=grokfax.not_bias)
  before = {
    "baseline": [],
    "grokfast_ma": [grokfax.grokfast_ma(3, 5.0)],
    "grokfast_ma_two_stage": [grokfax.grokfast_ma(3, grokfax.start_at(5, 5.0))],
    "grokfast_ema": [ema],
    "delayed_compression": [penalty],
    "grokfast_ema_delayed_compression": [ema, penalty],  # filter, penalty, optimizer
  }[name]
  rate = optax.linear_schedule(0.0, 1e-3, 10)
  decay = optax.add_decayed_weights(SOURCES[name].get("weight_decay", 0.005))
  adam = optax.scale_by_adam(0.9, 0.98)
  optimizer = [adam, decay] if "optimizer" in SOURCES[name] else [decay, adam]
  return optax.chain(*before, *optimizer, optax.scale_by_learning_rate(rate))


def small(name, **change):
  """The method with a window and a first stage that fit the few gradients here."""
  own = METHODS[name].own
  sizes = {key: value for key, value in {"window_size": 3, "start_step": 5.0}.items() if key in own}
  return modular.EXPERIMENT.resolve(modular.Settings(name, **{**sizes, **change}))


@pytest.mark.parametrize("name", METHODS)
def test_the_chain_is_the_one_written_by_hand(name):
  settings = small(name)
  ours = methods.make_optimizer(settings, methods.hyperparameters(settings))
  accuracy = jnp.linspace(0.97, 1.0, len(G))
  a, _ = run(ours, G, W, train_accuracy=accuracy)
  b, _ = run(optax.with_extra_args_support(by_hand(name)), G, W, train_accuracy=accuracy)
  for x, y in zip(a, b, strict=True):
    for leaf in x:
      np.testing.assert_allclose(x[leaf], y[leaf], rtol=1e-4, atol=1e-9)
  assert not np.any(a[0]["kernel"])  # the first update has learning rate 0


NAMED = {
  "baseline": grokfax.adam_l2,
  "grokfast_ma": functools.partial(grokfax.grokfast_ma_adam, window_size=3),
  "grokfast_ma_two_stage": functools.partial(
    grokfax.grokfast_ma_adam, window_size=3, lamb=grokfax.start_at(5, 5.0), weight_decay=0.0
  ),
  "grokfast_ema": grokfax.grokfast_adam,
  "delayed_compression": grokfax.delayed_compression_adam,
  "grokfast_ema_delayed_compression": grokfax.grokfast_delayed_compression_adamw,
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_an_optimizer_with_a_name(name):
  """With its own defaults: those of the library are those of the experiments."""
  ours = NAMED[name](optax.linear_schedule(0.0, 1e-3, 10))
  settings = small(name)
  theirs = methods.make_optimizer(settings, methods.hyperparameters(settings))
  accuracy = jnp.linspace(0.97, 1.0, len(G))
  a, b = (run(tx, G, W, train_accuracy=accuracy)[0] for tx in (ours, theirs))
  for x, y in zip(a, b, strict=True):
    for leaf in x:
      np.testing.assert_allclose(x[leaf], y[leaf], rtol=1e-4, atol=1e-9)


def test_every_hyperparameter_reaches_the_optimizer():
  """Changing any of them changes the updates."""
  changes = {
    "learning_rate": 2e-3, "weight_decay": 0.5, "b1": 0.5, "b2": 0.5, "lr_warmup": 0.0,
    "alpha": 0.5, "lamb": 0.5, "window_size": 2, "start_step": 2.0, "coefficient": 0.5,
    "threshold": 0.999, "optimizer": "adamw",
  }  # fmt: skip
  accuracy = jnp.linspace(0.97, 1.0, len(G))
  tried = set()
  for name in METHODS:
    presets = modular.PRESETS.of(name)

    def updates(name=name, **change):
      settings = small(name, **{"weight_decay": 0.01, **change})
      tx = methods.make_optimizer(settings, methods.hyperparameters(settings))
      return np.stack([u["kernel"] for u in run(tx, G, W, train_accuracy=accuracy)[0]])

    before = updates()
    for key in presets.keys() & changes:
      if presets[key] != changes[key]:
        assert np.any(updates(**{key: changes[key]}) != before), (name, key)
        tried.add(key)
  names = {field.name for field in dataclasses.fields(MethodSettings)}
  assert tried == names - {"method"}


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"method": "baseline", "alpha": 0.9}, "baseline has no --alpha; it has --optimizer"),
    ({"method": "grokfast_ema", "window_size": 5}, "grokfast_ema has no --window-size"),
    ({"alpha": 1.0}, r"--alpha must be in \[0, 1\); got 1.0"),
    ({"lamb": -1.0}, "--lamb must be finite and at least 0"),
    ({"lamb": float("nan")}, "--lamb must be finite and at least 0"),
    ({"learning_rate": 0.0}, "--learning-rate must be above 0"),
    ({"b2": 1.0}, r"--b2 must be in \[0, 1\)"),
    ({"method": "grokfast_ma", "window_size": 0}, "--window-size must be at least 1"),
    ({"method": "delayed_compression", "threshold": float("inf")}, "--threshold must be a finite"),
  ],
)
def test_refused(settings, message):
  with pytest.raises(UsageError, match=message):
    modular.EXPERIMENT.resolve(modular.Settings(**settings))
