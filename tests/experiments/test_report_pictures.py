"""The report's curves and heat maps."""

import pytest

from experiments import curves, heatmap, logs
from tests.experiments.logged import GRID, append, curve, diverged_at, write_run, write_sweep


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
  figure = curves.draw(logs.read_runs(tmp_path))
  assert sum(axes.get_visible() for axes in figure.axes) == 16
  assert figure.get_suptitle() == "the first 16 of 18 settings"
  assert len({round(axes.get_position().x0, 2) for axes in figure.axes}) == 4


def test_a_curve_goes_on_where_others_ended(tmp_path):
  """One that diverged or held keeps its last value; one that is unfinished says no more."""
  append(write_run(tmp_path, 0, [0.2] * 2, 60), diverged_at(30))
  write_run(tmp_path, 1, [0.4] * 6)
  write_run(tmp_path, 2, [0.9, 0.9], 60)
  write_run(tmp_path, 3, [0.96] * 2, 60, stop_when_held=10)
  (axes,) = curves.draw(logs.read_runs(tmp_path)).axes
  line = next(line for line in axes.lines if line.get_label() == "validation")
  assert list(line.get_xdata()) == [10, 20, 30, 40, 50, 60]
  assert list(line.get_ydata()) == pytest.approx([0.65, 0.65, *[0.4] * 4])


def test_settings_together(tmp_path):
  """Each is a line with its band; no more than six."""
  write_run(tmp_path, 0, [0.2, 0.4])
  write_run(tmp_path, 1, [0.4, 0.8])
  write_run(tmp_path, 0, [0.1, 0.2], weight_decay=0.5)
  runs = logs.read_runs(tmp_path)
  (axes,) = curves.together(runs).axes
  lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
  assert [label.partition(", n")[2] for label in lines if "n = " in label] == [" = 2", " = 1"]
  (two,) = (values for label, values in lines.items() if label.endswith("n = 2"))
  assert two == pytest.approx([0.3, 0.6])
  assert len(axes.collections) == 2

  for n in range(1, 7):
    write_run(tmp_path, 0, [0.1, 0.2], weight_decay=0.5 + n)
  figure = curves.together(logs.read_runs(tmp_path))
  assert len(figure.axes[0].collections) == 6
  assert figure.get_suptitle() == "the first 6 of 8 settings"
