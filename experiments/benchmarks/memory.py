"""What state and temporary arrays each filter's step needs, by the compiled program.

    python -m experiments.benchmarks.memory

Nothing is run, so that no size is too large. The least state is AdamW's two moments and
what the filter must keep: an average, a window and its sums.
"""

import itertools
from typing import Any

import jax

from experiments.benchmarks import cases, tools
from experiments.benchmarks.cases import KINDS, SIZES
from experiments.benchmarks.filter_step import DTYPES, FEWEST, FORMS, make_step
from experiments.training.devices import bytes_of


def row_of(size: str, dtype: str, form: str, name: str) -> dict[str, Any]:
  """State and temporary memory of one compiled step."""
  params, kind = cases.parameters(size, dtype), KINDS[name]
  state = jax.eval_shape(cases.optimizer(kind).init, params)
  compiled = make_step(kind, form, FEWEST).lower((params, state), params).compile()
  analysis = compiled.memory_analysis()
  own = bytes_of(params)
  return {
    "size": size,
    "dtype": dtype,
    "form": form,
    "filter": name,
    "state, MB": bytes_of(state) / 1e6,
    "over the least": bytes_of(state) / cases.least_state_bytes(kind, params),
    "updated in place": analysis.alias_size_in_bytes / (bytes_of(state) + own),
    "temporary, in parameters": analysis.temp_size_in_bytes / own,
  }


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
  settings = parser.parse_args()
  rows = []
  for size in settings.sizes:
    found = [row_of(size, *place) for place in itertools.product(DTYPES, FORMS, KINDS)]
    tools.show(found)
    rows += found
  tools.write("memory", rows, settings.out)


if __name__ == "__main__":
  main()
