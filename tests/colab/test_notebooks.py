"""The notebooks: they run from the first cell to the last, and are what is beside them as text."""

import copy
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from colab import save

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "colab"
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]

# What stands for a notebook's own parameters, and what must hold in its kernel in the end.
SMALL = {
  "quickstart": (
    "STEPS = 15",
    "assert len(read.read_runs(FOLDER)) == len(METHODS) == 2\n"
    "assert {'init', 'evaluate'} <= set(lowering.programs)\n"
    "display(figures.together(recorded))",  # which the picture must not be: it has more
  ),
  "tpu_population": (
    "STEPS, SEEDS, ALPHAS, LAMBDAS, AT_ONCE = 15, 1, (0.9, 0.98), (1.0, 2.0), 2",
    # Members side by side (one alone is in quickstart): the first leaf is a parameter.
    "assert 'init' in lowering.programs\n"
    "assert {shapes[0][0] for shapes in lowering.programs['evaluate']} == {2}",
  ),
  "your_model": (
    "STEPS, BATCH, P = 3, 16, 11",
    "assert {'train_step', 'linen_step'} <= set(lowering.programs)\n"
    "assert len(batch(0)[0].sharding.device_set) == jax.device_count() == 2",
  ),
}


def saved(name: str) -> nbformat.NotebookNode:
  return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
  return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: nbformat.NotebookNode) -> str:
  return "".join(output.get("text", "") for output in cell.outputs)


def test_all_are_tested():
  assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(save.NAMES)
  assert set(save.NAMES) == set(SMALL)


@pytest.mark.parametrize("name", save.NAMES)
def test_it_is_what_stands_beside_it(name):
  cells = ([(c.cell_type, c.source) for c in n.cells] for n in (saved(name), save.read(name)))
  assert next(cells) == next(cells)


@pytest.mark.parametrize("name", save.NAMES)
def test_it_is_saved_as_it_ran(name):
  """Every cell in its turn, without an error, and the first names what it ran on."""
  cells = code_cells(saved(name))
  assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
  assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]
  assert not [o for cell in cells for o in cell.outputs if o.get("name") == "stderr"]
  assert re.search(r"Python 3\.\d+.*, jax .*\n(cpu|gpu|tpu): .* cores of .*", printed(cells[0]))
  assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", save.NAMES)
def test_addresses(name):
  """The badge opens this notebook, and the first cell fetches this repository."""
  cells = saved(name).cells
  title, first = cells[:2]
  badge = ADDRESS.replace("https://github.com", "https://colab.research.google.com/github")
  assert f"({badge}/blob/main/colab/{name}.ipynb)" in title.source
  assert re.findall(r"git clone .* (\S+)", first.source) == [ADDRESS]
  owner = ADDRESS.removeprefix("https://github.com/")
  readme = (ROOT / "README.md").read_text()
  assert f"({badge}/blob/main/colab/{name}.ipynb)" in readme
  for text in (readme, *(cell.source for cell in cells)):
    assert set(re.findall(r"github(?:\.com)?/([\w-]+/grokfax)\b", text)) <= {owner}


def pictures(cell: nbformat.NotebookNode) -> set[str]:
  return {o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})}


@pytest.mark.gate
@pytest.mark.parametrize("name", save.NAMES)
def test_it_runs_to_the_end_and_all_its_programs_lower_for_a_tpu(name, tmp_path, monkeypatch):
  """A cell that trains and draws is run twice: it goes on where it was, and draws again."""
  quick = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_NUM_CPU_DEVICES": "2" if name == "your_model" else "1",
  }
  for variable, value in quick.items():
    monkeypatch.setenv(variable, value)
  (tmp_path / "runtime.py").symlink_to(FOLDER / "runtime.py")

  parameters, holds = SMALL[name]
  first = f"""
import sys, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")
sys.path.insert(0, {str(ROOT)!r})
from tests.colab import lowering
lowering.install()
"""
  notebook, cells = save.read(name), []
  for cell in notebook.cells:
    cells += [cell] * (2 if "Live(" in cell.source else 1)
    if "parameters" in cell.metadata.get("tags", []):
      cells.append(nbformat.v4.new_code_cell(parameters))
  more = map(nbformat.v4.new_code_cell, (first, holds))
  notebook.cells = [next(more), *map(copy.deepcopy, cells), next(more)]
  save.execute(notebook, tmp_path)

  code = code_cells(notebook)
  assert any(map(pictures, code))
  assert all(pictures(cell) - pictures(code[-1]) for cell in code if "Live(" in cell.source)
  if name == "quickstart":
    assert "| baseline mul | recorded | 5 |" in str(code)


def test_quickstart_is_saved_with_the_baseline_beside_it():
  assert "| baseline mul | recorded | 5 |" in str(code_cells(saved("quickstart")))
