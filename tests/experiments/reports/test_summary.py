"""The small table at a run's end, beside the published figures."""

from experiments.reports import summary
from experiments.runs import settings

RESULT = {
  "train_99_step": 800,
  "val_95_step": 1000,
  "val_95_sustained_step": None,
  "held_steps": 0,
  "steps": 2500,
  "steps_per_second": 61.5,
  "interrupted": False,
}


def lines_of(folder, *, result=RESULT, **given):
  return summary.text(settings.make("modular", **given), result, folder).splitlines()


def rows(folder, **given):
  return {line[:40].strip(): line[40:].split() for line in lines_of(folder, **given)[1:-1]}


def test_the_published_figure_and_what_was_not_reached(tmp_path):
  table = rows(tmp_path, method="grokfast_ema")
  assert table[""] == ["here", "published"]
  assert table["validation accuracy 95 % at step"] == ["1,000", "910"]
  assert table["sooner than the published 39,890"] == ["x", "39.9", "x", "43.8"]
  assert table["95 % sustained to the end from step"] == ["-"]


def test_other_settings_have_no_published_figure(tmp_path):
  """But the baseline's, which is of the same problem; of another problem not even that."""
  others = rows(tmp_path, alpha=0.9)
  assert others[""] == ["here"]
  assert others["validation accuracy 95 % at step"] == ["1,000"]
  assert others["sooner than the published 39,890"] == ["x", "39.9"]
  assert "sooner than the published 39,890" not in rows(tmp_path, p=89)


def test_a_run_that_was_stopped_or_diverged_says_so(tmp_path):
  stopped = lines_of(tmp_path, result={**RESULT, "interrupted": True, "steps": 1_203})
  (at,) = [i for i, line in enumerate(stopped) if line.startswith("stopped at step 1,203;")]
  assert stopped[at + 1].endswith(f"--resume --out {tmp_path}"), "the whole command, to copy"
  diverged = lines_of(tmp_path, result={**RESULT, "diverged_step": 1_999})
  assert any("1,999" in line for line in diverged)
  whole = lines_of(tmp_path)
  assert not any("--resume" in line or "diverged" in line for line in whole)


def test_where_the_results_are(tmp_path):
  """And the first picture, where there is one."""
  assert lines_of(tmp_path)[-1].split()[1:] == [str(tmp_path)]
  (tmp_path / "loss.png").touch()
  assert str(tmp_path / "loss.png") in lines_of(tmp_path)[-1]
