"""The report: from logs alone, with what did not get there counted."""

import base64
import csv
import dataclasses
import html.parser
import json
import shlex

import pytest

from experiments import cli, grid, heatmap, logs, made, modular, qm9, report
from experiments.cli import UsageError


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


def test_table_and_picture(tmp_path, capsys):
  write_run(tmp_path, 0, [0.5, 0.96, 0.5, *[0.99] * 60])
  write_run(tmp_path, 1, [0.5] * 63)
  write_run(tmp_path, 2, [0.5, 0.5, *[0.99] * 61])
  write_run(tmp_path, 0, [0.1] * 63, weight_decay=0.5)
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  lines = capsys.readouterr().out.splitlines()
  columns = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
  assert columns[2] == [
    "baseline mul", "grokfax", "3", "40 (30 to -), 1 not", "30 (20 to -), 1 not",
    "40 (30 to -), 1 not", "1 (0 to -), 1 not",
  ]  # fmt: skip
  assert columns[3] == ["baseline mul", "published", "1", "", "39,890", "", ""]
  assert columns[4][0] == "baseline mul, weight_decay 0.5"
  assert columns[4][4] == "-"
  assert (tmp_path / "table.md").read_text().splitlines() == lines
  assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_torn_last_line_is_left_out(tmp_path):
  folder = write_run(tmp_path, 0, [0.5, 0.96])
  with (folder / "metrics.jsonl").open("a") as log:
    log.write('{"step": 30, "train_acc')
  (run,) = logs.read_runs(tmp_path)
  assert [record["step"] for record in run.records] == [10, 20]


def test_a_budget_cuts_the_logs(tmp_path):
  write_run(tmp_path, 0, [0.1] * 9)
  (run,) = logs.read_runs(tmp_path)
  assert len(logs.up_to(run, 50).records) == 5
  assert logs.up_to(run, 50).steps == 50
  assert logs.up_to(run, None) is run


def test_a_run_that_was_ended_early_is_not_sustained(tmp_path):
  write_run(tmp_path, 0, [0.5, *[0.99] * 60], steps=2_500)
  write_run(tmp_path, 1, [0.5, *[0.99] * 60], steps=610)
  short, long = sorted(logs.read_runs(tmp_path), key=lambda run: run.steps)
  sustained = [report.table([run]).splitlines()[2].split("|")[6].strip() for run in (short, long)]
  assert sustained == ["20", "-"]
  with pytest.raises(
    UsageError, match="baseline mul has runs of 610 and 2,500 steps: name a --bud"
  ):
    report.table([short, long])
  assert "| 2 |" in report.table([short, long], budget=600)


def test_runs_of_other_settings_are_not_pooled(tmp_path, capsys):
  write_run(tmp_path, 0, [0.1])
  write_run(tmp_path, 0, [0.1], batch_size=64)
  write_run(tmp_path, 0, [0.1], include_zero=True)
  write_run(tmp_path, 0, [0.1], eval_every=2)
  settings = {run.setting.removeprefix("baseline mul") for run in logs.read_runs(tmp_path)}
  assert settings == {"", ", batch_size 64", ", include_zero True", ", eval_every 2"}
  write_run(tmp_path, 0, [0.2])
  assert report.main([str(tmp_path)]) == 2
  assert "has seed 0 of baseline mul twice" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "{}x", '{"method": "sgd"}', '{"colour": 1}', "[]", "null"])
def test_foreign_settings(text, tmp_path, capsys):
  (write_run(tmp_path, 0, [0.1]) / "settings.json").write_text(text)
  assert report.main([str(tmp_path)]) == 2
  error = capsys.readouterr().err
  assert "settings.json is not the settings of a run" in error
  assert error.count("\n") == 1


def test_a_folder_without_runs(tmp_path, capsys):
  assert report.main([str(tmp_path)]) == 2
  assert "has no runs" in capsys.readouterr().err
  with pytest.raises(UsageError):
    logs.read_runs(tmp_path / "missing")


def cells(text):
  """The rows of a Markdown table by their first two cells."""
  rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
  return {tuple(row[:2]): row[2:] for row in rows if len(row) > 2}


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


@pytest.fixture
def fates(tmp_path):
  """A run of each fate: to the end, cut off before the goal and after, diverged, held."""
  write_run(tmp_path, 0, [0.5, 0.96, 0.5, *[0.99] * 97])
  write_run(tmp_path, 1, [0.5, 0.5], 1_000)
  write_run(tmp_path, 2, [0.5, 0.5, 0.5, 0.99], 1_000)
  append(write_run(tmp_path, 3, [0.5, 0.5], 1_000), diverged_at(30))
  append(write_run(tmp_path, 4, [0.5, 0.99], 1_000), diverged_at(30))
  write_run(tmp_path, 5, [0.5, *[0.99] * 6], 1_000, stop_when_held=50)
  return tmp_path


