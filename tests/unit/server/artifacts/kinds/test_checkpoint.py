"""A checkpoint as published becomes an entry for the engine that was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from safetensors.numpy import save_file
from tritonclient.grpc import model_config_pb2

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import Pooling, ProfileSpec, Task
from argosy.server.artifacts import staging
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.artifacts.source import Source
from argosy.store.entries import ModelEntry
from tests.suites.checkpoints import encoder, index, language_model, shard
from tests.unit.server.artifacts.sources import encoder_folder, encoder_network, gguf_file

VLLM = ChosenProfile("ab" * 32, "vllm-cpu-bf16", {"engine": "vllm", "tp": "1"}, "vllm", "bf16", "bf16", "cpu")
TORCH = ChosenProfile("cd" * 32, "torch-cpu-f32", {"engine": "torch"}, "torch", "f32", "fp32", "cpu")


def adopted(path: Path, chosen: ChosenProfile | None, name: str | None = None) -> ModelEntry:
    return adopt(path, path.parent / "cache", name, lambda source, name: chosen)


def config(entry: ModelEntry) -> Any:
    return text_format.Parse((entry.directory / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def files(entry: ModelEntry) -> set[str]:
    return {path.name for path in entry.newest.iterdir()}


class TestLanguageModel:
    def test_its_files_lie_beside_its_config(self, tmp_path: Path) -> None:
        """Engine, arithmetic and lengths are those of the profile and the config; answers come in a stream."""
        entry = adopted(language_model(tmp_path / "tiny"), VLLM)
        spec = entry.spec
        assert (spec.name, spec.task, spec.engine, spec.model) == ("tiny", Task.GENERATE, "vllm", "config.json")
        assert spec.profile == ProfileSpec("bf16", "bf16")
        assert spec.generate is not None
        assert (spec.generate.context_length, spec.generate.eos_token_ids) == (512, (2,))
        assert (spec.generate.bos_token, spec.generate.eos_token) == ("<s>", "</s>")
        assert files(entry) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
        assert config(entry).backend == "argosy_vllm"
        assert config(entry).model_transaction_policy.decoupled

    def test_weights_in_several_files_come_with_their_index(self, tmp_path: Path) -> None:
        """Every file that the index names, and no other."""
        folder = shard(language_model(tmp_path / "tiny"))
        (folder / "consolidated.safetensors").write_bytes(b"the same once more")
        weights = {name for name in files(adopted(folder, VLLM)) if "safetensors" in name}
        assert weights == {
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        }

    def test_one_whole_file_of_weights_comes_before_several(self, tmp_path: Path) -> None:
        """As transformers would choose."""
        folder = language_model(tmp_path / "tiny")
        index(folder, {"a": "model-00001-of-00001.safetensors"})
        assert {name for name in files(adopted(folder, VLLM)) if "safetensors" in name} == {"model.safetensors"}

    def test_large_weights_are_linked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Gigabytes are not copied."""
        monkeypatch.setattr(staging, "_COPIED_UP_TO", 64)
        folder = language_model(tmp_path / "tiny")
        assert (adopted(folder, VLLM).newest / "model.safetensors").resolve() == folder / "model.safetensors"

    def test_a_machine_with_little_memory_shortens_the_context(self, tmp_path: Path) -> None:
        """The engine and clients are told the same length; nothing makes it longer than the model's own."""
        for longest, length in ((256, 256), (4096, 512)):
            generate = adopted(
                language_model(tmp_path / f"m{longest}"), replace(VLLM, max_model_len=longest)
            ).spec.generate
            assert generate is not None
            assert generate.context_length == length

    def test_what_the_profile_stands_for_reaches_the_engine(self, tmp_path: Path) -> None:
        """As parameters of the config."""
        chosen = replace(VLLM, weights="fp8", parameters={"quantization": "fp8", "kv_cache_gib": "4"})
        entry = adopted(language_model(tmp_path / "tiny"), chosen)
        told = {key: value.string_value for key, value in config(entry).parameters.items()}
        assert told == {"quantization": "fp8", "kv_cache_gib": "4"}
        assert entry.spec.profile.label == "bf16/fp8"

    def test_the_chat_template_of_the_tokenizer_is_taken(self, tmp_path: Path) -> None:
        """From its own file or the tokenizer's config, as for every other language model."""
        folder = language_model(tmp_path / "tiny")
        (folder / "chat_template.jinja").write_text("{{ messages }}")
        entry = adopted(folder, VLLM)
        assert entry.spec.generate is not None
        assert (entry.newest / str(entry.spec.generate.chat_template)).read_text() == "{{ messages }}"


