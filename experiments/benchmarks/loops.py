"""Training steps a second in loops of known and of unknown length.

    python -m experiments.benchmarks.loops --members 1 64

The same epochs of multiplication mod 97, once with their number in the program, as the experiments
have it, and once with a number that the program is told when it runs, of epochs and of steps.
"""

import functools
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks import tools
from experiments.runs import plan, settings
from experiments.training.population import batched
from experiments.training.train import take

EPOCHS = 10  # each of ten steps


def known(train: Any) -> Callable[..., Any]:
  """(state, split, numbers, epochs, steps) -> state; the last two are not looked at."""

  def run(state, split, numbers, epochs, steps):
    del epochs, steps
    return train.run(state, split, numbers, evaluations=1, epochs=EPOCHS)[0]

  return run


def told(train: Any) -> Callable[..., Any]:
  """The same arguments; the loops' lengths are in the last two."""

  def run(state, split, numbers, epochs, steps):
    optimizer, rows = train.make_optimizer(numbers), len(split.train[0])
    size = train.batch_size

    def loss(params, index):
      return train.score(params, take(split.train, index))["loss"].mean()

    def step(order, i, carry):
      params, opt_state = carry
      index = jax.lax.dynamic_slice_in_dim(order, i * size, size)
      grads = jax.grad(loss)(params, index)
      updates, opt_state = optimizer.update(grads, opt_state, params)
      return optax.apply_updates(params, updates), opt_state

    def epoch(_, state):
      shuffle, key = jax.random.split(state.key)
      order = jnp.resize(jax.random.permutation(shuffle, rows), -(-rows // size) * size)
      carry = state.params, state.opt_state
      params, opt_state = jax.lax.fori_loop(0, steps, functools.partial(step, order), carry)
      return state._replace(params=params, opt_state=opt_state, key=key)

    return jax.lax.fori_loop(0, epochs, epoch, state)

  return run


def calls_of(count: int, **given: Any) -> tuple[dict[str, Callable[[], Any]], int]:
  """What runs the epochs of so many members, each way, and has their state; and their steps."""
  members = [settings.make("modular", method="grokfast_ema", seed=i, **given) for i in range(count)]
  train, inits = plan.train_of(members[0]), [plan.init_of(member)[0] for member in members]
  key, split, numbers = jax.tree.map(lambda *leaves: jnp.stack(leaves), *inits)
  shape = jax.eval_shape(train.init, inits[0].key, inits[0].numbers)
  own = jax.tree.map(lambda mine: 0 if mine else None, batched(shape))
  steps = train.epoch_steps(inits[0].split)

  def ran(way):
    run = jax.vmap(way(train), in_axes=(own, 0, 0, None, None), out_axes=own)
    run = jax.jit(run, donate_argnums=0)
    state = jax.jit(jax.vmap(train.init, out_axes=own))(key, numbers)

    def call():
      nonlocal state
      state = jax.block_until_ready(run(state, split, numbers, EPOCHS, steps))
      return state

    return call

  return {way.__name__: ran(way) for way in (known, told)}, EPOCHS * steps


def rows_of(members: Sequence[int], seconds: float, **given: Any) -> Iterator[dict[str, Any]]:
  """A row for each number of members.

  Args:
    members: how many, for each row.
    seconds: for each row, about.
    **given: settings that are not the paper's.
  """
  for count in members:
    calls, steps = calls_of(count, **given)
    times = tools.in_turns(calls, seconds=seconds)
    rates = {
      f"{name}, member-steps/s": count * steps / statistics.median(times[name]) for name in times
    }
    yield {
      "members": count,
      **rates,
      "times known": tools.ratio(times["told"], times["known"]),
    }


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--members", type=int, nargs="+", default=(1, 4))
  parser.add_argument("--seconds", type=float, default=30.0, help="for each number, about")
  given = parser.parse_args()
  rows = list(rows_of(given.members, given.seconds))
  tools.write("loops", rows, given.out)
  tools.show(rows)


if __name__ == "__main__":
  main()
