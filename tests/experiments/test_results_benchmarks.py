"""The committed benchmarks: what the pages say of them is what their files have."""

import json
from pathlib import Path

from experiments.benchmarks import results, time_to_95

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "experiments" / "results" / "benchmarks"
STEPS = (
  "filter_step",
  "filter_step_124M",
  "filter_step_124M_bfloat16_scan",
  "filter_step_124M_bfloat16",
)


def words_of(page):
  return " ".join(page.read_text().split())


def benchmark(name):
  return json.loads((BENCHMARKS / f"{name}-cpu.json").read_text())["rows"]


def parts(rows, *names):
  """The rows without what is the same in a table, by that."""
  found: dict[tuple, list] = {}
  for row in rows:
    rest = {name: value for name, value in row.items() if name not in names}
    found.setdefault(tuple(row[name] for name in names), []).append(rest)
  return found


def test_the_page_says_how_fast_it_was():
  result = json.loads((BENCHMARKS / "steps_per_second.json").read_text())
  medians = {name: each["median"] for name, each in result["steps_per_second"].items()}
  text = words_of(ROOT / "experiments" / "README.md")
  assert (
    f"modular {medians['modular']:.1f}, MNIST {medians['mnist']:,.0f}, QM9 {medians['qm9']:,.0f}, "
    f"IMDb {medians['imdb']:.1f}."
  ) in text
  assert len(result["environment"]["commit"]) == 40


def test_the_benchmarks_page_has_their_tables():
  text = (BENCHMARKS / "README.md").read_text()
  place = ("size", "dtype", "form")
  filters = [each for name in STEPS for each in parts(benchmark(name), *place).items()]
  assert len(filters) == len(dict(filters)) == 12
  forms = {"scan": "a scan of steps", "jit": "each step a call"}
  for (size, dtype, form), rows in filters:
    assert f"\n{size}, {dtype}, {forms[form]}:\n\n{results.markdown(rows)}" in text
  shown = [benchmark("filter_step_again")]
  shown += [parts(benchmark("memory"), *place)["20M", "float32", "scan"]]
  times = benchmark("time_to_95")
  shown += [[time_to_95.summary(who, times) for who in ("ours, cold", "ours, warm", "torch")]]
  shown += [benchmark("population"), benchmark("start_up")]
  columns = ("window", "ms a step", "times AdamW")
  windows = [row for row in benchmark("growth") if "window" in row]
  shown += [[{name: row[name] for name in columns} for row in windows]]
  for rows in shown:
    assert results.markdown(rows) in text
  files = sorted(file.name for file in BENCHMARKS.glob("*-cpu.json"))
  others = ("filter_step_again", "memory", "population", "growth", "start_up", "time_to_95")
  assert files == sorted(f"{name}-cpu.json" for name in (*STEPS, *others))
  for file in files:
    assert len(json.loads((BENCHMARKS / file).read_text())["environment"]["commit"]) == 40


def test_the_readme_s_ratios_are_the_benchmarks():
  filters = parts(benchmark("filter_step"), "size", "dtype", "form", "filter")
  (large_ema,) = filters["20M", "float32", "scan", "ema"]
  (large_ma,) = filters["20M", "float32", "scan", "ma 100"]
  (small_ma,) = filters["modular", "float32", "scan", "ma 100"]
  kinds = parts(benchmark("population"), "members", "operands")
  (plain,), (rounded,) = kinds[1, "float32"], kinds[1, "bfloat16"]
  times = benchmark("time_to_95")
  cold, warm, torch = (
    time_to_95.summary(who, times)["to 95 %"] for who in ("ours, cold", "ours, warm", "torch")
  )
  text, page = words_of(ROOT / "README.md"), words_of(BENCHMARKS / "README.md")

  def told(spread, digits=2):
    median, low, high = (f"{value:.{digits}f}" for value in spread)
    return f"{median} ({low} to {high})"

  for words in (
    f"over AdamW alone, 20 M parameters | {told(large_ema['times AdamW'])}",
    f"after the MA filter, window 100 | {told(large_ma['times AdamW'])}",
    f"0.4 M parameters | {told(small_ma['torch, fused: times ours'], 1)} times faster",
    f"at 20 M parameters | {told(large_ma['torch, fused: times ours'])} times faster",
    f"loop in PyTorch | {told(plain['times torch'])} times as many",
    f"bfloat16` | {told(rounded['times torch'])} times",
    f"five seeds | {told(cold, 1)}; with a warm compilation cache {told(warm, 1)}; PyTorch "
    f"{told(torch, 1)}",
  ):
    assert words in text
  first = {
    who: time_to_95.summary(who, times)["first look"] for who in ("ours, cold", "ours, warm")
  }
  for words in (
    f"| {told(large_ema['times AdamW'])} in a scan",
    f"{told(large_ma['times AdamW'])} at 20 M",
    f"{told(small_ma['times AdamW'])} at 0.4 M",
    f"| {told(plain['times torch'])} | met",
    f"| {told(rounded['times torch'])} | met",
    f"| {first['ours, cold'][0]:.1f} s",
    f"| {first['ours, warm'][0]:.1f} s",
  ):
    assert words in page
  assert all(row["over the least"] < 1.005 for row in benchmark("memory"))