class TestEncoder:
    def test_a_bare_encoder_embeds(self, tmp_path: Path) -> None:
        """Requests are gathered; the vector is as long as a state."""
        entry = adopted(encoder(tmp_path / "bert"), TORCH)
        assert (entry.spec.task, entry.spec.engine) == (Task.EMBED, "torch")
        text = entry.spec.text
        assert text is not None
        assert (text.pooling, text.normalize, text.dimensions, text.max_tokens) == (Pooling.MEAN, True, 16, 128)
        assert config(entry).HasField("dynamic_batching")
        assert config(entry).output[0].dims == [16]

    def test_sentence_transformers_files_decide(self, tmp_path: Path) -> None:
        """Pooling, normalisation and prefixes, also of a decoder that was made an encoder."""
        folder = encoder(tmp_path / "gte", architectures=["Qwen2ForCausalLM"])
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
        modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "query: "}}))
        spec = adopted(folder, TORCH).spec
        assert spec.task is Task.EMBED
        assert spec.text is not None
        assert (spec.text.pooling, spec.text.normalize) == (Pooling.LAST, False)
        assert spec.text.prefixes == {"query": "query: "}

    def test_one_label_means_ranking_and_more_mean_classes(self, tmp_path: Path) -> None:
        """The network pools and scores by itself."""
        architectures = ["BertForSequenceClassification"]
        ranker = adopted(encoder(tmp_path / "r", architectures=architectures, id2label={"0": "LABEL_0"}), TORCH).spec
        assert ranker.text is not None
        assert (ranker.task, ranker.text.pair, ranker.text.pooling) == (Task.RANK, True, Pooling.NONE)
        names = {"0": "calm", "1": "cross", "2": "curious"}
        classifier = adopted(encoder(tmp_path / "c", architectures=architectures, id2label=names), TORCH).spec
        assert (classifier.task, classifier.labels) == (Task.CLASSIFY, ("calm", "cross", "curious"))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"architectures": ["BertForTokenClassification"]}, "argosy convert"),
            ({"architectures": None}, "no architecture"),
            ({"architectures": ["T5ForConditionalGeneration"]}, "several networks"),
            ({"architectures": ["BertForSequenceClassification"], "problem_type": "multi_label_classification"}, "sum"),
            ({"hidden_size": None}, "hidden_size"),
        ],
    )
    def test_what_no_route_serves_is_refused(self, tmp_path: Path, change: dict[str, Any], says: str) -> None:
        """With what to do instead."""
        with pytest.raises(InvalidModelEntry, match=says):
            adopted(encoder(tmp_path / "m", **change), TORCH)
        assert not (tmp_path / "cache" / "store").exists()

    def test_a_dense_module_is_refused(self, tmp_path: Path) -> None:
        """Without it the vector would come out different."""
        folder = encoder(tmp_path / "m")
        (folder / "modules.json").write_text(
            json.dumps([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])
        )
        with pytest.raises(InvalidModelEntry, match="Dense"):
            adopted(folder, TORCH)


class TestChoice:
    def test_without_a_chooser_a_checkpoint_is_to_be_converted(self, tmp_path: Path) -> None:
        """Nobody guesses what the machine has."""
        with pytest.raises(InvalidModelEntry, match="argosy convert"):
            adopt(language_model(tmp_path / "tiny"), tmp_path / "cache")

    def test_what_is_no_checkpoint_is_not_chosen_for(self, tmp_path: Path) -> None:
        """Weights of another name are not what an engine would load."""
        folder = language_model(tmp_path / "tiny")
        (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
        with pytest.raises(InvalidModelEntry, match="argosy convert"):
            adopted(folder, VLLM)

    def test_another_choice_makes_another_entry(self, tmp_path: Path) -> None:
        """Beside the first, which a server may be serving; the same choice, and the first one again, make none."""
        folder = language_model(tmp_path / "tiny")
        first = adopted(folder, VLLM)
        made = (first.directory / "argosy.yaml").stat().st_ino
        for other in (replace(VLLM, precision="f32"), replace(VLLM, parameters={"kv_cache_gib": "2"})):
            entry = adopted(folder, other)
            assert entry.directory != first.directory
            assert entry.spec.source["fingerprint"] != first.spec.source["fingerprint"]
        again = adopted(folder, VLLM)
        assert again == first
        assert (again.directory / "argosy.yaml").stat().st_ino == made

    def test_a_source_that_changed_makes_the_entry_anew(self, tmp_path: Path) -> None:
        """In its own place: what was is not kept."""
        folder = language_model(tmp_path / "tiny")
        first = adopted(folder, VLLM)
        _change(folder, eos_token_id=3)
        second = adopted(folder, VLLM)
        assert second.directory == first.directory
        assert second.spec.generate is not None
        assert second.spec.generate.eos_token_ids == (3,)

    def test_the_entry_remembers_the_choice(self, tmp_path: Path) -> None:
        """What was chosen is told by every listing later on."""
        source = adopted(language_model(tmp_path / "tiny"), VLLM).spec.source
        assert source["device"] == "cpu"
        assert source["profile"] == {"id": VLLM.id, "name": VLLM.name, "tags": dict(VLLM.tags)}

    def test_the_chooser_is_told_folder_and_name(self, tmp_path: Path) -> None:
        """A profile's id depends on the name."""
        asked = []

        def choose(source: Source, name: str) -> ChosenProfile:
            asked.append((source.root, name))
            return VLLM

        folder = language_model(tmp_path / "tiny")
        adopt(folder, tmp_path / "cache", "mine", choose)
        assert asked == [(folder, "mine")]


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _remote_code(folder: Path) -> None:
    _change(folder, auto_map={"AutoModelForCausalLM": "modeling_x.X"})


def _own_code(folder: Path) -> None:
    (folder / "modeling_x.py").write_text("raise SystemExit")


def _cut_off(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-8])


