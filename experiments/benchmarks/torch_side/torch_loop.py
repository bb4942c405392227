"""Multiplication mod 97 in plain torch, as the reference runs it, to time our own run beside.

    python -m experiments.benchmarks.torch_side.torch_loop --seed 0 --stop-at 0.95 --steps 3000

A Python loop in float32 with the reference's model, settings and order of things, written
anew; the tests hold it to the recordings of the reference. It prints a JSON line for each
epoch. Torch is none of our dependencies: this needs it installed.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from experiments.benchmarks.torch_side import torch_filters

P = 97
BATCH_SIZE = 512


class Method(NamedTuple):
  """What stands before Adam, and Adam's coupled weight decay."""

  make_filter: Callable[[], torch_filters.Filter]
  weight_decay: float


METHODS = {
  "none": Method(torch_filters.none, 0.0),
  "ema": Method(lambda: torch_filters.ema(0.98, 2.0), 0.005),
  "ma": Method(lambda: torch_filters.ma(100, 5.0), 0.01),
}


class Block(nn.Module):
  """x = LN(x); x = x + attention(x); x = x + MLP(LN(x))."""

  def __init__(self, width: int, heads: int):
    super().__init__()
    self.ln_1 = nn.LayerNorm(width)
    self.attn = nn.MultiheadAttention(width, heads)
    self.ln_2 = nn.LayerNorm(width)
    self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

  def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    x = self.ln_1(x)
    mixed, _ = self.attn(x, x, x, attn_mask=mask, need_weights=False)
    x = x + mixed
    return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
  """The paper's decoder: int (tokens, B) -> logits (tokens, B, P + 2). Torch's own init."""

  def __init__(self, width: int = 128, heads: int = 4, layers: int = 2, positions: int = 5):
    super().__init__()
    self.token_embeddings = nn.Embedding(P + 2, width)
    self.position_embeddings = nn.Embedding(positions, width)
    self.layers = nn.ModuleList(Block(width, heads) for _ in range(layers))
    self.ln_f = nn.LayerNorm(width)
    self.head = nn.Linear(width, P + 2, bias=False)

  def forward(self, tokens: torch.Tensor) -> torch.Tensor:
    length, device = len(tokens), tokens.device
    mask = nn.Transformer.generate_square_subsequent_mask(length, device=device)
    positions = torch.arange(length, device=device)[:, None]
    x = self.token_embeddings(tokens) + self.position_embeddings(positions)
    for layer in self.layers:
      x = layer(x, mask)
    return self.head(self.ln_f(x))


def table() -> torch.Tensor:
  """All rows x, op, y, eq, answer as columns (5, rows), x slowest; y is never 0."""
  x, y = torch.cartesian_prod(torch.arange(P), torch.arange(1, P)).T
  eq, op = torch.full_like(x, P), torch.full_like(x, P + 1)
  return torch.stack([x, op, y, eq, x * y % P])


def score(model: nn.Module, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
  """Mean loss and accuracy of the answers, read at the last position."""
  *_, logits = model(rows[:-1])
  answers = rows[-1]
  accuracy = (logits.argmax(-1) == answers).float().mean()
  return functional.cross_entropy(logits, answers), accuracy


Step = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def make_step(model: nn.Module, apply_filter: torch_filters.Filter, weight_decay: float) -> Step:
  """A function that trains on a batch, and returns its loss and accuracy before the update."""
  optimizer = torch.optim.Adam(
    model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=weight_decay
  )
  warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: min(update / 10, 1))

  def step(rows):
    loss, accuracy = score(model, rows)
    model.zero_grad()
    loss.backward()
    apply_filter(model.named_parameters())
    optimizer.step()
    warm_up.step()
    return loss, accuracy

  return step


def mean_scores(score_batch: Step, rows: torch.Tensor) -> tuple[float, float]:
  """Loss and accuracy over all rows, of which the last batch may be partial."""
  total_loss = total_accuracy = 0.0
  for batch in rows.split(BATCH_SIZE, dim=1):
    loss, accuracy = score_batch(batch)
    total_loss += loss.item() * batch.shape[1]
    total_accuracy += accuracy.item() * batch.shape[1]
  return total_loss / rows.shape[1], total_accuracy / rows.shape[1]


def train(
  *,
  seed: int,
  filter: str = "ema",
  steps: int,
  stop_at: float | None = None,
  device: torch.device | str = "cpu",
) -> Iterator[dict[str, float]]:
  """Trains on half of the rows, and validates on the other half after each epoch.

  Args:
    seed: of the parameters, the split and the order of the batches.
    filter: "none", "ema" or "ma", each with the reference's settings.
    steps: how many, rounded up to whole epochs.
    stop_at: the validation accuracy after whose epoch it ends.
    device: where it trains.

  Yields:
    A record of each epoch: its last step, the mean scores of training (each batch before its
    own update) and of validation, and the seconds of all epochs so far, validations included.
  """
  torch.manual_seed(seed)
  model = Transformer().to(device)
  rows = table()
  rows = rows[:, torch.randperm(rows.shape[1])].to(device)
  training, held_out = rows.tensor_split(2, dim=1)
  method = METHODS[filter]
  step = make_step(model, method.make_filter(), method.weight_decay)
  epoch_steps = -(-training.shape[1] // BATCH_SIZE)
  torch_filters.synchronize(device)

  seconds = 0.0
  for epoch in range(1, -(-steps // epoch_steps) + 1):
    start = time.perf_counter()
    order = torch.randperm(training.shape[1]).to(device)
    train_loss, train_accuracy = mean_scores(step, training[:, order])
    with torch.no_grad():
      val_loss, val_accuracy = mean_scores(lambda batch: score(model, batch), held_out)
    seconds += time.perf_counter() - start
    yield {
      "step": epoch * epoch_steps,
      "train_loss": train_loss,
      "train_accuracy": train_accuracy,
      "val_loss": val_loss,
      "val_accuracy": val_accuracy,
      "seconds": seconds,
    }
    if stop_at is not None and val_accuracy >= stop_at:
      return


def main(arguments: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--filter", choices=METHODS, default="ema")
  parser.add_argument("--steps", type=int, default=3_000, help="rounded up to whole epochs")
  parser.add_argument("--stop-at", type=float, help="the validation accuracy at which to end")
  parser.add_argument("--device", default="cpu")
  for record in train(**vars(parser.parse_args(arguments))):
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
  main()
