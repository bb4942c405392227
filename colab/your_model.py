# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Grokfast in your own model
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/grokfax/grokfax/blob/main/colab/your_model.ipynb)
#
# A filter is one line of an Optax chain. Here it stands in an NNX and in a Linen model, among what real training has:
# bfloat16 computation, clipping, gradient accumulation, several devices, checkpoints. At the end a filter is designed from
# its frequency response. It runs on a TPU, a GPU or a CPU. Its models are small and its runs have one seed: they show that the
# code works, and not by how much a filter helps.

# %%
import os

if not os.path.exists("runtime.py"):  # Colab has this notebook alone
  # !test -d grokfax || git clone --quiet --depth 1 https://github.com/grokfax/grokfax
  os.chdir("grokfax/colab")
import runtime

runtime.prepare()
# %matplotlib inline

# %% tags=["parameters"]
STEPS = 4_000
BATCH = 256
P = 31

# %% [markdown]
# ## Data
#
# x + y mod 31, half of the pairs to train on; put your own here. The examples of a batch are divided among all devices.

# %%
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.tasks import modular
from experiments.tasks.task import split_rows

pairs = modular.table("add", P)
training, held_out = split_rows(jax.random.key(0), pairs, training=len(pairs[0]) // 2)
mesh = Mesh(jax.devices(), ("data",))
by_example = NamedSharding(mesh, PartitionSpec("data"))
everywhere = NamedSharding(mesh, PartitionSpec())


def batch(step):
  """A batch drawn anew, on its devices."""
  index = jax.random.choice(jax.random.key(step), len(training[0]), [BATCH])
  return jax.device_put(jax.tree.map(lambda column: column[index], training), by_example)


# %% [markdown]
# ## An NNX model
#
# Parameters are float32, the model computes in bfloat16. The filter's average is float32 in any case: in bfloat16 it would
# stall. The order of the chain: clip, filter, penalty, optimizer. `MultiSteps` goes around all of it, so that the filter
# sees the accumulated gradient and counts optimizer steps. `nnx.Optimizer.update` hands metrics on, and Delayed Compression
# acts while the batch's training accuracy is high. Which filter suits is a question of the model: here the EMA does well
# before AdamW, with the paper's transformer it did harm there and the MA did not
# ([settings](https://github.com/grokfax/grokfax/blob/main/docs/settings.md)).

# %%
import optax
from flax import nnx

import grokfax


class Net(nnx.Module):
  def __init__(self, rngs):
    self.embed = nnx.Embed(P, 64, dtype=jnp.bfloat16, rngs=rngs)
    self.hidden = nnx.Linear(128, 256, dtype=jnp.bfloat16, rngs=rngs)
    self.out = nnx.Linear(256, P, dtype=jnp.bfloat16, rngs=rngs)

  def __call__(self, x, y):
    both = jnp.concatenate([self.embed(x), self.embed(y)], axis=-1)
    return self.out(nnx.relu(self.hidden(both))).astype(jnp.float32)


def scores(logits, answer):
  """Loss and accuracy of a batch."""
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, answer)
  return losses.mean(), (logits.argmax(-1) == answer).mean()


def show(step, accuracy, predict):
  """Every 500 steps how much is memorised, and how much is understood."""
  if step % 500 == 0 or step == STEPS - 1:
    x, y, answer = held_out
    _, understood = scores(predict(x, y), answer)
    print(f"step {step:5,}: training accuracy {accuracy:6.1%}, held out {understood:6.1%}")


chain = optax.chain(
  optax.clip_by_global_norm(1.0),
  grokfax.grokfast_ema(alpha=0.98, lamb=2.0),
  grokfax.delayed_compression(0.001, threshold=0.99, mask=grokfax.not_bias),
  optax.adamw(3e-3, weight_decay=1.0),
)
model = Net(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.MultiSteps(chain, every_k_schedule=2), wrt=nnx.Param)
for part in (model, optimizer):  # parameters, and the optimizer's state with them, on every device
  nnx.update(part, jax.device_put(nnx.state(part), everywhere))


@nnx.jit
def train_step(model, optimizer, rows):
  def objective(model):
    x, y, answer = rows
    return scores(model(x, y), answer)

  (loss, accuracy), grads = nnx.value_and_grad(objective, has_aux=True)(model)
  optimizer.update(model, grads, train_accuracy=accuracy)
  return loss, accuracy


for step in range(STEPS):
  loss, accuracy = train_step(model, optimizer, batch(step))
  show(step, accuracy, model)

