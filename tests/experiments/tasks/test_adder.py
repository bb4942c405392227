"""The adder: sums against Python's, the score against generation, what is seen, and learning."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.fields import UsageError
from experiments.runs import plan, settings
from experiments.tasks import adder
from experiments.tasks.task import score


def number(digits):
  """A number by its digits, the lowest first."""
  return int("".join(map(str, reversed(digits))))


def made(**given):
  """Settings, the model and its initial parameters."""
  own = adder.Settings(**given)
  model = adder.model(own)
  return own, model, jax.jit(model.init)(jax.random.key(1))


@pytest.mark.parametrize("digits", [6, 10, 25])
def test_sums_are_python_s(digits):
  tokens, answers = jax.jit(lambda key: adder.draw(key, 500, digits))(jax.random.key(0))
  assert tokens.shape == (500, 3 * digits + 4)
  for row, answer in zip(tokens.tolist(), answers.tolist(), strict=True):
    zeros = [row[i] for i in (0, digits + 1, digits + 2, 2 * digits + 3)]
    a, b = row[1 : digits + 1], row[digits + 3 : 2 * digits + 3]
    assert zeros == [0, 0, 0, 0]
    assert number(answer) == number(a) + number(b)
    assert row[2 * digits + 4 :] == answer[:-1]


@pytest.mark.parametrize(
  ("a", "b"),
  [(0, 0), (999_999, 1), (999_999, 999_999), (123_456, 876_543), (123_456, 876_544), (90_909, 91)],
)
def test_what_is_carried_far(a, b):
  digits = [[int(d) for d in reversed(f"{n:06}")] for n in (a, b)]
  _, answer = adder.rows(*(jnp.asarray([d]) for d in digits))
  assert number(answer[0].tolist()) == a + b


def test_numbers_are_uniform_and_the_held_out_sums_are_the_seed_s():
  tokens, _ = adder.draw(jax.random.key(0), 20_000, 6)
  shares = np.stack([(np.asarray(tokens) == d).mean(0) for d in range(10)])
  np.testing.assert_allclose(shares[:, [*range(1, 7), *range(9, 15)]], 0.1, atol=0.01)

  def held_out(seed):
    init, _ = plan.init_of(settings.make("adder", seed=seed))
    assert init.split.train is None
    return np.asarray(init.split.validation[0])

  assert len(held_out(0)) == 10_000
  np.testing.assert_array_equal(held_out(0), held_out(0))
  pairs = {seed: set(map(bytes, held_out(seed)[:, :24])) for seed in (0, 1)}
  assert len(pairs[0]) == 10_000
  assert not pairs[0] & pairs[1]


def test_the_score_is_that_of_sums_that_are_written_as_text():
  _, model, _ = made(digits=6)
  tokens, answers = adder.draw(jax.random.key(0), 40, 6)
  rng = np.random.default_rng(0)
  told = np.where(rng.random(answers.shape) < 0.1, rng.integers(0, 10, answers.shape), answers)
  logits = jnp.log(0.9 * jax.nn.one_hot(told, 10) + 0.01)
  texts = ["".join(map(str, sum_)) for sum_ in told.tolist()]
  right = [
    text == str(number(row[1:7]) + number(row[9:15])).zfill(7)[::-1]
    for text, row in zip(texts, tokens.tolist(), strict=True)
  ]
  assert 0 < sum(right) < 40
  assert model.metrics["accuracy"](logits, answers).tolist() == right
  wrong = (told != np.asarray(answers)).mean(1)
  np.testing.assert_allclose(model.metrics["digit_accuracy"](logits, answers), 1 - wrong, rtol=1e-6)
  by_hand = -(1 - wrong) * np.log(0.91) - wrong * np.log(0.01)
  np.testing.assert_allclose(model.loss(logits, answers), by_hand, rtol=1e-4)


def begun(held_out, **given):
  """Settings, training functions and a beginning, with fewer sums held out."""
  chosen = settings.make("adder", **given)
  train, (init, _) = plan.train_of(chosen), plan.init_of(chosen)
  validation = tuple(column[:held_out] for column in init.split.validation)
  return chosen, train, init._replace(split=init.split._replace(validation=validation))


def generated(model, params, tokens, digits):
  """The sums that the model writes greedily, a token at a time, from the numbers alone."""
  first = adder.asked(digits)
  step = jax.jit(model.predict)
  written = np.pad(tokens[:, : first + 1], [(0, 0), (0, digits + 1)])
  for place in range(digits + 1):
    logits = step(params, jnp.asarray(written[:, :-1]))
    written[:, first + 1 + place] = np.asarray(logits)[:, place].argmax(-1)
  return written[:, first + 1 :]


def test_a_wide_one_learns_and_is_scored_as_it_generates():
  wide = {
    "digits": 6,
    "batch_size": 64,
    "width": 16,
    "hidden": 32,
    "learning_rate": 0.02,
    "lr_warmup": 20.0,
  }
  chosen, train, init = begun(2_000, method="baseline", steps=300, **wide)
  run = jax.jit(functools.partial(train.run, evaluations=1, epochs=300))
  state, row = run(train.init(init.key, init.numbers), init.split, init.numbers)
  assert row["val_digit_accuracy"].item() > 0.5

  model = adder.model(chosen.of_task)
  tokens, answers = init.split.validation
  scores = jax.jit(functools.partial(score, model))(state.params, (tokens, answers))
  right = (generated(model, state.params, tokens, 6) == np.asarray(answers)).all(1)
  np.testing.assert_array_equal(scores["accuracy"], right)
  assert 0 < right.mean() < 1, "both kinds are there"


@pytest.mark.parametrize("layers", [1, 2])
def test_digits_that_are_not_yet_written_are_not_seen(layers):
  _, model, params = made(digits=6, layers=layers)
  tokens, _ = adder.draw(jax.random.key(0), 4, 6)
  predict = jax.jit(model.predict)
  before = np.asarray(predict(params, tokens))
  assert before.shape == (4, 7, 10)
  first = adder.asked(6)
  for place in range(6):  # the digit at `place` is the token after those that it follows from
    after = np.asarray(predict(params, tokens.at[:, first + 1 + place].add(1) % 10))
    np.testing.assert_array_equal(after[:, : place + 1], before[:, : place + 1])
    assert np.all(np.any(after[:, place + 1] != before[:, place + 1], axis=-1))


@pytest.mark.parametrize(
  ("given", "parameters"),
  [({}, 228), ({"width": 3, "hidden": 3}, 146), ({"width": 4, "heads": 1, "hidden": 4}, 172)],
)
def test_it_is_tiny(given, parameters):
  """The embedding, norms, attention, the MLP; one of width 3 has what the public ones have."""
  own, _, params = made(**given)
  d, k, h, f = own.width, 2 * own.planes, own.heads, own.hidden
  attention, norms = d * k * (2 * h + 2), 3 * d + 2 * k
  assert 10 * d + norms + attention + 3 * d * f == parameters
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters


@pytest.mark.parametrize(
  ("given", "told"),
  [
    ({"digits": 5}, "--digits must be from 6 to 100"),
    ({"digits": 101}, "--digits"),
    ({"planes": 7}, "--planes must be at most 6 for --digits 10; got 7"),
    ({"planes": 0}, "--planes"),
    ({"batch_size": 0}, "--batch-size"),
    ({"width": 0}, "--width"),
    ({"layers": 0}, "--layers"),
  ],
)
def test_refused(given, told):
  with pytest.raises(UsageError, match=told):
    settings.make("adder", **given)


def test_the_filter_starts_in_the_middle():
  chosen = settings.make("adder", method="grokfast_ema_two_stage")
  assert chosen["start_step"] == chosen["steps"] / 2
  assert (chosen["alpha"], chosen["lamb"], chosen["weight_decay"]) == (0.98, 2.0, 0.0)


def test_up_to_its_start_a_run_is_that_without_the_filter():
  """To the last bit: they share a program."""
  short = {"digits": 6, "batch_size": 8, "start_step": 6.0, "steps": 8}
  _, train, init = begun(50, method="grokfast_ema_two_stage", **short)
  run = jax.jit(functools.partial(train.run, evaluations=4, epochs=2))

  def losses(lamb):
    numbers = {**init.numbers, "lamb": jnp.float32(lamb)}
    return run(train.init(init.key, numbers), init.split, numbers)[1]["val_loss"].tolist()

  plain, filtered = losses(0.0), losses(2.0)
  assert plain[:3] == filtered[:3]
  assert plain[3] != filtered[3]
