"""What a command's help says of its settings, and the commands that it prints."""

import re
import shlex
import signal

import pytest

from experiments import __main__ as any_task
from experiments import commands
from experiments.methods import METHODS, OPTIMIZERS
from experiments.runs import folder, loop, options, settings
from experiments.runs.plan import Place
from experiments.tasks import TASKS
from tests.experiments.runs.resume_helpers import TINY


def helped(command, *words):
  """What `--help` prints, in one line."""
  with pytest.raises(SystemExit):
    command([*words, "--help"])


@pytest.mark.parametrize("task", TASKS)
def test_the_defaults_of_a_help_are_those_of_a_run(task):
  """With the default method, and the optimizer that the task has with it."""
  made = settings.make(task)
  told = {option.field.name: option.about for option in options.options(task)}
  assert set(made.values) <= set(told)
  for name, value in made.values.items():
    if value is None or isinstance(value, bool):
      continue
    (defaults,) = re.findall(r"\(default: (.*)\)$", told[name])
    base, *others = defaults.split("; ")
    own = dict(other.rsplit(" ", 1) for other in others if "accelerator" not in other)
    assert own.get(made["method"], own.get(made["optimizer"], base)) == str(value), name


@pytest.mark.parametrize("task", TASKS)
def test_a_setting_of_words_shows_them_and_each_has_a_group(task):
  groups = {}
  for option in options.options(task):
    assert set(option.field.allowed.choices) <= set(re.split(r"[\s,()]+", option.about))
    groups.setdefault(option.group, []).append(option.field.name)
  assert groups["what is run"] == ["method", "optimizer"]
  assert groups["seed and length"] == ["seed", "steps", "stop_when_held", "eval_every"]
  assert "lamb" in groups["settings of the method"]
  assert {"learning_rate", "momentum"} <= set(groups["settings of the optimizer"])
  assert "batch_size" in groups[f"the task, {task}: its data and its model"]
  assert {"out", "resume"} <= set(groups["where, and how it is kept"])


@pytest.mark.parametrize("several", [False, True])
def test_help_prints_them_under_their_headings(several, capsys):
  command, words = (commands.sweep_main, ["mnist"]) if several else (any_of("mnist"), [])
  helped(command, *words)
  told = " ".join(capsys.readouterr().out.split())
  assert "--optimizer NAME" in told
  assert "(default: adamw)" in told
  assert "* grokfast_ema: --alpha 0.8 --lamb 0.1" in told
  assert ("the sweep: --seeds" in told) == several
  places = [
    told.index(f"{group}: --") for group in dict.fromkeys(o.group for o in options.options("mnist"))
  ]
  assert places == sorted(places)


def any_of(task):
  return lambda words: commands.run_main(task, words)


def every_field():
  for task in TASKS:
    for owners in settings.every_field(task).values():
      for owner, field in owners.items():
        yield task, owner, field


def test_what_a_setting_needs_is_a_setting_of_the_same_run_with_these_choices():
  needy = {(task, owner, field) for task, owner, field in every_field() if field.only}
  assert {field.name for *_, field in needy} == {"heads", "layers", "lr_end", "equal_ns_steps"}
  for task, owner, field in needy:
    method = owner if owner in METHODS else "baseline"
    optimizer = owner if owner in OPTIMIZERS else "adam"
    other, *fit = field.only
    assert set(fit) < set(settings.schema(task, method, optimizer)[other].allowed.choices)


def test_a_run_s_own_place_is_in_the_command_that_resumes_it(tmp_path):
  run = settings.make("mnist", data=tmp_path / "my data", compilation_cache=False)
  words = shlex.split(options.to_resume(run, tmp_path / "a b"))
  assert words[:4] == ["python", "-m", "experiments", "mnist"]
  assert words[4:] == [
    "--data", str(tmp_path / "my data"), "--no-compilation-cache",
    "--resume", "--out", str(tmp_path / "a b"),
  ]  # fmt: skip
  sweep = options.to_resume(settings.make("s5"), tmp_path, Place(at_once=3))
  assert sweep == f"python -m experiments.sweep s5 --at-once 3 --resume --out {tmp_path}"


@pytest.mark.parametrize(("sweep", "signals"), [(False, 1), (False, 2), (True, 1)])
def test_the_command_that_a_stop_prints_resumes(sweep, signals, tmp_path, monkeypatch, capsys):
  """Of a run and of a sweep, after the first Ctrl-C or after the second."""
  out = tmp_path / "run"
  logged = loop.Loop._logged

  def stopped(self, *args):
    seen = logged(self, *args)
    for _ in range(signals - len(self._stops)):
      signal.raise_signal(signal.SIGINT)
    return seen

  monkeypatch.setattr(loop.Loop, "_logged", stopped)
  words = [*TINY, "--steps", "300", "--out", str(out)]
  command, first = (commands.sweep_main, ["modular"]) if sweep else (any_of("modular"), [])
  seeds = ["--seeds", "2"] if sweep else []
  assert command([*first, *words, *seeds]) == 130
  monkeypatch.undo()
  printed = capsys.readouterr()
  lines = [*printed.out.splitlines(), *printed.err.splitlines()]
  (told,) = [line for line in lines if "--resume" in line]
  _, _, door, *rest = shlex.split(told)
  if sweep:
    assert door == "experiments.sweep"
    assert commands.sweep_main(rest) == 0
  else:
    assert door == "experiments"
    monkeypatch.setattr("sys.argv", [door, *rest])
    assert any_task.main() == 0
  assert (out / folder.SEAL).exists()
