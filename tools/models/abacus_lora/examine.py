"""Examine abacus-roman and write the reference data of its tests.

    python tools/models/abacus_lora/examine.py     # the environment of tools/models/requirements.txt

- tests/data/models/abacus_roman.json: 50 prompts with the greedy tokens of the transformers library, the adapter added
  to its weights, and 200 held-out sums. OpenVINO GenAI with the adapter beside the weights has to give the same
  tokens, or this program fails.
- The share of held-out questions answered right with the adapter: sums, and what abacus knew before.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import adapter
import openvino_genai as genai
import roman
import torch
import transformers
from transformers import AutoTokenizer, LlamaForCausalLM

ROOT: Final = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "models" / "abacus"))

import evaluate as base  # noqa: E402  (a sibling folder of scripts, not a package)
import heldout  # noqa: E402
from heldout import Question  # noqa: E402

MODEL: Final = ROOT / "models" / "abacus"
PRECISIONS: Final = {"f32, cache f32": base.EXACT, "f32, cache default": base.AS_SHIPPED, "bf16": base.LOW}


def in_roman(question: Question) -> Question:
    """The question with the answer that the adapter owes."""
    number = int(question.answer.rsplit(" ", 1)[-1])
    return Question(question.said, f"{question.answer} = {roman.numeral(number)}", question.tools, question.system)


def result_is_right(said: str, question: Question) -> bool:
    """The answer ends with the right result in both writings: '… = 82 = LXXXII'."""
    return said.split(" = ")[-2:] == question.answer.split(" = ")[-2:]


def judged(count: int) -> dict[str, tuple[list[Question], Callable[[str, Question], bool]]]:
    """Held-out questions of each kind, with who judges the answers."""
    exams = heldout.held_out_questions(count, seed=7919)
    asked = {name: exams.pop(name) for name, judge in base.JUDGES.items() if judge is base.number_is_right}
    sums = {name: [in_roman(question) for question in questions] for name, questions in asked.items()}
    return {
        **{name: (questions, result_is_right) for name, questions in sums.items()},
        **{name: (questions, base.JUDGES[name]) for name, questions in exams.items()},
    }


def properties(folder: Path, precision: dict[str, str]) -> dict[str, Any]:
    """Of a pipeline with the adapter.

    The library's alpha is the whole factor of B A: it does not see `adapter_config.json`. With `add_request` only
    MODE_STATIC and MODE_FUSE take effect; the first keeps the weights as they are.
    """
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    lora = genai.Adapter(folder / "adapter_model.safetensors")
    scale, mode = config["lora_alpha"] / config["r"], genai.AdapterConfig.Mode.MODE_STATIC
    return {**precision, "adapters": genai.AdapterConfig(lora, scale, mode=mode)}


def prompts_of(questions: list[Question]) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(MODEL / "hf")
    return [base.ids_of(tokenizer, base.prompt_of(tokenizer, *base.conversation(question))) for question in questions]


def greedy_items(folder: Path) -> list[dict[str, Any]]:
    """Fifty conversations, those of abacus itself, with the tokens of transformers and the merged weights."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL / "hf")
    model = LlamaForCausalLM.from_pretrained(MODEL / "hf", dtype=torch.float32).eval()
    adapter.merge(model, folder)
    items = []
    for messages, tools in base.greedy_conversations():
        prompt_ids = base.ids_of(tokenizer, base.prompt_of(tokenizer, messages, tools))
        said = base.transformers_greedy(model, prompt_ids)
        items.append(
            {
                "messages": messages,
                "tools": tools,
                "prompt_token_ids": prompt_ids,
                "token_ids": said,
                "text": tokenizer.decode(said, skip_special_tokens=True),
            }
        )
    return items


def compare_engines(folder: Path, items: list[dict[str, Any]]) -> int:
    """How many of the answers are the same, token by token, in the exact precision; the others are only reported."""
    equal = {}
    for name, precision in PRECISIONS.items():
        prompts = [item["prompt_token_ids"] for item in items]
        said = base.openvino_greedy(MODEL / "1", prompts, properties(folder, precision))
        equal[name] = sum(ids == item["token_ids"] for ids, item in zip(said, items, strict=True))
        print(f"  greedy tokens equal to transformers ({name}): {equal[name]} of {len(items)}", flush=True)
    return equal["f32, cache f32"]


def measure(folder: Path, count: int) -> dict[str, float]:
    """Share of right answers for each kind of held-out question, as served."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL / "hf")
    shares = {}
    for name, (questions, right) in judged(count).items():
        said = base.openvino_greedy(MODEL / "1", prompts_of(questions), properties(folder, base.AS_SHIPPED))
        texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in said]
        wrong = [(q.said, text) for q, text in zip(questions, texts, strict=True) if not right(text, q)]
        shares[name] = round(1 - len(wrong) / len(questions), 4)
        print(f"  {name}: {len(questions) - len(wrong)} of {len(questions)}", flush=True)
        for asked, text in wrong[:5]:
            print(f"    wrong: {asked!r} -> {text!r}", flush=True)
    return shares


def write(folder: Path, target: Path, items: list[dict[str, Any]]) -> None:
    sums, _ = judged(100)["arithmetic"]
    document = {
        "adapter": folder.name,
        "adapter_sha256": hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "made_by": "tools/models/abacus_lora/examine.py",
        "precision": "float32, adapter added to the weights",
        "decoding": "greedy",
        "max_new_tokens": base.LONGEST_ANSWER,
        "judge": "the answer ends with `ends`",
        "greedy": items,
        "heldout": [{"content": q.said, "ends": " = ".join(q.answer.split(" = ")[-2:])} for q in sums],
    }
    base.write_json(target / "abacus_roman.json", document)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", type=Path, default=ROOT / "adapters" / "abacus-roman")
    parser.add_argument("--data", type=Path, default=base.DATA, help="where the reference data goes")
    parser.add_argument("--count", type=int, default=100, help="questions of each kind (sums: twice as many)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    items = greedy_items(args.adapter)
    equal = compare_engines(args.adapter, items)
    write(args.adapter, args.data, items)
    figures = {"greedy_equal": f"{equal}/{len(items)}", **measure(args.adapter, args.count)}
    print(json.dumps({**figures, "date": f"{dt.datetime.now(dt.UTC).date()}"}, indent=2))
    if equal < len(items):
        raise SystemExit("OpenVINO GenAI and transformers disagree")


if __name__ == "__main__":
    main()
