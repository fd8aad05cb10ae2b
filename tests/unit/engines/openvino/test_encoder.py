"""Encoders: their contract, and right numbers for every pooling and task on small real networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from argosy.core.errors import ArgosyError, InputTooLong, InvalidModelEntry, InvalidRequest
from argosy.core.models import ModelSpec, Pooling, ProfileSpec, Task, TextSpec
from argosy.core.tensors import Tensor, text_tensor
from argosy.engines import registry
from argosy.engines.contract import EngineOptions, TensorEngine, TensorRequest
from argosy.engines.openvino.engine import create
from tests.suites.encoder_engine_contract import MAX_TOKENS, EmbeddingEngineContract
from tests.suites.engine_contract import Broken, Deployment, succeeded
from tests.suites.word_tokenizer import word_ids, write_tokenizer
from tests.unit.engines.openvino import networks

TEXT = TextSpec(max_tokens=MAX_TOKENS, dimensions=networks.WIDTH)
QUICK = {"warm_up": "0"}


def spec(task: Task = Task.EMBED, text: TextSpec = TEXT, **values: object) -> ModelSpec:
    return replace(ModelSpec("small", task, "openvino", text=text), **values)


def deploy(directory: Path, model: ModelSpec, threads: int = 2, **parameters: str) -> Deployment:
    write_tokenizer(directory / "tokenizer.json")
    if not (directory / "model.xml").exists():
        networks.write_encoder(directory / "model.xml")
    return Deployment(model, EngineOptions(directory, threads, 64, QUICK | parameters))


@contextmanager
def running(deployment: Deployment) -> Iterator[TensorEngine]:
    engine = create(deployment.spec, deployment.options)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def embed(engine: TensorEngine, *texts: str, **parameters: str) -> Tensor:
    return succeeded(engine.infer([TensorRequest({"text": text_tensor([*texts])}, parameters)])[0])["embedding"]


def refusal(engine: TensorEngine, request: TensorRequest) -> ArgosyError:
    result = engine.infer([request])[0]
    assert isinstance(result, ArgosyError)
    return result


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


class TestEmbedContract(EmbeddingEngineContract):
    library = "openvino"
    tolerance = 1e-5

    def deployment(self, directory: Path) -> Deployment:
        return deploy(directory, spec())

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        directory = sound.options.directory
        (directory / "broken.xml").write_text("<net>not a network")
        (directory / "broken.bin").write_bytes(b"")
        (directory / "alone.xml").write_bytes((directory / "model.xml").read_bytes())
        (directory / "broken.onnx").write_bytes(b"\x00\x01 no protobuf")
        (directory / "broken.json").write_text("{}")
        models = ["broken.xml", "alone.xml", "broken.onnx", "missing.onnx"]
        tokenizers = ["broken.json", "missing.json"]
        return [
            *(Broken(replace(sound, spec=replace(sound.spec, model=name)), name.split(".")[0]) for name in models),
            *(Broken(replace(sound, spec=spec(text=replace(TEXT, tokenizer=name))), name) for name in tokenizers),
            Broken(replace(sound, spec=spec(text=replace(TEXT, dimensions=7))), "7"),
            Broken(replace(sound, spec=spec(profile=ProfileSpec("f8"))), "f8"),
            *(
                Broken(replace(sound, options=replace(sound.options, parameters={name: "many"})), name)
                for name in ("streams", "warm_up", "quantization_group")
            ),
            Broken(replace(sound, options=replace(sound.options, parameters={"device": "NPU9"})), "NPU9"),
        ]


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        (Pooling.MEAN, lambda states: states.mean(axis=0)),
        (Pooling.CLS, lambda states: states[0]),
        (Pooling.LAST, lambda states: states[-1]),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_pools_token_states(tmp_path: Path, pooling: Pooling, pool: object, normalize: bool) -> None:
    """The embedding is the pooled states of the text's own tokens, whatever pads its batch, normalised on demand."""
    texts = ["ship", "the calm sea", "a ship sails over the sea"]
    model = spec(text=replace(TEXT, pooling=pooling, normalize=normalize))
    with running(deploy(tmp_path, model, threads=1)) as engine:
        got = embed(engine, *texts)
    wanted = [pool(networks.states(word_ids(text))) for text in texts]
    np.testing.assert_allclose(got, [unit(v) if normalize else v for v in wanted], rtol=1e-4, atol=1e-5)


def test_counts_tokens_with_special_ones(tmp_path: Path) -> None:
    """`tokens` is what the network read, special tokens included."""
    with running(deploy(tmp_path, spec())) as engine:
        result = succeeded(engine.infer([TensorRequest({"text": text_tensor(["", "a calm sea"])})])[0])
    assert result["tokens"].tolist() == [[2], [5]]
    assert result["tokens"].dtype == np.int32


