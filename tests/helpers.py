"""Small things that several tests use."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal


def x64():
  """A context in which JAX computes in float64; its name moved after jax 0.7."""
  enable_x64 = getattr(jax, "enable_x64", None)
  if enable_x64 is None:
    from jax.experimental import enable_x64  # type: ignore
  return enable_x64(True)


def on_cpu() -> bool:
  """Whether it runs on a CPU, where a ring of bfloat16, or of 8 bits and less, is float32."""
  return jax.default_backend() == "cpu"


def needs_devices(count: int) -> pytest.MarkDecorator:
  """Marks a test of several devices. A CPU has 8 in these tests, but one GPU stays one."""
  return pytest.mark.skipif(jax.device_count() < count, reason=f"it needs {count} devices")


def run(tx, gradients, params=None, *, jit=True, **metrics):
  """The updates and states that `tx` gives for gradients in a row."""
  params = jax.tree.map(jnp.zeros_like, gradients[0]) if params is None else params
  update = jax.jit(tx.update) if jit else tx.update
  state = tx.init(params)
  updates, states = [], []
  for i, g in enumerate(gradients):
    u, state = update(g, state, params, **{name: values[i] for name, values in metrics.items()})
    updates.append(u)
    states.append(state)
  return updates, states


def scanned(tx, stream, params=None):
  """What `tx` makes of gradients in a row, (steps, ...) in each leaf: its updates and states.

  The parameters are like the gradients unless given.
  """

  def step(state, g):
    u, state = tx.update(g, state, g)
    return state, (u, state)

  params = jax.tree.map(lambda leaf: leaf[0], stream) if params is None else params
  return jax.lax.scan(step, tx.init(params), stream)[1]


def filtered(tx, gradients: np.ndarray) -> np.ndarray:
  """What a filter makes of a stream: (steps, ...) -> (steps, ...), in one scan."""
  return np.asarray(jax.jit(lambda g: scanned(tx, g)[0])(jnp.asarray(gradients)))


def butterworth(order: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
  """SciPy's (b, a), whose type depends on its arguments."""
  b, a, *_ = map(np.asarray, scipy.signal.butter(order, cutoff))
  return b, a


def avals(tree: Any) -> Any:
  """Shape, dtype and weak type of each leaf."""
  return jax.tree.map(lambda a: (a.shape, a.dtype, a.aval.weak_type), tree)


def copies_and_scatters(text: str, shape: tuple[int, ...], *, in_loops: bool = False) -> list[str]:
  """The instructions of a compiled program that copy, or scatter into, an array of that shape.

  Args:
    text: of the program.
    shape: of the array.
    in_loops: leave out the entry computation, where a state that is born inside gets its zeros:
      two leaves of one shape are one constant and a copy, once.
  """
  dims = ",".join(map(str, shape))
  operation = re.compile(rf"= \(?\w+\[{dims}\]\S* (copy|copy-start|scatter)\(")
  computations, entry = text.split("\nENTRY ")
  lines = (computations if in_loops else computations + entry).splitlines()
  return [line.strip() for line in lines if operation.search(line)]


def temporary_bytes(compiled) -> int:
  """What a compiled program needs beside its arguments and results."""
  memory = compiled.memory_analysis()
  assert memory is not None
  return memory.temp_size_in_bytes
