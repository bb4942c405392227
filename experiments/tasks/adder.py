"""Addition: the sum of two ten-digit numbers, digit by digit, from a tiny transformer.

    python -m experiments adder --method grokfast_ema_two_stage

draws fresh numbers at each step. A row has the lowest digit first, each number between two
zeros, and then the sum as far as it is known; what follows is its next digit:

    0 a0 a1 ... a9 0  0 b0 b1 ... b9 0  s0 s1 ... s9       is followed by    s10

A digit follows from those of its place, those of the place before, and the sum's digit there,
which says whether one was carried. The score is how many of 10,000 sums are right in all digits.

In training and in validation the model sees the true digits before the one that it is asked for.
For the score that is no help: greedy generation writes the same digits up to its first error,
and a sum with an error is wrong either way. So one pass over all places scores generation.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from experiments.fields import UsageError, between, setting
from experiments.tasks.models.layers import pure
from experiments.tasks.models.tiny import TinyTransformer
from experiments.tasks.task import Data, Examples, Goal, Model, Source, Task

HELD_OUT = 10_000
BASE = 10


@dataclasses.dataclass(frozen=True)
class Settings:
  """Train a tiny transformer to add ten-digit numbers and see when whole sums are right."""

  # With fewer digits training would meet the sums that are held out.
  digits: int = setting(10, "model", "of each number", between(6, 100))
  batch_size: int = setting(128, "shape", "sums a step", between(1, 65_536))
  width: int = setting(4, "model", "of the transformer", between(1, 65_536))
  heads: int = setting(2, "model", "of its attention, with the same keys", between(1, 65_536))
  planes: int = setting(
    2, "model", "pairs of a head's features, each turned at its own pace", between(1, 51)
  )
  hidden: int = setting(6, "model", "width of its MLP", between(1, 65_536))
  layers: int = setting(1, "model", "of the transformer", between(1, 1_000))


def _period(settings: Settings) -> int:
  """Tokens from a digit of one number to that of its place in the other."""
  return settings.digits + 2


def _check(settings: Settings) -> None:
  if settings.planes > (most := _period(settings) // 2):
    raise UsageError(
      f"--planes must be at most {most} for --digits {settings.digits}; got {settings.planes}."
    )


def asked(digits: int) -> int:
  """The position whose token is followed by the sum's first digit."""
  return 2 * digits + 3


def rows(a: jax.Array, b: jax.Array) -> Examples:
  """Rows and the sums' digits, of two numbers' digits, the lowest first.

  Args:
    a: int (B, digits).
    b: int (B, digits).

  Returns:
    The tokens, int (B, 3 · digits + 4), without the sum's last digit; the sum, int
    (B, digits + 1).

  >>> tokens, answer = rows(jnp.asarray([[7, 9]]), jnp.asarray([[5, 0]]))  # 97 + 5
  >>> print(tokens, answer)
  [[0 7 9 0 0 5 0 0 2 0]] [[2 0 1]]
  """
  places = jnp.arange(1, a.shape[1] + 1)[None]
  # A place whose digits make 9 hands on what was carried to it; another one says it itself.
  last_said = jax.lax.cummax(jnp.where(a + b == 9, 0, 2 * places + (a + b > 9)), axis=1)
  carried = jnp.pad(last_said % 2, [(0, 0), (1, 0)])
  answer = (jnp.pad(a + b, [(0, 0), (0, 1)]) + carried) % BASE
  a, b = (jnp.pad(number, [(0, 0), (1, 1)]) for number in (a, b))
  return jnp.concatenate([a, b, answer[:, :-1]], axis=1), answer


def draw(key: jax.Array, count: int, digits: int) -> Examples:
  """Rows of numbers that are uniform from 0 to the largest one of so many digits."""
  return rows(*jax.random.randint(key, (2, count, digits), 0, BASE))


def _right(logits: jax.Array, answers: jax.Array) -> jax.Array:
  return (logits.argmax(-1) == answers).astype(logits.dtype)


def model(settings: Settings) -> Model:
  """The model; an example is (tokens (T,), the sum (digits + 1,)), each int32."""
  init, apply = pure(
    lambda rngs: TinyTransformer(
      BASE,
      width=settings.width,
      heads=settings.heads,
      planes=settings.planes,
      hidden=settings.hidden,
      layers=settings.layers,
      period=_period(settings),
      rngs=rngs,
    )
  )

  def loss(logits, answers):
    return optax.softmax_cross_entropy_with_integer_labels(logits, answers).mean(-1)

  return Model(
    init,
    lambda params, tokens: apply(params, tokens, asked(settings.digits)),
    loss,
    {
      "accuracy": lambda logits, answers: _right(logits, answers).min(-1),
      "digit_accuracy": lambda logits, answers: _right(logits, answers).mean(-1),
    },
  )


ADDER = Task(
  name="adder",
  settings=Settings,
  data=lambda settings, key: Data(train=None, validation=draw(key, HELD_OUT, settings.digits)),
  model=model,
  source=Source(
    settings={
      "optimizer": "adamw",
      "learning_rate": 0.01,
      "lr_warmup": 200.0,
      "schedule": "cosine",
      "steps": 40_000,
      "eval_every": 500,
    },
    by_method={"grokfast_ema_two_stage": {"start_step": 20_000.0}},
  ),
  goals=(Goal("val_accuracy", 0.99), Goal("val_accuracy", 0.95)),
  columns={
    "99 % of sums": "val_99_step",
    "sustained": "val_99_sustained_step",
    "95 %": "val_95_step",
    "best": "best_val_accuracy",
    "last tenth": "last_val_accuracy",
    "digits": "last_val_digit_accuracy",
  },
  check=_check,
  sample=lambda settings: lambda key, _: draw(key, settings.batch_size, settings.digits),
)