def test_token_ids_are_read_as_they_stand(tmp_path: Path) -> None:
    """Token ids give the embedding of the text that has them; the padding -1 is not read."""
    ids = np.array([[*word_ids("the ship"), -1, -1]], dtype=np.int32)
    with running(deploy(tmp_path, spec())) as engine:
        by_ids = succeeded(engine.infer([TensorRequest({"token_ids": ids})])[0])
        np.testing.assert_allclose(by_ids["embedding"], embed(engine, "the ship"), atol=1e-6)
    assert by_ids["tokens"].tolist() == [[4]]


@pytest.mark.parametrize(
    ("truncate", "kept"), [("END", "the ship sails over a calm"), ("START", "sails over a calm sea ship")]
)
def test_truncation_keeps_special_tokens(tmp_path: Path, truncate: str, kept: str) -> None:
    """END keeps the beginning and START the end of a text, with the special tokens around it."""
    whole = {"END": "the ship sails over a calm sea ship", "START": "the ship sails over a calm sea ship"}[truncate]
    with running(deploy(tmp_path, spec())) as engine:
        np.testing.assert_allclose(embed(engine, whole, truncate=truncate), embed(engine, kept), atol=1e-6)


@pytest.mark.parametrize(("truncate", "kept"), [("END", slice(0, 8)), ("START", slice(2, 10))])
def test_token_ids_are_truncated_too(tmp_path: Path, truncate: str, kept: slice) -> None:
    """Token ids lose their end or their start."""
    ids = np.array([[4, 5, 6, 7, 8, 9, 10, 4, 5, 6]], dtype=np.int32)
    with running(deploy(tmp_path, spec())) as engine:
        long, short = engine.infer(
            [TensorRequest({"token_ids": ids}, {"truncate": truncate}), TensorRequest({"token_ids": ids[:, kept]})]
        )
    np.testing.assert_allclose(succeeded(long)["embedding"], succeeded(short)["embedding"], atol=1e-6)


def test_the_message_names_length_and_limit(tmp_path: Path) -> None:
    """The caller learns how long the input was and how long it may be."""
    with running(deploy(tmp_path, spec())) as engine:
        error = refusal(engine, TensorRequest({"text": text_tensor(["sea " * 9])}))
    assert isinstance(error, InputTooLong)
    assert error.message.startswith("Input length 11 exceeds maximum allowed token size 8.")
    assert error.param == "text"


def test_prefixes_go_before_the_text(tmp_path: Path) -> None:
    """`input_type` puts the entry's prefix before the text; without it there is none."""
    text = replace(TEXT, prefixes={"query": "query: ", "passage": "passage: "})
    with running(deploy(tmp_path, spec(text=text))) as engine:
        plain = embed(engine, "passage: sea", "query: sea", "sea")
        prefixed = [embed(engine, "sea", input_type="passage")[0], embed(engine, "sea", input_type="query")[0]]
        np.testing.assert_allclose(plain[:2], prefixed, atol=1e-6)
        np.testing.assert_allclose(plain[2:], embed(engine, "sea"), atol=1e-6)


def test_pooling_none_returns_the_networks_own_vector(tmp_path: Path) -> None:
    """With pooling none the network's vector is the answer."""
    networks.write_classifier(tmp_path / "model.xml")
    model = spec(text=replace(TEXT, pooling=Pooling.NONE, normalize=False, dimensions=3))
    with running(deploy(tmp_path, model)) as engine:
        np.testing.assert_allclose(embed(engine, "sea"), [networks.TABLE[2] @ networks.WEIGHT.T], atol=1e-5)


def test_ranks_by_cosine_of_embeddings(tmp_path: Path) -> None:
    """A bi-encoder's logit is the cosine of query and passage, each with its prefix; tokens are those of both."""
    text = replace(TEXT, prefixes={"query": "query: ", "passage": "passage: "}, normalize=False)
    inputs = {"query": text_tensor(["ship", "ship"]), "passage": text_tensor(["the ship", "calm"])}
    with running(deploy(tmp_path, spec(Task.RANK, text))) as engine:
        result = succeeded(engine.infer([TensorRequest(inputs)])[0])

    def vector(words: str) -> np.ndarray:
        return unit(networks.states(word_ids(words)).mean(axis=0))

    wanted = [[vector("query: ship") @ vector("passage: the ship")], [vector("query: ship") @ vector("passage: calm")]]
    np.testing.assert_allclose(result["logit"], wanted, atol=1e-5)
    assert result["tokens"].tolist() == [[9], [8]]