def test_what_the_page_says_of_repeats_and_windows():
  """The medians of three more runs, how flat the windows are, and how the bandwidth moved."""
  page, readme = words_of(BENCHMARKS / "README.md"), words_of(ROOT / "README.md")
  filters = parts(benchmark("filter_step"), "size", "dtype", "form", "filter")
  more = parts(benchmark("filter_step_again"), "filter")
  for name in ("ema", "ma 100"):
    low, middle, high = sorted(row["times AdamW"][0] for row in more[(name,)])
    assert f"more runs {low:.2f}, {middle:.2f} and {high:.2f}" in page
    assert f"in three more runs {low:.2f} to {high:.2f} at the median" in readme
  faster = sorted(row["torch, fused: times ours"][0] for row in more[("ma 100",)])
  assert f"more runs there {faster[0]:.1f}, {faster[1]:.1f} and {faster[2]:.1f}" in page
  assert f"in three more runs {faster[0]:.2f} to {faster[2]:.2f} at the median" in readme
  # What the page calls met, and not met.
  assert max(row["times AdamW"][0] for row in more[("ma 100",)]) <= 3
  assert max(faster) < 12
  medians = [
    filters["modular", "float32", "scan", f"ma {w}"][0]["times AdamW"][0] for w in (10, 100, 1000)
  ]
  ten, hundred, thousand = medians
  apart = 100 * (max(medians) / min(medians) - 1)
  assert (
    f"{ten:.2f}, {hundred:.2f} and {thousand:.2f} times AdamW at 0.4 M, in a scan: within "
    f"{apart:.1f} %"
  ) in page
  ten, hundred = (
    filters["20M", "float32", "scan", f"ma {w}"][0]["times AdamW"][0] for w in (10, 100)
  )
  assert apart <= 10
  assert f"at 20 M {ten:.2f} and {hundred:.2f}, and 1000 does not fit" in page
  small, large = (
    filters[size, "float32", "scan", "ma 100"][0]["torch, fused: times ours"][0]
    for size in ("modular", "20M")
  )
  assert f"| {small:.0f} times at 0.4 M, {large:.1f} at 20 M" in page
  found = [
    row["bandwidth, GB/s"]
    for name in (*STEPS, "filter_step_again")
    for row in benchmark(name)
    if "bandwidth, GB/s" in row
  ]
  assert f"between {min(found):.0f} and {max(found):.0f} GB/s" in page


def test_what_the_page_says_of_a_start():
  """How much of it is compiling, and the least that two cores could take for all of it."""
  page = words_of(BENCHMARKS / "README.md")
  cold, warm = benchmark("start_up")
  environment = json.loads((BENCHMARKS / "start_up-cpu.json").read_text())["environment"]
  assert environment["cores"] == 2
  busy, took = cold["trace and compile, core-seconds"][0], cold["all"][0]
  least = took - cold["trace and compile"][0] + busy / 2
  assert f"tracing and compiling take {busy:.1f} core-seconds" in page
  assert f"two cores need {busy / 2:.1f} seconds" in page
  assert f"the floor is {least:.1f} seconds for this program, and it took {took:.1f}" in page
  seconds, busy = (
    warm[name][0] for name in ("trace and compile", "trace and compile, core-seconds")
  )
  assert f"take {seconds:.1f} seconds, nearly all of it Python ({busy:.1f} core-seconds)" in page


def test_what_the_page_says_of_bfloat16():
  """AdamW alone takes two to four times as long in it as in float32, at every size."""
  rows = [row for name in STEPS for row in benchmark(name)]
  found = parts(rows, "filter", "size", "form", "dtype")
  for size in ("modular", "20M", "124M"):
    for form in ("scan", "jit"):
      (wide,), (narrow,) = (found["adamw", size, form, dtype] for dtype in ("float32", "bfloat16"))
      assert round(narrow["ms a step"] / wide["ms a step"]) in (2, 3, 4)
      if size != "modular":
        assert round(narrow["torch, fused: times ours"][0], 1) == 0.3
  assert "two to four times at every size" in words_of(BENCHMARKS / "README.md")
