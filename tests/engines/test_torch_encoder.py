"""The torch engine on real checkpoints: its contract, and transformers' own answers for every task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from argosy.core.errors import EngineCrashed, EngineError, InputTooLong, InvalidModelEntry, MissingRequirement
from argosy.core.models import ModelSpec, Pooling, ProfileSpec, Task
from argosy.core.tensors import Tensor, text_tensor
from argosy.engines import registry
from argosy.engines.contract import EngineOptions, TensorEngine, TensorRequest
from argosy.engines.torch.network import Network
from tests.engines.tiny_encoders import FAMILIES, LABELS, PAIR, WIDTH, embedder, save, scorer, spec
from tests.suites.encoder_engine_contract import MAX_TOKENS, EmbeddingEngineContract
from tests.suites.engine_contract import Broken, Deployment, succeeded
from tests.suites.word_tokenizer import word_ids

TEXTS = ["ship", "", "a ship sails over the sea", "the calm sea", "a", "sea sea sea"]
PAIRS = [("ship", "the calm"), ("sea", "a"), ("the calm", "ship"), ("a ship sails", "sea"), ("sea", "")]
EQUAL = 1e-5


def deploy(directory: Path, model: ModelSpec, **parameters: str) -> Deployment:
    return Deployment(model, EngineOptions(directory, 2, 64, {"device": "cpu", "warm_up": "0"} | parameters))


@contextmanager
def running(deployment: Deployment) -> Iterator[TensorEngine]:
    engine = registry.create(deployment.spec, deployment.options)
    assert isinstance(engine, TensorEngine)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def embed(engine: TensorEngine, *texts: str, **parameters: str) -> Tensor:
    return succeeded(engine.infer([TensorRequest({"text": text_tensor([*texts])}, parameters)])[0])["embedding"]


def rank(engine: TensorEngine, pairs: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    queries, passages = (text_tensor([*texts]) for texts in zip(*pairs, strict=True))
    return dict(succeeded(engine.infer([TensorRequest({"query": queries, "passage": passages})])[0]))


@torch.inference_mode()
def say(model: Any, ids: list[int], types: list[int] | None = None) -> Any:
    """What transformers says to one row, alone and without padding."""
    more = {} if types is None else {"token_type_ids": torch.tensor([types])}
    return model(input_ids=torch.tensor([ids]), **more)


def states(model: Any, text: str) -> np.ndarray:
    return say(model, word_ids(text)).last_hidden_state[0].numpy()


def pair_ids(query: str, passage: str) -> tuple[list[int], list[int]]:
    first, second = word_ids(query), word_ids(passage)[1:]
    return first + second, [0] * len(first) + [1] * len(second)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


class TestEmbedContract(EmbeddingEngineContract):
    library = "torch"
    tolerance = EQUAL

    def deployment(self, directory: Path) -> Deployment:
        embedder(directory)
        return deploy(directory, spec())

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        directory = sound.options.directory
        (directory / "broken.json").write_text("{}")
        for name in ("gone", "damaged"):
            (directory / name).mkdir()
            (directory / name / "config.json").write_bytes((directory / "config.json").read_bytes())
        (directory / "damaged" / "model.safetensors").write_bytes(b"\xff" * 64)
        text = sound.spec.text
        assert text is not None
        return [
            *(
                Broken(replace(sound, spec=replace(sound.spec, model=f"{name}/config.json")), name)
                for name in ("gone", "damaged")
            ),
            Broken(replace(sound, spec=replace(sound.spec, model="missing/config.json")), "missing"),
            *(
                Broken(replace(sound, spec=replace(sound.spec, text=replace(text, tokenizer=name))), name)
                for name in ("broken.json", "missing.json")
            ),
            Broken(replace(sound, spec=replace(sound.spec, text=replace(text, dimensions=7))), "7"),
            Broken(replace(sound, spec=replace(sound.spec, text=replace(text, max_tokens=65))), "65"),
            Broken(replace(sound, spec=replace(sound.spec, profile=ProfileSpec("f8"))), "f8"),
            *(
                Broken(replace(sound, options=replace(sound.options, parameters={name: "many"})), name)
                for name in ("device", "streams", "performance_mode", "warm_up", "cuda_graphs")
            ),
        ]


class TestTransformersContract(TestEmbedContract):
    """The same, and the other library may be the one that is missing."""

    library = "transformers"


POOLS = {
    Pooling.MEAN: lambda rows: rows.mean(axis=0),
    Pooling.CLS: lambda rows: rows[0],
    Pooling.LAST: lambda rows: rows[-1],
}


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("family", "pooling"),
    [("bert", pooling) for pooling in POOLS] + [("roberta", Pooling.MEAN), ("qwen2", Pooling.LAST)],
)
def test_embeds_as_transformers_does(tmp_path: Path, family: str, pooling: Pooling, normalize: bool) -> None:
    """The embedding is the pooled states of the text read alone, whatever pads its batch."""
    model = embedder(tmp_path, family)
    with running(deploy(tmp_path, spec(text={"pooling": pooling, "normalize": normalize}))) as engine:
        got = embed(engine, *TEXTS)
    wanted = [POOLS[pooling](states(model, text)) for text in TEXTS]
    np.testing.assert_allclose(got, [unit(row) if normalize else row for row in wanted], rtol=0, atol=EQUAL)


def test_pooling_none_takes_the_networks_own_vector(tmp_path: Path) -> None:
    """BERT's pooler makes one."""
    model = embedder(tmp_path)
    with running(deploy(tmp_path, spec(text={"pooling": Pooling.NONE, "normalize": False}))) as engine:
        got = embed(engine, *TEXTS)
    wanted = [say(model, word_ids(text)).pooler_output[0].numpy() for text in TEXTS]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=EQUAL)


