"""Optax's own suite for contributed optimizers, run on every optimizer with a name.

It ships in Optax's wheel. Its tests look an optimizer up by name and take its arguments; here they
find ours. What no tracer can stand for (a size, a mask) is bound beforehand, and the metric that a
gate needs is handed in, for the suite knows neither.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import optax
import pytest

import grokfax
from grokfax.groups import GROUPS
from tests.cases import BY_GROUP, OPTIMIZERS

suite = pytest.importorskip(
  "optax.contrib._common_test", reason="this Optax does not ship its suite there"
)


def memorised(factory):
  """The optimizer of `factory`, with a training accuracy of 1 at each step."""

  @functools.wraps(factory)
  def make(*args, **kwargs):
    tx = factory(*args, **kwargs)
    update = functools.partial(tx.update, train_accuracy=1.0)
    return optax.GradientTransformationExtraArgs(tx.init, update)

  return make


def grokfast_ma_adam(
  learning_rate: optax.ScalarOrSchedule,
  lamb: optax.ScalarOrSchedule = 5.0,
  weight_decay: optax.ScalarOrSchedule = 0.01,
):
  return grokfax.grokfast_ma_adam(learning_rate, 10, lamb, weight_decay=weight_decay)


@memorised
def delayed_compression_adam(
  learning_rate: optax.ScalarOrSchedule,
  coefficient: optax.ScalarOrSchedule = 0.01,
  threshold: optax.ScalarOrSchedule = 0.99,
):
  return grokfax.delayed_compression_adam(learning_rate, coefficient, threshold)


@memorised
def grokfast_delayed_compression_adamw(
  learning_rate: optax.ScalarOrSchedule,
  alpha: optax.ScalarOrSchedule = 0.98,
  lamb: optax.ScalarOrSchedule = 2.0,
  coefficient: optax.ScalarOrSchedule = 0.01,
):
  return grokfax.grokfast_delayed_compression_adamw(learning_rate, alpha, lamb, coefficient)


def grouped_muon(learning_rate: optax.ScalarOrSchedule):
  """One rate for all; without decays, which hold parameters away from the suite's goals."""
  rates, decays = dict.fromkeys(GROUPS, 1.0), dict.fromkeys(GROUPS, 0.0)
  return grokfax.grouped_muon(
    learning_rate, rates=rates, decays=decays, rate_steps=1_000, rate_end=0.02
  )


# By name, with a learning rate, as the suite has it for Optax's own.
UNDER_TEST = {
  "adam_l2": (grokfax.adam_l2, 1e-2),
  "grokfast_adam": (grokfax.grokfast_adam, 1e-2),
  "grokfast_adamw": (grokfax.grokfast_adamw, 1e-2),
  "grokfast_ma_adam": (grokfast_ma_adam, 1e-3),  # at 1e-2 it does not settle in Rosenbrock's valley
  "delayed_compression_adam": (delayed_compression_adam, 1e-2),
  "grokfast_delayed_compression_adamw": (grokfast_delayed_compression_adamw, 1e-2),
  "grouped_muon": (grouped_muon, 0.04),
}
# What the suite tries each of its tests with.
TARGETS = ("parabola", "rosenbrock", "matrix_parabola", "mixed_tensor_target")
VARIATIONS = {
  "test_optimizers_accept_extra_args": [{"wrap": False}],
  "test_optimizers": [
    {"target": getattr(suite, f"_setup_{target}"), "dtype": "float32"} for target in TARGETS
  ],
  "test_optimizers_can_be_wrapped_in_inject_hyperparams": [{}],
  "test_preserve_dtype": [{"dtype": "bfloat16"}, {"dtype": "float32"}],
  "test_gradient_accumulation": [{"dtype": "bfloat16"}, {"dtype": "float32"}],
  "test_state_shape_dtype_shard_stability": [
    {"dtype": dtype} for dtype in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64)
  ],
  "test_optimizers_accept_learning_rate_schedule_if_type_annotated_as_such": [{}],
}


def original_tests():
  """The suite's tests before they were multiplied, by name."""
  multiplied = [v for n, v in inspect.getmembers(suite.ContribTest) if n.startswith("test")]
  return {test.__name__: test for test in map(inspect.unwrap, multiplied)}


def test_every_test_of_the_suite_is_run():
  assert set(original_tests()) == set(VARIATIONS)
  assert set(UNDER_TEST) == {*OPTIMIZERS, *BY_GROUP}


def all_of_them():
  """Each test with its variations; the gate adds the easier targets, trained to the end as well."""
  for test, variations in VARIATIONS.items():
    for name, chosen, marks in (
      ("", [v for v in variations if v.get("target") not in EASY], ()),
      ("-easy", [v for v in variations if v.get("target") in EASY], pytest.mark.gate),
    ):
      if chosen:
        yield pytest.param(test, chosen, id=f"{test}{name}", marks=marks)


EASY = [suite._setup_parabola, suite._setup_matrix_parabola]


@pytest.mark.parametrize("optimizer", UNDER_TEST)
@pytest.mark.parametrize(("test", "variations"), list(all_of_them()))
def test_optax_suite(monkeypatch, test, variations, optimizer):
  factory, learning_rate = UNDER_TEST[optimizer]
  monkeypatch.setattr(suite, "_get_opt_factory", {optimizer: factory}.__getitem__)
  for variation in variations:
    instance = suite.ContribTest()
    instance.variant = jax.jit  # an older Optax runs its tests with and without it
    original_tests()[test](
      instance,
      opt_name=optimizer,
      opt_kwargs={"learning_rate": learning_rate},
      wrapper_name=None,
      wrapper_kwargs=None,
      **variation,
    )
