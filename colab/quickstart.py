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
# # Grokfast in five lines, and grokking live
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/grokfax/grokfax/blob/main/colab/quickstart.ipynb)
#
# A transformer that learns multiplication mod 97 from half of all pairs has soon memorised them. Tens of thousands of
# steps later it understands the other half too: it *groks*. [Grokfast](https://arxiv.org/abs/2405.20233) amplifies the
# slow part of the gradient, and that comes much sooner. Here you see both happen. It runs on a TPU, a GPU or a CPU.

# %%
import os

if not os.path.exists("runtime.py"):  # Colab has this notebook alone
  # !test -d grokfax || git clone --quiet --depth 1 https://github.com/grokfax/grokfax
  os.chdir("grokfax/colab")
import runtime

runtime.prepare()
# %matplotlib inline

# %% [markdown]
# ## Five lines
#
# The filter is an Optax transformation that stands before your optimizer. All else stays as it was. This chain, the moving
# average before AdamW, is what held longest in [our
# measurements](https://github.com/grokfax/grokfax/blob/main/docs/settings.md), which have the other chains too.

# %%
import jax
import jax.numpy as jnp
import optax

import grokfax

params = {"kernel": jnp.ones((3, 1)), "bias": jnp.zeros(1)}
grads = {"kernel": jnp.full((3, 1), 2.0), "bias": jnp.ones(1)}  # of your loss, by jax.grad

optimizer = optax.chain(
  grokfax.grokfast_ma(window_size=100, lamb=5.0), optax.adamw(1e-3, weight_decay=1.0)
)
state = optimizer.init(params)
updates, state = jax.jit(optimizer.update)(grads, state, params)
params = optax.apply_updates(params, updates)
print(params)

# %% [markdown]
# ## Grok ×
#
# The paper's transformer, first with its baseline (Adam alone), then with Grokfast as the paper has it: the exponential
# moving average before Adam with coupled weight decay, which is `grokfax.grokfast_adam`. Behind them are five recorded runs
# of the baseline on multiplication, over 50,000 steps: line and band are the median and the range over their seeds. Other
# methods are `grokfast_ma`, `grokfast_ma_two_stage`, `delayed_compression` and `grokfast_ema_delayed_compression`; change
# methods or seed, run these cells again, and the picture has those too. A cell that was stopped resumes where it was.
#
# The recorded runs are of a CPU. TPUs and some GPUs multiply with fewer digits, so the same seed gives another curve there.

# %%
import time
from pathlib import Path

FOLDER = Path("runs", time.strftime("quickstart-%H%M%S"))

# %% tags=["parameters"]
METHODS = ("baseline", "grokfast_ema")
OPERATION = "mul"  # or add, sub, div, x2+y2, ...
STEPS = 2_500
SEED = 0

# %%
import dataclasses

from IPython.display import Markdown, display

from experiments import commands
from experiments.reports import figures, read, results
from experiments.runs import settings

recorded = [
  dataclasses.replace(run, source="recorded", published={})
  for run in read.read_runs(runtime.ROOT / "experiments/results/modular")
  if run.setting == "baseline mul"
]
picture = display(figures.together(recorded), display_id=True)


def look():
  picture.update(figures.together([*recorded, *read.read_runs(FOLDER)]))


for method in METHODS:
  given = settings.make(
    "modular",
    method=method,
    operation=OPERATION,
    steps=STEPS,
    seed=SEED,
    out=FOLDER / f"{OPERATION}-{method}-{SEED}",
    resume=True,
  )
  summary = commands.run(given, runtime.Live(look))
  look()
  if summary["interrupted"]:
    break

# %% [markdown]
# ## What it says
#
# *95 % validation* is the first crossing. *Sustained* means that from there on no evaluation was under 95 % to the end of
# the budget, for at least 500 steps: grokking sooner is not yet grokking stably, so look at both. And the Grokfast runs have
# weight decay beside their filter, the baseline has none: the [project's
# front page](https://github.com/grokfax/grokfax#what-we-measured) says how much is whose, over many seeds.

# %%
Markdown(results.table([*recorded, *read.read_runs(FOLDER)]))