PAIR = replace(TEXT, pooling=Pooling.NONE, normalize=False, pair=True)


def rank(engine: TensorEngine, pairs: Sequence[tuple[str, str]], **parameters: str) -> dict[str, Tensor]:
    queries, passages = zip(*pairs, strict=True)
    inputs = {"query": text_tensor([*queries]), "passage": text_tensor([*passages])}
    return dict(succeeded(engine.infer([TensorRequest(inputs, parameters)])[0]))


@pytest.mark.parametrize("scores", [1, 2])
def test_ranks_with_a_cross_encoder(tmp_path: Path, scores: int) -> None:
    """Query and passage are read as a pair, with type ids; two logits become the log-odds of the second."""
    networks.write_cross_encoder(tmp_path / "model.xml", scores=scores)
    pairs = [("ship", "the calm"), ("sea", "a"), ("the calm", "ship"), ("a ship sails over", "sea"), ("sea", "")]
    with running(deploy(tmp_path, spec(Task.RANK, PAIR))) as engine:
        result = rank(engine, pairs)
    logits = [networks.pair_scores(query, passage, scores) for query, passage in pairs]
    wanted = [[row[-1] - row[0]] if scores == 2 else [row[0]] for row in logits]
    np.testing.assert_allclose(result["logit"], wanted, rtol=1e-6)
    assert result["logit"].dtype == np.float32
    assert result["tokens"].tolist() == [[6], [5], [6], [8], [4]]


def test_a_cross_encoder_may_have_no_type_ids(tmp_path: Path) -> None:
    """As RoBERTa has none; the separators alone tell the texts apart."""
    networks.write_position_blind_cross_encoder(tmp_path / "model.xml")
    with running(deploy(tmp_path, spec(Task.RANK, PAIR))) as engine:
        result = rank(engine, [("ship", "sea"), ("ship", "the calm")])
    assert result["logit"].tolist() == [[2 + 5 + 3 + 10 + 3], [2 + 5 + 3 + 4 + 9 + 3]]


@pytest.mark.parametrize(("truncate", "left"), [("END", "calm sea ship sails"), ("START", "sails over the sea")])
def test_a_cross_encoder_cuts_the_passage_only(tmp_path: Path, truncate: str, left: str) -> None:
    """Its end or its start; query and separators stay whole."""
    networks.write_cross_encoder(tmp_path / "model.xml")
    with running(deploy(tmp_path, spec(Task.RANK, PAIR))) as engine:
        cut = rank(engine, [("ship", "calm sea ship sails over the sea")], truncate=truncate)
        assert cut["logit"].tolist() == rank(engine, [("ship", left)])["logit"].tolist()
    assert cut["tokens"].tolist() == [[8]]


@pytest.mark.parametrize(
    ("query", "parameters"), [("ship", {}), ("ship", {"truncate": "NONE"}), ("sea " * 6, {"truncate": "END"})]
)
def test_a_pair_that_does_not_fit_is_refused(tmp_path: Path, query: str, parameters: dict[str, str]) -> None:
    """Unless it may be cut and the query leaves room for some of the passage."""
    networks.write_cross_encoder(tmp_path / "model.xml")
    inputs = {"query": text_tensor([query]), "passage": text_tensor(["calm sea ship sails over the"])}
    with running(deploy(tmp_path, spec(Task.RANK, PAIR))) as engine:
        error = refusal(engine, TensorRequest(inputs, parameters))
    assert isinstance(error, InputTooLong)
    assert "exceeds maximum allowed token size 8" in error.message


@pytest.mark.parametrize(
    ("text", "scores", "says"),
    [(PAIR, 3, "returns 3 numbers a pair"), (replace(PAIR, pair=False, dimensions=0), 1, "pair: true")],
)
def test_a_network_that_is_no_cross_encoder_does_not_start(
    tmp_path: Path, text: TextSpec, scores: int, says: str
) -> None:
    """Nor does one that is and is not called so."""
    networks.write_cross_encoder(tmp_path / "model.xml", scores=scores)
    deployment = deploy(tmp_path, spec(Task.RANK, text))
    with pytest.raises(InvalidModelEntry, match=says):
        create(deployment.spec, deployment.options).start()


@pytest.mark.parametrize("inputs", [{"query": ["a"]}, {"passage": ["a"]}, {"query": ["a"], "passage": ["b", "c"]}])
def test_rank_needs_as_many_queries_as_passages(tmp_path: Path, inputs: dict[str, list[str]]) -> None:
    """Query and passage must both be there, row for row."""
    with running(deploy(tmp_path, spec(Task.RANK))) as engine:
        tensors = {name: text_tensor(texts) for name, texts in inputs.items()}
        assert isinstance(refusal(engine, TensorRequest(tensors)), InvalidRequest)


