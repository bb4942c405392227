"""Optimizers by name: each is Optax's own, with schedules and learning rates by group."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from experiments.fields import part
from experiments.methods import OPTIMIZERS, groups, optimizers
from experiments.runs import identity, plan, settings
from tests.experiments.methods.test_methods import SMALL, optimizer_of, tree, updates_of

RATE, DECAY = 3e-3, 0.02
GRADIENTS = [tree(i) for i in range(1, 15)]
COUPLED = optax.add_decayed_weights(DECAY)
MATRIX = {"embed": False, "head": False, "kernel": True, "bias": False}


def muon():
  """Muon on the matrix, AdamW on all else, with Nesterov's look ahead, as Optax pairs them."""
  return optax.chain(
    optax.masked(contrib.muon(RATE, beta=0.9, weight_decay=DECAY), MATRIX),
    optax.masked(
      optax.adamw(RATE, 0.8, 0.95, weight_decay=DECAY, nesterov=True),
      {name: not is_matrix for name, is_matrix in MATRIX.items()},
    ),
  )


def muon_grouped():
  """Each group an optimizer of its own, with a decay of its own."""
  own = {
    "embed": optax.adamw(RATE, 0.8, 0.95, weight_decay=0.3),
    "head": optax.adamw(RATE, 0.8, 0.95, weight_decay=0.2),
    "kernel": contrib.muon(RATE, beta=0.9, weight_decay=DECAY),
    "bias": optax.adamw(RATE, 0.8, 0.95, weight_decay=0.0),
  }
  return optax.partition(own, {name: name for name in own})


BY_HAND = {
  "adam": ({"b1": 0.8, "b2": 0.95}, lambda: optax.chain(COUPLED, optax.adam(RATE, 0.8, 0.95))),
  "adamw": ({"b1": 0.8, "b2": 0.95}, lambda: optax.adamw(RATE, 0.8, 0.95, weight_decay=DECAY)),
  "nadam": ({"b1": 0.8, "b2": 0.95}, lambda: optax.chain(COUPLED, optax.nadam(RATE, 0.8, 0.95))),
  "sgd": ({"momentum": 0.8}, lambda: optax.chain(COUPLED, optax.sgd(RATE, 0.8, nesterov=True))),
  "muon": ({"b1": 0.8, "b2": 0.95, "momentum": 0.9}, muon),
  "muon_grouped": (
    {"b1": 0.8, "b2": 0.95, "momentum": 0.9, "decay_embedding": 0.3, "decay_head": 0.2},
    muon_grouped,
  ),
  "ademamix": (
    {"b1": 0.8, "b2": 0.95, "b3": 0.9, "ademamix_alpha": 2.0},
    lambda: contrib.ademamix(RATE, 0.8, 0.95, 0.9, 2.0, weight_decay=DECAY),
  ),
}


def made(optimizer, **own):
  base = {"lr_warmup": 0.0, "weight_decay": DECAY, "learning_rate": RATE, **own}
  return settings.make("modular", method="baseline", optimizer=optimizer, **SMALL, **base)


def close(ours, theirs, **tolerance):
  for x, y in zip(ours, theirs, strict=True):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), x, y)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_against_optax_s_own(optimizer):
  own, by_hand = BY_HAND[optimizer]
  ours = updates_of(optimizer_of(made(optimizer, **own)), tree(0), GRADIENTS)
  close(ours, updates_of(by_hand(), tree(0), GRADIENTS), rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_members_have_numbers_of_their_own(optimizer):
  """Under vmap over the learning rate and the weight decay."""
  members = [made(optimizer), made(optimizer, learning_rate=0.1), made(optimizer, weight_decay=0.5)]
  numbers = [plan.numbers_of(member) for member in members]
  together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *numbers)
  make = plan.train_of(members[0]).make_optimizer

  def last(numbers):
    tx = make(numbers)
    state, updates = tx.init(tree(0)), None
    for g in GRADIENTS[:3]:
      updates, state = tx.update(g, state, tree(0))
    return updates

  found = jax.jit(jax.vmap(last))(together)
  for i, own in enumerate(numbers):
    close([jax.tree.map(lambda u: u[i], found)], [last(own)], rtol=1e-3, atol=1e-6)  # noqa: B023


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize(("warmup", "end"), [(0, 0.0), (4, 0.0), (4, 0.25)])
def test_a_schedule(schedule, warmup, end):
  """From 0 over the warm-up to the learning rate; at the budget's last step it is at its end."""
  steps = 20
  ends = {} if schedule == "constant" else {"lr_end": end}
  chosen = made("adamw", schedule=schedule, lr_warmup=float(warmup), steps=steps, **ends)
  h = part(optimizers.Adam, chosen.values)
  rate = jax.vmap(optimizers.rate_of(h, steps))(jnp.arange(steps))
  expected = []
  for step in range(steps):
    done = (step - warmup) / (steps - 1 - warmup)
    left = {"constant": None, "linear": 1 - done, "cosine": (1 + np.cos(np.pi * done)) / 2}[
      schedule
    ]
    if step < warmup:
      expected.append(RATE * step / warmup)
    else:
      expected.append(RATE if left is None else RATE * (end + (1 - end) * left))
  np.testing.assert_allclose(rate, expected, rtol=1e-5, atol=1e-9)
  if schedule != "constant":
    assert float(rate[-1]) == pytest.approx(end * RATE, abs=1e-9)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_schedule_goes_by_the_run_s_own_budget(schedule):
  """Of plain gradient descent with gradients of one, an update is the learning rate."""
  own = {"schedule": schedule, "lr_warmup": 3.0, "steps": len(GRADIENTS)}
  own |= {} if schedule == "constant" else {"lr_end": 0.25}
  tx = optimizer_of(made("sgd", momentum=0.0, weight_decay=0.0, **own))
  ones = jax.tree.map(jnp.ones_like, tree(0))
  rates = [-float(u["bias"][0]) / RATE for u in updates_of(tx, tree(0), [ones] * len(GRADIENTS))]
  assert rates[:4] == pytest.approx([0, 1 / 3, 2 / 3, 1], rel=1e-5)
  assert rates[-1] == pytest.approx(1 if schedule == "constant" else 0.25, rel=1e-5)


