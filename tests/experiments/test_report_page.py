"""The report's page, and the commands on it."""

import base64
import dataclasses
import html.parser
import json
import shlex

from experiments import cli, grid, logs, made, modular, report
from tests.experiments.logged import GRID, cells, curve, records_of, write_run, write_sweep


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
  assert f"python -m experiments.report {fates} --reference None" in text
  assert not list(fates.glob("*.part"))


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
