"""The graph network: against one that goes through the bonds one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments.runs import plan, settings
from experiments.tasks import qm9
from experiments.tasks.datasets.qm9 import Molecule, padded
from experiments.tasks.task import score

SMILES = ("C", "C=O", "C#N", "c1cnc[nH]1", "CC(C)O")
MOLECULES = [Molecule(i, smiles, 10.0 + i) for i, smiles in enumerate(SMILES)]


def numbers(module):
  return jax.tree.map(lambda a: np.asarray(a, np.float64), nnx.to_pure_dict(nnx.state(module)))


def relu(x):
  return np.maximum(x, 0)


def affine(layer, x):
  return x @ layer["kernel"] + layer.get("bias", 0)


def conv_by_edges(layer, x, bonds):
  """For each atom its own part, and from each neighbour what the bond's own matrix makes of it."""
  out = affine(layer["root"], x)
  for i in range(len(x)):
    for j in range(len(x)):
      if bonds[i, j]:
        feature = np.eye(4)[bonds[i, j] - 1]
        matrix = affine(layer["edge_out"], relu(affine(layer["edge_in"], feature)))
        out[i] += x[j] @ matrix.reshape(x.shape[1], -1)
  return out


def test_the_network_goes_through_the_bonds():
  """A molecule at a time, without padding, in NumPy and float64."""
  arrays = padded(MOLECULES)
  network = qm9.GraphNetwork(nnx.Rngs(0))
  params = numbers(network)
  *molecules, alpha = qm9.examples(arrays)
  ours = network(*molecules)
  for k, size in enumerate(arrays["sizes"]):
    atoms, bonds = arrays["atoms"][k, :size].astype(float), arrays["bonds"][k, :size, :size]
    x = relu(conv_by_edges(params["conv_1"], atoms, bonds))
    x = relu(conv_by_edges(params["conv_2"], x, bonds))
    x = affine(params["linear_2"], relu(affine(params["linear_1"], x.sum(0))))
    np.testing.assert_allclose(ours[k], x[0], rtol=1e-5)
  assert alpha.tolist() == [10, 11, 12, 13, 14]


# Losses of 20 steps of PyTorch Geometric 2.8.1 and torch 2.13 on MOLECULES with the reference's
# settings: AdamW, weight decay 0.01, EMA filter with α = 0.9 and λ = 1.
RECORDED = [
  515.5944, 326.3731, 244.6668, 171.366, 122.6231, 90.30525, 72.14931, 58.09134, 47.90842,
  40.61114, 38.31364, 40.24757, 45.46991, 52.00785, 59.24247, 63.81919, 63.73888, 59.78549,
  53.11907, 45.18584,
]  # fmt: skip


def test_training_is_that_of_pytorch_geometric():
  """From parameters that NumPy draws by name: network, loss, filter and optimizer in one."""
  model = qm9.model(qm9.Settings())
  rng = np.random.default_rng(0)
  paths, tree = jax.tree_util.tree_flatten_with_path(jax.eval_shape(model.init, jax.random.key(0)))
  leaves = {
    jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): leaf
    for path, leaf in paths
  }
  drawn = {name: rng.uniform(-0.3, 0.3, leaves[name].shape) for name in sorted(leaves)}
  params = jax.tree.unflatten(tree, [jnp.asarray(drawn[name], jnp.float32) for name in leaves])

  made = settings.make("qm9", method="grokfast_ema")
  optimizer = plan.train_of(made).make_optimizer(plan.numbers_of(made))
  state, rows = optimizer.init(params), qm9.examples(padded(MOLECULES))

  @jax.jit
  def step(params, state):
    loss, grads = jax.value_and_grad(lambda p: score(model, p, rows)["loss"].mean())(params)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, loss

  losses = []
  for _ in RECORDED:
    params, state, loss = step(params, state)
    losses.append(loss)
  np.testing.assert_allclose(losses, RECORDED, rtol=1e-4)


def test_initial_parameters_are_torchs_three_times():
  """Matrices and biases from U(±1/√fan_in), a convolution's own bias 0; all times the scale."""
  params = jax.jit(qm9.model(qm9.Settings()).init)(jax.random.key(0))
  flat = {
    jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): np.asarray(a)
    for path, a in jax.tree_util.tree_flatten_with_path(params)[0]
  }
  assert sum(a.size for a in flat.values()) == (
    (4 * 32 + 32) + (32 * 352 + 352) + (11 * 32 + 32)
    + (4 * 32 + 32) + (32 * 512 + 512) + (32 * 16 + 16)
    + (16 * 32 + 32) + (32 + 1)
  )  # fmt: skip
  for name, fan_in in {
    "conv_1/edge_out/kernel": 32,
    "conv_1/root/kernel": 11,
    "linear_1/bias": 16,
  }.items():
    bound = 3 * fan_in**-0.5
    assert 0.8 * bound < np.abs(flat[name]).max() <= bound * 1.0001
  assert not np.any(flat["conv_1/root/bias"])


def test_padding_changes_nothing():
  """Alone, or beside a larger molecule: the same prediction."""
  model = qm9.model(qm9.Settings())
  params = jax.jit(model.init)(jax.random.key(0))
  alone = score(model, params, qm9.examples(padded(MOLECULES[:1])))["loss"]
  beside = score(model, params, qm9.examples(padded(MOLECULES)))["loss"]
  np.testing.assert_allclose(alone[0], beside[0], rtol=1e-4)


def test_the_atoms_order_does_not_matter():
  model = qm9.model(qm9.Settings())
  params = jax.jit(model.init)(jax.random.key(0))
  rows = qm9.examples(padded(MOLECULES[3:4]))
  order = jnp.asarray(np.random.default_rng(0).permutation(rows[0].shape[1]))
  other = (rows[0][:, order], rows[1][:, :, order][..., order], rows[2][:, order], rows[3])
  one, two = (score(model, params, each)["loss"] for each in (rows, other))
  np.testing.assert_allclose(one, two, rtol=1e-4)
