"""Methods by name: the sources' settings and chains; and that each number is used."""

import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import signal

import grokfax
from experiments.fields import UsageError, fields_of
from experiments.methods import METHODS, OPTIMIZERS
from experiments.methods.compression import memorised
from experiments.methods.grokfast import low_pass
from experiments.runs import plan, settings
from tests.helpers import run

SMALL = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1}
# The paper's and the fork's own settings, from their texts.
# What stands before or after an optimizer; the recipe is one, and has its own tests.
CHAINS = [name for name, method in METHODS.items() if not method.replaces_optimizer]
SOURCES = {
  "baseline": {"weight_decay": 0},
  "grokfast_ma": {"window_size": 100, "lamb": 5, "weight_decay": 0.01},
  "grokfast_ma_two_stage": {"window_size": 100, "lamb": 5, "start_step": 500, "weight_decay": 0},
  "grokfast_ma_gated": {
    "window_size": 100,
    "lamb": 5,
    "gate": "opens",
    "gate_at": 0.99,
    "weight_decay": 0.01,
  },
  "grokfast_ema": {"alpha": 0.98, "lamb": 2, "weight_decay": 0.005},
  "grokfast_ema_two_stage": {"alpha": 0.98, "lamb": 2, "start_step": 500, "weight_decay": 0},
  "delayed_compression": {"coefficient": 0.01, "threshold": 0.99, "weight_decay": 0},
  "grokfast_ema_delayed_compression": {
    "alpha": 0.98,
    "lamb": 2,
    "coefficient": 0.01,
    "threshold": 0.99,
    "weight_decay": 0.005,
    "optimizer": "adamw",
  },
  "grokfast_ema_reset": {"alpha": 0.98, "lamb": 2, "reset_at": 0.99, "weight_decay": 0.005},
  "grokfast_butterworth": {"order": 2, "cutoff": 0.00443, "lamb": 5},
  "grokfast_delay": {"delay": 50, "lamb": 5},
  "orthogonal_gradient": {},
  "egalitarian_gradient": {"equal_by": "svd"},
  "clip_by_mean_norm": {"clip_ratio": 1.0, "clip_decay": 0.9},
  "project_params_norm": {"norm_ratio": 1.0},
  "cap_params_norm": {"norm_cap": 1.0},
  "stablemax": {},
}
ADAM = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.98, "lr_warmup": 10, "optimizer": "adam"}


@pytest.mark.parametrize("name", CHAINS)
def test_defaults_are_the_sources(name):
  made = settings.make("modular", method=name)
  for key, value in {**ADAM, "weight_decay": 0, **SOURCES[name]}.items():
    assert made[key] == value, key


G = [{"kernel": jnp.asarray([[0.3 * i, -1.0]]), "bias": jnp.asarray([0.1])} for i in range(1, 15)]
W = {"kernel": jnp.asarray([[1.0, 2.0]]), "bias": jnp.asarray([3.0])}


def by_hand(name):
  ema = grokfax.grokfast_ema(0.98, 2.0)
  penalty = grokfax.delayed_compression(0.01, 0.99, mask=grokfax.not_bias)
  memorised = grokfax.metric_at_least("train_accuracy", 0.99)
  matrices = {"kernel": True, "bias": False}
  before = {
    "grokfast_ema_reset": [
      grokfax.reset_when(
        grokfax.grokfast_ema(0.98, 2.0),
        grokfax.latched(memorised),
      )
    ],
    "grokfast_butterworth": [grokfax.grokfast_iir(*signal.butter(2, 2 * 0.00443), 5.0)],
    "grokfast_delay": [grokfax.grokfast_fir([0.0, 0.0, 1.0], 5.0)],
    "orthogonal_gradient": [grokfax.orthogonal_gradient()],
    "egalitarian_gradient": [grokfax.egalitarian_gradient()],
    "clip_by_mean_norm": [grokfax.clip_by_mean_norm()],
    "baseline": [],
    "grokfast_ma": [grokfax.grokfast_ma(3, 5.0)],
    "grokfast_ma_two_stage": [grokfax.grokfast_ma(3, grokfax.start_at(5, 5.0))],
    "grokfast_ma_gated": [grokfax.gate(grokfax.grokfast_ma(3, 5.0), grokfax.latched(memorised))],
    "grokfast_ema": [ema],
    "grokfast_ema_two_stage": [grokfax.grokfast_ema(0.98, grokfax.start_at(5, 2.0))],
    "delayed_compression": [penalty],
    "grokfast_ema_delayed_compression": [ema, penalty],  # filter, penalty, optimizer
  }.get(name, [])
  after = {
    "project_params_norm": [grokfax.project_params_norm()],
    "cap_params_norm": [optax.masked(grokfax.cap_params_norm(), matrices)],
  }.get(name, [])
  rate = optax.linear_schedule(0.0, 1e-3, 10)
  decay = optax.add_decayed_weights(SOURCES[name].get("weight_decay", 0.0))
  adam = optax.scale_by_adam(0.9, 0.98)
  optimizer = [adam, decay] if "optimizer" in SOURCES[name] else [decay, adam]
  return optax.chain(*before, *optimizer, optax.scale_by_learning_rate(rate), *after)


