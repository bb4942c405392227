"""Trains trials of a search: members of one compiled program, side by side or one after another."""

import sys
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments.runs import plan, settings
from experiments.studies.spaces import Space, spread
from experiments.training.population import MemberInit, Population


class Trainer:
  """Trains trials side by side, or one after another, with one compiled program."""

  def __init__(self, fixed: Mapping[str, Any], space: Space, width: int):
    (middle,) = spread(space, 1, np.random.default_rng(0))
    self.fixed = fixed
    self.first = settings.make("modular", **self.fixed, **middle)
    self.train = plan.train_of(self.first)
    like, _ = plan.init_of(self.first)
    self.numbers = like.numbers.keys()
    self._data: dict[tuple[str, int], tuple[Any, Any]] = {}
    self.population = Population(self.train, like, epochs=1, width=width)
    self.epochs = -(-self.first["steps"] // self.train.epoch_steps(like.split))

  def curves(self, members: list[dict[str, Any]]) -> np.ndarray:
    """Validation accuracies after each epoch: (members, epochs)."""
    found = []
    width = self.population.width
    for begin in tqdm(range(0, len(members), width), "runs of a round", disable=None, leave=False):
      group = members[begin : begin + width]
      filled = [*group, *[group[0]] * (width - len(group))]
      self.population.begin_with(self._inits(filled))
      rows = [self.population.advance() for _ in range(self.epochs)]
      values = [np.atleast_1d(jax.device_get(row["val_accuracy"])) for row in rows]
      found.append(np.stack(values, 1)[: len(group)])
      if not sys.stderr.isatty():  # where there is no bar
        print(f"{begin + len(group)} of {len(members)} runs of the round", file=sys.stderr)
    return np.nan_to_num(np.concatenate(found))

  def _inits(self, members: list[dict[str, Any]]) -> MemberInit:
    """Members as the program takes them; stacked here, for one by one would take its time."""
    for member in members:
      if (place := (member["operation"], member["seed"])) not in self._data:
        made = settings.make("modular", **self.fixed, **member)
        key, split, _ = plan.init_of(made)[0]
        self._data[place] = key, jax.device_get(split)
    keys, splits = zip(*(self._data[m["operation"], m["seed"]] for m in members), strict=True)
    numbers = [
      {n: v for n, v in (self.first.of_kind("number") | m).items() if n in self.numbers}
      for m in members
    ]
    if self.population.width == 1:
      return MemberInit(keys[0], splits[0], jax.tree.map(jnp.float32, numbers[0]))
    data = np.stack([jax.random.key_data(key) for key in keys])
    return MemberInit(
      jax.random.wrap_key_data(jnp.asarray(data)),
      jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *splits),
      {n: jnp.asarray([m[n] for m in numbers], jnp.float32) for n in self.numbers},
    )
