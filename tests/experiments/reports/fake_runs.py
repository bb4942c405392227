"""Folders as runs and sweeps leave them, written by hand, and what a report made of them."""

import json

from experiments.runs import settings, sweep


def records_of(accuracies):
  return [
    {"step": 10 * i, "train_accuracy": a, "val_accuracy": a} for i, a in enumerate(accuracies, 1)
  ]


def losses_of(losses):
  return [{"step": 10 * i, "train_loss": v, "val_loss": v} for i, v in enumerate(losses, 1)]


def diverged_at(step):
  return {"step": step, "train_accuracy": 0.0, "val_accuracy": 0.0, "train_loss": None}


def write_log(folder, records):
  (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def write_run(folder, seed, log, steps=None, task="modular", **given):
  """A run's folder; its log is accuracies, or records."""
  folder = folder / f"run-{len(list(folder.iterdir()))}"
  folder.mkdir()
  given = {"method": "baseline", "seed": seed, "steps": steps or 10 * len(log)} | given
  form = {"experiment": task, **settings.make(task, **given).kept()}
  (folder / "settings.json").write_text(json.dumps(form))
  write_log(folder, log if isinstance(log[0], dict) else records_of(log))
  return folder


def change_settings(folder, **changed):
  """Settings as another version may have written them; None takes one out."""
  file = folder / "settings.json"
  values = json.loads(file.read_text()) | changed
  file.write_text(json.dumps({n: v for n, v in values.items() if v is not None}))


def append(folder, record):
  with (folder / "metrics.jsonl").open("a") as log:
    log.write(json.dumps(record) + "\n")


def write_sweep(folder, curve, seeds, **given):
  """A sweep's folder; `curve` gives a member's records, of its settings."""
  members = sweep.expand("modular", given, seeds)
  common, own = sweep.common_and_own(members)
  form = {"experiment": "modular", **common, "sweep": given | {"seeds": seeds}, "members": own}
  folder.mkdir()
  (folder / "settings.json").write_text(json.dumps(form))
  write_log(folder, [{"member": i, **r} for i, m in enumerate(members) for r in curve(m)])


def cells(text):
  """The rows of a Markdown table by their first two cells."""
  rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
  return {tuple(row[:2]): row[2:] for row in rows if len(row) > 2}


def log_of(text):
  return lambda folder: (folder / "metrics.jsonl").write_bytes(text)


def curve(member):
  """Crosses sooner with a larger lamb; diverges with the largest; one has not been begun."""
  lamb = member["lamb"]
  if lamb == 8 and member["seed"] == 1 and member["alpha"] == 0.9:
    return []
  if lamb == 8:
    return [*records_of([0.1] * 4), diverged_at(50)]
  return records_of([0.1] * int(20 / lamb) + [0.99] * (80 - int(20 / lamb)))


GRID = {
  "method": "grokfast_ema", "seeds": 2, "steps": 800, "lamb": (1.0, 2.0, 4.0, 8.0),
  "alpha": (0.9, 0.99), "operation": ("add", "mul"), "eval_every": 1,
}  # fmt: skip
