"""Settings of a run: made, read from old files, compared, multiplied."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.fields import UsageError, fields_of
from experiments.methods import METHODS, OPTIMIZERS, named
from experiments.runs import folder, identity, plan, settings, sweep
from experiments.tasks import TASKS


def test_what_is_left_out_is_the_source_s():
  made = settings.make("modular", method="grokfast_ma", lamb=2)
  assert (made["lamb"], made["window_size"], made["weight_decay"]) == (2.0, 100, 0.01)
  assert made["optimizer"] == "adam"
  assert made.of_task == TASKS["modular"].settings()
  assert settings.make("mnist")["optimizer"] == "adamw"
  composed = settings.make("modular", method="grokfast_ema+delayed_compression")
  assert (composed["weight_decay"], composed["alpha"]) == (0.005, 0.98)


@pytest.mark.parametrize(
  ("task", "given_", "told"),
  [
    ("modular", {"colour": 3}, "--colour"),
    ("modular", {"method": "baseline", "lamb": 2.0}, "--lamb"),
    ("modular", {"momentum": 0.9}, "--momentum"),
    ("modular", {"seed": -1}, "--seed"),
    ("modular", {"seed": 1.5}, "--seed"),
    ("modular", {"steps": 0}, "--steps"),
    ("modular", {"eval_every": 0}, "--eval-every"),
    ("modular", {"stop_when_held": -1}, "--stop-when-held"),
    ("modular", {"resume": True}, "--resume"),
    ("qm9", {"stop_when_held": 5}, "--stop-when-held"),
    ("qm9", {"method": "delayed_compression"}, "--method"),
    ("riddle", {}, "modular, mnist"),
    ("modular", {"model": "quadratic", "heads": 8}, "--heads .* --model transformer; .* quadratic"),
    ("s5", {"model": "quadratic", "layers": 2}, "--layers .* --model transformer; .* quadratic"),
    ("modular", {"lr_end": 0.5}, "--lr-end .* --schedule linear, --schedule cosine; .* constant"),
    ("modular", {"method": "egalitarian_gradient", "equal_ns_steps": 9}, "--equal-by newton"),
  ],
)
def test_refused(task, given_, told):
  with pytest.raises(UsageError, match=told):
    settings.make(task, **given_)


def test_evaluations_too_far_apart():
  with pytest.raises(UsageError, match="--eval-every"):
    plan.plan_of([settings.make("modular", p=7, batch_size=8, eval_every=400)], plan.Place())


# Another value of each setting, for the property that follows.
OTHER = {int: lambda v: v + 1, float: lambda v: v / 2 + 0.2, bool: lambda v: not v}
CHOICES = {
  "optimizer": "nadam", "schedule": "linear", "operands": "bfloat16",
  "width": 256, "heads": 1, "p": 113, "samples": 2_000,
  "blocks": 10, "equal_by": "columns", "norm_scope": "global",
  "embedding_by": "muon", "head_by": "muon", "model": "quadratic",
  "gate": "closes",
}  # fmt: skip
OPERATION = {"modular": "add", "s5": "xyx"}
COMPOSED = (
  "baseline", "grokfast_ma_two_stage", "grokfast_ema_delayed_compression",
  "egalitarian_gradient+clip_by_mean_norm+project_params_norm+cap_params_norm",
  "grokfast_ema_reset",
  "grokfast_ma_gated", "grokfast_butterworth", "grokfast_delay", "recipe",
)  # fmt: skip
COUNTED = ("data", "model", "number", "shape")


def trained_with(task):
  """The methods that the task can be trained with."""
  return [name for name in COMPOSED if settings.misfit(task, name) is None]


def changes():
  """A task, a method, an optimizer, and one of their settings that is part of the identity."""
  for task in TASKS:
    for method in trained_with(task):
      replaced = any(each.replaces_optimizer for each in named(method))
      for optimizer in [None] if replaced else OPTIMIZERS:
        fields = settings.schema(task, method, optimizer)
        for name, field in fields.items():
          if field.kind in COUNTED and name not in ("method", "optimizer"):
            yield task, method, optimizer, name


def changed(made, name):
  """The same settings but for another value of one of them."""
  field = settings.schema(made.task, made["method"], made.values.get("optimizer"))[name]
  value = made[name]
  choices = {**CHOICES, "operation": OPERATION.get(made.task)}
  other = choices.get(name) or (0.5 if value is None else OTHER[field.type](value))
  own = {n: v for n, v in made.values.items() if v is not None}
  return settings.make(made.task, **settings.resumed(made.task, own, {name: other}))


@pytest.mark.parametrize(("task", "method"), [(t, m) for t in TASKS for m in trained_with(t)])
def test_every_run_can_be_named(task, method):
  """Also where the method has none of what the task always shows."""
  made = settings.make(task, method=method)
  told = identity.sentence(task, identity.identity(made))
  assert told.split(",")[0].split()[0] == method
  for name in TASKS[task].always_shown:
    assert (f"{name} " in told) == (name in made.values)
  assert isinstance(identity.published(made), dict)


@given(st.sampled_from(sorted(changes(), key=str)), st.integers(0, 9))
def test_no_two_settings_are_pooled_that_differ_in_a_field(change, seed):
  """Nor are two told alike, whatever differs; seeds of one setting are."""
  task, method, optimizer, name = change
  chosen = {"method": method, "optimizer": optimizer}
  if only := settings.schema(task, method, optimizer)[name].only:
    chosen[only[0]] = only[1]
  one = settings.make(task, **chosen)
  # Else the rate would be another.
  shorter = {"steps": 7} if one.values.get("schedule") == "constant" else {}
  again = settings.make(task, **chosen, seed=seed, **shorter)
  other = changed(one, name)
  keys = [identity.identity(each) for each in (one, other, again)]
  assert keys[0] == keys[2] != keys[1]
  told = [identity.sentence(task, key) for key in keys]
  assert told[0] == told[2] != told[1]
  if name not in TASKS[task].variants:  # with which the source's own settings are others
    assert not identity.is_sources(other)
    assert identity.published(other) == {}


def test_every_field_is_in_that_property():
  """So that none can be forgotten: all kinds of all tasks, methods and optimizers."""
  tried = {name for *_, name in changes()}
  everywhere = {
    name
    for task in TASKS
    for name, owners in settings.every_field(task).items()
    if any(field.kind in COUNTED for field in owners.values())
  }
  assert tried | {"method", "optimizer"} == everywhere | {"window_size"}


def test_seed_length_and_place_do_not_count():
  one = settings.make("modular")
  for name, value in {"seed": 3, "steps": 7, "stop_when_held": 5, "checkpoint_every": 0.0}.items():
    assert identity.identity(settings.make("modular", **{name: value})) == identity.identity(one)


def test_an_unknown_setting_of_a_file_is_kept_and_told():
  """Of an older or a newer version: such a run is never pooled with one that has it not."""
  plain = settings.make("modular").kept()
  read = settings.from_file("modular", {**plain, "colour": "blue"})
  assert read.kept() == {**plain, "colour": "blue"}
  assert identity.identity(read) != identity.identity(settings.make("modular"))
  assert "colour blue" in identity.sentence("modular", identity.identity(read))
  assert identity.published(read) == {}


def test_a_missing_setting_of_a_file_is_the_source_s():
  plain = settings.make("modular", lamb=1.0).kept()
  del plain["eval_every"], plain["width"]
  assert settings.from_file("modular", plain) == settings.make("modular", lamb=1.0)
  assert settings.from_file("modular", {**plain, "window_size": None}) == settings.make(
    "modular", lamb=1.0
  )


def test_a_folder_s_settings_come_back(tmp_path):
  made = settings.make("mnist", method="grokfast_ema", init_scale=2.0, data=tmp_path)
  (tmp_path / "settings.json").write_text(json.dumps({"experiment": "mnist", **made.kept()}))
  saved = folder.saved(tmp_path)
  again = settings.from_file(saved["task"], saved["common"])
  assert "data" not in saved["common"], "where it lies makes no other run"
  assert again.kept() == made.kept()


def test_the_product_of_what_is_given_more_than_once():
  members = sweep.expand("modular", {"lamb": [1.0, 2.0], "operation": ["add"], "steps": 9}, 2)
  told = [(m["seed"], m["lamb"], m["operation"], m["steps"]) for m in members]
  assert told == [(0, 1.0, "add", 9), (0, 2.0, "add", 9), (1, 1.0, "add", 9), (1, 2.0, "add", 9)]
  common, own = sweep.common_and_own(members)
  assert own == [{"lamb": m["lamb"], "seed": m["seed"]} for m in members]
  assert all({**common, **o} == m.kept() for o, m in zip(own, members, strict=True))


def test_members_of_one_program_differ_in_numbers_data_and_seed():
  """All else makes another program; a number that is given or not does, too."""
  given_ = {"lamb": [1.0, 2.0], "operation": ["add", "mul"]}
  groups = sweep.grouped(sweep.expand("modular", given_, 2), sweep.program_of)
  assert len(groups) == 1
  shapes = {"batch_size": [512, 64], "method": ["baseline", "grokfast_ema"]}
  assert len(sweep.grouped(sweep.expand("modular", shapes, 1), sweep.program_of)) == 4
  one = settings.make("modular")
  other = settings.make("modular", lr_head=0.5)
  assert sweep.program_of(one) != sweep.program_of(other)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_a_task_has_no_numbers_and_a_batch_size(task):
  """Numbers are traced, and a task's settings are not."""
  fields = fields_of(task.settings)
  assert {field.kind for field in fields.values()} <= {"data", "model", "shape", "place"}
  assert fields["batch_size"].kind == "shape"


@pytest.mark.parametrize(
  "part",
  [
    settings.Choice, settings.Length, settings.Place,
    *(o.hyperparameters for o in OPTIMIZERS.values()),
    *(m.hyperparameters for m in METHODS.values()),
  ],
)  # fmt: skip
def test_a_default_is_in_its_range(part):
  for name, field in fields_of(part).items():
    assert field.checked(field.default) == field.default, name
  assert dataclasses.is_dataclass(part)