def test_what_became_of_the_runs(fates):
  assert report.main([str(fates), "--reference", "None"]) == 0
  rows = cells((fates / "survival.md").read_text())
  row = dict(zip(rows["setting", "of"], rows["baseline mul", "grokfax"], strict=True))
  counts = {name: row[name] for name in ("n", "reached", "not yet", "diverged", "did not finish")}
  assert counts == {
    "n": "6",
    "reached": "4",
    "not yet": "1",
    "diverged": "2",
    "did not finish": "2",
  }
  with (fates / "runs.csv").open() as file:
    rows = list(csv.DictReader(file))
  ended = ["budget", "unfinished", "unfinished", "diverged", "diverged", "held"]
  assert [row["ended"] for row in rows] == ended
  assert [row["val_95_step"] for row in rows] == ["20", "", "40", "", "20", "20"]
  assert [row["diverged_step"] for row in rows] == ["", "", "", "30", "30", ""]
  assert [row["stop_when_held"] for row in rows] == [""] * 5 + ["50"]
  assert [row["steps"] for row in rows] == ["1000", "20", "40", "30", "30", "70"]


def test_kaplan_and_meier_in_the_table(fates):
  """First crossings at 20, 20, 20, then 20+, 40, and one that never can: 1/2, then 1/4."""
  assert report.main([str(fates), "--reference", "None"]) == 0
  with (fates / "survival.csv").open() as file:
    (row,) = csv.DictReader(file)
  assert [row[f"first_{n}"] for n in ("quartile_1", "median", "quartile_3")] == ["20", "40", ""]
  assert [row[f"first_interval_{n}"] for n in ("low", "high")] == ["20", ""]
  # Sustained: at 40; cut off at 20, at 30 and, for it was held, at 10; two never can.
  assert row["sustained_median"] == row["sustained_quartile_3"] == ""


def test_a_budget_counts_for_everything(fates):
  """Up to step 25 nothing has diverged, and whoever went on is not called unfinished."""
  assert report.main([str(fates), "--reference", "None", "--budget", "25"]) == 0
  with (fates / "runs.csv").open() as file:
    rows = list(csv.DictReader(file))
  assert {row["budget"] for row in rows} == {"25"}
  assert {row["steps"] for row in rows} == {"20"}
  assert [row["ended"] for row in rows] == ["budget", "unfinished", *["budget"] * 4]
  assert "--budget 25" in (fates / "report.html").read_text()


def test_a_budget_between_two_evaluations(tmp_path):
  write_run(tmp_path, 0, [0.5, *[0.99] * 99])
  assert "| 20 | 20 | 0 |" in report.table(logs.read_runs(tmp_path), budget=995)


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


def test_a_sweep(tmp_path):
  folder = tmp_path / "sweep"
  write_sweep(folder, curve, **GRID)
  costs = {"steps": 1_000, "seconds": 2.0, "peak_bytes": 3 * 2**20}
  (folder / "summary.json").write_text(json.dumps(costs))
  assert report.main([str(folder), "--reference", "None"]) == 0
  rows = cells((folder / "survival.md").read_text())
  assert rows["setting", "of"][-2:] == ["ms a step", "peak memory"]
  soon = rows["grokfast_ema add, alpha 0.99, lamb 4.0", "grokfax"]
  assert soon == ["2", "2", "0", "0", "0", "60 (60 to 60)", "60 to 60", "60 (60 to 60)",
                  "60 to 60", "2", "3 MiB"]  # fmt: skip
  never = rows["grokfast_ema add, alpha 0.99, lamb 8.0", "grokfax"]
  assert never[:9] == ["2", "0", "0", "2", "0", "-", "-", "-", "-"]
  alone = rows["grokfast_ema mul, alpha 0.9, lamb 8.0", "grokfax"]
  assert alone[:6] == ["1", "0", "0", "1", "0", "-"]
  assert (folder / "heatmap.png").read_bytes().startswith(b"\x89PNG")
  text = (folder / "report.html").read_text()
  assert "--lamb 1.0 2.0 4.0 8.0" in text
  assert len(Page(text).pictures) == 2


