"""What a step of each filter costs: beside AdamW alone, the memory's bandwidth, and torch.

    python -m experiments.benchmarks.filter_step --sizes modular 20M --dtypes float32

A step reads gradients and updates parameters and state, which are donated; either each
step is a call of its own, or a scan makes several. What a step must move, divided by
the memory's bandwidth measured beside it, is the least time that it can take; *of the
bound* is that over the time it took.
"""

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks import cases, tools
from experiments.benchmarks.cases import KINDS, SIZES
from experiments.training.devices import bytes_of

torch_filters = tools.torch_side("torch_filters")
FORMS = ("jit", "scan")
DTYPES = ("float32", "bfloat16")
MOVED = 2**31  # bytes between two looks at the clock, about
FEWEST, MOST = 4, 100  # steps for it
LARGE = 2**28  # bytes, more than any cache holds
SCALINGS = 8
TORCHS = {"torch, fused": True, "torch, not fused": False}
WITH_TORCH = ("adamw", "ema", "ma 10", "ma 100")


def make_step(kind: cases.Kind, form: str, steps: int) -> Any:
  """(carry, gradients) -> carry, jitted: one step, or a scan of so many; the carry is donated."""
  tx = cases.optimizer(kind)

  def step(carry, grads):
    params, state = carry
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates), state

  def scan(carry, grads):
    def body(carry, scale):
      # A number of each step's own, lest anything be done once for all of them.
      return step(carry, jax.tree.map(lambda g: g * scale.astype(g.dtype), grads)), None

    return jax.lax.scan(body, carry, jnp.linspace(0.5, 1.5, steps))[0]

  return jax.jit(step if form == "jit" else scan, donate_argnums=0)


def repeated(calls: int, step: Callable[..., Any], carry: Any, *rest: Any) -> Callable[[], None]:
  """Goes on where it was, so many calls further, and waits until it is there."""

  def call():
    nonlocal carry
    for _ in range(calls):
      carry = step(carry, *rest)
    jax.block_until_ready(carry)

  return call


def _normal(params: Any) -> Any:
  leaves, structure = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(0), len(leaves))
  made = [jax.random.normal(k, p.shape, p.dtype) for k, p in zip(keys, leaves, strict=True)]
  return jax.tree.unflatten(structure, made)


def ours(kind: cases.Kind, params: Any, form: str, steps: int) -> Callable[[], None]:
  """Makes so many steps at each call."""
  values = _normal(params)
  state = jax.jit(cases.optimizer(kind).init)(values)
  if kind.window:  # while it fills up nothing is added to the gradient, and less is read
    state = optax.tree.set(state, filter_step=jnp.int32(kind.window))
  calls = steps if form == "jit" else 1
  return repeated(calls, make_step(kind, form, steps), (values, state), _normal(params))


def _filter_of(name: str) -> tuple[str, int]:
  """As torch's side names it, and its window."""
  name, *window = name.split()
  return "none" if name == "adamw" else name, int(window[0]) if window else 1


def theirs_bytes(name: str, params: Any) -> int:
  """What torch needs for it."""
  leaves = jax.tree.leaves(params)
  dtype = getattr(torch_filters.torch, str(leaves[0].dtype))
  return torch_filters.bytes_needed([leaf.shape for leaf in leaves], *_filter_of(name), dtype)


def theirs(name: str, fused: bool, params: Any, steps: int) -> Callable[[], None]:
  """The same by torch, with the filter written the way the reference writes it."""
  filter_, window = _filter_of(name)
  leaves = jax.tree.leaves(params)
  device = "cuda" if jax.default_backend() == "gpu" else "cpu"
  step = torch_filters.steps(
    [leaf.shape for leaf in leaves],
    filter_,
    window_size=window,
    fused=fused,
    dtype=getattr(torch_filters.torch, str(leaves[0].dtype)),
    device=device,
  )

  def call():
    for _ in range(steps):
      step()
    torch_filters.synchronize(device)

  return call


def scaling() -> Callable[[], None]:
  """A large array, changed in place again and again: each time it is read and written."""

  def scale(array, factor):
    return jax.lax.fori_loop(0, SCALINGS, lambda _, a: a * factor, array)

  step = jax.jit(scale, donate_argnums=0)
  return repeated(1, step, jnp.ones(LARGE // 4), jnp.float32(-1))


def rows_of(
  params: Any, form: str, kinds: Mapping[str, cases.Kind], seconds: float
) -> Iterator[dict[str, Any]]:
  """A row for each filter: its time beside AdamW's, the bound's and torch's."""
  adamw = KINDS["adamw"]
  steps = max(FEWEST, min(MOST, MOVED // cases.least_moved_bytes(adamw, params)))
  base, stream = ours(adamw, params, form, steps), scaling()
  for name, kind in kinds.items():
    needed = cases.least_state_bytes(kind, params) + 2 * bytes_of(params)
    if not tools.fits(needed):
      yield {"filter": name, "needs": f"{needed / 1e9:.0f} GB"}
      continue
    own = None  # the one before is freed first
    tools.give_memory_back()
    own = base if kind is adamw else ours(kind, params, form, steps)
    times = tools.in_turns({"adamw": base, "own": own, "scaling": stream}, seconds=seconds)
    least, scaled = cases.least_moved_bytes(kind, params), 2 * SCALINGS * LARGE
    bounds = [time * least * steps / scaled for time in times["scaling"]]
    row = {
      "filter": name,
      "ms a step": 1e3 * statistics.median(times["own"]) / steps,
      "times AdamW": tools.ratio(times["own"], to=times["adamw"]),
      "moves at least, MB": least / 1e6,
      "bandwidth, GB/s": scaled / statistics.median(times["scaling"]) / 1e9,
    }
    if least >= LARGE:  # what stays in a cache from step to step is not bound by the memory
      row["of the bound"] = tools.ratio(bounds, to=times["own"])
    if torch_filters and name in WITH_TORCH and tools.fits(needed, theirs_bytes(name, params)):
      for who, fused in TORCHS.items():  # one after the other, for the memory of both is not there
        runs = {"own": own, who: theirs(name, fused, params, steps)}
        times = tools.in_turns(runs, seconds=seconds)
        row[f"{who}, ms"] = 1e3 * statistics.median(times[who]) / steps
        row[f"{who}: times ours"] = tools.ratio(times[who], to=times["own"])
        del runs
        tools.give_memory_back()  # torch's optimizers are in cycles: two windows would not fit
    yield row


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
  parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
  parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
  parser.add_argument("--filters", nargs="+", choices=KINDS, default=list(KINDS))
  parser.add_argument("--seconds", type=float, default=4.0, help="for each filter, at least")
  settings = parser.parse_args()
  kinds = {name: KINDS[name] for name in settings.filters}
  rows = []
  for size, dtype, form in itertools.product(settings.sizes, settings.dtypes, settings.forms):
    place = {"size": size, "dtype": dtype, "form": form}
    params = cases.parameters(size, dtype)
    found = [place | row for row in rows_of(params, form, kinds, settings.seconds)]
    tools.show(found)
    rows += found
    tools.write("filter_step", rows, settings.out)


if __name__ == "__main__":
  main()