def test_a_checkpoint_without_a_pooler_needs_none(tmp_path: Path) -> None:
    """Most embedding models are published so; with pooling none there is nothing to take."""
    family = FAMILIES["bert"]
    torch.manual_seed(5)
    model = family.base(family.config(**family.build(family.base).config.to_dict()), add_pooling_layer=False).eval()
    save(model, tmp_path)
    with running(deploy(tmp_path, spec(text={"normalize": False}))) as engine:
        np.testing.assert_allclose(embed(engine, "the sea"), [states(model, "the sea").mean(axis=0)], atol=EQUAL)
    with pytest.raises(InvalidModelEntry, match="lack pooler"):
        registry_start(deploy(tmp_path, spec(text={"pooling": Pooling.NONE})))


def test_ranks_by_cosine_of_embeddings(tmp_path: Path) -> None:
    """A bi-encoder's logit is the cosine of query and passage, each with its prefix; tokens are those of both."""
    model = embedder(tmp_path)
    prefixes = {"query": "query: ", "passage": "passage: "}
    with running(deploy(tmp_path, spec(Task.RANK, text={"prefixes": prefixes, "normalize": False}))) as engine:
        result = rank(engine, PAIRS)

    def vector(text: str) -> np.ndarray:
        return unit(states(model, text).mean(axis=0))

    wanted = [[vector(f"query: {query}") @ vector(f"passage: {passage}")] for query, passage in PAIRS]
    np.testing.assert_allclose(result["logit"], wanted, rtol=0, atol=EQUAL)
    assert result["tokens"].tolist()[0] == [3 + 1 + 3 + 2]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scores", [1, 2])
def test_ranks_with_a_cross_encoder(tmp_path: Path, family: str, scores: int) -> None:
    """Query and passage are read together; two logits become the log-odds of the second."""
    model = scorer(tmp_path, scores, family)
    with running(deploy(tmp_path, spec(Task.RANK, text=PAIR))) as engine:
        result = rank(engine, PAIRS)
    rows = [pair_ids(query, passage) for query, passage in PAIRS]
    logits = [say(model, ids, types if family == "bert" else None).logits[0].numpy() for ids, types in rows]
    wanted = [[row[-1] - row[0]] if scores == 2 else [row[0]] for row in logits]
    np.testing.assert_allclose(result["logit"], wanted, rtol=0, atol=EQUAL)
    assert np.ptp(result["logit"]) > 100 * EQUAL
    assert result["tokens"].tolist() == [[len(ids)] for ids, _ in rows]


@pytest.mark.parametrize("family", FAMILIES)
def test_classifies_as_transformers_does(tmp_path: Path, family: str) -> None:
    """Probabilities are the softmax of the network's logits."""
    model = scorer(tmp_path, len(LABELS), family)
    text = {"pooling": Pooling.NONE, "normalize": False}
    with running(deploy(tmp_path, spec(Task.CLASSIFY, text=text, labels=LABELS))) as engine:
        result = succeeded(engine.infer([TensorRequest({"text": text_tensor(TEXTS)})])[0])
    wanted = [softmax(say(model, word_ids(text)).logits[0].numpy()) for text in TEXTS]
    np.testing.assert_allclose(result["probabilities"], wanted, rtol=0, atol=EQUAL)
    assert result["probabilities"].dtype == np.float32