def test_heat_maps(tmp_path):
  """The two with most values are the axes; each combination of the others has a panel."""
  write_sweep(tmp_path / "out", curve, weight_decay=(0.1, 0.2), **GRID)
  panels, left_out = heatmap.panels(logs.read_runs(tmp_path / "out"))
  assert (len(panels), left_out) == (4, 0)
  assert {panel.names for panel in panels} == {("lamb", "weight_decay")}
  assert panels[0].title == "grokfast_ema, alpha 0.9, operation add"
  assert panels[0].cells == {
    (lamb, decay): {1: 210.0, 2: 110.0, 4: 60.0, 8: float("inf")}[lamb]
    for lamb in GRID["lamb"]
    for decay in (0.1, 0.2)
  }


def test_the_first_six_heat_maps(tmp_path):
  write_sweep(tmp_path / "out", curve, weight_decay=(0.1, 0.2), b1=(0.8, 0.9), **GRID)
  runs = logs.read_runs(tmp_path / "out")
  panels, left_out = heatmap.panels(runs)
  assert (len(panels), left_out) == (6, 2)
  figure = heatmap.draw(runs)
  assert figure is not None
  assert "2 more are left out" in figure.get_suptitle()


def test_one_hyperparameter_has_no_heat_map(tmp_path):
  write_run(tmp_path, 0, [0.1])
  write_run(tmp_path, 0, [0.1], weight_decay=0.5)
  assert heatmap.draw(logs.read_runs(tmp_path)) is None


def test_sixteen_panels_at_most(tmp_path):
  for n in range(18):
    write_run(tmp_path, 0, [0.1, 0.2], weight_decay=0.01 * n)
  figure = report.draw(logs.read_runs(tmp_path))
  assert sum(axes.get_visible() for axes in figure.axes) == 16
  assert figure.get_suptitle() == "the first 16 of 18 settings"
  assert len({round(axes.get_position().x0, 2) for axes in figure.axes}) == 4


def test_a_curve_goes_on_where_others_ended(tmp_path):
  """One that diverged or held keeps its last value; one that is unfinished says no more."""
  append(write_run(tmp_path, 0, [0.2] * 2, 60), diverged_at(30))
  write_run(tmp_path, 1, [0.4] * 6)
  write_run(tmp_path, 2, [0.9, 0.9], 60)
  write_run(tmp_path, 3, [0.96] * 2, 60, stop_when_held=10)
  (axes,) = report.draw(logs.read_runs(tmp_path)).axes
  line = next(line for line in axes.lines if line.get_label() == "validation")
  assert list(line.get_xdata()) == [10, 20, 30, 40, 50, 60]
  assert list(line.get_ydata()) == pytest.approx([0.65, 0.65, *[0.4] * 4])


@pytest.mark.parametrize("losses", [(1.0, 0.5), (None,)])
def test_losses_alone(losses, tmp_path):
  folder = tmp_path / "run"
  folder.mkdir()
  settings = dataclasses.asdict(qm9.EXPERIMENT.resolve(qm9.EXPERIMENT.settings(steps=20)))
  del settings["out"], settings["data"]
  (folder / "settings.json").write_text(json.dumps({"experiment": "qm9"} | settings))
  rows = [{"step": 10 * i, "train_loss": v, "val_loss": v} for i, v in enumerate(losses, 1)]
  (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert report.main([str(tmp_path)]) == 0
  header = cells((tmp_path / "survival.md").read_text())["setting", "of"]
  assert header == ["n", "diverged", "did not finish"]
  assert not (tmp_path / "heatmap.png").exists()


class Page(html.parser.HTMLParser):
  """Holds that what is opened is closed; collects cells, pictures and what is referred to."""

  VOID = ("meta", "img")

  def __init__(self, text):
    super().__init__()
    self.open, self.cells, self.pictures, self.references, self.tags = [], [], [], [], set()
    self.feed(text)
    self.close()
    assert self.open == []

  def handle_starttag(self, tag, attrs):
    self.tags.add(tag)
    if tag not in self.VOID:
      self.open.append(tag)
    self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]
    self.pictures += [dict(attrs)["src"] for _ in range(tag == "img")]

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    if self.open and self.open[-1] in ("td", "th"):
      self.cells.append(data)


def test_the_page(fates):
  environment = {"commit": "a" * 40, "processor": "<fast & new>", "cores": 2, "devices": ["cpu"]}
  (fates / "run-0" / "environment.json").write_text(json.dumps(environment))
  assert report.main([str(fates), "--reference", "None"]) == 0
  text = (fates / "report.html").read_text()
  page = Page(text)
  for name in ("table.md", "survival.md"):
    for row in cells((fates / name).read_text()).values():
      assert set(filter(None, row)) - {"---"} <= set(page.cells), name
  (picture,) = page.pictures
  data = base64.b64decode(picture.removeprefix("data:image/png;base64,"), validate=True)
  assert data == (fates / "curves.png").read_bytes()
  assert page.references == page.pictures
  assert not page.tags & {"script", "link", "iframe"}
  assert not any(word in text for word in ("http:", "https:", "url(", "@import"))
  assert {"a" * 40, "<fast & new>"} <= set(page.cells)
  assert "python -m experiments.modular --method baseline --operation mul --steps 1000" in text
  assert "--stop-when-held 50" in text
  assert not list(fates.glob("*.part"))


