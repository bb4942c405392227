# ---
# jupyter:
#   accelerator: TPU
#   colab:
#     gpuType: V5E1
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
# # Many seeds and settings as one program
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/grokfax/grokfax/blob/main/colab/tpu_population.ipynb)
#
# One seed says little: grokking comes early in one and late in another. So a sweep trains the product of seeds and
# settings as *one* compiled program, side by side on the first axis of every array, on as many devices as there are.
# Choose a TPU or a GPU under Runtime, Change runtime type. On a CPU it trains fewer members. What you see below was made on
# the machine that the first cell names: a TPU was not at hand, but each program is tested to lower for one.

# %%
import os

if not os.path.exists("runtime.py"):  # Colab has this notebook alone
  # !test -d grokfax || git clone --quiet --depth 1 https://github.com/grokfax/grokfax
  os.chdir("grokfax/colab")
import runtime

runtime.prepare()
# %matplotlib inline

# %% [markdown]
# ## What is swept
#
# α and λ of the EMA filter, each with several seeds. The full size is 64 members; a CPU trains 12.

# %% tags=["parameters"]
import time
from pathlib import Path

import jax

FOLDER = Path("runs", time.strftime("population-%H%M%S"))
STEPS = 3_000
SEEDS, ALPHAS, LAMBDAS = 8, (0.9, 0.98), (0.5, 1.0, 2.0, 5.0)
if jax.default_backend() == "cpu":
  STEPS = 2_000
  SEEDS, ALPHAS, LAMBDAS = 3, (0.9, 0.98), (1.0, 2.0)

# %% [markdown]
# ## Train
#
# Members that differ in numbers only share a program. How many stand side by side is measured first: one alone, then as
# many as the memory has room for, and the faster wins. Then a map grows: a cell is the median step of the first crossing of
# 95 % validation accuracy, "-" while it is not reached. A cell that was stopped goes on where it was when it is run again.

# %%
from IPython.display import display

from experiments import grid, heatmap, logs, modular, sweep
from experiments.live import Live

settings = grid.settings_of(modular.EXPERIMENT)(
  method=("grokfast_ema",),
  operation=("mul",),
  alpha=ALPHAS,
  lamb=LAMBDAS,
  seeds=SEEDS,
  steps=STEPS,
  out=FOLDER,
  resume=True,
)
picture = display(display_id=True)


def look():
  if figure := heatmap.draw(logs.read_runs(FOLDER)):  # once two settings have begun
    picture.update(figure)


summary = sweep.run(modular.EXPERIMENT, settings, Live(look))
look()
print(f"{summary['member_steps_per_second']} member-steps a second")

# %% [markdown]
# ## Bands over the seeds
#
# Median and range of training and validation accuracy, and in the table the quartiles of the first crossing by Kaplan and
# Meier with a 95 % bootstrap interval of the median: a member that has not crossed by the end of its budget counts as one
# that has not crossed *yet*.

# %%
from experiments import curves

runs = logs.read_runs(FOLDER)
display(curves.draw(runs))

# %%
from IPython.display import Markdown

from experiments import crossings, tables

Markdown(tables.markdown(crossings.rows(crossings.statistics_of(runs))))

# %% [markdown]
# The same from the command line, in the project's root, and on several hosts with `--coordinator`. (End this session first: a
# TPU serves one process.)
#
# ```
# python -m experiments.sweep modular --method grokfast_ema --seeds 8 --alpha 0.9 0.98 --lamb 0.5 1 2 5 --steps 3000
# ```
