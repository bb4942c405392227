"""First crossing, sustained goal and endings, against their definitions by brute force."""

from hypothesis import given
from hypothesis import strategies as st

from experiments.runs import outcomes
from experiments.runs.outcomes import RunningMember, StopRules
from experiments.tasks.task import Goal

GOAL = Goal("val_accuracy", 0.95)

ACCURACIES = st.lists(st.sampled_from([None, 0.1, 0.949999, 0.95, 1.0]), min_size=1, max_size=120)


def records_of(accuracies):
  return [
    {"step": 10 * (i + 1), "train_accuracy": a, "val_accuracy": a} for i, a in enumerate(accuracies)
  ]


@given(ACCURACIES, st.booleans())
def test_against_brute_force(accuracies, full_budget):
  records = records_of(accuracies)
  result = outcomes.summarise(records, full_budget=full_budget, goals=[GOAL])
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
  assert outcomes.summarise(late, full_budget=True, goals=[GOAL])["val_95_sustained_step"] is None
  enough = records_of([0.1] * 10 + [1.0] * 51)
  assert outcomes.summarise(enough, full_budget=True, goals=[GOAL])["val_95_sustained_step"] == 110


def test_a_run_ended_early_has_no_sustained_step():
  records = records_of([1.0] * 100)
  result = outcomes.summarise(records, full_budget=False, goals=[GOAL])
  assert result["val_95_sustained_step"] is None
  assert result["held_steps"] == 990


def test_memorised():
  records = records_of([0.5, 0.98, 0.99, 0.2])
  assert outcomes.summarise(records, full_budget=True, goals=[GOAL])["train_99_step"] == 30


def test_dips():
  records = records_of([0.1, 0.96, 0.2, 0.96, None])
  assert outcomes.summarise(records, full_budget=True, goals=[GOAL])["val_95_dips"] == 2
  assert outcomes.dips(records_of([0.1]), GOAL) is None


def test_the_first_goal_is_the_one_that_is_held():
  records = records_of([0.1, 0.86, 0.5, *[0.9] * 60])
  result = outcomes.summarise(records, full_budget=True, goals=[Goal("val_accuracy", 0.85), GOAL])
  assert result["val_85_step"] == 20
  assert result["val_85_sustained_step"] == 40
  assert result["val_85_dips"] == 1
  assert result["held_steps"] == 590
  assert result["val_95_step"] is result["val_95_dips"] is None


def test_best_and_last_of_losses_alone():
  losses = [3.0, None, 1.0, *[2.0] * 16, 7.0, 9.0]
  records = [{"step": i, "train_loss": 1.0, "val_loss": v} for i, v in enumerate(losses)]
  result = outcomes.summarise(records, full_budget=True, goals=())
  assert result == {"last_train_loss": 1.0, "best_val_loss": 1.0, "last_val_loss": 8.0}


def test_what_was_not_finite_is_the_worst():
  records = [
    {"step": i, "val_loss": None if i % 2 else 1.0, "val_accuracy": 0.5} for i in range(40)
  ]
  result = outcomes.summarise(records, full_budget=True, goals=())
  assert result["best_val_loss"] == 1.0
  assert result["last_val_loss"] is None
  assert result["last_val_accuracy"] == 0.5


def test_nothing_logged():
  assert set(outcomes.summarise([], full_budget=False, goals=[GOAL]).values()) == {None}


def test_a_goal_of_a_loss():
  records = [
    {"step": i, "train_loss": 1.0, "val_loss": v} for i, v in enumerate([3.0, 0.5, 2.0, 0.4])
  ]
  result = outcomes.summarise(
    records, full_budget=True, goals=[Goal("val_loss", 0.5, direction="at_most")]
  )
  assert result["val_loss_0.5_step"] == 1
  assert result["val_loss_0.5_dips"] == 1
  assert result["held_steps"] == 0
  assert "train_99_step" not in result, "there is no accuracy to be memorised"


def ending_by_definition(records, budget, rules):
  """Looks at the whole log anew after each record, as one would by hand."""
  for i, record in enumerate(records):
    seen = records[: i + 1]
    if record["train_accuracy"] is None:
      return i, "diverged"
    if record["step"] >= budget:
      return i, "budget"
    held = outcomes.held_steps(seen, GOAL)
    if rules.stop_when_held is not None and GOAL.reached(record) and held >= rules.stop_when_held:
      return i, "held"
  return len(records) - 1, None


@given(ACCURACIES, st.sampled_from([None, 0, 10, 40]), st.sampled_from([100, 500, 10_000]))
def test_a_member_stops_as_its_whole_log_says(accuracies, stop_when_held, budget):
  """What is found record by record is what a look at the whole log finds."""
  rules = StopRules(GOAL, stop_when_held)
  records = [{**r, "train_loss": r["train_accuracy"]} for r in records_of(accuracies)]
  last, why = ending_by_definition(records, budget, rules)
  member = RunningMember({}, budget, rules)
  taken = 0
  while taken < len(records) and not member.ended:
    member.update(records[taken])
    taken += 1
  assert (taken - 1, member.ended) == (last, why)
  assert outcomes.ending(records[: last + 1], budget, rules) == why
