"""What needs torch is collected where torch is installed: it is none of our dependencies."""

from importlib.util import find_spec

collect_ignore_glob = (
  []
  if find_spec("torch")
  else [
    "experiments/benchmarks/torch_side/torch_*.py",
    "tests/experiments/benchmarks/test_torch_*.py",
  ]
)