def small(name, **change):
  """The method with a window and a first stage that fit the few gradients here."""
  own = fields_of(METHODS[name].hyperparameters)
  few = {"window_size": 3, "start_step": 5.0, "delay": 2}
  sizes = {key: value for key, value in few.items() if key in own}
  return settings.make("modular", method=name, **{**SMALL, **sizes, **change})


def optimizer_of(made):
  return plan.train_of(made).make_optimizer(plan.numbers_of(made))


def updates_of(tx, like=W, gradients=G):
  """Its updates of the gradients; the training accuracy rises through the threshold, and falls."""
  accuracy = jnp.linspace(0.97, 1.0, len(gradients)).at[-3:].set(0.98)
  return run(optax.with_extra_args_support(tx), gradients, like, train_accuracy=accuracy)[0]


def assert_close(ours, theirs):
  for x, y in zip(ours, theirs, strict=True):
    for leaf in x:
      np.testing.assert_allclose(x[leaf], y[leaf], rtol=1e-4, atol=3e-7)


@pytest.mark.parametrize("name", CHAINS)
def test_the_chain_is_the_one_written_by_hand(name):
  ours = updates_of(optimizer_of(small(name)))
  assert_close(ours, updates_of(by_hand(name)))
  # The first update has learning rate 0; a norm of the start is kept but for rounding.
  np.testing.assert_allclose(ours[0]["kernel"], 0, atol=1e-6)


def test_the_gate_closes_at_memorisation():
  memorised = grokfax.metric_at_least("train_accuracy", 0.99)
  gated = grokfax.gate(grokfax.grokfast_ma(3, 5.0), grokfax.until(memorised))
  ours = updates_of(optimizer_of(small("grokfast_ma_gated", gate="closes")))
  rate = optax.linear_schedule(0.0, 1e-3, 10)
  assert_close(ours, updates_of(optax.chain(gated, grokfax.adam_l2(rate, weight_decay=0.01))))


NAMED = {
  "baseline": grokfax.adam_l2,
  "grokfast_ma": functools.partial(grokfax.grokfast_ma_adam, window_size=3),
  "grokfast_ma_two_stage": functools.partial(
    grokfax.grokfast_ma_adam, window_size=3, lamb=grokfax.start_at(5, 5.0), weight_decay=0.0
  ),
  "grokfast_ema": grokfax.grokfast_adam,
  "grokfast_ema_two_stage": functools.partial(
    grokfax.grokfast_adam, lamb=grokfax.start_at(5, 2.0), weight_decay=0.0
  ),
  "delayed_compression": grokfax.delayed_compression_adam,
  "grokfast_ema_delayed_compression": grokfax.grokfast_delayed_compression_adamw,
}


@pytest.mark.parametrize("name", NAMED)
def test_every_source_s_method_is_an_optimizer_with_a_name(name):
  """With its own defaults: those of the library are those of the experiments."""
  named = NAMED[name](optax.linear_schedule(0.0, 1e-3, 10))
  assert_close(updates_of(named), updates_of(optimizer_of(small(name))))


