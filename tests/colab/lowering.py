"""Every program that is jitted from here on is lowered for a TPU too, before it is called.

A notebook's test puts `install()` before the first cell, and asks in the end which there
were. No TPU is needed for that: lowering is where a program that has no TPU form fails.
"""

import functools
import importlib
from typing import Any

import jax
from flax import nnx

LIBRARIES = ("optax", "orbax.checkpoint", "flax.linen", "flax.training.train_state")
_jit, _nnx_jit = jax.jit, nnx.jit
programs: dict[str, set] = {}  # of those that were lowered, the shapes of their arguments by name


def lower(jitted: Any, *args: Any, **kwargs: Any) -> None:
  """Lowers a jitted function for a TPU, once for arguments of the same shapes.

  Not where it is called while another one is traced, with which it is lowered.
  """
  leaves = jax.tree.leaves((args, kwargs))
  if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
    return
  shapes = tuple(getattr(leaf, "shape", ()) for leaf in leaves)
  seen = programs.setdefault(getattr(jitted, "__name__", repr(jitted)), set())
  if shapes not in seen:
    jitted.trace(*args, **kwargs).lower(lowering_platforms=("tpu",))
    seen.add(shapes)


class Jitted:
  """A jitted function that is lowered for a TPU before it is called, lowered or traced."""

  def __init__(self, function: Any, **settings: Any):
    self._jitted = _jit(function, **settings)
    functools.update_wrapper(self, function)

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    lower(self._jitted, *args, **kwargs)
    return self._jitted(*args, **kwargs)

  def lower(self, *args: Any, **kwargs: Any) -> Any:
    lower(self._jitted, *args, **kwargs)
    return self._jitted.lower(*args, **kwargs)

  def trace(self, *args: Any, **kwargs: Any) -> Any:
    lower(self._jitted, *args, **kwargs)
    return self._jitted.trace(*args, **kwargs)

  def __get__(self, instance: Any, owner: Any = None) -> Any:
    return self if instance is None else functools.partial(self, instance)

  def __getattr__(self, name: str) -> Any:
    return getattr(self._jitted, name)


def jit(function: Any = None, **settings: Any) -> Any:
  """`jax.jit`, as a decorator too."""
  return functools.partial(Jitted, **settings) if function is None else Jitted(function, **settings)


def nnx_jit(function: Any) -> Any:
  """`nnx.jit` of modules and arrays without settings."""
  jitted = _nnx_jit(function)

  def call(*args):
    graph, state = nnx.split(args)

    def pure(state):
      modules = nnx.merge(graph, state)
      return function(*modules), nnx.state(modules)

    lower(_jit(functools.update_wrapper(pure, function)), state)
    return jitted(*args)

  return functools.update_wrapper(call, function)


def install() -> None:
  """From here on. Libraries jit some of their own when they are imported: not those."""
  for name in LIBRARIES:
    importlib.import_module(name)
  jax.jit, nnx.jit = jit, nnx_jit