def _disguised(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04K\x01.")


def _endless_header(folder: Path) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        file.write((17 << 20).to_bytes(8, "little"))
        file.truncate(18 << 20)


def _linked_out(folder: Path) -> None:
    (folder.parent / "secret.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(folder.parent / "secret.safetensors")


def _index(weight_map: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        index(shard(folder), weight_map)

    return change


def _change(folder: Path, **config: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_pickled, "pickle"),
        (_remote_code, "auto_map"),
        (_own_code, r"modeling_x\.py"),
        (_cut_off, "copy it again"),
        (_endless_header, "longer than the file or than 16 MiB"),
        (_disguised, "not a usable safetensors file"),
        (_linked_out, "leads out"),
        (_index({"a": "../secret.safetensors"}), "no .safetensors file of the folder"),
        (_index({"a": "/etc/passwd"}), "no .safetensors file of the folder"),
        (_index({"a": "pytorch_model.bin"}), "no .safetensors file of the folder"),
        (_index({"a": "model-00003-of-00002.safetensors"}), "is not there"),
        (_index({"a": "model-00001-of-00002.safetensors"}), "lacks it"),
        (_index({"a": ["x"]}), "no .safetensors file of the folder"),
        (_index({f"t{number}": f"{number}.safetensors" for number in range(1001)}), "1000 are the most"),
        (_index([]), "weight_map"),
        (partial(_change, architectures=5), "no architecture"),
    ],
)
def test_what_could_run_code_or_lead_out_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    """V15, V16: pickles by name, code of the model's own, broken weights, and an index that names what is elsewhere."""
    folder = language_model(tmp_path / "tiny")
    change(folder)
    with pytest.raises(InvalidModelEntry, match=says):
        adopted(folder, VLLM)
    assert not (tmp_path / "cache" / "store").exists()


def _beside(folder: Path) -> Path:
    """The same folder with whole weights in it."""
    save_file({"layer.0": np.zeros((4, 4), np.float32)}, folder / "model.safetensors")
    return folder


def _led_out(folder: Path) -> None:
    (folder / "model.safetensors").symlink_to("/dev/null")


def _unnamed_shard(folder: Path) -> None:
    index(folder, {"a": "model-00001-of-00001.safetensors"})


def _torn(folder: Path) -> None:
    _cut_off(_beside(folder))


def _pictures(folder: Path) -> None:
    _change(_beside(folder), architectures=["ViTForImageClassification"])
    (folder / "tokenizer.json").unlink()


def _projected(folder: Path) -> None:
    encoder_network(folder / "openvino_model.xml", "sentence_embedding", 16)
    modules = [{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
    (_beside(folder) / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize("change", [_led_out, _unnamed_shard, _torn, _pictures, _projected])
def test_weights_that_cannot_be_served_do_not_matter_beside_a_network(tmp_path: Path, change: Any) -> None:
    """Also on a machine where an engine that reads weights would come first."""
    folder = encoder_folder(tmp_path / "bert")
    change(folder)
    assert adopted(folder, TORCH).spec.engine == "openvino"


def test_weights_that_cannot_be_served_do_not_matter_beside_a_gguf_file(tmp_path: Path) -> None:
    """Its engine needs none of them."""
    folder = language_model(tmp_path / "llm")
    _cut_off(folder)
    gguf_file(folder / "tiny.gguf")
    assert adopted(folder, VLLM).spec.engine == "openvino_genai"


def test_weights_that_can_be_served_matter_beside_a_network(tmp_path: Path) -> None:
    """The chooser is asked."""
    assert adopted(_beside(encoder_folder(tmp_path / "bert")), TORCH).spec.engine == "torch"


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    """Each task says what it needs."""
    for folder, chosen in ((language_model(tmp_path / "llm"), VLLM), (encoder(tmp_path / "bert"), TORCH)):
        (folder / "tokenizer.json").unlink()
        with pytest.raises(InvalidModelEntry, match=r"tokenizer\.json"):
            adopted(folder, chosen)
    (tmp_path / "bert" / "vocab.txt").write_text("[PAD]")
    with pytest.raises(InvalidModelEntry, match="AutoTokenizer"):
        adopted(tmp_path / "bert", TORCH)
