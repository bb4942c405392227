"""A student network learns what a teacher network answers, from Gaussian inputs.

    python -m experiments teacher
    python -m experiments teacher --samples 0          # fresh inputs at each step

Teacher and student have one hidden layer of tanh. The teacher is small, drawn by the run's seed,
and its answers are scaled to a variance of 1, so that the loss is the part that is not understood.
The student begins too large, as Liu et al. (2022, arXiv:2210.01117) have it: it soon knows its
training set by heart, and the question is how many steps later it answers as the teacher does.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.fields import POSITIVE, between, setting
from experiments.tasks.models.layers import linear, pure
from experiments.tasks.task import (
  TORCHS_ADAMW,
  Data,
  Examples,
  Goal,
  Model,
  Source,
  Task,
  check_batch,
)

VALIDATION = 1_000


@dataclasses.dataclass(frozen=True)
class Settings:
  """Learn what a random teacher network answers and see when it is understood."""

  inputs: int = setting(10, "model", "of both networks", between(1, 65_536))
  teacher_width: int = setting(3, "shape", "of the teacher's hidden layer", between(1, 65_536))
  samples: int = setting(
    200, "shape", "examples to train on; 0 draws fresh ones at each step", between(0, 2**31 - 1)
  )
  batch_size: int = setting(100, "shape", "examples a step", between(1, 65_536))
  width: int = setting(200, "model", "of the student's hidden layer", between(1, 65_536))
  init_scale: float = setting(8.0, "model", "factor of the student's parameters", POSITIVE)


class Teacher(NamedTuple):
  """Answers tanh(x @ hidden) @ out."""

  hidden: jax.Array
  out: jax.Array

  def answers(self, x: jax.Array) -> jax.Array:
    """Of inputs (B, inputs): (B,)."""
    return jnp.tanh(x @ self.hidden) @ self.out


def _check(settings: Settings) -> None:
  if settings.samples:
    check_batch(settings.batch_size, settings.samples, "examples")


@functools.partial(jax.jit, static_argnums=0)
def _drawn(settings: Settings, key: jax.Array) -> tuple[Teacher, Examples, Examples]:
  hidden_key, out_key, held_out_key, train_key = jax.random.split(key, 4)
  hidden = jax.random.normal(hidden_key, (settings.inputs, settings.teacher_width))
  teacher = Teacher(
    2 * hidden / settings.inputs**0.5, jax.random.normal(out_key, (settings.teacher_width,))
  )
  x = jax.random.normal(held_out_key, (VALIDATION, settings.inputs))
  teacher = teacher._replace(out=teacher.out / teacher.answers(x).std())
  train = jax.random.normal(train_key, (settings.samples, settings.inputs))
  return teacher, (train, teacher.answers(train)), (x, teacher.answers(x))


def _data(settings: Settings, key: jax.Array) -> Data:
  teacher, train, held_out = _drawn(settings, key)
  return Data(train if settings.samples else teacher, held_out)


def _fresh(settings: Settings, key: jax.Array, teacher: Teacher) -> Examples:
  x = jax.random.normal(key, (settings.batch_size, settings.inputs))
  return x, teacher.answers(x)


def model(settings: Settings) -> Model:
  """The student and its squared error; an example is (x, float (inputs,), and float ())."""

  def build(rngs):
    hidden, out = linear(settings.inputs, settings.width, rngs), linear(settings.width, 1, rngs)
    return nnx.Sequential(hidden, jnp.tanh, out, lambda outputs: outputs[..., 0])

  return Model(
    *pure(build, scale=settings.init_scale), loss=lambda outputs, answers: (outputs - answers) ** 2
  )


TEACHER = Task(
  name="teacher",
  settings=Settings,
  data=_data,
  model=model,
  source=Source(
    settings={**TORCHS_ADAMW, "weight_decay": 0.3, "steps": 20_000, "eval_every": 10},
  ),
  goals=(Goal("val_loss", 0.05, "at_most"),),
  columns={
    "validation loss 0.05": "val_loss_0.05_step",
    "sustained": "val_loss_0.05_sustained_step",
    "best validation loss": "best_val_loss",
    "last tenth": "last_val_loss",
  },
  sample=lambda settings: None if settings.samples else functools.partial(_fresh, settings),
  check=_check,
)