def test_the_command_of_a_run_is_its_own(tmp_path):
  changed = {"weight_decay": 0.5, "include_zero": True, "eval_every": 2, "stop_when_held": 50}
  write_run(tmp_path, 3, [0.1], p=31, batch_size=64, **changed)
  (run,) = logs.read_runs(tmp_path)
  ((line, seeds),) = made.commands([run])
  python, *arguments = shlex.split(f"{line} --seed {seeds}")
  assert (python, arguments[:2]) == ("python", ["-m", "experiments.modular"])
  settings = cli.parse(modular.Settings, arguments[2:], "")
  assert dataclasses.asdict(modular.EXPERIMENT.resolve(settings)) == run.values


def test_the_command_of_a_sweep_is_its_own(tmp_path):
  several = {"include_zero": (False, True), "lamb": (1.0, 2.0), "operation": ("add", "mul")}
  write_sweep(tmp_path / "out", lambda member: records_of([0.1]), seeds=2, steps=9, **several)
  runs = logs.read_runs(tmp_path / "out")
  ((line, _),) = made.commands(runs)
  assert line.startswith("python -m experiments.sweep modular --steps 9 --seeds 2 ")
  settings = cli.parse(grid.settings_of(modular.EXPERIMENT), shlex.split(line)[4:], "")
  members = map(dataclasses.asdict, grid.members_of(modular.EXPERIMENT, settings))
  assert sorted(members, key=str) == sorted((run.values for run in runs), key=str)


def log_of(text):
  return lambda folder: (folder / "metrics.jsonl").write_bytes(text)


DAMAGE = {
  "log is not text": (log_of(b"\xff\xfe"), "metrics.jsonl is damaged: it is not text"),
  "log has other lines": (
    log_of(b'{"step": 10, "train_accuracy": 1, "val_accuracy": 1}\n[]\n'),
    "metrics.jsonl is damaged: line 2",
  ),
  "log is torn within": (log_of(b'{"st\n{"step": 10}\n'), "metrics.jsonl is damaged: line 1"),
  "no accuracy": (log_of(b'{"step": 10}\n'), "metrics.jsonl is damaged: line 1"),
  "summary": (lambda f: (f / "summary.json").write_text("{"), "summary.json is damaged"),
  "costs": (lambda f: (f / "summary.json").write_text('{"steps": "x", "seconds": 1}'),
            "summary.json is damaged"),
  "environment": (lambda f: (f / "environment.json").write_text("[]"), "environment.json is dam"),
  "members": (lambda f: (f / "settings.json").write_text('{"members": 3, "common": {}}'),
              "settings.json is not the settings"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder(damage, message, tmp_path, capsys):
  damage(write_run(tmp_path, 0, [0.1]))
  assert report.main([str(tmp_path)]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert message in captured.err
  assert captured.err.count("\n") == 1
  assert [path.name for path in tmp_path.iterdir()] == ["run-0"]


def test_nothing_logged_yet(tmp_path, capsys):
  write_sweep(tmp_path / "sweep", lambda member: [], **GRID)
  assert report.main([str(tmp_path / "sweep")]) == 2
  assert "has no runs yet" in capsys.readouterr().err
  log_of(b"")(write_run(tmp_path, 0, [0.1]))
  (tmp_path / "sweep" / "settings.json").unlink()
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  row = cells((tmp_path / "survival.md").read_text())["baseline mul", "grokfax"]
  assert row[:5] == ["1", "0", "1", "0", "1"]


def test_a_budget_before_the_first_evaluation(tmp_path):
  write_run(tmp_path, 0, [0.1, 0.99])
  assert report.main([str(tmp_path), "--reference", "None", "--budget", "5"]) == 0
  row = cells((tmp_path / "survival.md").read_text())["baseline mul", "grokfax"]
  assert row[:5] == ["1", "0", "1", "0", "0"]


def test_what_cannot_be_written_leaves_nothing(tmp_path, capsys):
  write_run(tmp_path, 0, [0.1])
  (tmp_path / "report.html").mkdir()
  assert report.main([str(tmp_path)]) == 1
  assert "report.html" in capsys.readouterr().err
  assert not list(tmp_path.glob("*.part"))
