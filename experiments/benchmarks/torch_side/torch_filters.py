"""Optimizer steps in torch, with the filters written the way the reference writes them.

That is a Python loop over the named parameters, a handful of operations for each, and a
moving average that sums its whole window at every step. For the benchmarks that time our
filters beside it. Torch is none of our dependencies: this needs it installed.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import torch  # pyright: ignore[reportMissingImports]

Filter: TypeAlias = Callable[[Iterable[tuple[str, Any]]], None]  # changes the parameters' .grad


def ema(alpha: float = 0.98, lamb: float = 2.0) -> Filter:
  """Adds λ times the exponential moving average, which starts from the first gradient."""
  grads: dict[str, torch.Tensor] = {}

  def apply(named_parameters):
    for n, p in named_parameters:
      g = p.grad
      grads[n] = grads.get(n, g) * alpha + g * (1 - alpha)
      p.grad = g + grads[n] * lamb  # a new tensor: g itself may be held elsewhere

  return apply


def ma(window_size: int = 100, lamb: float = 5.0) -> Filter:
  """Adds λ times the mean of the last gradients, once `window_size` are held."""
  grads: dict[str, deque[torch.Tensor]] = {}

  def apply(named_parameters):
    for n, p in named_parameters:
      g = p.grad
      window = grads.setdefault(n, deque(maxlen=window_size))
      window.append(g)  # no copy
      if len(window) == window_size:
        p.grad = g + sum(window) / window_size * lamb

  return apply


def none() -> Filter:
  """Leaves the gradients as they are."""
  return lambda named_parameters: None


def _make_filter(filter: str, window_size: int) -> Filter:
  return {"none": none, "ema": ema, "ma": lambda: ma(window_size)}[filter]()


def _gradient_sets(filter: str, window_size: int) -> int:
  return window_size + 1 if filter == "ma" else 2


def bytes_needed(
  shapes: Sequence[tuple[int, ...]], filter: str, window_size: int, dtype: torch.dtype
) -> int:
  """An upper bound of the memory that `steps` holds at a time."""
  sizes = [math.prod(shape) for shape in shapes]
  kept = 3 + _gradient_sets(filter, window_size)  # parameters, two moments, gradients
  kept += {"none": 0, "ema": 2, "ma": 1}[filter]  # filtered gradients, and EMA's average
  passing = max(sum(sizes), 3 * max(sizes))  # foreach AdamW's roots, or a filter's products
  return (kept * sum(sizes) + passing) * dtype.itemsize


def synchronize(device: torch.device | str) -> None:
  """Waits for all that was dispatched to the device."""
  if torch.device(device).type == "cuda":
    torch.cuda.synchronize(device)


def steps(
  shapes: Sequence[tuple[int, ...]],
  filter: str,
  *,
  window_size: int = 100,
  fused: bool,
  dtype: torch.dtype,
  device: torch.device | str,
) -> Callable[[], None]:
  """A function that makes one step of AdamW, on made gradients, with its filter before it.

  The gradients of a step lie in memory of their own for as long as a window holds them, as
  in a true run. The window of "ma" is full from the start; AdamW makes its state in the
  first step. On a CUDA device a step is only dispatched: see `synchronize`.

  Args:
    shapes: of the parameters.
    filter: "none", "ema" or "ma".
    window_size: of "ma".
    fused: AdamW's fused kernel, or torch's own default: foreach on CUDA, on a CPU a loop.
    dtype: of parameters, gradients and state.
    device: where all of it lies.
  """
  made = {"dtype": dtype, "device": device}
  parameters = {
    f"parameters.{i}": torch.nn.Parameter(torch.randn(shape, **made))
    for i, shape in enumerate(shapes)
  }
  # Not fused=False, by which torch means neither fused nor foreach.
  optimizer = torch.optim.AdamW(parameters.values(), fused=True if fused else None)
  apply_filter = _make_filter(filter, window_size)
  gradients = itertools.cycle(
    [
      [torch.randn(shape, **made) for shape in shapes]
      for _ in range(_gradient_sets(filter, window_size))
    ]
  )

  def filtered_gradients():
    for p, g in zip(parameters.values(), next(gradients), strict=True):
      p.grad = g
    apply_filter(parameters.items())

  def step():
    filtered_gradients()
    optimizer.step()

  if filter == "ma":
    for _ in range(window_size):
      filtered_gradients()
  return step
