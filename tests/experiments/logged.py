"""Folders as runs and sweeps leave them, written by hand, and what a report made of them."""

import dataclasses
import json

from experiments import grid, modular


def records_of(accuracies):
  return [
    {"step": 10 * i, "train_accuracy": a, "val_accuracy": a} for i, a in enumerate(accuracies, 1)
  ]


def diverged_at(step):
  return {"step": step, "train_accuracy": 0.0, "val_accuracy": 0.0, "train_loss": None}


def write_run(folder, seed, accuracies, steps=None, **settings):
  folder = folder / f"run-{len(list(folder.iterdir()))}"
  folder.mkdir()
  settings = {"method": "baseline", "seed": seed, "steps": steps or 10 * len(accuracies)} | settings
  resolved = dataclasses.asdict(modular.EXPERIMENT.resolve(modular.Settings(**settings)))
  del resolved["out"]
  (folder / "settings.json").write_text(json.dumps(resolved))
  log = "".join(json.dumps(record) + "\n" for record in records_of(accuracies))
  (folder / "metrics.jsonl").write_text(log)
  return folder


def append(folder, record):
  with (folder / "metrics.jsonl").open("a") as log:
    log.write(json.dumps(record) + "\n")


def write_sweep(folder, curve, **settings):
  """A sweep's folder; `curve` gives a member's records, of its settings."""
  kind = grid.settings_of(modular.EXPERIMENT)
  settings = kind(**{n: (v,) if isinstance(v, str) else v for n, v in settings.items()})
  members = grid.members_of(modular.EXPERIMENT, settings)
  form = grid.saved_form(modular.EXPERIMENT, settings, members)
  folder.mkdir()
  (folder / "settings.json").write_text(json.dumps(form))
  lines = [{"member": i, **record} for i, m in enumerate(members) for record in curve(m)]
  (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def cells(text):
  """The rows of a Markdown table by their first two cells."""
  rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
  return {tuple(row[:2]): row[2:] for row in rows if len(row) > 2}


def log_of(text):
  return lambda folder: (folder / "metrics.jsonl").write_bytes(text)


def curve(member):
  """Crosses sooner with a larger lamb; diverges with the largest; one has not been begun."""
  if member.lamb == 8 and member.seed == 1 and member.alpha == 0.9:
    return []
  if member.lamb == 8:
    return [*records_of([0.1] * 4), diverged_at(50)]
  return records_of([0.1] * int(20 / member.lamb) + [0.99] * (80 - int(20 / member.lamb)))


GRID = {
  "method": "grokfast_ema", "seeds": 2, "steps": 800, "lamb": (1.0, 2.0, 4.0, 8.0),
  "alpha": (0.9, 0.99), "operation": ("add", "mul"), "eval_every": 1,
}  # fmt: skip
