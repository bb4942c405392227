"""Curves and heat maps, and a figure that is not ours."""

import pytest
from matplotlib.figure import Figure

from experiments import report
from experiments.reports import figures, heatmap
from experiments.reports.read import read_runs
from experiments.tasks import TASKS
from tests.experiments.reports.fake_runs import (
  GRID,
  append,
  curve,
  diverged_at,
  losses_of,
  records_of,
  write_run,
  write_sweep,
)
from tests.experiments.reports.html_page import Page, data_uri


def curves(folder):
  return figures.FIGURES["curves.png"].draw(read_runs(folder))


def line_named(axes, label):
  (found,) = (line for line in axes.lines if line.get_label() == label)
  return found


def test_heat_maps(tmp_path):
  """The two with most values are the axes; each combination of the others has a panel."""
  write_sweep(tmp_path / "out", curve, weight_decay=(0.1, 0.2), **GRID)
  panels, left_out = heatmap.panels(read_runs(tmp_path / "out"))
  assert (len(panels), left_out) == (4, 0)
  assert {panel.names for panel in panels} == {("lamb", "weight_decay")}
  assert panels[0].title == "grokfast_ema, operation add, alpha 0.9"
  assert panels[0].cells == {
    (lamb, decay): {1: 210.0, 2: 110.0, 4: 60.0, 8: float("inf")}[lamb]
    for lamb in GRID["lamb"]
    for decay in (0.1, 0.2)
  }


def test_the_first_six_heat_maps(tmp_path):
  write_sweep(tmp_path / "out", curve, weight_decay=(0.1, 0.2), b1=(0.8, 0.9), **GRID)
  runs = read_runs(tmp_path / "out")
  panels, left_out = heatmap.panels(runs)
  assert (len(panels), left_out) == (6, 2)
  figure = heatmap.draw(runs)
  assert figure is not None
  assert "2 more" in figure.get_suptitle()


def test_one_hyperparameter_has_no_heat_map(tmp_path):
  write_run(tmp_path, 0, [0.1])
  write_run(tmp_path, 0, [0.1], weight_decay=0.5)
  assert heatmap.draw(read_runs(tmp_path)) is None


def test_sixteen_panels_at_most(tmp_path):
  for n in range(18):
    write_run(tmp_path, 0, [0.1, 0.2], weight_decay=0.01 * n)
  figure = curves(tmp_path)
  assert sum(axes.get_visible() for axes in figure.axes) == 16
  assert "16 of 18" in figure.get_suptitle()
  assert len({round(axes.get_position().x0, 2) for axes in figure.axes}) == 4


def test_a_curve_goes_on_where_others_ended(tmp_path):
  """One that diverged or held keeps its last value; one that is unfinished says no more."""
  append(write_run(tmp_path, 0, [0.2] * 2, 60), diverged_at(30))
  write_run(tmp_path, 1, [0.4] * 6)
  write_run(tmp_path, 2, [0.9, 0.9], 60)
  write_run(tmp_path, 3, [0.96] * 2, 60, stop_when_held=10)
  (axes,) = curves(tmp_path).axes
  line = line_named(axes, "validation")
  assert list(line.get_xdata()) == [10, 20, 30, 40, 50, 60]
  assert list(line.get_ydata()) == pytest.approx([0.65, 0.65, *[0.4] * 4])


def test_settings_together(tmp_path):
  """Each is a line with its band; no more than six."""
  write_run(tmp_path, 0, [0.2, 0.4])
  write_run(tmp_path, 1, [0.4, 0.8])
  write_run(tmp_path, 0, [0.1, 0.2], weight_decay=0.5)
  runs = read_runs(tmp_path)
  (axes,) = figures.together(runs).axes
  lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
  assert [label.partition(", n")[2] for label in lines if "n = " in label] == [" = 2", " = 1"]
  (two,) = (values for label, values in lines.items() if label.endswith("n = 2"))
  assert two == pytest.approx([0.3, 0.6])
  assert len(axes.collections) == 2

  for n in range(1, 7):
    write_run(tmp_path, 0, [0.1, 0.2], weight_decay=0.5 + n)
  figure = figures.together(read_runs(tmp_path))
  assert len(figure.axes[0].collections) == 6
  assert "6 of 8" in figure.get_suptitle()


def test_curves_of_a_loss(tmp_path, line):
  """On a log scale, with the goal as a line; what was not finite is a gap."""
  write_run(tmp_path, 0, losses_of([0.5, None, 0.25]), task=line)
  write_run(tmp_path, 1, losses_of([0.5, 0.125, 0.75]), task=line)
  (axes,) = curves(tmp_path).axes
  assert axes.get_yscale() == "log"
  assert list(line_named(axes, "validation").get_ydata()) == pytest.approx([0.5, 0.125, 0.5])
  assert [0.1, 0.1] in [list(drawn.get_ydata()) for drawn in axes.lines]


def test_pictures_of_a_run(line):
  """Of what its log has; the goal is a line in the picture of its own quantity."""
  assert figures.of_run(losses_of([0.5, 0.05]), "accuracy") is None
  (axes,) = figures.of_run(losses_of([0.5, 0.05]), "loss", TASKS[line].goals).axes
  assert [list(drawn.get_ydata()) for drawn in axes.lines] == [[0.5, 0.05]] * 2 + [[0.1, 0.1]]
  (axes,) = figures.of_run(records_of([0.5]), "accuracy", TASKS["modular"].goals).axes
  assert [0.95, 0.95] in [list(drawn.get_ydata()) for drawn in axes.lines]
  assert all(drawn.get_marker() == "." for drawn in axes.lines[:2])  # else one point is not seen


def test_a_figure_is_one_function(tmp_path, monkeypatch):
  """It is drawn from the runs, and stands on the page with its title and caption."""
  monkeypatch.setitem(figures.FIGURES, "ends.png", None)  # so that it goes after the test
  seen = []

  @figures.figure("ends.png", "How they ended", "The <last> steps, 2*3*4.")
  def ends(runs):
    seen.extend(run.last for run in runs)
    drawn = Figure()
    drawn.add_subplot().hist([run.last for run in runs])
    return drawn

  write_run(tmp_path, 0, [0.1, 0.2])
  write_run(tmp_path, 1, [0.1] * 3, 20)
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  assert seen == [20, 30]
  assert (tmp_path / "ends.png").read_bytes().startswith(b"\x89PNG")
  page = Page((tmp_path / "report.html").read_text())
  assert "How they ended" in page.texts["h2"]
  assert "The <last> steps, 2*3*4." in page.texts["p"]
  assert page.pictures[-1] == data_uri(tmp_path / "ends.png")


def test_a_figure_may_have_nothing_to_show(tmp_path, monkeypatch):
  nothing = figures.Entry("Nothing", "Of nothing.", lambda runs: None)
  monkeypatch.setitem(figures.FIGURES, "nothing.png", nothing)
  write_run(tmp_path, 0, [0.1, 0.2])
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  assert not (tmp_path / "nothing.png").exists()
  assert "Nothing" not in (tmp_path / "report.md").read_text()