def test_classifies_with_a_head(tmp_path: Path) -> None:
    """Probabilities are the softmax of the head on the pooled, normalised embedding."""
    networks.write_head(tmp_path / "head.safetensors")
    model = spec(Task.CLASSIFY, head="head.safetensors", labels=("x", "y", "z"))
    with running(deploy(tmp_path, model)) as engine:
        result = succeeded(engine.infer([TensorRequest({"text": text_tensor(["the ship"])})])[0])
    vector = unit(networks.states(word_ids("the ship")).mean(axis=0))
    np.testing.assert_allclose(result["probabilities"], [softmax(networks.WEIGHT @ vector + networks.BIAS)], atol=1e-5)


def test_classifies_with_the_networks_own_head(tmp_path: Path) -> None:
    """Without a head file the network's logits are the classes'."""
    networks.write_classifier(tmp_path / "model.xml")
    model = spec(Task.CLASSIFY, replace(TEXT, pooling=Pooling.NONE), labels=("x", "y", "z"))
    with running(deploy(tmp_path, model)) as engine:
        result = succeeded(engine.infer([TensorRequest({"text": text_tensor(["sea"])})])[0])
    np.testing.assert_allclose(result["probabilities"], [softmax(networks.WEIGHT @ networks.TABLE[2])], atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "head", "names"),
    [(("x", "y"), "head.safetensors", "head"), (("x",), None, "labels"), (("x", "y", "z"), "missing.st", "missing.st")],
)
def test_a_head_must_fit(tmp_path: Path, labels: tuple[str, ...], head: str | None, names: str) -> None:
    """A head with other classes than the labels, or none where one is needed, does not start."""
    networks.write_head(tmp_path / "head.safetensors")
    model = spec(Task.CLASSIFY, head=head, labels=labels)
    deployment = deploy(tmp_path, model)
    with pytest.raises(InvalidModelEntry, match=names):
        create(model, deployment.options).start()


def test_a_network_with_other_inputs_is_refused(tmp_path: Path) -> None:
    """An input that no encoder has is named at the start, not at the first request."""
    networks.write_encoder(tmp_path / "model.xml", inputs=("input_ids", "attention_mask", "pixel_values"))
    deployment = deploy(tmp_path, spec())
    with pytest.raises(InvalidModelEntry, match="pixel_values"):
        create(deployment.spec, deployment.options).start()


def test_equal_texts_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that occur several times in one execution take one row."""
    with running(deploy(tmp_path, spec())) as engine:
        seen = []
        executor = engine._executor
        monkeypatch.setattr(engine, "_executor", executor)
        run = executor.run
        monkeypatch.setattr(
            executor,
            "run",
            lambda batches: run([*(seen.append(len(batch["input_ids"])) or batch for batch in batches)]),
        )
        request = TensorRequest({"text": text_tensor(["sea", "sea", "ship"])})
        results = [succeeded(result)["embedding"] for result in engine.infer([request, request])]
    assert sum(seen) == 2
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0][0], results[0][1])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@pytest.mark.parametrize("name", ["max_model_len", "max_input_length"])
def test_a_deployment_may_shorten_the_input(name: str, tmp_path: Path) -> None:
    """What is longer is refused, or cut where the request allows it."""
    deployment = deploy(tmp_path, spec(), **{name: "4"})
    engine = registry.create(deployment.spec, deployment.options)
    assert isinstance(engine, TensorEngine)
    engine.start()
    try:
        assert isinstance(refusal(engine, TensorRequest({"text": text_tensor(["one two three"])})), InputTooLong)
        assert embed(engine, "one two").shape == (1, networks.WIDTH)
        assert embed(engine, "one two three", truncate="END").shape == (1, networks.WIDTH)
    finally:
        engine.stop()


def test_one_text_gets_every_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on the compilation of one stream, several on that of all."""
    with running(deploy(tmp_path, spec())) as engine:
        ran = []
        for name in ("_alone", "_executor"):
            executor = getattr(engine, name)

            def note(batches: Any, name: str = name, run: Any = executor.run) -> Any:
                ran.append(name)
                return run(batches)

            monkeypatch.setattr(executor, "run", note)
        for texts in (["ship"], ["ship", "ship"], ["ship", "sea"]):
            embed(engine, *texts)
    assert ran == ["_alone", "_alone", "_executor"]