def test_classifies_with_a_head_of_the_entrys_own(tmp_path: Path) -> None:
    """A linear layer on the normalised embedding."""
    model = embedder(tmp_path)
    weight = np.random.default_rng(1).normal(size=(3, WIDTH)).astype(np.float32)
    save_file({"weight": weight, "bias": np.ones(3, np.float32)}, tmp_path / "head.safetensors")
    with running(deploy(tmp_path, spec(Task.CLASSIFY, head="head.safetensors", labels=LABELS))) as engine:
        result = succeeded(engine.infer([TensorRequest({"text": text_tensor(["the ship"])})])[0])
    wanted = softmax(weight @ unit(states(model, "the ship").mean(axis=0)) + 1)
    np.testing.assert_allclose(result["probabilities"], [wanted], rtol=0, atol=EQUAL)


def test_counts_tokens_and_refuses_too_many(tmp_path: Path) -> None:
    """Special tokens included; one request's length is its own affair."""
    embedder(tmp_path)
    with running(deploy(tmp_path, spec())) as engine:
        counted, refused, cut = engine.infer(
            [
                TensorRequest({"text": text_tensor(["", "a calm sea"])}),
                TensorRequest({"text": text_tensor(["sea " * 7])}),
                TensorRequest({"text": text_tensor(["sea " * 7])}, {"truncate": "START"}),
            ]
        )
    assert succeeded(counted)["tokens"].tolist() == [[2], [5]]
    assert isinstance(refused, InputTooLong)
    assert refused.message.startswith(f"Input length 9 exceeds maximum allowed token size {MAX_TOKENS}.")
    assert succeeded(cut)["tokens"].tolist() == [[MAX_TOKENS]]


@pytest.mark.parametrize("name", ["max_model_len", "max_input_length"])
def test_a_deployment_may_shorten_the_input(name: str, tmp_path: Path) -> None:
    """What is longer is refused."""
    embedder(tmp_path)
    with running(deploy(tmp_path, spec(), **{name: "4"})) as engine:
        assert isinstance(engine.infer([TensorRequest({"text": text_tensor(["one two three"])})])[0], InputTooLong)
        assert embed(engine, "one two").shape == (1, WIDTH)


