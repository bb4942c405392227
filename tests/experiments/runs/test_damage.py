"""Files of a run that were edited, torn or replaced: `--resume` is exact or refuses.

Never a traceback, never a shorter log; what is refused stays as it is, to the byte.
"""

import contextlib
import io
import itertools
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import commands
from experiments.runs import checkpoints, loop
from tests.experiments.runs.resume_helpers import RUN, assert_same_run, content, main
from tests.experiments.tools import killed_after

pytestmark = pytest.mark.usefixtures("compiled_once")


def lines(change):
  return lambda data, at: b"".join(change(data.splitlines(keepends=True), at))


def swapped(parts, at):
  i = int(at * max(len(parts) - 1, 0))
  return [*parts[:i], *parts[i : i + 2][::-1], *parts[i + 2 :]]


def place(data, at):
  return int(at * max(len(data) - 1, 0))


def flipped(data, at):
  i = place(data, at)
  return data[:i] + bytes(b ^ 1 for b in data[i : i + 1]) + data[i + 1 :]


# What may become of a file's bytes, `at` some share of it.
EDITS = {
  "a bit flipped": flipped,
  "a digit changed": lambda d, at: d[: place(d, at)] + d[place(d, at) :].replace(b"3", b"8", 1),
  "cut": lambda d, at: d[: place(d, at)],
  "cut at the start": lambda d, at: d[place(d, at) :],
  "a part gone": lambda d, at: d[: place(d, at)] + d[place(d, at) + 40 :],
  "a part twice": lambda d, at: d[: place(d, at)] + d[max(0, place(d, at) - 60) :],
  "CRLF": lambda d, at: d.replace(b"\n", b"\r\n"),
  "two lines swapped": lines(swapped),
  "a line gone": lines(lambda ls, at: ls[: place(ls, at)] + ls[place(ls, at) + 1 :]),
  "a blank line": lines(lambda ls, at: [*ls[: place(ls, at)], b"\n", *ls[place(ls, at) :]]),
  "NaN": lambda d, at: d[: place(d, at)] + d[place(d, at) :].replace(b": 0", b": NaN, \"x\": 0", 1),
  "text": lambda d, at: d[: place(d, at)] + b"hello\n" + d[place(d, at) :],
  "no UTF-8": lambda d, at: d[: place(d, at)] + b"\xff\xfe" + d[place(d, at) :],
  "nested too deep": lambda d, at: b"[" * 100_000,
  "empty": lambda d, at: b"",
  "null": lambda d, at: b"null\n",
}  # fmt: skip
OTHERS = ("gone", "a folder")


@pytest.fixture(scope="module")
def stages(compiled_once, tmp_path_factory):
  """A finished run, and one that was killed in the middle."""
  folder = tmp_path_factory.mktemp("stages")
  assert main("--out", folder / "finished") == 0
  with pytest.MonkeyPatch.context() as patch, killed_after(40, patch):
    patch.setattr(loop, "CHUNK_SECONDS", 0.0)
    main("--out", folder / "killed", "--checkpoint-every", "0")
  assert len(list((folder / "killed" / checkpoints.FOLDER).iterdir())) == 2
  return folder


def resume(out, flags):
  """Exit code, and what is said on stderr."""
  errors = io.StringIO()
  with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
    code = commands.run_main("modular", [*flags, "--out", str(out), "--resume"])
  return code, errors.getvalue()


def damaged(stages, work, stage, number, edit, at):
  out = work / "run"
  shutil.rmtree(out, ignore_errors=True)
  shutil.copytree(stages / stage, out)
  files = sorted(
    f for f in out.rglob("*") if f.is_file() and f.suffix in (".json", ".jsonl", ".npz")
  )
  file = files[number % len(files)]
  if edit in EDITS:
    file.write_bytes(EDITS[edit](file.read_bytes(), at))
  else:
    file.unlink()
    if edit == "a folder":
      file.mkdir()
  return out


def check(stages, work, stage, number, edit, at, flags):
  out = damaged(stages, work, stage, number, edit, at)
  before = content(out)
  code, errors = resume(out, flags)
  if code == 0:
    assert_same_run(out, stages / "finished")
  else:
    assert code == 2, errors
    assert errors.startswith("error: "), errors
    assert errors.count("\n") == 1, errors
    assert content(out) == before


where = {
  "number": st.integers(0, 5),
  "edit": st.sampled_from([*EDITS, *OTHERS]),
  "at": st.floats(0, 1),
  "flags": st.sampled_from([(), tuple(RUN)]),
}
bare = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(bare, max_examples=30)
@given(**where)
def test_a_finished_run(stages, tmp_path, number, edit, at, flags):
  check(stages, tmp_path, "finished", number, edit, at, flags)


@settings(bare, max_examples=12)
@given(**where)
def test_a_killed_run(stages, tmp_path, number, edit, at, flags):
  check(stages, tmp_path, "killed", number, edit, at, flags)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["finished", "killed"])
def test_every_file_and_every_edit(stages, tmp_path, stage):
  for number, edit, at in itertools.product(range(6), [*EDITS, *OTHERS], (0.0, 0.4, 0.99)):
    check(stages, tmp_path, stage, number, edit, at, ())


@pytest.mark.parametrize(
  ("name", "edit", "says"),
  [
    ("metrics.jsonl", "two lines swapped", "its metrics.jsonl was changed since it was written"),
    ("metrics.jsonl", "CRLF", "its metrics.jsonl was changed since it was written"),
    ("settings.json", "a digit changed", "its settings.json was changed since it was written"),
  ],
)
def test_it_says_which_file(stages, tmp_path, name, edit, says):
  out = tmp_path / "run"
  shutil.copytree(stages / "killed", out)
  (out / name).write_bytes(EDITS[edit]((out / name).read_bytes(), 0.0))
  code, errors = resume(out, ())
  assert (code, errors.count("\n")) == (2, 1)
  assert says in errors


def test_a_finished_run_says_which_file(stages, tmp_path):
  """A summary that is JSON still, with another figure: it is not shown."""
  for name in ("summary.json", "metrics.jsonl", "parameters.npz", "settings.json", "sha256.json"):
    out = tmp_path / name
    shutil.copytree(stages / "finished", out)
    content_ = (out / name).read_bytes()
    (out / name).write_bytes(content_.replace(b"1", b"2") if name != "sha256.json" else b"[]")
    code, errors = resume(out, RUN)
    assert code == 2
    assert name in errors


def test_a_checkpoint_that_is_skipped_is_one_line(stages, tmp_path):
  out = tmp_path / "run"
  shutil.copytree(stages / "killed", out)
  newest = max((out / checkpoints.FOLDER).iterdir(), key=lambda file: int(file.stem))
  newest.write_bytes(newest.read_bytes()[:-100])
  code, errors = resume(out, ())
  assert code == 0
  assert f"skipping {newest}: it cannot be read\n" in errors
  assert_same_run(out, stages / "finished")


def test_what_is_after_the_checkpoint_may_be_anything(stages, tmp_path):
  """It is trained again."""
  for edit in ("no UTF-8", "nested too deep", "text"):
    out = tmp_path / edit
    shutil.copytree(stages / "killed", out)
    with (out / "metrics.jsonl").open("ab") as log:
      log.write(EDITS[edit](b"", 0.0))
    assert resume(out, ())[0] == 0
    assert_same_run(out, stages / "finished")
