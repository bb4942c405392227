"""First crossing and sustained accuracy, against their definitions by brute force."""

from hypothesis import given
from hypothesis import strategies as st

from experiments import summary

ACCURACIES = st.lists(st.sampled_from([None, 0.1, 0.949999, 0.95, 1.0]), min_size=1, max_size=120)


def records_of(accuracies):
  return [
    {"step": 10 * (i + 1), "train_accuracy": a, "val_accuracy": a} for i, a in enumerate(accuracies)
  ]


@given(ACCURACIES, st.booleans())
def test_against_brute_force(accuracies, full_budget):
  records = records_of(accuracies)
  result = summary.summarise(records, full_budget=full_budget)
  steps = [r["step"] for r in records]
  good = [a is not None and a >= 0.95 for a in accuracies]
  crossings = [s for s, g in zip(steps, good, strict=True) if g]
  assert result["val_95_step"] == (crossings[0] if crossings else None)
  kept = [s for i, s in enumerate(steps) if all(good[i:])]
  sustained = [s for s in kept if steps[-1] - s >= 500]
  assert result["val_95_sustained_step"] == (kept[0] if full_budget and sustained else None)
  held = (steps[-1] - kept[0] if kept else 0) if crossings else None
  assert result["held_steps"] == held


def test_500_steps_must_follow():
  late = records_of([0.1] * 10 + [1.0] * 50)
  assert summary.summarise(late, full_budget=True)["val_95_sustained_step"] is None
  enough = records_of([0.1] * 10 + [1.0] * 51)
  assert summary.summarise(enough, full_budget=True)["val_95_sustained_step"] == 110


def test_a_run_ended_early_has_no_sustained_step():
  records = records_of([1.0] * 100)
  result = summary.summarise(records, full_budget=False)
  assert result["val_95_sustained_step"] is None
  assert result["held_steps"] == 990


def test_memorised():
  records = records_of([0.5, 0.98, 0.99, 0.2])
  assert summary.summarise(records, full_budget=True)["train_99_step"] == 30


def test_dips():
  records = records_of([0.1, 0.96, 0.2, 0.96, None])
  assert summary.summarise(records, full_budget=True)["val_95_dips"] == 2
  assert summary.dips(records_of([0.1]), 0.95) is None


def test_the_first_threshold_is_the_goal():
  records = records_of([0.1, 0.86, 0.5, *[0.9] * 60])
  result = summary.summarise(records, full_budget=True, thresholds=(0.85, 0.95))
  assert result["val_85_step"] == 20
  assert result["val_85_sustained_step"] == 40
  assert result["val_85_dips"] == 1
  assert result["held_steps"] == 590
  assert result["val_95_step"] is result["val_95_dips"] is None


def test_best_and_last_of_losses_alone():
  losses = [3.0, None, 1.0, *[2.0] * 16, 7.0, 9.0]
  records = [{"step": i, "train_loss": 1.0, "val_loss": v} for i, v in enumerate(losses)]
  result = summary.summarise(records, full_budget=True, thresholds=())
  assert result == {"last_train_loss": 1.0, "best_val_loss": 1.0, "last_val_loss": 8.0}


def test_what_was_not_finite_is_the_worst():
  records = [
    {"step": i, "val_loss": None if i % 2 else 1.0, "val_accuracy": 0.5} for i in range(40)
  ]
  result = summary.summarise(records, full_budget=True, thresholds=())
  assert result["best_val_loss"] == 1.0
  assert result["last_val_loss"] is None
  assert result["last_val_accuracy"] == 0.5


def test_nothing_logged():
  assert set(summary.summarise([], full_budget=False).values()) == {None}
