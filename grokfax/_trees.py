"""Trees of gradients, and of accumulators shaped like them.

A gradient may be missing: `None`, or what `jax.grad` gives for integers (dtype float0). The
accumulator beside it then stays as it is, so that the state keeps its structure from step to step.
(A window of gradients moves on, and takes it for 0.)
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _paths


def _widest(dtypes: Iterable[jax.typing.DTypeLike]) -> jnp.dtype:
  """The dtype that holds them all; floats of 8 bits, which JAX does not promote, are float32."""
  wide = jnp.dtype(bool)
  for dtype in dtypes:
    small = jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 16
    wide = jnp.promote_types(wide, jnp.float32 if small else dtype)
  return wide


def accumulator_dtype_of(leaf: Any, dtype: jax.typing.DTypeLike | None) -> jnp.dtype:
  """The dtype to accumulate `leaf` in: `dtype`, or else at least float32; complex stays complex."""
  own = jnp.result_type(leaf)
  wide = _widest([own, jnp.float32]) if dtype is None else jnp.dtype(dtype)
  if jnp.issubdtype(own, jnp.complexfloating):
    wide = jnp.promote_types(wide, jnp.complex64)
  return jax.dtypes.canonicalize_dtype(wide)


def real_dtype(leaves: Iterable[Any]) -> jnp.dtype:
  """The real dtype that holds a norm of any of them: at least float32."""
  wide = _widest([jnp.float32, *(accumulator_dtype_of(leaf, None) for leaf in leaves)])
  return jnp.finfo(wide).dtype


def check_float(name: str, dtype: jax.typing.DTypeLike | None, kind: Any = jnp.inexact) -> None:
  """Raises a `ValueError` unless `dtype` is None or names a floating or complex dtype."""
  try:
    allowed = dtype is None or jnp.issubdtype(jnp.dtype(dtype), kind)
  except TypeError:
    allowed = False
  if not allowed:
    raise ValueError(f"{name} must be None or a floating dtype; got {dtype!r}.")


def check_array(path: Any, p: Any) -> None:
  """Raises a `ValueError`, with the path, for a parameter that is no array of numbers."""
  try:
    dtype = jnp.result_type(p)
    numbers = jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)
  except (TypeError, ValueError):
    numbers = False
  if not numbers:
    raise ValueError(
      f"the parameter {_paths.shown(_paths.names_of(path))} must be an array of numbers; got "
      f"{_arguments.shown(p)}. Hand in the trainable arrays alone, with None for the rest, as "
      "equinox.filter(model, equinox.is_inexact_array) gives them."
    )


def zeros_like(params: optax.Params, make: Callable[[Any], jax.Array]) -> Any:
  """`make(p)` for each parameter, which must be an array of numbers."""

  def leaf(path, p):
    check_array(path, p)
    return make(p)

  return jax.tree_util.tree_map_with_path(leaf, params)


def accumulators_like(params: optax.Params, dtype: jax.typing.DTypeLike | None) -> Any:
  """Zeros shaped like `params`, in the dtype that each leaf is accumulated in."""
  return zeros_like(params, lambda p: jnp.zeros_like(p, dtype=accumulator_dtype_of(p, dtype)))


def promoted(g: Any, *states: jax.Array) -> list[jax.Array]:
  """A gradient and its accumulators in the widest of their dtypes: none loses a digit."""
  dtype = _widest([jnp.result_type(g), *(state.dtype for state in states)])
  return [jnp.asarray(array, dtype) for array in (g, *states)]


def as_scalar_of(value: jax.typing.ArrayLike, array: jax.Array) -> jax.Array:
  """`value` in `array`'s precision, so that the product keeps `array`'s dtype."""
  return jnp.asarray(value, dtype=jnp.finfo(array.dtype).dtype)


def amplify(*gains: jax.typing.ArrayLike) -> Callable[..., jax.Array]:
  """The rule ĝ = g + Σ λ·slow, with a gain λ for each slow part of the gradient."""

  def rule(g, *slow):
    g, *slow = promoted(g, *slow)
    for gain, part in zip(gains, slow, strict=True):
      gain = as_scalar_of(gain, part)
      # 0 adds nothing, though the part be inf; its derivative by λ is the part all the same.
      g = g + gain * jnp.where((gain == 0) & ~jnp.isfinite(part), 0, part)
    return g

  return rule


def is_missing(g: Any) -> bool:
  """Whether there is no gradient: None, or float0."""
  return g is None or getattr(g, "dtype", None) == jax.dtypes.float0


def _named(tree: Any) -> list[tuple[tuple[str, ...], Any]]:
  """The leaves of a tree, each after the names on its path; a missing one is a leaf too."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_missing)
  return [(_paths.names_of(path), leaf) for path, leaf in leaves]