# Another value of each number and size.
CHANGES = {
  "learning_rate": 2e-3, "weight_decay": 0.5, "b1": 0.5, "b2": 0.5, "lr_warmup": 0.0,
  "alpha": 0.5, "lamb": 0.5, "window_size": 2, "start_step": 2.0, "coefficient": 0.5,
  "threshold": 0.999, "schedule": "linear", "lr_end": 0.5, "lr_embedding": 2.0, "lr_head": 2.0,
  "lr_matrices": 2.0, "lr_rest": 2.0, "momentum": 0.5, "ns_steps": 1, "b3": 0.5,
  "ademamix_alpha": 1.0, "blocks": 1, "equal_by": "newton_schulz", "equal_ns_steps": 1,
  "norm_ratio": 0.5, "norm_scope": "global", "norm_cap": 0.1, "reset_at": 0.5,
  "gate": "closes", "gate_at": 0.5, "clip_ratio": 0.5, "clip_decay": 0.5,
  "order": 1, "cutoff": 0.1, "delay": 1, "latch": True, "accuracy_over": 3,
  "decay_embedding": 0.5, "decay_head": 0.5, "embedding_by": "muon", "head_by": "muon",
}  # fmt: skip
TREE = {"embed": 0, "head": 1, "kernel": 2, "bias": 3}  # a parameter of each group


def tree(seed):
  rng = np.random.default_rng(seed)
  shapes = {name: (3, 2) if name != "bias" else (2,) for name in TREE}
  return {name: jnp.asarray(rng.normal(size=s), jnp.float32) for name, s in shapes.items()}


def updates_with(method, optimizer, **change):
  """The updates of a method and an optimizer whose settings all matter."""
  own = {"weight_decay": 0.01, "steps": 20, "schedule": "cosine", **change}
  chosen = small(method, optimizer=optimizer, **own)
  return updates_of(optimizer_of(chosen), tree(0), [tree(i) for i in range(14)])


@pytest.mark.parametrize("method", CHAINS)
def test_every_hyperparameter_of_a_method_reaches_the_optimizer(method):
  for key in fields_of(METHODS[method].hyperparameters):
    other = {"equal_by": "newton_schulz"} if key == "equal_ns_steps" else {}
    before = updates_with(method, "adam", **other)
    after = updates_with(method, "adam", **other, **{key: CHANGES[key]})
    assert np.any(before[-1]["kernel"] != after[-1]["kernel"]), key


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_hyperparameter_of_an_optimizer_reaches_it(optimizer):
  before = updates_with("baseline", optimizer)
  for key in fields_of(OPTIMIZERS[optimizer].hyperparameters):
    after = updates_with("baseline", optimizer, **{key: CHANGES[key]})
    changed = {
      name
      for name in TREE
      for b, a in zip(before, after, strict=True)
      if np.any(b[name] != a[name])
    }
    groups = {"lr_embedding": {"embed"}, "lr_head": {"head"}, "lr_matrices": {"kernel"}}
    groups |= {"lr_rest": {"bias"}}
    if key in groups:
      assert changed == groups[key], key
    else:
      assert changed, key


def test_the_accuracy_is_that_of_the_last_batches():
  """Of three: the mean is at the threshold at the fifth step, and no more at the seventh."""
  when = memorised(0.9, 3)
  state, found = when.init(), []
  for accuracy in (1.0, 0.8, 0.8, 0.9, 1.0, 0.9, 0.7):
    answer, state = when.test(state, 0, train_accuracy=accuracy)
    found.append(bool(answer))
  assert found == [False, False, False, False, True, True, False]


def test_a_mean_of_ones_is_one():
  """Whatever its rounding: of 41 it is 1 - 6e-8 in float32."""
  when = memorised(1.0, 41)
  state, answer = when.init(), False
  for _ in range(41):
    answer, state = when.test(state, 0, train_accuracy=jnp.float32(1.0))
  assert answer


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_low_pass_is_scipys(order):
  for ours, theirs in zip(low_pass(order, 0.05), signal.butter(order, 0.1), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_cutoff_that_no_low_pass_can_have_is_refused():
  with pytest.raises(UsageError, match=r"--cutoff must be below 0\.5"):
    optimizer_of(small("grokfast_butterworth", cutoff=0.6))
