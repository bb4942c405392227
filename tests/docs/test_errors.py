"""Each message on the page of errors is what its code, or its command, says."""

import itertools
import json
import re
import shlex
import traceback

import pytest

from experiments import commands, report
from tests.docs.pages import blocks

BLOCKS = blocks("errors.md")
DOORS = {
  "modular": lambda words: commands.run_main("modular", words),
  "mnist": lambda words: commands.run_main("mnist", words),
  "report": report.main,
}


def one_line(text: str) -> str:
  return " ".join(text.split())


def matches(shown: str, message: str) -> bool:
  """Whether a message is what is shown, where `, ...` may stand for more of a list."""
  pattern = re.escape(one_line(shown)).replace(re.escape(", ..."), ", .*")
  return re.fullmatch(pattern, one_line(message)) is not None


def said(code: str, names: dict, caplog: pytest.LogCaptureFixture) -> str:
  """What code raises, as Python ends a traceback, or logs; nothing where it runs."""
  caplog.clear()
  try:
    exec(compile(code, "errors.md", "exec"), names)
  except ValueError as error:
    return one_line("".join(traceback.format_exception_only(error)))
  return one_line(" ".join(caplog.messages))


def test_code_raises_the_message_below_it_and_what_mends_it_runs(caplog):
  names, provoked = {"__name__": "errors"}, 0
  found = [block for block in BLOCKS if block[0] in ("python", "text")]
  for (language, code), (following, message) in itertools.pairwise([*found, ("", "")]):
    if language == "python":
      expected = message if following == "text" else ""
      assert matches(expected, said(code, names, caplog)), code
      provoked += bool(expected)
  assert provoked == sum(language == "text" for language, _ in BLOCKS) >= 17


@pytest.mark.parametrize("shown", [text for language, text in BLOCKS if language == "console"])
def test_a_command_says_the_message_below_it(shown, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "taken").mkdir()
  (tmp_path / "taken" / "settings.json").write_text(json.dumps({"task": "modular"}))
  command, message = shown.removeprefix("$ ").split("\n", 1)
  _, _, module, *words = shlex.split(command)
  assert DOORS[module.removeprefix("experiments.")](words) == 2
  assert matches(message, capsys.readouterr().err)