# %% [markdown]
# ## A checkpoint
#
# The filter's memory is in the optimizer's state: nothing else needs to be kept. Save, take four more steps, restore, take
# them again: all parameters and all of the optimizer's state are the same, bit for bit.

# %%
import tempfile
from pathlib import Path

import numpy as np
import orbax.checkpoint

folder = Path(tempfile.mkdtemp()).resolve() / "checkpoint"
with orbax.checkpoint.StandardCheckpointer() as checkpointer:
  checkpointer.save(folder, nnx.state((model, optimizer)))


def four_steps():
  """All there is after them."""
  for step in range(STEPS, STEPS + 4):
    train_step(model, optimizer, batch(step))
  return jax.tree.leaves(jax.device_get(nnx.state((model, optimizer))))


once = four_steps()
with orbax.checkpoint.StandardCheckpointer() as checkpointer:
  nnx.update((model, optimizer), checkpointer.restore(folder, nnx.state((model, optimizer))))
again = four_steps()

for one, other in zip(once, again, strict=True):
  np.testing.assert_array_equal(one, other)
print(f"{len(once)} arrays are the same after the same four steps, taken twice")

# %% [markdown]
# ## A Linen model
#
# `TrainState.apply_gradients` hands no metrics on, and a filter wants none. (For a gate or Delayed Compression, the
# [page on frameworks](https://github.com/grokfax/grokfax/blob/main/docs/frameworks.md#flax-linen) has lines that do.)

# %%
from flax import linen
from flax.training.train_state import TrainState


class LinenNet(linen.Module):
  @linen.compact
  def __call__(self, x, y):
    embed = linen.Embed(P, 64, dtype=jnp.bfloat16)
    both = jnp.concatenate([embed(x), embed(y)], axis=-1)
    hidden = linen.relu(linen.Dense(256, dtype=jnp.bfloat16)(both))
    return linen.Dense(P, dtype=jnp.bfloat16)(hidden).astype(jnp.float32)


net = LinenNet()
state = TrainState.create(
  apply_fn=net.apply,
  params=net.init(jax.random.key(0), *batch(0)[:2])["params"],
  tx=optax.chain(
    optax.clip_by_global_norm(1.0),
    grokfax.grokfast_ma(100, lamb=5.0),
    optax.adamw(3e-3, weight_decay=1.0),
  ),
)
state = jax.device_put(state, everywhere)


def linen_step(state, rows):
  x, y, answer = rows

  def objective(params):
    return scores(state.apply_fn({"params": params}, x, y), answer)

  (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
  return state.apply_gradients(grads=grads), loss, accuracy


jitted_step = jax.jit(linen_step, donate_argnums=0)  # a window is large: let it be changed in place
for step in range(STEPS):
  state, loss, accuracy = jitted_step(state, batch(step))
  show(step, accuracy, net.bind({"params": state.params}))

# %% [markdown]
# ## Designing a filter
#
# What does a filter do to the slow and to the fast part of the gradient? Its gain says it: by what a part that swings at a
# frequency is multiplied. 0 is the constant part of the gradient, π radians a step the part that changes sign at every step.
# The paper's two filters, and a Butterworth low-pass filter from `scipy.signal` with a sharper edge:

# %%
import matplotlib.pyplot as plt
import scipy.signal

b, a = scipy.signal.butter(2, 0.01)  # order, and the cutoff as a part of π
filters = {
  "EMA, α 0.98, λ 2": grokfax.grokfast_ema(0.98, 2.0),
  "MA, w 100, λ 5": grokfax.grokfast_ma(100, 5.0),
  "Butterworth, λ 2": grokfax.grokfast_iir(b, a, lamb=2.0, initial="first_gradient"),
}
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, tx in filters.items():
  omega, response = grokfax.spectrum.frequency_response(tx, 4_000)
  axes.semilogx(omega[1:], abs(response[1:]), label=name)
  cutoff = grokfax.spectrum.half_power_cutoff(tx, 4_000)
  print(
    f"{name}: half of the added power at {cutoff:.4f}, a period of {2 * np.pi / cutoff:.0f} steps"
  )
axes.set(xlabel="frequency, radians a step", ylabel="gain")
axes.legend()
axes.grid(alpha=0.2)

# %% [markdown]
# The EMA whose cutoff is that of a window of 100, and settings to start from if generalization comes 100 times as late as
# memorisation:

# %%
print(grokfax.spectrum.alpha_from_window(100, "cutoff"))
print(grokfax.spectrum.design_for_delay(100))
