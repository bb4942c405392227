"""The norm of the parameters, held at a multiple of what it was at the start."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step


class ParamsNormState(NamedTuple):
  """State of :func:`project_params_norm` and :func:`cap_params_norm`.

  Attributes:
    norm_step: updates made so far, int32 of shape ().
    start_norms: of the parameters as they came to the first update: (arrays,), in
      the order of ``jax.tree.leaves``, or of all together, (). At least float32.
  """

  norm_step: jax.typing.ArrayLike
  start_norms: jax.typing.ArrayLike


def norms_of(params: optax.Params, together: bool, dtype: Any) -> jax.Array:
  """The norm of each array, (arrays,), or of all together, ()."""
  wide = [jnp.asarray(p, _trees.accumulator_dtype_of(p, None)) for p in jax.tree.leaves(params)]
  squares = [jnp.sum(jnp.real(jnp.conj(p) * p)).astype(dtype) for p in wide]
  each = jnp.stack(squares) if squares else jnp.zeros([0], dtype)
  return jnp.sqrt(jnp.sum(each) if together else each)


def _rescaled(
  ratio: optax.ScalarOrSchedule, scope: str, limit: Callable[[jax.Array], jax.Array]
) -> optax.GradientTransformationExtraArgs:
  """Parameters come out multiplied by `limit(target norm / norm)`."""
  _arguments.check_scalar("ratio", ratio, "a finite number > 0", lambda r: r > 0)
  _arguments.check_choice("scope", scope, ("leaf", "global"))
  together = scope == "global"

  def init_fn(params):
    jax.tree_util.tree_map_with_path(_trees.check_array, params)
    leaves = jax.tree.leaves(params)
    shape = () if together else (len(leaves),)
    return ParamsNormState(jnp.zeros([], jnp.int32), jnp.zeros(shape, _trees.real_dtype(leaves)))

  def update_fn(updates, state, params=None, **extra_args):
    del extra_args
    _trees.check_state(state, ParamsNormState)
    if params is None:
      raise ValueError("the norm of the parameters needs them: update(updates, state, params).")
    step, dtype = state.norm_step, jnp.result_type(state.start_norms)

    def move(p, u):
      if _trees.is_missing(u):
        return p
      u, p = _trees.promoted(u, jnp.asarray(p, _trees.accumulator_dtype_of(p, None)))
      return p + u

    # Here rather than in `init`, which knows no more than shapes.
    start = jnp.where(step == 0, norms_of(params, together, dtype), state.start_norms)
    norms = norms_of(_trees.beside(move, params, updates), together, dtype)
    known = (start > 0) & (norms > 0)
    target = jnp.asarray(at_step(ratio, step), dtype) * start
    factors = jnp.where(known, limit(target / jnp.where(known, norms, 1)), 1)
    structure = jax.tree.structure(params)
    factors = structure.unflatten(
      [factors if together else factors[i] for i in range(structure.num_leaves)]
    )

    def rescale(u, p, factor):
      u, p = _trees.promoted(u, jnp.asarray(p, _trees.accumulator_dtype_of(p, None)))
      factor = _trees.as_scalar_of(factor, u)
      return factor * u + (factor - 1) * p  # exactly u, where it is 1

    updates = _trees.emit(rescale, updates, params, factors)
    return updates, ParamsNormState(optax.safe_increment(step), start)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def project_params_norm(
  ratio: optax.ScalarOrSchedule = 1.0, *, scope: Literal["leaf", "global"] = "leaf"
) -> optax.GradientTransformationExtraArgs:
  r"""Rescales the parameters after each update to a multiple ρ of their first norm.

  .. math::

    w_{t+1} = \rho \, \lVert w_0 \rVert \, \frac{w_t + u_t}{\lVert w_t + u_t \rVert}

  It stands last in a chain, after the learning rate, and takes the place of
  weight decay. The norm of the start is that of the parameters that come to the
  first update. Arrays that were 0 then, as biases often are, have no norm to be
  held at, and pass; ``optax.masked`` and :func:`ndim_at_least` take the matrices
  alone. With parameters in less than float32 the norm is held up to their
  rounding.

  Args:
    ratio: ρ, above 0. A number, a traced scalar or a schedule of the step, counted
      from 0. Published: the time to grokking grows as exp(7.5 ρ).
    scope: "leaf" for the norm of each array, "global" for that of all together.

  Returns:
    A gradient transformation; its update needs the parameters.

  Raises:
    ValueError: if ``ratio`` is a number that is not above 0, or ``scope`` unknown;
      in ``update``, if the parameters are not given.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = optax.chain(optax.sgd(0.1), grokfax.project_params_norm(0.5))
    >>> w = jnp.asarray([6.0, 8.0])
    >>> updates, state = tx.update(jnp.zeros(2), tx.init(w), w)
    >>> print(optax.apply_updates(w, updates))
    [3. 4.]

  References:
    Norm projection in `arXiv 2606.13753 <https://arxiv.org/abs/2606.13753>`_, 2026.
  """
  return _rescaled(ratio, scope, lambda factor: factor)


def cap_params_norm(
  ratio: optax.ScalarOrSchedule = 1.0, *, scope: Literal["leaf", "global"] = "leaf"
) -> optax.GradientTransformationExtraArgs:
  r"""Scales the parameters down where their norm exceeds a multiple of their first.

  .. math::

    w_{t+1} = \min\Bigl(1, \frac{\rho \, \lVert w_0 \rVert}{\lVert w_t + u_t \rVert}\Bigr)
      (w_t + u_t)

  It stands last in a chain, after the learning rate, and never scales up. What is
  said of :func:`project_params_norm` holds for this too.

  Args:
    ratio: ρ, above 0; published with Muon: 1 and 1.5.
    scope: "leaf" for the norm of each array, "global" for that of all together.

  Returns:
    A gradient transformation; its update needs the parameters.

  Raises:
    ValueError: as :func:`project_params_norm`.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = optax.chain(optax.sgd(1.0), grokfax.cap_params_norm(1.5))
    >>> w = jnp.asarray([0.0, 2.0])
    >>> state = tx.init(w)
    >>> for g in (2.0, -2.0):
    ...   updates, state = tx.update(jnp.asarray([0.0, g]), state, w)
    ...   print(w + updates)
    [0. 0.]
    [0. 3.]

  References:
    https://github.com/PeterPonyu/muon-norm-cap-grokking, where it follows each step
    of Muon.
  """
  return _rescaled(ratio, scope, lambda factor: jnp.minimum(factor, 1))
