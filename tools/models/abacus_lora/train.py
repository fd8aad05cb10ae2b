"""Train abacus-roman: a low-rank adapter of abacus that gives the result of a sum in Roman numerals too.

    python tools/models/abacus_lora/train.py      # the environment of tools/models/requirements.txt, without peft

The checkpoint in models/abacus/hf stays as it is; the adapter lands in adapters/abacus-roman/ in PEFT's layout.
`examine.py` measures it. The steps are counted, not timed, so a repeated training sees the same data.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import Final

import adapter
import roman
import torch
from torch.nn import functional
from transformers import LlamaForCausalLM

ROOT: Final = Path(__file__).resolve().parents[3]
BASE: Final = "abacus"
TARGETS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# (rows, tokens per row, share of the steps): mostly short chats, some longer ones.
SHAPES: Final = ((12, 192, 0.95), (4, 512, 0.05))
TOOL_SHARE: Final = 0.1
WARM_UP: Final = 30


def batch(seed: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and how much each token counts."""
    rng = random.Random(f"{seed}/{step}")
    rows, length, _ = rng.choices(SHAPES, [share for *_, share in SHAPES])[0]
    inputs, weights = zip(*(roman.training_row(rng, length, TOOL_SHARE) for _ in range(rows)), strict=True)
    return torch.tensor(inputs), torch.tensor(weights)


def answer_loss(model: LlamaForCausalLM, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean over the tokens that the assistant says."""
    hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state[:, :-1]
    counts = weights[:, 1:]
    spoken = counts > 0
    each = functional.cross_entropy(model.lm_head(hidden[spoken]), inputs[:, 1:][spoken], reduction="none")
    return (each * counts[spoken]).sum() / counts.sum()


def train(target: Path, seed: int, steps: int, rank: int, alpha: float, peak: float) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(ROOT / "models" / BASE / "hf", dtype=torch.float32)
    adapters = adapter.adapt(model, TARGETS, rank, alpha)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=peak, weight_decay=0.0, betas=(0.9, 0.98))
    print(f"{sum(parameter.numel() for parameter in learning):,} parameters learn", flush=True)
    begun, losses = time.monotonic(), list[float]()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / WARM_UP, (steps - step) / (0.6 * steps))
        loss = answer_loss(model, *batch(seed, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            mean, minutes = sum(losses) / len(losses), (time.monotonic() - begun) / 60
            print(f"step {step + 1} of {steps}  loss {mean:.4f}  {minutes:.1f} min", flush=True)
            losses.clear()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            adapter.save(adapters, target, BASE, TARGETS, alpha)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, default=ROOT / "adapters" / "abacus-roman")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=16)
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate of AdamW")
    args = parser.parse_args()
    train(args.target, args.seed, args.steps, args.rank, args.alpha, args.rate)


if __name__ == "__main__":
    main()
