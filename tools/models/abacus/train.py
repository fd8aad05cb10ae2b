"""Train abacus from nothing on generated conversations, on a CPU.

    python tools/models/abacus/train.py            # about 40 minutes on two cores with AVX512-BF16
    python tools/models/abacus/train.py --resume   # goes on from the last checkpoint
    python tools/models/abacus/train.py --continue models/abacus/hf --steps 300 --seed 8 --matrix-rate 1e-3
        --other-rate 5e-4 --threads 1              # teaches a finished model what the tasks have gained since

A stage with `--continue` begins with the weights of a checkpoint and fresh optimisers. With `--steps` the rate follows
the steps instead of the clock, so that a repeated stage is the same stage.

The checkpoint lands in .work/models/abacus/; `export.py` turns it into models/abacus/.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import tasks
import torch
import vocabulary as v
from heldout import Exam, held_out_exams
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

ROOT: Final = Path(__file__).resolve().parents[3]
WORK: Final = ROOT / ".work" / "models" / "abacus"
# (rows, tokens per row, share of the steps): mostly short chats; some long ones, so that positions up to the
# end of the context have been seen.
SHAPES: Final = ((20, 192, 0.95), (7, 512, 0.03), (4, 1024, 0.02))


@dataclass(frozen=True)
class Recipe:
    minutes: float
    seed: int
    matrix_rate: float
    other_rate: float
    tool_share: float
    cool_down: float
    warm_up: int
    steps: int | None = None
    """When given, the training ends after so many steps, and `minutes` do not count."""
    start: str = ""
    """The checkpoint that the training began with; empty for random weights."""

    def progress(self, step: int, minutes: float) -> float:
        """The share of the training that is done."""
        return minutes / self.minutes if self.steps is None else step / self.steps


def architecture() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=v.VOCABULARY_SIZE,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=640,
        max_position_embeddings=v.CONTEXT_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=v.PAD,
        bos_token_id=v.BOS,
        eos_token_id=v.END,
        attn_implementation="sdpa",
    )


def batches(recipe: Recipe, first_step: int) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Step number, inputs and how much each token counts; interruptions do not change what a step gets."""
    for step in itertools.count(first_step):
        rng = random.Random(f"{recipe.seed}/{step}")
        rows, length, _ = rng.choices(SHAPES, [share for *_, share in SHAPES])[0]
        inputs, weights = zip(*(tasks.training_row(rng, length, recipe.tool_share) for _ in range(rows)), strict=True)
        yield step, torch.tensor(inputs), torch.tensor(weights)


def optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=recipe.matrix_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=recipe.other_rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def rate_factor(step: int, progress: float, recipe: Recipe) -> float:
    """Warm up, stay, and come down in a straight line over the last part.

    Progress is the share of the minutes that are spent, unless the recipe counts steps: a slow or busy machine trains
    less but still ends with a low rate, which is what settles the last percent.
    """
    return max(0.0, min(1.0, (step + 1) / recipe.warm_up, (1.0 - progress) / recipe.cool_down))


def answer_loss(model: LlamaForCausalLM, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean over the tokens that the assistant says."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state[:, :-1]
        counts = weights[:, 1:]
        spoken = counts > 0
        logits = model.lm_head(hidden[spoken])
    each = functional.cross_entropy(logits.float(), inputs[:, 1:][spoken], reduction="none")
    return (each * counts[spoken]).sum() / counts.sum()


@torch.inference_mode()
def exactly_right(model: LlamaForCausalLM, exam: Exam) -> float:
    """Share of answers that greedy decoding gives exactly.

    One pass is enough: greedy decoding says the expected answer if and only if every expected token is the most
    likely one after those before it.
    """
    right = 0
    for start in range(0, len(exam.items), 64):
        items = exam.items[start : start + 64]
        longest = max(len(prompt) + len(answer) for prompt, answer in items)
        padded = torch.full((len(items), longest), v.PAD)
        for row, (prompt, answer) in enumerate(items):
            padded[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        best = model(input_ids=padded, use_cache=False).logits.argmax(-1)
        for row, (prompt, answer) in enumerate(items):
            said = best[row, len(prompt) - 1 : len(prompt) + len(answer) - 1].tolist()
            right += said == answer
    return right / len(exam.items)


@dataclass
class Progress:
    """Where a training is; minutes count over interruptions."""

    step: int = 0
    minutes: float = 0.0


def save(model: LlamaForCausalLM, optimisers: list[torch.optim.Optimizer], progress: Progress, recipe: Recipe) -> None:
    state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimisers], **asdict(progress)}
    torch.save(state, WORK / "training.pt.part")
    (WORK / "training.pt.part").replace(WORK / "training.pt")
    model.save_pretrained(WORK / "checkpoint")
    (WORK / "recipe.json").write_text(json.dumps({**asdict(recipe), **asdict(progress)}, indent=2) + "\n")


