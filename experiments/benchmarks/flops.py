"""FLOPs of a program's matrix products, counted in its jaxpr.

XLA's own count takes the body of a loop once; here it is taken as often as it runs.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core

LOOPS = ("while", "cond")  # how often a body runs is not written in them


def flops(function: Callable[..., Any], *arguments: Any) -> int:
  """Multiplications and additions of all matrix products.

  >>> import jax.numpy as jnp
  >>> x = jax.ShapeDtypeStruct((2, 3), jnp.float32)
  >>> flops(lambda x: jax.lax.fori_loop(0, 5, lambda _, y: y + x @ x.T, jnp.zeros((2, 2))), x)
  120

  Raises:
    ValueError: for a product in a loop whose length is not known.
  """
  return _of(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of(jaxpr: core.Jaxpr) -> int:
  return sum(_own(equation) + _inner(equation) for equation in jaxpr.eqns)


def _own(equation: core.JaxprEqn) -> int:
  if equation.primitive.name != "dot_general":
    return 0
  (summed, _), _ = equation.params["dimension_numbers"]
  left: Any = equation.invars[0].aval
  out: Any = equation.outvars[0].aval
  return 2 * math.prod(out.shape) * math.prod(left.shape[axis] for axis in summed)


def _inner(equation: core.JaxprEqn) -> int:
  found = sum(map(_of, _jaxprs(equation.params)))
  if found and equation.primitive.name in LOOPS:
    raise ValueError(f"a {equation.primitive.name} has matrix products: its length is not known.")
  return found * equation.params.get("length", 1)


def _jaxprs(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
  for value in params.values():
    for each in value if isinstance(value, (tuple, list)) else (value,):
      if isinstance(each, core.ClosedJaxpr):
        yield each.jaxpr
      elif isinstance(each, core.Jaxpr):
        yield each
