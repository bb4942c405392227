"""What several tests of the experiments use."""

import jax
import jax.numpy as jnp
import optax


def with_key_biases(change, tree):
  """The tree with `change` made to the biases of the keys, the middle third of qkv/bias."""

  def leaf(path, values):
    if "qkv/bias" not in jax.tree_util.keystr(path, simple=True, separator="/"):
      return values
    q, k, v = jnp.split(jnp.asarray(values), 3)
    return jnp.concatenate([q, change(k), v])

  return jax.tree_util.tree_map_with_path(leaf, tree)


def plain_step(task, optimizer):
  """One training step as one would write it by hand, on a true batch: no padding, no weights."""

  @jax.jit
  def step(params, opt_state, rows):
    def objective(params):
      scores = task.score(params, rows)
      return scores["loss"].mean(), scores["accuracy"].mean()

    (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params, train_accuracy=accuracy)
    return optax.apply_updates(params, updates), opt_state, loss, accuracy

  return step
