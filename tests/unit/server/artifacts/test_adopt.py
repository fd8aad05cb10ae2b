"""What becomes of each kind of source."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.core.models import Pooling, Task
from argosy.server.artifacts.adopt import adopt
from argosy.store.entries import ModelEntry, read_entry
from tests.unit.server.artifacts.onnx_bytes import matmul
from tests.unit.server.artifacts.sources import (
    LLAMA,
    encoder_folder,
    encoder_network,
    gguf_file,
    language_model_folder,
    tensor_network,
    write_json,
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def config(entry: ModelEntry) -> Any:
    return text_format.Parse((entry.directory / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def files(entry: ModelEntry) -> set[str]:
    return {path.name for path in entry.newest.iterdir()}


class TestGguf:
    def test_metadata_becomes_the_spec(self, tmp_path: Path, cache: Path) -> None:
        """Context length, end tokens, template and weights come from the file."""
        entry = adopt(gguf_file(tmp_path / "Tiny-Llama.Q8_0.gguf"), cache)
        spec = entry.spec
        assert (spec.name, spec.task, spec.engine, spec.model) == (
            "tiny-llama.q8_0",
            Task.GENERATE,
            "openvino_genai",
            "model.gguf",
        )
        assert spec.generate is not None
        assert spec.generate.context_length == 512
        assert spec.generate.eos_token_ids == (2, 4)
        assert (spec.generate.bos_token, spec.generate.eos_token) == ("<s>", "</s>")
        assert spec.generate.tokenizer is None
        assert spec.profile.weights == "q8_0"
        assert spec.license == "apache-2.0"
        assert (entry.newest / "chat_template.jinja").read_text() == LLAMA["tokenizer.chat_template"]
        assert config(entry).model_transaction_policy.decoupled

    def test_a_large_file_is_linked(self, tmp_path: Path, cache: Path) -> None:
        """Weights are not copied."""
        path = gguf_file(tmp_path / "big.gguf")
        with path.open("r+b") as file:
            file.truncate(17 << 20)
        link = adopt(path, cache).newest / "model.gguf"
        assert link.is_symlink()
        assert link.resolve() == path.resolve()

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"general.architecture": "mamba"}, "optimum-cli export openvino"),
            ({"general.file_type": 17}, "Q5_K_M"),
            ({"split.count": 3}, "llama-gguf-split --merge"),
            ({"llama.context_length": 0}, "context_length"),
            ({"tokenizer.ggml.tokens": []}, "no tokenizer"),
            ({"tokenizer.chat_template": "x" * (1 << 21)}, "chat template"),
        ],
    )
    def test_what_the_engine_cannot_run_is_refused(
        self, tmp_path: Path, cache: Path, change: dict[str, Any], says: str
    ) -> None:
        """The message says what to use instead."""
        with pytest.raises(InvalidModelEntry, match=says):
            adopt(gguf_file(tmp_path / "m.gguf", {**LLAMA, **change}), cache)
        assert not (cache / "store").exists()

    def test_a_folder_with_one_gguf_file(self, tmp_path: Path, cache: Path) -> None:
        """The folder names the model."""
        folder = tmp_path / "tiny"
        folder.mkdir()
        gguf_file(folder / "model.gguf")
        assert adopt(folder, cache).name == "tiny"

    def test_a_folder_with_two_asks_which(self, tmp_path: Path, cache: Path) -> None:
        """Which of several files is meant cannot be guessed."""
        for name in ("a.gguf", "b.gguf"):
            gguf_file(tmp_path / name)
        with pytest.raises(InvalidModelEntry, match="name one"):
            adopt(tmp_path, cache, "m")


class TestLanguageModel:
    def test_configs_become_the_spec(self, tmp_path: Path, cache: Path) -> None:
        """Generation and tokenizer configs are read; all files an engine may want are in the version folder."""
        folder = language_model_folder(tmp_path / "llm")
        write_json(folder / "generation_config.json", {"eos_token_id": [7, 9]})
        tokens = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": "{{ a }}"}
        write_json(folder / "tokenizer_config.json", tokens)
        write_json(folder / "openvino_config.json", {"quantization_config": {"bits": 8}})
        tensor_network(folder / "openvino_tokenizer.xml")
        entry = adopt(folder, cache)
        generate = entry.spec.generate
        assert generate is not None
        assert (generate.context_length, generate.eos_token_ids, generate.tokenizer) == (2048, (7, 9), "tokenizer.json")
        assert (generate.bos_token, generate.eos_token) == ("<s>", "</s>")
        assert entry.spec.profile.weights == "int8"
        assert (entry.newest / str(generate.chat_template)).read_text() == "{{ a }}"
        assert {
            "openvino_model.xml",
            "openvino_model.bin",
            "openvino_tokenizer.xml",
            "openvino_tokenizer.bin",
        } <= files(entry)

    def test_the_template_file_wins(self, tmp_path: Path, cache: Path) -> None:
        """chat_template.jinja is newer than the template inside tokenizer_config.json."""
        folder = language_model_folder(tmp_path / "llm")
        write_json(folder / "tokenizer_config.json", {"chat_template": "old"})
        (folder / "chat_template.jinja").write_text("new")
        assert (adopt(folder, cache).newest / "chat_template.jinja").read_text() == "new"

    def test_the_default_of_several_templates_is_used(self, tmp_path: Path, cache: Path) -> None:
        """A list of named templates has one called default."""
        folder = language_model_folder(tmp_path / "llm")
        named = [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]
        write_json(folder / "tokenizer_config.json", {"chat_template": named})
        assert (adopt(folder, cache).newest / "chat_template.jinja").read_text() == "d"

    def test_the_template_tells_the_parsers(self, tmp_path: Path, cache: Path) -> None:
        """A template that writes Hermes calls and thoughts gives the model both parsers."""
        folder = language_model_folder(tmp_path / "llm")
        (folder / "chat_template.jinja").write_text("<tool_call></tool_call>{% if enable_thinking %}<think>{% endif %}")
        generate = adopt(folder, cache).spec.generate
        assert generate is not None
        assert (generate.tool_parser, generate.reasoning_parser) == ("hermes", "qwen3")

    def test_no_template_means_no_chat(self, tmp_path: Path, cache: Path) -> None:
        """A model without a template gets none made up."""
        entry = adopt(language_model_folder(tmp_path / "llm"), cache)
        assert entry.spec.generate is not None
        assert entry.spec.generate.chat_template is None
        assert entry.spec.generate.eos_token_ids == (2,)

    def test_a_missing_context_length_is_asked_for(self, tmp_path: Path, cache: Path) -> None:
        """The engine does not enforce a length by itself, so that one is needed."""
        with pytest.raises(InvalidModelEntry, match="max_position_embeddings"):
            adopt(language_model_folder(tmp_path / "llm", max_position_embeddings=None), cache)

    def test_a_missing_tokenizer_is_asked_for(self, tmp_path: Path, cache: Path) -> None:
        """A language model without any tokenizer cannot be served."""
        folder = language_model_folder(tmp_path / "llm")
        (folder / "tokenizer.json").unlink()
        with pytest.raises(InvalidModelEntry, match="openvino_tokenizer"):
            adopt(folder, cache)


class TestEncoder:
    def test_a_plain_encoder_embeds_with_the_mean(self, tmp_path: Path, cache: Path) -> None:
        """Without modules.json token states are averaged to unit vectors."""
        entry = adopt(encoder_folder(tmp_path / "bert", max_position_embeddings=128), cache)
        text = entry.spec.text
        assert entry.spec.task is Task.EMBED
        assert text is not None
        assert (text.pooling, text.normalize, text.dimensions, text.max_tokens) == (Pooling.MEAN, True, 8, 128)
        assert files(entry) == {"openvino_model.xml", "openvino_model.bin", "tokenizer.json"}
        assert config(entry).output[0].dims == [8]

    def test_sentence_transformers_files_decide(self, tmp_path: Path, cache: Path) -> None:
        """Pooling, normalisation, length and prefixes come from the folder's own files."""
        folder = encoder_folder(tmp_path / "st", max_position_embeddings=512)
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        write_json(
            folder / "modules.json",
            [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules],
        )
        write_json(
            folder / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
        )
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": 256})
        write_json(folder / "tokenizer_config.json", {"model_max_length": 1e30})
        write_json(
            folder / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: "}}
        )
        text = adopt(folder, cache).spec.text
        assert text is not None
        assert (text.pooling, text.normalize, text.max_tokens) == (Pooling.CLS, False, 256)
        assert text.prefixes == {"query": "query: ", "passage": "passage: "}

    def test_a_network_that_pools_is_left_to(self, tmp_path: Path, cache: Path) -> None:
        """An output called sentence_embedding is the vector."""
        text = adopt(encoder_folder(tmp_path / "st", output="sentence_embedding"), cache).spec.text
        assert text is not None
        assert (text.pooling, text.dimensions) == (Pooling.NONE, 8)

    def test_an_embedding_model_made_from_a_decoder(self, tmp_path: Path, cache: Path) -> None:
        """modules.json says that the model embeds, whatever its architecture is called."""
        folder = encoder_folder(tmp_path / "qwen", "Qwen3ForCausalLM")
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        write_json(
            folder / "modules.json",
            [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules],
        )
        write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_lasttoken": True})
        spec = adopt(folder, cache).spec
        assert spec.task is Task.EMBED
        assert spec.text is not None
        assert (spec.text.pooling, spec.text.normalize) == (Pooling.LAST, True)

    def test_a_classifier_has_its_labels_in_order(self, tmp_path: Path, cache: Path) -> None:
        """Labels are sorted by class number, not by the text of the number."""
        names = {str(number): f"class {number}" for number in reversed(range(11))}
        folder = encoder_folder(tmp_path / "c", "BertForSequenceClassification", "logits", 11, id2label=names)
        entry = adopt(folder, cache)
        assert entry.spec.task is Task.CLASSIFY
        assert entry.spec.labels == tuple(f"class {number}" for number in range(11))
        assert config(entry).output[0].dims == [11]

    def test_one_label_means_ranking(self, tmp_path: Path, cache: Path) -> None:
        """A classifier with one score is a cross-encoder."""
        folder = encoder_folder(tmp_path / "r", "BertForSequenceClassification", "logits", 1, id2label={"0": "LABEL_0"})
        entry = adopt(folder, cache)
        assert entry.spec.task is Task.RANK
        assert entry.spec.text is not None
        assert entry.spec.text.pooling is Pooling.NONE
        assert entry.spec.text.pair
        assert [tensor.name for tensor in config(entry).input] == ["query", "passage"]

    def test_roberta_counts_positions_from_two(self, tmp_path: Path, cache: Path) -> None:
        """514 positions hold 512 tokens."""
        folder = encoder_folder(tmp_path / "x", model_type="xlm-roberta", max_position_embeddings=514)
        text = adopt(folder, cache).spec.text
        assert text is not None
        assert text.max_tokens == 512

    @pytest.mark.parametrize(
        ("architecture", "output", "classes", "extra", "says"),
        [
            ("BertForTokenClassification", "logits", 8, {}, "by its tensors"),
            ("BertForSequenceClassification", "logits", 3, {"id2label": {"0": "a", "1": "b"}}, "3 scores.*2 labels"),
            ("BertForSequenceClassification", "logits", 2, {"id2label": {"x": "a", "y": "b"}}, "id2label"),
            (
                "BertForSequenceClassification",
                "logits",
                2,
                {"problem_type": "multi_label_classification"},
                "multi-label",
            ),
            ("BertForSequenceClassification", "last_hidden_state", 2, {}, "no output 'logits'"),
        ],
    )
    def test_a_model_that_does_not_fit_its_config_is_refused(
        self,
        tmp_path: Path,
        cache: Path,
        architecture: str,
        output: str,
        classes: int,
        extra: dict[str, Any],
        says: str,
    ) -> None:
        """The message names what disagrees."""
        with pytest.raises(InvalidModelEntry, match=says):
            adopt(encoder_folder(tmp_path / "m", architecture, output, classes, **extra), cache)

    @pytest.mark.parametrize(
        ("module", "says"),
        [
            ({"path": "", "type": "custom_st.Transformer"}, "never run"),
            ({"path": "", "type": "sentence_transformers.models.BoW"}, "BoW"),
            ({"path": "../../etc", "type": "sentence_transformers.models.Pooling"}, "leads out"),
            ({"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}, "pooling_mode_max_tokens"),
            ({"path": "2_Dense", "type": "sentence_transformers.models.Dense"}, "Dense"),
            ("Transformer", "never run"),
        ],
    )
    def test_a_module_the_engine_lacks_is_refused(self, tmp_path: Path, cache: Path, module: Any, says: str) -> None:
        """A vector that would come out different is not served."""
        folder = encoder_folder(tmp_path / "st")
        write_json(folder / "modules.json", [module])
        write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_max_tokens": True})
        with pytest.raises(InvalidModelEntry, match=says):
            adopt(folder, cache)

    def test_a_network_with_other_inputs_is_refused(self, tmp_path: Path, cache: Path) -> None:
        """A network that wants pictures too is no text encoder."""
        folder = encoder_folder(tmp_path / "clip")
        encoder_network(folder / "openvino_model.xml", extra=True)
        with pytest.raises(InvalidModelEntry, match="pixel_values"):
            adopt(folder, cache)


class TestNetwork:
    def test_an_onnx_file_becomes_a_tensor_model(self, tmp_path: Path, cache: Path) -> None:
        """Ports are described to Triton; free first dimensions everywhere make a batch dimension."""
        entry = adopt(matmul(tmp_path / "double.onnx"), cache)
        assert (entry.spec.task, entry.spec.model, entry.name) == (Task.TENSOR, "double.onnx", "double")
        found = config(entry)
        assert found.max_batch_size > 0
        assert (found.input[0].name, list(found.input[0].dims)) == ("x", [4])
        assert (found.output[0].name, list(found.output[0].dims)) == ("y", [4])

    def test_a_fixed_first_dimension_means_no_batching(self, tmp_path: Path, cache: Path) -> None:
        """Requests are never put together when any port begins with a fixed dimension."""
        found = config(adopt(matmul(tmp_path / "double.onnx", batch=2), cache))
        assert found.max_batch_size == 0
        assert not found.HasField("dynamic_batching")
        assert list(found.input[0].dims) == [2, 4]

    def test_a_single_number_is_refused(self, tmp_path: Path, cache: Path) -> None:
        """Triton has no tensors without dimensions where there is no batch dimension."""
        with pytest.raises(InvalidModelEntry, match=r"shape \[1\]"):
            adopt(tensor_network(tmp_path / "m.xml", (), np.int64), cache, "scalar")

    def test_one_number_a_row(self, tmp_path: Path, cache: Path) -> None:
        """A network over a list of numbers takes one element a row."""
        found = config(adopt(tensor_network(tmp_path / "m.xml", (-1,), np.int64), cache, "scalar"))
        assert found.max_batch_size > 0
        assert list(found.input[0].dims) == [1]
        assert found.input[0].HasField("reshape")

    def test_external_weights_are_copied(self, tmp_path: Path, cache: Path) -> None:
        """OpenVINO follows no link out of a model's folder; what the entry holds, it reads."""
        path = matmul(tmp_path / "src" / "big.onnx", location="big.onnx_data", size=2100)
        assert (tmp_path / "src" / "big.onnx_data").stat().st_size > 16 << 20
        entry = adopt(path, cache)
        assert not (entry.newest / "big.onnx_data").is_symlink()
        assert adopt(entry.newest / "big.onnx", cache, "again").spec.task is Task.TENSOR

    def test_an_ir_without_weights_is_refused(self, tmp_path: Path, cache: Path) -> None:
        """An .xml file alone is no network."""
        (tmp_path / "m.xml").write_text("<net/>")
        with pytest.raises(InvalidModelEntry, match="not a model file"):
            adopt(tmp_path / "m.xml", cache, "m")

    def test_a_folder_with_several_networks_asks_which(self, tmp_path: Path, cache: Path) -> None:
        """Which of several files is meant cannot be guessed."""
        for name in ("a", "b"):
            matmul(tmp_path / f"{name}.onnx")
        with pytest.raises(InvalidModelEntry, match=r"a\.onnx, b\.onnx"):
            adopt(tmp_path, cache, "m")


class TestRefusals:
    @pytest.mark.parametrize(
        ("file", "says"),
        [
            (
                "model.safetensors",
                "weights without a network.*run: argosy convert .*/m$",
            ),
            ("pytorch_model.bin", "pickle.*optimum-cli"),
            ("model.pt", "pickle"),
            ("openvino_language_model.xml", "several networks"),
            ("readme.md", "no model"),
        ],
    )
    def test_a_folder_without_a_network_says_how_to_get_one(
        self, tmp_path: Path, cache: Path, file: str, says: str
    ) -> None:
        """The export command has the task that the architecture names."""
        folder = tmp_path / "m"
        write_json(folder / "config.json", {"architectures": ["BertForSequenceClassification"]})
        (folder / file).write_bytes(b"x")
        with pytest.raises(InvalidModelEntry, match=says):
            adopt(folder, cache)

    @pytest.mark.parametrize(
        ("file", "says"),
        [
            ("m.pt", "pickle"),
            ("m.pkl", "pickle"),
            ("m.bin", "pickle"),
            ("m.safetensors", "without a network"),
            ("m.h5", "ONNX"),
            ("m.txt", "not a model file"),
        ],
    )
    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path, cache: Path, file: str, says: str) -> None:
        """Each format has its own reason."""
        (tmp_path / file).write_bytes(b"x")
        with pytest.raises(InvalidModelEntry, match=says):
            adopt(tmp_path / file, cache)

    @pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
    def test_a_model_with_code_of_its_own_is_refused(self, tmp_path: Path, cache: Path, file: str) -> None:
        """auto_map would have a loader import code from the folder."""
        folder = encoder_folder(tmp_path / "m")
        content = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
        write_json(folder / file, {**content, "auto_map": {"AutoModel": "modeling_x.X"}})
        with pytest.raises(InvalidModelEntry, match="auto_map"):
            adopt(folder, cache)

    def test_code_that_a_loader_would_import_is_refused(self, tmp_path: Path, cache: Path) -> None:
        """modeling_*.py is refused by name."""
        folder = encoder_folder(tmp_path / "m")
        (folder / "modeling_x.py").write_text("raise SystemExit")
        with pytest.raises(InvalidModelEntry, match="modeling_x"):
            adopt(folder, cache)

    def test_files_nobody_reads_do_not_matter(self, tmp_path: Path, cache: Path) -> None:
        """A pickle and a training script beside a network stay behind."""
        folder = encoder_folder(tmp_path / "m")
        (folder / "pytorch_model.bin").write_bytes(b"x")
        (folder / "train_script.py").write_text("raise SystemExit")
        assert files(adopt(folder, cache)) == {"openvino_model.xml", "openvino_model.bin", "tokenizer.json"}

    def test_a_link_out_of_the_folder_is_refused(self, tmp_path: Path, cache: Path) -> None:
        """A file of the machine does not become part of a model."""
        (tmp_path / "secret").write_text("{}")
        folder = encoder_folder(tmp_path / "m")
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.json").symlink_to(tmp_path / "secret")
        with pytest.raises(InvalidModelEntry, match="leads out"):
            adopt(folder, cache)

    def test_a_hugging_face_cache_is_read_through_its_links(self, tmp_path: Path, cache: Path) -> None:
        """Every file of a snapshot is a link into the repository's blobs."""
        repository = tmp_path / "models--org--Tiny-Bert"
        snapshot = encoder_folder(repository / "snapshots" / ("a" * 40))
        (repository / "blobs").mkdir()
        for number, path in enumerate(sorted(snapshot.iterdir())):
            path.rename(repository / "blobs" / str(number))
            path.symlink_to(os.path.relpath(repository / "blobs" / str(number), snapshot))
        assert adopt(snapshot, cache).name == "tiny-bert"

    @pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, '{"a": "\udc80"}'])
    def test_a_config_that_is_no_mapping_is_refused(self, tmp_path: Path, cache: Path, text: str) -> None:
        """A broken config names itself."""
        folder = encoder_folder(tmp_path / "m")
        (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(InvalidModelEntry, match=r"config\.json"):
            adopt(folder, cache)

    def test_nothing_there(self, tmp_path: Path, cache: Path) -> None:
        """A path to nothing says so."""
        with pytest.raises(InvalidModelEntry, match="does not exist"):
            adopt(tmp_path / "nothing", cache)


class TestEntry:
    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        made = adopt(matmul(tmp_path / "src" / "double.onnx"), tmp_path / "elsewhere").directory
        return made.rename(tmp_path / "double")

    def test_an_entry_is_used_where_it_is(self, directory: Path, cache: Path) -> None:
        """Nothing is written for it."""
        assert adopt(directory, cache).directory == directory
        assert not cache.exists()

    def test_an_entry_can_have_another_name(self, directory: Path, cache: Path) -> None:
        """Both files say the new name."""
        entry = adopt(directory, cache, "twice")
        assert entry.name == "twice"
        assert config(entry).name == "twice"
        assert files(entry) == {"double.onnx"}

    @pytest.mark.parametrize(
        "line",
        [
            'backend: "python"',
            'default_model_filename: "evil"',
            'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "env.tar.gz" } }',
            'parameters { key: "worker_python" value { string_value: "/models/evil" } }',
            'runtime: "evil.so"',
        ],
    )
    def test_an_entry_that_runs_code_is_refused(self, directory: Path, cache: Path, line: str) -> None:
        """Only fields that cannot make Triton run what came with the model are allowed."""
        path = directory / "config.pbtxt"
        path.write_text(f"{path.read_text()}{line}\n")
        with pytest.raises(InvalidModelEntry):
            adopt(directory, cache)

    @pytest.mark.parametrize("file", ["model.py", "lib.so", "weights.pt"])
    def test_an_entry_with_code_files_is_refused(self, directory: Path, cache: Path, file: str) -> None:
        """Triton runs a model.py that lies in a version folder."""
        (directory / "1" / file).write_text("")
        with pytest.raises(InvalidModelEntry, match=file):
            adopt(directory, cache)


class TestCache:
    def test_an_unchanged_source_is_reused(self, tmp_path: Path, cache: Path) -> None:
        """The second time nothing is written."""
        path = matmul(tmp_path / "m" / "double.onnx")
        first = adopt(path, cache)
        inode = first.directory.stat().st_ino
        assert adopt(path, cache) == first
        assert first.directory.stat().st_ino == inode

    def test_a_changed_source_is_adopted_anew(self, tmp_path: Path, cache: Path) -> None:
        """Another network under the same name replaces the entry."""
        path = matmul(tmp_path / "double.onnx")
        adopt(path, cache)
        matmul(path, size=5)
        assert list(config(adopt(path, cache)).input[0].dims) == [5]

    def test_changed_external_weights_count(self, tmp_path: Path, cache: Path) -> None:
        """The weights beside an ONNX file belong to it."""
        path = matmul(tmp_path / "double.onnx", location="w")
        before = adopt(path, cache).spec.source
        (tmp_path / "w").write_bytes(bytes(64))
        after = adopt(path, cache)
        assert after.spec.source != before
        assert (after.newest / "w").read_bytes() == bytes(64)

    def test_a_damaged_entry_is_made_again(self, tmp_path: Path, cache: Path) -> None:
        """An entry that lost a file is not reused."""
        path = matmul(tmp_path / "double.onnx")
        (adopt(path, cache).directory / "config.pbtxt").unlink()
        assert (adopt(path, cache).directory / "config.pbtxt").is_file()

    def test_the_entry_reads_back_whole(self, tmp_path: Path, cache: Path) -> None:
        """What is written is what the store reads."""
        entry = adopt(encoder_folder(tmp_path / "bert"), cache)
        assert read_entry(cache / "store" / "bert") == entry

    def test_no_staging_is_left(self, tmp_path: Path, cache: Path) -> None:
        """Leftovers of a build that was killed go away with the next."""
        (cache / "staging" / "dead" / "1").mkdir(parents=True)
        adopt(matmul(tmp_path / "double.onnx"), cache)
        assert list((cache / "staging").iterdir()) == []

    def test_builders_at_the_same_time_wait_for_one_another(self, tmp_path: Path, cache: Path) -> None:
        """Several adoptions under one name all get a whole entry."""
        paths = [matmul(tmp_path / str(size) / "net.onnx", size=size) for size in range(2, 10)]
        with ThreadPoolExecutor(len(paths)) as pool:
            entries = list(pool.map(lambda path: adopt(path, cache, "one"), paths))
        assert {entry.name for entry in entries} == {"one"}
        assert list((cache / "staging").iterdir()) == []
        assert read_entry(cache / "store" / "one").spec in [entry.spec for entry in entries]

    def test_a_cache_that_cannot_be_written_names_the_setting(self, tmp_path: Path) -> None:
        """The message says which variable moves the cache."""
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match="ARGOSY_CACHE"):
            adopt(matmul(tmp_path / "double.onnx"), tmp_path / "file" / "cache")

    def test_the_source_path_is_not_told_to_clients(self, tmp_path: Path, cache: Path) -> None:
        """argosy.yaml, which clients can see, has the file's name and not where it lies."""
        entry = adopt(matmul(tmp_path / "double.onnx"), cache)
        assert str(tmp_path) not in (entry.directory / "argosy.yaml").read_text()
        assert entry.spec.source["adopted"] == "double.onnx"

    @pytest.mark.parametrize("name", ["UPPER", "../x", "a/b", "", "x" * 65])
    def test_a_name_that_is_not_allowed_is_refused(self, tmp_path: Path, cache: Path, name: str) -> None:
        """A name cannot lead out of the cache."""
        with pytest.raises(InvalidModelEntry, match="not allowed"):
            adopt(matmul(tmp_path / "double.onnx"), cache, name)
