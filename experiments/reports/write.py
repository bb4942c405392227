"""A report: tables, figures and a page of many runs, always from their logs.

In the folder of the runs it writes

* `table.md`: for each setting how many seeds, and the median and range of what the task looks at,
  as the step at which validation accuracy first reached 95 %, whether that was sustained, and how
  often it fell under 95 % again. A run that did not get there is counted, and stands behind all
  others in the median;
* `survival.md` and `survival.csv`: how many diverged or did not finish, the crossings' quartiles
  by Kaplan and Meier, the medians' intervals, and costs;
* `runs.csv`: a row for each run;
* the figures that `figures.FIGURES` has;
* `report.md`: all of it on one page, and `report.html`, the same for a browser.
"""

import base64
import html
import io
import re
import string
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import markdown
from matplotlib.figure import Figure

from experiments.files import RESULTS, new_file
from experiments.reports import provenance, results, statistics, tables
from experiments.reports.figures import FIGURES
from experiments.reports.read import OURS, Run, read_reference, read_runs, up_to

REFERENCE = RESULTS / "reference_curves.json"
TEMPLATE = Path(__file__).with_name("report.html")
_RESULTS = (
  "Median and range over the seeds; a run that did not get there is counted and stands behind all "
  'others. "-" is not reached, "published" the source\'s own figure.'
)
_SCROLLED = re.compile(r"<table>.*?</table>|<pre>.*?</pre>|<p><img [^>]*></p>", re.DOTALL)


def write(folder: Path, command: str, reference: Path | None, budget: int | None) -> str:
  """Writes the files; returns the table.

  Args:
    folder: of a sweep, or of the folders of runs.
    command: that asked for it, for the page.
    reference: recorded curves of the official code, beside ours where the settings are the same.
    budget: leave out what comes after this step.

  Raises:
    UsageError: if the folder has no runs that can be told together, or damaged files.
    OSError: naming the file that could not be written.
  """
  runs = with_reference(read_runs(folder), reference)
  runs = [up_to(run, budget) for run in runs]
  ours = [run for run in runs if run.source == OURS]
  table = results.table(runs)
  records = statistics.statistics_of(runs)
  survival = tables.markdown(statistics.rows(records)) + tables.definitions(statistics.legend(runs))
  figures = {name: entry.draw(runs) for name, entry in FIGURES.items()}
  pictures = {name: _png(figure) for name, figure in figures.items() if figure}
  page = _page(ours, table, survival, list(pictures), command)
  texts = {
    "table.md": table,
    "survival.md": survival,
    "survival.csv": tables.as_csv(records),
    "runs.csv": tables.as_csv(statistics.runs_table(ours)),
    "report.md": page,
    "report.html": _html(page, pictures),
  }
  for name, content in (pictures | {n: t.encode() for n, t in texts.items()}).items():
    with new_file(folder / name) as part:
      part.write_bytes(content)
  return table


def with_reference(ours: Sequence[Run], reference: Path | None = REFERENCE) -> list[Run]:
  """Our runs, and those of the official code that have the same settings."""
  known = {run.setting for run in ours}
  theirs = read_reference(reference) if reference else []
  return [*ours, *(run for run in theirs if run.setting in known)]


def _png(figure: Figure) -> bytes:
  content = io.BytesIO()
  figure.savefig(content, format="png", dpi=100)
  return content.getvalue()


def _title(ours: Sequence[Run]) -> str:
  """What the page is of, as "modular, 25 runs of 3 settings"."""
  counts = {"run": len(ours), "setting": len({run.setting for run in ours})}
  runs, settings = (f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())
  return f"{ours[0].task.name}, {runs} of {settings}"


def _page(
  ours: Sequence[Run], table: str, survival: str, pictures: Sequence[str], command: str
) -> str:
  """The report in Markdown."""
  recorded = provenance.recorded(ours)
  parts = [f"# {_title(ours)}", "## Results", table, _RESULTS, "## Survival", survival]
  for name in pictures:
    title, caption = (tables.escaped(text) for text in FIGURES[name][:2])
    parts += [f"## {title}", f"![{title}]({name})", caption]
  parts += ["## How it was made", "The runs:", _listing(provenance.commands(recorded))]
  parts.append(tables.markdown([("ran on", ""), *provenance.environments(recorded)]))
  parts += ["This page, from their logs:", _listing([command])]
  return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _listing(lines: Sequence[str]) -> str:
  return textwrap.indent("\n".join(lines), "    ")


def _html(page: str, pictures: Mapping[str, bytes]) -> str:
  """The page for a browser: it opens from the disk, with no script and nothing outside of it."""
  body = markdown.markdown(page, extensions=["tables"], output_format="html")
  body = _SCROLLED.sub(r'<div class="wide" tabindex="0">\g<0></div>', body)
  for name, png in pictures.items():
    data = base64.b64encode(png).decode()
    body = body.replace(f'src="{name}"', f'src="data:image/png;base64,{data}"')
  template = string.Template(TEMPLATE.read_text(encoding="utf-8"))
  title = page.partition("\n")[0].removeprefix("# ")
  return template.substitute(title=html.escape(title), body=body)
