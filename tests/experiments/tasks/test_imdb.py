"""The reviews in numbers, and the model against the LSTM that runs over all the filling."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments import commands
from experiments.runs import identity, plan, settings
from experiments.tasks import imdb
from experiments.tasks.datasets.imdb import Review, tokens
from experiments.tasks.models.lstm import BLOCK
from experiments.tasks.task import score

REVIEWS = [
  Review("good good film", "positive"),
  Review("bad film, bad bad actors", "negative"),
  Review("good words unknown", "positive"),
  Review("the of", "negative"),
]


def test_words_by_their_frequency_in_the_training_part():
  """The training part is the first two reviews: what is only in others is left out."""
  words, lengths = imdb.encoded(tokens(REVIEWS), np.array([0, 1]))
  rank = {"bad": 1, "good": 2, "film": 3, "actors": 4}
  expected = [
    [rank[w] for w in review.split()]
    for review in ("good good film", "bad film bad bad actors", "good", "")
  ]
  assert lengths.tolist() == [3, 5, 1, 0]
  assert [row[:n].tolist() for row, n in zip(words, lengths, strict=True)] == expected
  assert not np.any(words[0, 3:])
  assert words.shape == (4, BLOCK), "as the longest review is, whatever the split, in whole blocks"


def test_a_vocabulary_and_a_length_that_end(monkeypatch):
  monkeypatch.setattr(imdb, "VOCABULARY", 2)
  monkeypatch.setattr(imdb, "LENGTH", 2)
  words, lengths = imdb.encoded(tokens(REVIEWS), np.array([0, 1]))
  assert lengths.tolist() == [2, 2, 1, 0]
  assert words[1, :2].tolist() == [1, 1]  # "film" is out, then the first two words stay


def test_split_is_stratified():
  labels = np.array([1] * 501 + [0] * 499)
  training, held_out = imdb.split(jax.random.key(0), labels)
  assert (len(training), len(held_out)) == (750, 250)
  assert sorted([*training, *held_out]) == list(range(1_000))
  assert labels[held_out].sum() == 125
  assert np.any(imdb.split(jax.random.key(1), labels)[1] != held_out)


def over_all_filling(params, words, lengths, length):
  """As the reference has it: filled from the left, in NumPy and float64, a review at a time."""
  sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
  logits = []
  for row, n in zip(words, lengths, strict=True):
    x = params["embedding"]["embedding"][[0] * (length - n) + row[:n].tolist()]
    for layer in (params["layer_1"], params["layer_2"]):
      h, c = np.zeros((2, len(layer["h"])))
      out = []
      for x_t in x:
        i, f, g, o = np.split(
          x_t @ layer["x"] + layer["bias_x"] + h @ layer["h"] + layer["bias_h"], 4
        )
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
      x = np.array(out)
    logits.append(h @ params["out"]["kernel"][:, 0] + params["out"]["bias"][0])
  return np.array(logits)


@pytest.mark.parametrize("together", [1, 3, 4, None])
def test_the_filling_is_run_over_once_for_all(together, monkeypatch):
  monkeypatch.setattr(imdb, "LENGTH", 20)
  model = imdb.Sentiment(nnx.Rngs(0), width=6, units=5)
  lengths = np.array([7, 0, 20, 1], np.int32)
  words = np.random.default_rng(0).integers(1, 1_000, (4, 24)).astype(np.int32)
  words = np.where(np.arange(24)[None] < lengths[:, None], words, 0)
  params = jax.tree.map(lambda a: np.asarray(a, np.float64), nnx.to_pure_dict(nnx.state(model)))
  expected = over_all_filling(params, words, lengths, 20)
  np.testing.assert_allclose(
    jax.jit(model, static_argnums=2)(words, lengths, together), expected, rtol=1e-4, atol=1e-6
  )


@pytest.mark.parametrize("together", [3, None])
def test_gradients_go_through_the_shared_filling(together, monkeypatch):
  """Against the LSTM that runs over each review's own filling, differentiated as it stands."""
  monkeypatch.setattr(imdb, "LENGTH", 20)
  model = imdb.Sentiment(nnx.Rngs(0), width=6, units=5)
  lengths = np.array([7, 0, 20, 1], np.int32)
  words = np.random.default_rng(0).integers(1, 1_000, (4, 24)).astype(np.int32)
  filled = np.stack(
    [np.r_[np.zeros(20 - n, int), row[:n]] for row, n in zip(words, lengths, strict=True)]
  )
  graph, params = nnx.split(model)

  def plain(params):
    model = nnx.merge(graph, params)
    x = model.embedding(filled.T)
    for layer in (model.layer_1, model.layer_2):
      weights = layer.weights()

      def step(states, x, weights=weights):
        h, c = states
        i, f, g, o = jnp.split(x @ weights.x + h @ weights.h + weights.b[None], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

      _, x = jax.lax.scan(step, (jnp.zeros((4, 5)),) * 2, x)
    return jnp.sum(model.out(x[-1])[:, 0] ** 2)

  def ours(params):
    logits = nnx.merge(graph, params)(jnp.asarray(words), jnp.asarray(lengths), together)
    return jnp.sum(logits**2)

  gradients = [jax.jit(jax.grad(function))(params) for function in (ours, plain)]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), *gradients)


