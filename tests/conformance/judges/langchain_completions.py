"""`NVIDIA` of langchain-nvidia-ai-endpoints (completions), and how its four classes find their model."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import Any

from langchain_core.documents import Document
from langchain_nvidia_ai_endpoints import NVIDIA, ChatNVIDIA, NVIDIAEmbeddings, NVIDIARerank

from tests.conformance.judges.checking import Differs, main, refused

PROMPT = "1 + 1"
KINDS = {
    ChatNVIDIA: "abacus",
    NVIDIA: "abacus",
    NVIDIAEmbeddings: "all-minilm-l6-v2",
    NVIDIARerank: "minilm-reranker",
}
"""The client's classes, and the model each is for."""


def complete(root: str, **fields: Any) -> NVIDIA:
    """A client whose answers are short and always the same."""
    options: dict[str, Any] = {"max_tokens": 24, "temperature": 0, **fields}
    return NVIDIA(base_url=f"{root}/v1", model="abacus", **options)


async def check_complete(root: str) -> None:
    """A prompt is continued the same way whole and streamed, synchronously and not."""
    client = complete(root)
    whole = client.invoke(PROMPT)
    assert whole
    assert await client.ainvoke(PROMPT) == whole
    pieces = list(client.stream(PROMPT))
    assert len(pieces) > 1
    assert "".join(pieces) == whole
    assert "".join([piece async for piece in client.astream(PROMPT)]) == whole


def check_complete_fields(root: str) -> None:
    """Every field the client's documentation promises is taken, whole and streamed."""
    fields = {
        "frequency_penalty": 0.5,
        "max_tokens": 32,
        "presence_penalty": 0.5,
        "seed": 1234,
        "stop": "Hello",
        "temperature": 0.5,
        "top_p": 0.5,
        "echo": True,
        "logprobs": 0,
        "user": "1234",
    }
    for name, value in fields.items():
        client = complete(root, **{name: value})
        assert isinstance(client.invoke(PROMPT), str)
        assert isinstance("".join(client.stream(PROMPT)), str)


def check_complete_several(root: str) -> None:
    """Asked for two choices the client gets two, and says that it takes the first."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert isinstance(complete(root, n=2).invoke(PROMPT), str)
    assert any("Multiple choices" in str(warning.message) for warning in seen)


def check_complete_echo(root: str) -> None:
    """`echo` puts the prompt before the answer."""
    assert complete(root, echo=True).invoke(PROMPT) == PROMPT + complete(root).invoke(PROMPT)


def check_complete_logprobs(root: str) -> None:
    """Log-probabilities of tokens that were not chosen are refused by name where the engine cannot tell them."""
    refused(partial(complete(root, logprobs=2).invoke, PROMPT), "400", "logprobs", "openvino_genai")


def check_complete_best_of_refused(root: str) -> None:
    """`best_of` is refused by name; NVIDIA's suite allows that."""
    refused(partial(complete(root, best_of=5).invoke, PROMPT), "400", "best_of")


def check_complete_suffix_refused(root: str) -> None:
    """`suffix` is refused by name; NVIDIA's suite allows that."""
    refused(partial(complete(root, suffix="Hello").invoke, PROMPT), "400", "suffix")


def check_complete_bias_by_word_refused(root: str) -> None:
    """`logit_bias` goes by token ids; a word as its key is refused by name."""
    refused(partial(complete(root, logit_bias={"hello": 1.0}).invoke, PROMPT), "400", "logit_bias")


def check_stream_flag_ignored(root: str) -> None:
    """The client drops a `stream` that fits not, and says so."""
    for call, word in ((complete(root).invoke, True), (lambda *a, **k: list(complete(root).stream(*a, **k)), False)):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call(PROMPT, stream=word)
        assert any("ignoring" in str(warning.message) for warning in seen)


def check_models_listed(root: str) -> None:
    """Every class lists the models, and each has a type to the client or is unknown to it."""
    for kind, model in KINDS.items():
        found = kind(base_url=f"{root}/v1", model=model).available_models
        assert model in [listed.id for listed in found]
        assert kind.get_available_models(base_url=f"{root}/v1", model=model)


def check_models_of_one_kind(root: str) -> None:
    """Below `/m/<model>` a class sees its own kind of model alone, as with a NIM of one model."""
    for kind, model in KINDS.items():
        client = kind(base_url=f"{root}/m/{model}/v1", model=model)
        assert [listed.id for listed in client.available_models] == [model]


def check_default_model(root: str) -> None:
    """Below `/m/<model>` no model need be named: each class picks it, warns, and works."""
    for kind, model in KINDS.items():
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            client = kind(base_url=f"{root}/m/{model}/v1")
        assert client.model == model
        assert any("Default model is set" in str(warning.message) for warning in seen)
        if isinstance(client, ChatNVIDIA):
            assert client.invoke("Hello", max_tokens=8).content
        elif isinstance(client, NVIDIA):
            assert client.invoke("Hello", max_tokens=8)
        elif isinstance(client, NVIDIAEmbeddings):
            assert client.embed_documents(["Hello"])
        else:
            assert client.compress_documents([Document(page_content="World")], "Hello")


def check_default_model_at_the_root(root: str) -> None:
    """Without a prefix the first model is picked, which chats."""
    assert ChatNVIDIA(base_url=f"{root}/v1").model == "abacus"


def check_known_models(root: str) -> None:
    """NVIDIA's suite wants each listed model in the client's table of NVIDIA's own names."""
    listed = ChatNVIDIA(base_url=f"{root}/v1", model="abacus").available_models
    assert all(model.client is None for model in listed), listed
    raise Differs("the bundled models are not NVIDIA's, so the client's table does not know what kind they are")


if __name__ == "__main__":
    main(sys.modules[__name__])