def test_the_groups_of_the_transformer():
  """Positions are embeddings here, and attention's projections are matrices."""
  train = plan.train_of(settings.make("modular", **SMALL))
  params = jax.eval_shape(train.init_params, jax.random.key(0))
  found: dict[str, set[str]] = {}
  for path, group in jax.tree_util.tree_leaves_with_path(groups.labels(params)):
    name = jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")
    found.setdefault(group, set()).add(name)
  block = "blocks/layers/0"
  assert found["embedding"] == {"tokens/embedding", "positions/embedding"}
  assert found["head"] == {"head/kernel"}
  assert found["matrices"] == {f"{block}/{n}/kernel" for n in ("qkv", "out", "mlp_in", "mlp_out")}
  norms = {f"{n}/{kind}" for n in (f"{block}/ln_1", f"{block}/ln_2") for kind in ("scale", "bias")}
  biases = {f"{block}/{n}/bias" for n in ("qkv", "out", "mlp_in", "mlp_out")}
  assert found["rest"] == norms | biases | {"ln_f/scale", "ln_f/bias"}


# Of the transformer's parameters by the first name of their path; in a block a bias is the rest.
FACTORS = {"tokens": 3.0, "positions": 3.0, "head": 0.5, "ln_f": 0.0}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_learning_rates_by_group(optimizer):
  """Each group's updates are those of the optimizer, times its factor; decay included."""
  own = {"lr_embedding": 3.0, "lr_head": 0.5, "lr_matrices": 2.0, "lr_rest": 0.0}
  params = plan.train_of(made(optimizer)).init_params(jax.random.key(0))
  gradients = [jax.tree.map(lambda p, k=k: jnp.cos(k * p), params) for k in (1, 2, 3)]
  plain = updates_of(optimizer_of(made(optimizer)), params, gradients)
  scaled = updates_of(optimizer_of(made(optimizer, **own)), params, gradients)

  def times(path, update):
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    return update * FACTORS.get(name.split("/")[0], 2.0 if "kernel" in name else 0.0)

  expected = [jax.tree_util.tree_map_with_path(times, u) for u in plain]
  close(scaled, expected, rtol=1e-5, atol=1e-9)


def test_one_group_s_factor_leaves_the_others_as_they_are():
  plain = updates_of(optimizer_of(made("adamw")), tree(0), GRADIENTS)
  scaled = updates_of(optimizer_of(made("adamw", lr_matrices=2.0)), tree(0), GRADIENTS)
  expected = [{n: (2 if n == "kernel" else 1) * u[n] for n in u} for u in plain]
  close(scaled, expected, rtol=1e-6)


def test_muon_trains_the_transformer():
  """On the model's own tree: orthogonal updates of its matrices, and of nothing else."""
  chosen = made("muon", lr_warmup=0.0, weight_decay=0.0)
  train = plan.train_of(chosen)
  params = train.init_params(jax.random.key(0))
  grads = jax.tree.map(lambda p: jax.random.normal(jax.random.key(1), p.shape), params)
  tx = train.make_optimizer(plan.numbers_of(chosen))
  updates, _ = jax.jit(tx.update)(grads, tx.init(params), params)
  labels = jax.tree.leaves(groups.labels(params))
  for update, group in zip(jax.tree.leaves(updates), labels, strict=True):
    if group == "matrices":
      singular = np.linalg.svd(np.asarray(update), compute_uv=False)
      scale = RATE * max(1, update.shape[1] / update.shape[0]) ** 0.5
      assert 0.5 < singular.min() / scale <= singular.max() / scale < 1.5
    else:
      assert np.ptp(np.abs(update)) < 0.01 * RATE  # Adam's first step: all alike, but for signs


def test_runs_whose_schedules_end_elsewhere_are_not_pooled():
  one, other = (made("adamw", schedule="linear", steps=steps) for steps in (100, 200))
  assert identity.identity(one) != identity.identity(other)
  one, other = (made("adamw", schedule="constant", steps=steps) for steps in (100, 200))
  assert identity.identity(one) == identity.identity(other)