def test_one_program_for_all_lengths():
  """Batches whose longest reviews differ compile once."""
  model = imdb.model(imdb.Settings())
  scored = jax.jit(lambda params, examples: score(model, params, examples))
  params = jax.jit(model.init)(jax.random.key(0))
  words = jnp.ones((4, 64), jnp.int32)
  for longest in (1, 40):
    lengths = jnp.asarray([0, 1, 1, longest], jnp.int32)
    assert np.isfinite(scored(params, (words, lengths, jnp.ones(4)))["loss"]).all()
  assert scored._cache_size() == 1


def test_gradients_are_clipped_before_the_filter():
  made = settings.make("imdb", method="grokfast_ema")
  optimizer = plan.train_of(made).make_optimizer(plan.numbers_of(made))
  params = {"w": jnp.zeros(4)}
  _, state = optimizer.update({"w": jnp.full(4, 50.0)}, optimizer.init(params), params)
  slow = optax.tree.get(state, "slow_gradient")
  np.testing.assert_allclose(slow["w"], np.full(4, 2.5), rtol=1e-6)  # a norm of 5, not of 100


@pytest.mark.parametrize(("backend", "steps"), [("cpu", 1_500), ("tpu", 10_000)])
def test_a_command_has_the_papers_budget_where_there_is_an_accelerator(backend, steps, monkeypatch):
  """Decided by the command, so that settings mean the same everywhere."""
  ran = []
  monkeypatch.setattr(commands, "run", ran.append)
  monkeypatch.setattr(jax, "default_backend", lambda: backend)
  assert commands.run_main("imdb", []) == commands.run_main("imdb", ["--steps", "7"]) == 0
  assert [each["steps"] for each in ran] == [steps, 7]
  assert settings.make("imdb")["steps"] == 1_500


def test_published_figures_of_a_whole_run_stand_beside_whole_runs_only():
  for steps, figures in (
    (1_500, set()),
    (10_000, {"best_val_batch_accuracy", "best_val_batch_loss"}),
  ):
    assert identity.published(settings.make("imdb", steps=steps)).keys() == figures


def test_parameters():
  """As many as the reference has, but six times as large; the biases too."""
  model = imdb.model(imdb.Settings())
  params = jax.eval_shape(model.init, jax.random.key(0))
  sizes = [leaf.size for leaf in jax.tree.leaves(params)]
  lstm = 4 * 256 * (64 + 256 + 2) + 4 * 256 * (256 + 256 + 2)
  assert sum(sizes) == 1_001 * 64 + lstm + 256 + 1
  values = jax.jit(model.init)(jax.random.key(0))
  largest = np.abs(np.asarray(jax.tree.leaves(values["layer_1"]["bias_x"])[0])).max()
  assert 0.99 < largest / 6 * 16 <= 1.0001