def load(model: LlamaForCausalLM, optimisers: list[torch.optim.Optimizer]) -> Progress:
    state = torch.load(WORK / "training.pt", weights_only=True)
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimizers"], strict=True):
        optimiser.load_state_dict(saved)
    return Progress(state["step"], state["minutes"])


def train(recipe: Recipe, threads: int, resume: bool, exam_every: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    WORK.mkdir(parents=True, exist_ok=True)
    if recipe.start:
        model = LlamaForCausalLM.from_pretrained(recipe.start, dtype=torch.float32)
    else:
        model = LlamaForCausalLM(architecture())
    optimisers = optimizers(model, recipe)
    peaks = [recipe.matrix_rate, recipe.other_rate]
    progress = load(model, optimisers) if resume else Progress()
    earlier, begun, losses = progress.minutes, time.monotonic(), list[float]()
    exams = held_out_exams(60)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, from step {progress.step}", flush=True)

    for step, inputs, weights in batches(recipe, progress.step):
        progress = Progress(step, earlier + (time.monotonic() - begun) / 60)
        done = recipe.progress(step, progress.minutes)
        if done >= 1.0:
            break
        factor = rate_factor(step, done, recipe)
        for optimiser, peak in zip(optimisers, peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
        loss = answer_loss(model, inputs, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            print(
                f"step {step + 1}  loss {sum(losses) / len(losses):.4f}  rate x{factor:.2f}"
                f"  {done:.0%} after {progress.minutes:.1f} min",
                flush=True,
            )
            losses.clear()
        if (step + 1) % exam_every == 0:
            save(model, optimisers, Progress(step + 1, progress.minutes), recipe)
            report(model, exams)
    save(model, optimisers, progress, recipe)
    report(model, exams)


def report(model: LlamaForCausalLM, exams: list[Exam]) -> None:
    print("  ", "  ".join(f"{exam.name} {exactly_right(model, exam):.2f}" for exam in exams), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=45, help="training time, interruptions not counted")
    parser.add_argument("--cool-down", type=float, default=0.55, help="last share of it, with a falling rate")
    parser.add_argument("--steps", type=int, help="training time in steps, instead of minutes")
    parser.add_argument("--warm-up", type=int, default=100, help="steps with a rising rate")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--matrix-rate", type=float, default=4e-3, help="peak learning rate of Muon")
    parser.add_argument("--other-rate", type=float, default=3e-3, help="peak learning rate of AdamW")
    parser.add_argument("--tool-share", type=float, default=0.14, help="share of conversations with tools")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--exam-every", type=int, default=100, help="steps between a checkpoint with its exams")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--continue", dest="start", default="", help="begin with this finished checkpoint's weights")
    args = parser.parse_args()
    recipe = Recipe(
        minutes=args.minutes,
        seed=args.seed,
        matrix_rate=args.matrix_rate,
        other_rate=args.other_rate,
        tool_share=args.tool_share,
        cool_down=args.cool_down,
        warm_up=args.warm_up,
        steps=args.steps,
        start=args.start,
    )
    train(recipe, args.threads, args.resume, args.exam_every)


if __name__ == "__main__":
    main()