@pytest.mark.parametrize("streams", ["1", "2"])
def test_many_rows_are_what_each_is_alone(tmp_path: Path, streams: str) -> None:
    """More rows than a batch holds, of every length, each as if it were alone, and in their order."""
    embedder(tmp_path)
    words = ["a", "calm", "sea", "the", "ship", "sails"]
    texts = [" ".join(words[start : start + count]) for start in range(6) for count in range(7)] * 2
    with running(deploy(tmp_path, spec(), streams=streams)) as engine:
        together = embed(engine, *texts)
        alone = np.concatenate([embed(engine, text) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=EQUAL)


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_a_lower_precision_stays_near(tmp_path: Path, precision: str) -> None:
    """Where the processor lacks it, it is f32; embeddings point the same way in any case."""
    model = embedder(tmp_path)
    with running(deploy(tmp_path, spec(precision=precision))) as engine:
        got = embed(engine, *TEXTS)
    wanted = np.array([unit(states(model, text).mean(axis=0)) for text in TEXTS])
    assert got.dtype == np.float32
    assert ((got * wanted).sum(axis=1) > 0.999).all()


def test_a_failing_batch_is_read_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the memory has no room for together still gets its answers."""
    embedder(tmp_path)
    with running(deploy(tmp_path, spec())) as engine:
        alone = [embed(engine, text)[0] for text in TEXTS]
        network = engine._execution._network
        answer = network.answer

        def cramped(inputs: Any) -> Any:
            if len(inputs.ids) > 1:
                raise torch.OutOfMemoryError("no room")
            return answer(inputs)

        monkeypatch.setattr(network, "answer", cramped)
        np.testing.assert_allclose(embed(engine, *TEXTS), alone, rtol=0, atol=EQUAL)


@pytest.mark.parametrize(("goes_on", "kind"), [(True, EngineError), (False, EngineCrashed)])
def test_a_gpu_that_computes_nothing_more_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_on: bool, kind: type[EngineError]
) -> None:
    """The process has to be started again then; an error that passes costs its own requests. CUDA is played here."""

    def fail(*_: object) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    embedder(tmp_path)
    with running(deploy(tmp_path, spec(), streams="1")) as engine:
        network = engine._execution._network
        monkeypatch.setattr(network, "place", fail)
        monkeypatch.setattr(network, "device", torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "synchronize", (lambda _: None) if goes_on else fail)
        request = TensorRequest({"text": text_tensor(TEXTS)})
        assert [type(result) for result in engine.infer([request, request])] == [kind, kind]


def registry_start(deployment: Deployment) -> None:
    engine = registry.create(deployment.spec, deployment.options)
    try:
        engine.start()
    finally:
        engine.stop()


@pytest.mark.parametrize(
    ("labels", "task", "fields", "says"),
    [
        (3, Task.RANK, {"text": PAIR}, "returns 3 numbers a pair"),
        (
            2,
            Task.CLASSIFY,
            {"text": {"pooling": Pooling.NONE}, "labels": LABELS},
            "returns 2 numbers a text where .* 3",
        ),
    ],
)
def test_a_network_must_fit_its_entry(
    tmp_path: Path, labels: int, task: Task, fields: dict[str, Any], says: str
) -> None:
    """It does not start otherwise."""
    scorer(tmp_path, labels)
    with pytest.raises(InvalidModelEntry, match=says):
        registry_start(deploy(tmp_path, spec(task, **fields)))


def allocate(*_: object, **__: object) -> Any:
    return torch.empty(1 << 55)


def overflow(*_: object, **__: object) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("fails", [allocate, overflow])
@pytest.mark.parametrize("owner", [FAMILIES["bert"].base, Network])
def test_a_model_that_finds_no_memory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type[Any], fails: Any
) -> None:
    """Whether it is lacking for the weights or for the first run."""
    embedder(tmp_path)
    monkeypatch.setattr(owner, "from_pretrained" if owner is not Network else "answer", fails)
    with pytest.raises(MissingRequirement, match=r"no memory for the model .*allocate"):
        registry_start(deploy(tmp_path, spec()))


def test_a_network_without_states_to_pool_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its code raises is said of the model."""
    embedder(tmp_path)
    monkeypatch.setattr(FAMILIES["bert"].base, "forward", lambda *_, **__: {})
    with pytest.raises(InvalidModelEntry, match=r"cannot be run: .*last_hidden_state"):
        registry_start(deploy(tmp_path, spec()))


def test_missing_weights_are_not_made_up(tmp_path: Path) -> None:
    """A bare network does not classify at random."""
    embedder(tmp_path)
    text = {"pooling": Pooling.NONE}
    with pytest.raises(InvalidModelEntry, match=r"lack classifier\.bias, classifier\.weight"):
        registry_start(deploy(tmp_path, spec(Task.CLASSIFY, text=text, labels=LABELS)))


def test_code_of_the_models_own_is_never_run(tmp_path: Path) -> None:
    """Not the code beside the weights, nor a kernel that the config would have fetched."""
    embedder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    own = {"model_type": "own", "auto_map": {"AutoConfig": "modeling_own.Own", "AutoModel": "modeling_own.Own"}}
    (tmp_path / "config.json").write_text(json.dumps(config | own))
    with pytest.raises(InvalidModelEntry, match="cannot load"):
        registry_start(deploy(tmp_path, spec()))
    kernel = {"_attn_implementation": "someone/kernel", "attn_implementation": "someone/kernel"}
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": own["auto_map"]} | kernel))
    with running(deploy(tmp_path, spec())) as engine:
        assert embed(engine, "sea").shape == (1, WIDTH)
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_that_knows_more_than_the_model_is_refused(tmp_path: Path) -> None:
    """Its ids would be read from outside of the embedding."""
    family = FAMILIES["bert"]
    save(family.build(family.base, vocab_size=5), tmp_path)
    with pytest.raises(InvalidModelEntry, match="do not belong together"):
        registry_start(deploy(tmp_path, spec()))


def test_a_gpu_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what may be done."""
    embedder(tmp_path)
    with pytest.raises(MissingRequirement, match=r"'cuda:99'.*nvidia-smi"):
        registry_start(deploy(tmp_path, spec(), device="cuda:99"))
