"""The gradient's spectrum before, at and after the grok, which Grokfast argues from.

    python -m experiments.studies spectrum

trains multiplication mod 97 three ways, five seeds each, with `grokfax.spectrum.record` before the
filter, and draws what was recorded. A run that is there already is not made again.
"""

import dataclasses
import itertools
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from tqdm import tqdm

import grokfax
from experiments import start, terminal
from experiments.fields import UsageError
from experiments.files import RESULTS, new_file, write_json
from experiments.runs import plan, settings
from experiments.runs.environment import environment
from experiments.runs.settings import Settings
from experiments.training.population import Population

FOLDER = RESULTS / "spectrum"
LENGTH = 256  # steps of a segment
SLOW = 2 * np.pi / 100  # below it a period takes more than a hundred steps
ARMS: Mapping[str, Mapping[str, Any]] = {
  "baseline": {"method": "baseline"},
  "weight decay": {"method": "baseline", "optimizer": "adamw", "weight_decay": 1.0},
  "Grokfast": {"method": "grokfast_ema"},
}
# Segments that lie wholly between these steps, counted from the first crossing of 95 %.
PHASES = {"before": (-768, -256), "at": (-256, 256), "after": (256, 768)}


def recorded(made: Settings) -> dict[str, Any]:
  """One run: its first crossing, and the mean power of the gradient in each phase.

  Where it does not cross, there is one phase, "memorised": the last steps of the budget.
  """
  train = plan.train_of(made)
  bare = train.make_optimizer

  def with_record(numbers):
    return optax.chain(grokfax.spectrum.record(LENGTH), bare(numbers))

  member, _ = plan.init_of(made)
  run = Population(dataclasses.replace(train, make_optimizer=with_record), member, epochs=1)
  run.begin([member])
  ended = {}  # at each step, the segments since the last one and their power
  crossing, step = None, 0
  while step < made["steps"]:
    row = jax.device_get(run.advance())
    step = int(row["step"])
    if crossing is None and row["val_accuracy"] >= 0.95:
      crossing = step
    mean, count = (
      jax.device_get(optax.tree.get(run.state.opt_state, f"spectrum_{name}"))
      for name in ("power", "segments")
    )
    ended[step] = int(count), int(count) * np.asarray(mean, np.float64)
    # Begun anew: beside the first gradients the last ones are a rounding.
    emptied = {"spectrum_power": jnp.zeros_like(mean), "spectrum_segments": jnp.zeros_like(count)}
    run.state = run.state._replace(opt_state=optax.tree.set(run.state.opt_state, **emptied))
  windows = {"memorised": (step - 512, step)}
  if crossing is not None:
    windows = {name: (crossing + a, crossing + b) for name, (a, b) in PHASES.items()}
  phases = {}
  for name, (begin, end) in windows.items():
    inside = [both for at, both in ended.items() if begin + LENGTH < at <= end]
    count = sum(segments for segments, _ in inside)
    if end <= step and count > 0:
      power = sum((total for _, total in inside), np.zeros(LENGTH // 2 + 1)) / count
      phases[name] = {"segments": count, "power": [float(f"{p:.5g}") for p in power]}
  return {"crossing": crossing, "phases": phases}


def run_all(folder: Path, seeds: int, **change: Any) -> None:
  """Makes the runs that are not there."""
  for (arm, chosen), seed in tqdm([*itertools.product(ARMS.items(), range(seeds))], disable=None):
    file = folder / f"{arm.replace(' ', '_')}-{seed}.json"
    if not file.exists():
      made = settings.make("modular", **{"steps": 2_500, **chosen, "seed": seed, **change})
      result = {**recorded(made), "settings": made.kept(), "environment": environment()}
      folder.mkdir(parents=True, exist_ok=True)
      write_json(file, result)


def read(folder: Path = FOLDER) -> dict[str, list[dict[str, Any]]]:
  """The runs of each arm."""
  files = {arm: sorted(folder.glob(f"{arm.replace(' ', '_')}-*.json")) for arm in ARMS}
  return {arm: [json.loads(file.read_text()) for file in found] for arm, found in files.items()}


def omega() -> np.ndarray:
  """The frequencies, in radians a step."""
  return 2 * np.pi * np.fft.rfftfreq(LENGTH)


def spectra(runs: list[dict[str, Any]], phase: str) -> np.ndarray:
  """The share of the power at each frequency, of each run that has the phase: (runs, n/2 + 1)."""
  found = [np.array(run["phases"][phase]["power"]) for run in runs if phase in run["phases"]]
  return np.stack([power / power.sum() for power in found]) if found else np.empty((0, 0))


def slow_share(runs: list[dict[str, Any]], phase: str) -> float:
  """The median share of the power that is slow."""
  return statistics.median(share[omega() < SLOW].sum() for share in spectra(runs, phase))


def shares(arms: Mapping[str, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, float]]]:
  """For each arm and phase how many runs have it, and the median share of power that is slow."""
  found: dict[str, dict[str, dict[str, float]]] = {}
  for arm, runs in arms.items():
    present = [phase for phase in ("memorised", *PHASES) if len(spectra(runs, phase))]
    found[arm] = {
      phase: {"runs": len(spectra(runs, phase)), "slow": round(slow_share(runs, phase), 4)}
      for phase in present
    }
  return found


def draw(arms: Mapping[str, list[dict[str, Any]]]) -> Figure:
  """A panel for each arm: median and range over the seeds of each phase."""
  drawn = Figure(figsize=(11, 3.6), layout="constrained")
  panels = drawn.subplots(1, len(arms), sharey=True)
  for axes, (arm, runs) in zip(panels, arms.items(), strict=True):
    axes.set(title=arm, xlabel="frequency, radians a step", xscale="log", yscale="log")
    for phase in ("memorised", *PHASES):
      shares = spectra(runs, phase)
      if len(shares):
        x, y = omega()[1:], shares[:, 1:]
        (line,) = axes.plot(x, np.median(y, 0), label=f"{phase}, {len(y)} runs")
        axes.fill_between(x, y.min(0), y.max(0), color=line.get_color(), alpha=0.2, linewidth=0)
    axes.axhline(2 / LENGTH, color="gray", linewidth=0.8, linestyle=":")  # white noise
    if runs:
      axes.legend(fontsize="small")
  panels[0].set_ylabel("share of the gradient's power")
  return drawn


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""

  def run():
    parser = terminal.Parser("python -m experiments.studies spectrum", __doc__ or "")
    parser.add_argument("--out", type=terminal.a_path, default=FOLDER, help="its folder")
    parser.add_argument("--seeds", type=int, default=5, help="0, 1, ...: so many (default: 5)")
    chosen = parser.read(argv)
    if not 1 <= chosen.seeds <= 1_000:
      raise UsageError(f"--seeds must be from 1 to 1,000; got {chosen.seeds}.")
    run_all(chosen.out, chosen.seeds)
    found = read(chosen.out)
    write_json(chosen.out / "shares.json", shares(found))
    with new_file(chosen.out / "spectrum.png") as part:
      draw(found).savefig(part, format="png", dpi=110)

  return terminal.run_main(run)


if __name__ == "__main__":
  sys.exit(start.main(main))
