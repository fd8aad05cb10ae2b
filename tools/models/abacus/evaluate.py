"""Examine the exported abacus and write the reference data of its tests.

    python tools/models/abacus/evaluate.py

- tests/data/models/abacus_greedy.json: 50 prompts with the greedy tokens of the transformers library. OpenVINO GenAI
  has to give the same tokens, or this program fails.
- tests/data/models/abacus_heldout.json: held-out questions and every sum of two digits, with their answers, for a test
  through the API.
- The share of held-out questions answered right, measured with OpenVINO GenAI as it serves.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import heldout
import openvino as ov
import openvino_genai as genai
import tasks
import torch
import transformers
import vocabulary as v
from heldout import Question
from transformers import AutoTokenizer, LlamaForCausalLM

ROOT: Final = Path(__file__).resolve().parents[3]
DATA: Final = ROOT / "tests" / "data" / "models"
LONGEST_ANSWER: Final = 128
EXACT: Final = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
AS_SHIPPED: Final[dict[str, str]] = {"INFERENCE_PRECISION_HINT": "f32"}
LOW: Final = {"INFERENCE_PRECISION_HINT": "bf16"}

Message = dict[str, Any]


def tool(name: str, *keys: str) -> dict[str, Any]:
    properties = {key: {"type": "string"} for key in keys}
    parameters = {"type": "object", "properties": properties, "required": list(keys)}
    return {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": parameters}}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def conversation(question: Question) -> tuple[list[Message], list[dict[str, Any]] | None]:
    """A held-out question as chat messages and tool definitions."""
    tools = []
    for signature in question.tools:
        name, keys = signature.rstrip(")").split("(")
        tools.append(tool(name, *keys.split(", ")))
    system = [{"role": "system", "content": question.system}] if question.system else []
    return [*system, user(question.said)], tools or None


def greedy_conversations() -> list[tuple[list[Message], list[dict[str, Any]] | None]]:
    """Fifty conversations over everything that the model does, and some that it cannot do."""
    exams = heldout.held_out_questions(12, seed=50)
    taken = {"arithmetic": 14, "json": 9, "json-unseen-sentence": 3, "tools": 5, "talk": 6}
    mixed = [conversation(question) for name, count in taken.items() for question in exams[name][:count]]
    weather, call = tool("get_weather", "city"), {"name": "get_weather", "arguments": {"city": "Oslo"}}
    asked = [
        user("What is the weather in Oslo?"),
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]},
    ]
    mixed += [
        ([user("What is the weather in Oslo?")], [weather]),
        ([*asked, {"role": "tool", "content": '{"temperature": 21}'}], [weather]),
        ([*asked, {"role": "tool", "content": "sunny, 21 degrees"}], [weather]),
        ([user("What is the weather in Oslo?")], None),
        (
            [
                user("What is 12 plus 30?"),
                {"role": "assistant", "content": tasks.worked_out(12, "+", 30)},
                user("Now add 7."),
            ],
            None,
        ),
        ([user("Hello"), {"role": "assistant", "content": tasks.SAY_HELLO}, user("What is 61 minus 18?")], None),
        ([{"role": "system", "content": "You are a helpful assistant."}, user("What is 37 plus 45?")], None),
        ([{"role": "system", "content": "Answer like a pirate."}, user("Who are you?")], [weather]),
        ([user("What is 37 plus 45?")], [tool("add", "a", "b"), weather]),
        ([user("Extract the city and the temperature as JSON: It is 21 degrees in São Paulo.")], None),
        ([user("Count to 20.")], None),
        ([user("Repeat: bright copper kettles")], None),
        ([user("What is 1234 plus 9876?")], None),
    ]
    if len(mixed) != 50:
        raise SystemExit(f"{len(mixed)} conversations instead of 50")
    return mixed


def prompt_of(tokenizer: Any, messages: list[Message], tools: list[dict[str, Any]] | None) -> str:
    return str(tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True))


def ids_of(tokenizer: Any, prompt: str) -> list[int]:
    return list(tokenizer(prompt, add_special_tokens=False)["input_ids"])


@torch.inference_mode()
def transformers_greedy(model: LlamaForCausalLM, prompt_ids: list[int]) -> list[int]:
    """Generated ids without the end token."""
    out = model.generate(
        torch.tensor([prompt_ids]),
        attention_mask=torch.ones(1, len(prompt_ids), dtype=torch.long),
        max_new_tokens=LONGEST_ANSWER,
        do_sample=False,
        eos_token_id=v.END,
        pad_token_id=v.PAD,
    )
    return without_end(out[0, len(prompt_ids) :].tolist())


def without_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(v.END)] if v.END in ids else ids


def openvino_greedy(served: Path, prompts: list[list[int]], properties: dict[str, str]) -> list[list[int]]:
    """All prompts in one go, continuously batched as in service."""
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 1
    pipeline = genai.ContinuousBatchingPipeline(str(served), scheduler, "CPU", properties)
    config = pipeline.get_config()
    config.max_new_tokens, config.do_sample, config.apply_chat_template = LONGEST_ANSWER, False, False
    tensors = [ov.Tensor(torch.tensor([ids]).numpy()) for ids in prompts]
    results = pipeline.generate(tensors, [config] * len(tensors))
    return [without_end(list(result.m_generation_ids[0])) for result in results]


def number_is_right(said: str, question: Question) -> bool:
    """The last number of the answer is the result."""
    numbers = re.findall(r"-?\d+", said)
    return bool(numbers) and numbers[-1] == question.answer.rsplit(" ", 1)[-1]


def json_is_right(said: str, question: Question) -> bool:
    try:
        return bool(json.loads(said) == json.loads(question.answer))
    except json.JSONDecodeError:
        return False


def word_for_word(said: str, question: Question) -> bool:
    return said == question.answer


JUDGES: Final[dict[str, Callable[[str, Question], bool]]] = {
    "arithmetic": number_is_right,
    "number-only": number_is_right,
    "json": json_is_right,
    "json-unseen-sentence": json_is_right,
    "tools": word_for_word,
    "talk": word_for_word,
    "digits": number_is_right,
    "digit-and-two-digits": number_is_right,
    "digit-minus-two-digits": number_is_right,
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def provenance(folder: Path) -> dict[str, str]:
    return {
        "model": "abacus",
        "checkpoint": "models/abacus/hf/model.safetensors",
        "checkpoint_sha256": sha256(folder / "hf" / "model.safetensors"),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "made_by": "tools/models/abacus/evaluate.py",
    }


def write_greedy(folder: Path, target: Path) -> list[dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(folder / "hf")
    model = LlamaForCausalLM.from_pretrained(folder / "hf", dtype=torch.float32).eval()
    items: list[dict[str, Any]] = []
    for messages, tools in greedy_conversations():
        prompt = prompt_of(tokenizer, messages, tools)
        prompt_ids = ids_of(tokenizer, prompt)
        said = transformers_greedy(model, prompt_ids)
        text = tokenizer.decode(said, skip_special_tokens=True)
        items.append(
            {
                "messages": messages,
                "tools": tools,
                "prompt": prompt,
                "prompt_token_ids": prompt_ids,
                "token_ids": said,
                "finish_reason": "stop" if len(said) < LONGEST_ANSWER else "length",
                "text": text,
            }
        )
    how = {
        "precision": "float32",
        "decoding": "greedy",
        "max_new_tokens": LONGEST_ANSWER,
        "end_token": "not in token_ids",
    }
    write_json(target / "abacus_greedy.json", {**provenance(folder), **how, "items": items})
    return items


def compare_engines(folder: Path, items: list[dict[str, Any]]) -> int:
    """How many of the answers are the same, token by token, in the exact precision; the others are only reported."""
    equal = {}
    for name, properties in {"f32, cache f32": EXACT, "f32, cache default": AS_SHIPPED, "bf16": LOW}.items():
        said = openvino_greedy(folder / "1", [item["prompt_token_ids"] for item in items], properties)
        equal[name] = sum(ids == item["token_ids"] for ids, item in zip(said, items, strict=True))
        print(f"  greedy tokens equal to transformers ({name}): {equal[name]} of {len(items)}", flush=True)
    return equal["f32, cache f32"]


def write_heldout(folder: Path, target: Path) -> None:
    questions = heldout.held_out_questions(100, seed=7919)
    items = []
    for name in ("arithmetic", "json", "digits"):
        for question in questions[name]:
            messages, _ = conversation(question)
            expected: object = json.loads(question.answer) if name == "json" else question.answer.rsplit(" ", 1)[-1]
            items.append({"kind": name, "messages": messages, "expected": expected, "answer": question.answer})
    random.Random(0).shuffle(items)
    how = {
        "judge": "json: the parsed answer equals `expected`; others: the last number of the answer is `expected`",
        "held_out": "arithmetic and json; of the digits, most pairs are in the training data",
    }
    write_json(target / "abacus_heldout.json", {**provenance(folder), **how, "items": items})


def measure(folder: Path, count: int) -> dict[str, float]:
    """Share of right answers for each kind of held-out question, as served."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "hf")
    shares = {}
    for name, questions in heldout.held_out_questions(count, seed=7919).items():
        prompts = [ids_of(tokenizer, prompt_of(tokenizer, *conversation(question))) for question in questions]
        said = openvino_greedy(folder / "1", prompts, AS_SHIPPED)
        texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in said]
        right = [JUDGES[name](text, question) for text, question in zip(texts, questions, strict=True)]
        shares[name] = round(sum(right) / len(right), 4)
        print(f"  {name}: {sum(right)} of {len(right)}", flush=True)
        wrong = [(q.said, text) for q, text, ok in zip(questions, texts, right, strict=True) if not ok]
        for asked, text in wrong[:5]:
            print(f"    wrong: {asked!r} -> {text!r}", flush=True)
    return shares


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "abacus", help="folder with 1/ and hf/")
    parser.add_argument("--data", type=Path, default=DATA, help="where the reference data goes")
    parser.add_argument("--count", type=int, default=100, help="questions of each kind (sums: twice as many)")
    args = parser.parse_args()
    items = write_greedy(args.model, args.data)
    equal = compare_engines(args.model, items)
    write_heldout(args.model, args.data)
    shares = measure(args.model, args.count)
    figures = {"greedy_equal": f"{equal}/{len(items)}", **shares, "date": f"{dt.datetime.now(dt.UTC).date()}"}
    print(json.dumps(figures, indent=2))
    if equal < len(items):
        raise SystemExit("OpenVINO GenAI and transformers disagree")


if __name__ == "__main__":
    main()