def _beside(updates: optax.Updates, other: Any) -> list[Any]:
  """What stands in another tree where the gradients stand in theirs.

  Trees of other containers, or of boxes with other metadata, are matched by the names on their
  paths.
  """
  structure = jax.tree.structure(updates, is_leaf=is_missing)
  try:
    return structure.flatten_up_to(other)
  except (ValueError, TypeError):
    own, theirs = [name for name, _ in _named(updates)], _named(other)
    by_name = dict(theirs)
    if sorted(own) != sorted(by_name) or len(by_name) < len(theirs):
      raise ValueError(
        "the gradients and what is kept of the parameters must be trees of one structure; got "
        f"{_arguments.shown(structure)} and {_arguments.shown(jax.tree.structure(other))}."
      ) from None
    return [by_name[name] for name in own]


def _rows(updates: optax.Updates, others: tuple[Any, ...]) -> list[tuple[Any, ...]]:
  """Each gradient, and what stands beside it in the others."""
  columns = (_beside(updates, other) for other in others)
  return list(zip(jax.tree.leaves(updates, is_leaf=is_missing), *columns, strict=True))


def check_shapes(updates: optax.Updates, state: Any, *, size: int | None = None) -> None:
  """Raises a `ValueError` unless a state has the shapes of the gradients.

  Args:
    updates: the gradients.
    state: a tree like them, whose shapes have `size` before them where that is given.
    size: of a window.
  """
  for (names, g), s in zip(_named(updates), _beside(updates, state), strict=True):
    if is_missing(g) or s is None:
      continue
    window = () if size is None else (size,)
    if (found := jnp.shape(s)) != (*window, *jnp.shape(g)):
      where = _paths.shown(names)
      if window and found[1:] == jnp.shape(g):
        raise ValueError(
          f"the state holds a window of {found[0]} gradients (at {where}), the filter has one of "
          f"{size}: a state goes with a filter of its own size. Start from tx.init(params)."
        )
      raise ValueError(
        f"the state at {where} has shape {found}, and the gradient {jnp.shape(g)}: it was made for "
        "other parameters, or by another filter. Start from tx.init(params)."
      )


def check_order(name: str, held: int, own: int) -> None:
  """Raises a `ValueError` unless a state holds as many `name` as the filter has."""
  if held != own:
    raise ValueError(
      f"the state holds {held} {name}, the filter has {own}: a state goes with a filter of its "
      "own size. Start from tx.init(params)."
    )


def check_state(state: Any, kind: type) -> None:
  """Raises a `ValueError` unless a state is of that kind."""
  if not isinstance(state, kind):
    raise ValueError(
      f"the state must be a {kind.__name__}, as tx.init(params) gives it; got a "
      f"{type(state).__name__}. What was saved is to be restored into that structure."
    )


def advance(rule: Callable[..., jax.Array], updates: optax.Updates, *states: Any) -> Any:
  """`rule(g, *s)` for each gradient, in the dtype and structure of the first state.

  Where a gradient is missing, that stays as it is.
  """
  kept, structure = jax.tree.flatten(states[0], is_leaf=is_missing)
  places = structure.unflatten(range(len(kept)))
  for g, place, *s in _rows(updates, (places, *states)):
    if not is_missing(g):
      kept[place] = rule(g, *s).astype(s[0].dtype)
  return structure.unflatten(kept)


def emit(rule: Callable[..., jax.Array], updates: optax.Updates, *states: Any) -> optax.Updates:
  """`rule(g, *s)` for each gradient, in the dtype of that gradient; a missing one stays so."""

  def leaf(g, *s):
    return g if is_missing(g) else rule(g, *s).astype(jnp.result_type(g))

  return beside(leaf, updates, *states)


def beside(rule: Callable[..., Any], updates: optax.Updates, *others: Any) -> Any:
  """`rule(g, *other)` for each gradient, missing ones too, in the gradients' structure."""
  structure = jax.tree.structure(updates, is_leaf=is_missing)
  return structure.unflatten([rule(*row) for row in _rows(updates, others)])
