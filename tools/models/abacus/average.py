"""The weighted mean of two checkpoints of abacus, the later of which went on from the earlier.

    python tools/models/abacus/average.py EARLIER LATER --share 0.8 --target .work/models/abacus/checkpoint

A short stage teaches what is new quickly and shakes what it seldom shows. The mean keeps the one and calms the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import LlamaForCausalLM


@torch.no_grad()
def average(earlier: Path, later: Path, share: float, target: Path) -> None:
    """Write `(1 - share) * earlier + share * later`, weight by weight, in float32."""
    mean = LlamaForCausalLM.from_pretrained(later, dtype=torch.float32)
    start = LlamaForCausalLM.from_pretrained(earlier, dtype=torch.float32)
    for weight, before in zip(mean.parameters(), start.parameters(), strict=True):
        weight.copy_((1 - share) * before + share * weight)
    mean.save_pretrained(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("--share", type=float, default=0.8, help="of the later one")
    parser.add_argument("--target", type=Path, required=True)
    args = parser.parse_args()
    average(args.earlier, args.later, args.share, args.target)


if __name__ == "__main__":
    main()
