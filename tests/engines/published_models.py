"""Writes small random checkpoints as people publish them, and what transformers answers: a decoder and three encoders.

    .work/engines/bin/python tests/engines/published_models.py FOLDER

The models are those of the conversion's tests.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# The conversion's tests run as scripts, in an environment without this repository's packages.
sys.path.insert(0, str(Path(__file__).parents[1] / "conversion"))

import torch
import transformers
from asked import PASSAGES, QUERY
from tiny_originals import classifier, cross_encoder, decoder, encoder


def main(folder: Path) -> None:
    torch.manual_seed(7)
    transformers.utils.logging.set_verbosity_error()
    answers = {
        "encoder": encoder(folder / "encoder"),
        "cross-encoder": pairs(folder / "cross-encoder"),
        "classifier": classifier(folder / "classifier"),
        "llama": decoder(folder / "llama", transformers.LlamaConfig, transformers.LlamaForCausalLM),
    }
    (folder / "answers.json").write_text(json.dumps(answers))


def pairs(folder: Path) -> list[float]:
    """What a BERT that was told which text is which says; this tokenizer's class leaves that out unless asked."""
    cross_encoder(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        read = [tokenizer(QUERY, passage, return_tensors="pt", return_token_type_ids=True) for passage in PASSAGES]
        return [float(model(**inputs).logits[0, 0]) for inputs in read]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
