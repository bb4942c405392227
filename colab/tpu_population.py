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
# settings as *one* compiled program: on an accelerator side by side, on the first axis of every array and on as many
# devices as there are, on a CPU one after another. Choose a TPU or a GPU under Runtime, Change runtime type. On a CPU it
# trains fewer members. What you see below was made on the machine that the first cell names: no TPU was available, but
# each program is tested to lower for one.

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
AT_ONCE = None  # members side by side; None is one on a CPU, else as many as memory has room for

# %% [markdown]
# ## Train
#
# Members that differ in numbers only share a program. On an accelerator as many of them stand side by side as its memory
# holds; on a CPU that does not pay, and they train one after another. A map grows meanwhile: a cell is the median
# step of the first crossing of 95 % validation accuracy, "-" while it is not reached. A cell that was stopped resumes where
# it was when it is run again.

# %%
from IPython.display import display

from experiments import commands
from experiments.reports import heatmap, read

picture = display(display_id=True)


def look():
  if figure := heatmap.draw(read.read_runs(FOLDER)):  # once two settings have begun
    picture.update(figure)


summary = commands.run_sweep(
  "modular",
  runtime.Live(look),
  method="grokfast_ema",
  operation="mul",
  alpha=ALPHAS,
  lamb=LAMBDAS,
  seeds=SEEDS,
  steps=STEPS,
  at_once=AT_ONCE,
  out=FOLDER,
  resume=True,
)
look()
print(f"{summary['member_steps_per_second']} member-steps a second")

# %% [markdown]
# ## Bands over the seeds
#
# Median and range of training and validation accuracy, and in the table the quartiles of the first crossing by Kaplan and
# Meier with a 95 % bootstrap interval of the median: a member that has not crossed by the end of its budget counts as one
# that has not crossed *yet*.

# %%
from experiments.reports import figures

runs = read.read_runs(FOLDER)
display(figures.curves(runs))

# %%
from IPython.display import Markdown

from experiments.reports import statistics, tables

Markdown(tables.markdown(statistics.rows(statistics.statistics_of(runs))))

# %% [markdown]
# The same from the command line, in the project's root, and on several hosts with `--coordinator`. (End this session first: a
# TPU serves one process.)
#
# ```
# python -m experiments.sweep modular --method grokfast_ema --seeds 8 --alpha 0.9 0.98 --lamb 0.5 1 2 5 --steps 3000
# ```
