"""How a checkpoint is served on a machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.artifacts.source import Source
from argosy.server.probe.host import Host
from argosy.server.probe.software import Engine
from argosy.server.profiles.checkpoint import Terms, choose, preferred_engines
from argosy.server.profiles.engines import CHECKPOINT_ENGINES
from argosy.server.profiles.find import find, manifest_of_folder
from argosy.server.profiles.select import Options, select
from argosy.server.profiles.wish import Wish, parse
from tests.suites.checkpoints import encoder, language_model
from tests.suites.hosts import BARE, DATA, GIB, OPENVINO, described, gpu, hosts, with_gpus

ENGINES = frozenset({"openvino", "openvino_genai", "vllm", "torch"})
TERMS = Terms(engines=ENGINES)
VLLM_CPU = Engine("vllm", "0.32.0", ("cpu",))
TORCH_CPU = Engine("torch", "2.13.0", ("cpu",))
CPU = replace(BARE, engines=(*OPENVINO, VLLM_CPU, TORCH_CPU))
LLAMA_8B = json.loads((DATA / "models" / "llama-8b" / "config.json").read_text())
EIGHT_BILLION = 2 * 8_030_261_248


def chosen(host: Host, folder: Path, terms: Terms = TERMS) -> ChosenProfile | None:
    return choose(host, Source(folder), "model", terms)


def name(host: Host, folder: Path, wish: str = "", **options: Any) -> str | None:
    found = chosen(host, folder, Terms(Options(**options), parse(wish), ENGINES))
    return None if found is None else found.name


def converted(folder: Path) -> Path:
    """The same folder with an OpenVINO network in it."""
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "openvino_model.bin").write_bytes(bytes(64))
    return folder


def large(folder: Path) -> Path:
    """A folder with Llama 3.1 8B's shape and, in a sparse file, its weights."""
    language_model(folder, **LLAMA_8B)
    weights = folder / "model.safetensors"
    header = json.dumps({"w": {"dtype": "BF16", "shape": [EIGHT_BILLION // 2], "data_offsets": [0, EIGHT_BILLION]}})
    weights.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with weights.open("r+b") as file:
        file.truncate(8 + len(header) + EIGHT_BILLION)
    return folder


class TestLanguageModel:
    def test_vllm_for_processors_serves_what_nothing_was_converted_of(self, tmp_path: Path) -> None:
        """With bf16 where the processor has it, else with f32."""
        folder = language_model(tmp_path / "llm")
        found = chosen(CPU, folder)
        assert found is not None
        assert (found.name, found.engine, found.precision, found.device) == ("vllm-cpu-bf16", "vllm", "bf16", "cpu")
        assert name(replace(CPU, features=frozenset({"avx2"})), folder) == "vllm-cpu-f32"

    def test_a_converted_model_stands_before_it(self, tmp_path: Path) -> None:
        """OpenVINO GenAI comes before vLLM for processors, and after vLLM on a GPU."""
        folder = converted(language_model(tmp_path / "llm"))
        assert chosen(CPU, folder) is None
        assert name(with_gpus(gpu(48)), folder) == "vllm-fp8-tp1-pp1-throughput"

    def test_a_converted_model_is_served_though_nothing_seems_to_run_it(self, tmp_path: Path) -> None:
        """As it was before there was a choice: the sum of the memory never forbids what is built."""
        assert chosen(replace(CPU, memory=1 << 20), converted(language_model(tmp_path / "llm"))) is None

    def test_a_gpu_that_rounds_to_8_bits_does_so_while_loading(self, tmp_path: Path) -> None:
        """The entry says what the weights become, and the engine is told."""
        found = chosen(with_gpus(gpu(48)), language_model(tmp_path / "llm"))
        assert found is not None
        assert (found.name, found.device) == ("vllm-fp8-tp1-pp1-throughput", "gpu")
        assert (found.precision, found.weights) == ("bf16", "fp8")
        assert found.parameters == {"quantization": "fp8"}

    def test_tensorrt_llm_comes_before_vllm(self, tmp_path: Path) -> None:
        """It reads checkpoints too."""
        terms = Terms(engines=ENGINES | {"tensorrt_llm"})
        found = chosen(with_gpus(gpu(48)), language_model(tmp_path / "llm"), terms)
        assert found is not None
        assert found.name == "tensorrt_llm-bf16-tp1-pp1-throughput"

    def test_a_gpu_from_before_bf16_computes_in_f16(self, tmp_path: Path) -> None:
        """A T4."""
        found = chosen(described("t4"), language_model(tmp_path / "llm"))
        assert found is not None
        assert (found.name, found.precision, found.weights) == ("vllm-fp16-tp1-pp1-throughput", "f16", "bf16")

    @pytest.mark.parametrize(
        ("capability", "dtype", "precision"),
        [((7, 5), "bfloat16", "f16"), ((8, 9), "float16", "f16"), ((8, 9), "bfloat16", "bf16"), ((8, 9), None, "bf16")],
    )
    def test_quantised_weights_stay_as_they_are(
        self, tmp_path: Path, capability: tuple[int, int], dtype: str | None, precision: str
    ) -> None:
        """Nothing is rounded again; arithmetic is what the config and the GPU agree on."""
        quantised = {"quant_method": "awq", "bits": 4}
        folder = language_model(tmp_path / "llm", dtype=dtype, quantization_config=quantised)
        found = chosen(with_gpus(gpu(48, capability=capability)), folder)
        assert found is not None
        assert (found.engine, found.weights, found.precision) == ("vllm", "int4", precision)
        assert "quantization" not in found.parameters

    def test_the_cache_on_a_processor_holds_one_context_of_full_length(self, tmp_path: Path) -> None:
        """131072 tokens of an 8-billion Llama take 16 GiB; with a shorter length the cache is smaller."""
        folder = large(tmp_path / "llm")
        roomy = replace(CPU, memory=64 * GIB)
        for options, gib in (
            (Options(), "16"),
            (Options(max_model_len=8192), "1"),
            (Options(max_model_len=16384), "2"),
        ):
            found = chosen(roomy, folder, Terms(options, Wish(), ENGINES))
            assert found is not None
            assert (found.parameters, found.max_model_len) == ({"kv_cache_gib": gib}, 0)

    def test_little_memory_shortens_the_context_by_steps(self, tmp_path: Path) -> None:
        """A MiB more or less does not change the entry, and what was shortened fits."""
        folder = large(tmp_path / "llm")
        found = [chosen(replace(CPU, memory=24 * GIB - less), folder) for less in (0, 1 << 20)]
        assert found[0] == found[1]
        assert found[0] is not None
        assert (found[0].max_model_len, found[0].parameters) == (49152, {"kv_cache_gib": "6"})

    def test_adapters_that_it_cannot_serve_do_not_leave_it_out(self, tmp_path: Path) -> None:
        """They may be for another model."""
        assert name(CPU, language_model(tmp_path / "llm"), lora=True) == "vllm-cpu-bf16"
        assert name(with_gpus(gpu(48)), tmp_path / "llm", lora=True) == "vllm-bf16-tp1-pp1-throughput-feat_lora"

    def test_gpus_that_share_each_layer_must_be_there(self, tmp_path: Path) -> None:
        """What the operator asked for is not made less of."""
        folder = language_model(tmp_path / "llm")
        assert name(with_gpus(gpu(48), gpu(48)), folder, tags={"tp": "2"}) == "vllm-fp8-tp2-pp1-latency"
        with pytest.raises(InvalidModelEntry, match="needs tp=2, which was asked for"):
            chosen(CPU, folder, Terms(Options(tags={"tp": "2"}), Wish(), ENGINES))


class TestEncoder:
    def test_torch_serves_what_nothing_was_converted_of(self, tmp_path: Path) -> None:
        """On the GPU where there is one, else on the processor, in the widest numbers that it needs."""
        folder = encoder(tmp_path / "bert")
        assert name(replace(described("laptop-8gb")), folder) == "torch-gpu-bf16"
        assert name(CPU, folder) == "torch-cpu-bf16"
        assert name(replace(CPU, features=frozenset()), folder) == "torch-cpu-f32"

    def test_a_converted_encoder_stands_between_the_gpu_and_the_processor(self, tmp_path: Path) -> None:
        """By the order of engines."""
        folder = converted(encoder(tmp_path / "bert"))
        assert chosen(CPU, folder) is None
        assert name(described("laptop-8gb"), folder) == "torch-gpu-bf16"

    def test_what_is_said_of_language_models_is_not_said_of_it(self, tmp_path: Path) -> None:
        """Both may be served at once."""
        assert name(CPU, encoder(tmp_path / "bert"), tags={"tp": "2"}, lora=True, max_model_len=1 << 20) is not None

    def test_a_processor_that_is_asked_for_on_a_machine_with_a_gpu_is_taken(self, tmp_path: Path) -> None:
        """The engine would take the GPU by itself."""
        found = chosen(
            described("laptop-8gb"), encoder(tmp_path / "b"), Terms(wish=parse("torch-cpu-f32"), engines=ENGINES)
        )
        assert found is not None
        assert found.parameters == {"device": "cpu"}
        without = chosen(CPU, tmp_path / "b")
        assert without is not None
        assert without.parameters == {}

    def test_weights_quantised_by_a_method_of_their_own_are_not_for_torch(self, tmp_path: Path) -> None:
        """Its code of encoders reads plain numbers."""
        folder = encoder(tmp_path / "bert", quantization_config={"quant_method": "awq", "bits": 4})
        with pytest.raises(InvalidModelEntry, match="argosy convert"):
            chosen(CPU, folder)


class TestWish:
    def test_a_profile_is_asked_for_by_name_id_or_tags(self, tmp_path: Path) -> None:
        """And wins over the order, and over what was converted."""
        folder = converted(language_model(tmp_path / "llm"))
        (wanted,) = [item for item in manifest_of_folder(Source(folder), "model") if item.name == "vllm-cpu-f32"]
        for wish in ("vllm-cpu-f32", wanted.id, "engine=vllm,precision=f32"):
            assert name(CPU, folder, wish) == "vllm-cpu-f32"
        assert name(CPU, folder, "engine=openvino_genai") is None

    def test_a_wish_for_another_model_changes_nothing(self, tmp_path: Path) -> None:
        """Several models may be served, and one wish stands for all."""
        assert name(CPU, language_model(tmp_path / "llm"), "openvino-bf16-int8") == "vllm-cpu-bf16"

    def test_what_is_asked_for_and_cannot_run_is_an_error(self, tmp_path: Path) -> None:
        """Also where something else could."""
        folder = converted(language_model(tmp_path / "llm"))
        with pytest.raises(InvalidModelEntry) as caught:
            chosen(CPU, folder, Terms(wish=parse("engine=vllm,gpu=any"), engines=ENGINES))
        assert "'engine=vllm,gpu=any' (--model-profile)" in caught.value.message
        assert "needs vllm built for cuda, has 0.32.0 built for cpu; needs 1 GPU, has none" in caught.value.message
        assert "vllm-cpu" not in caught.value.message

    def test_what_is_asked_for_is_taken_though_memory_seems_short(self, tmp_path: Path) -> None:
        """The sum is an estimate."""
        small = replace(CPU, memory=8 * GIB)
        folder = large(tmp_path / "llm")
        with pytest.raises(InvalidModelEntry, match="of memory"):
            chosen(small, folder)
        assert name(small, folder, "vllm-cpu-bf16") == "vllm-cpu-bf16"


class TestRefusal:
    def test_what_would_serve_it_is_listed(self, tmp_path: Path) -> None:
        """The command that converts it, and for each engine what it lacks."""
        folder = language_model(tmp_path / "llm")
        with pytest.raises(InvalidModelEntry) as caught:
            chosen(replace(BARE, engines=OPENVINO), folder)
        first, *lines = caught.value.message.splitlines()
        assert first.endswith(f"run: argosy convert {folder} --name model")
        assert [line.split(":")[0].strip() for line in lines] == [
            "openvino_genai-int8",
            "tensorrt_llm-bf16-tp1-pp1-throughput",
            "vllm-fp8-tp1-pp1-throughput",
            "vllm-cpu-bf16",
            "Every profile with its reasons",
        ]
        assert "it has to be converted first" in lines[0]
        assert lines[3] == "  vllm-cpu-bf16: needs vllm, has none: make engines-environment"

    @pytest.mark.parametrize(
        ("make", "engine", "says"),
        [
            (
                encoder,
                replace(TORCH_CPU, missing=("transformers",)),
                "torch-cpu-bf16: needs transformers, has none: pip install 'argosy[torch]'",
            ),
            (
                language_model,
                replace(VLLM_CPU, missing=("torch", "transformers")),
                "vllm-cpu-bf16: needs torch, transformers, has none: make engines-environment",
            ),
        ],
    )
    def test_an_engine_without_what_it_needs_beside_it_is_not_chosen(
        self, tmp_path: Path, make: Any, engine: Engine, says: str
    ) -> None:
        """It would fail while it loads the model."""
        with pytest.raises(InvalidModelEntry) as caught:
            chosen(replace(BARE, engines=(*OPENVINO, engine)), make(tmp_path / "m"))
        assert says in caught.value.message

    def test_an_engine_that_this_build_lacks_is_not_chosen(self, tmp_path: Path) -> None:
        """Though it is installed."""
        with pytest.raises(InvalidModelEntry, match="vllm-cpu-bf16: this build of Argosy does not serve it"):
            chosen(CPU, language_model(tmp_path / "llm"), Terms(engines=frozenset({"openvino_genai"})))


def test_the_id_is_that_of_the_listing(tmp_path: Path) -> None:
    """`argosy profiles` names what `argosy serve` takes; files that no engine reads change nothing."""
    folder = language_model(tmp_path / "llm")
    (folder / "consolidated.safetensors").write_bytes(bytes(100))
    listed = {profile.id: profile.name for profile in find(str(folder), (), "model")}
    found = chosen(CPU, folder)
    assert found is not None
    assert listed[found.id] == found.name


def test_the_engines_before_the_one_that_serves_are_told(tmp_path: Path) -> None:
    """In the order of preference, each with what it lacks the least of."""
    selection = select(CPU, manifest_of_folder(Source(language_model(tmp_path / "llm")), "model"))
    served = next(item.profile for item in selection.verdicts if item.profile.name == "vllm-cpu-bf16")
    assert [verdict.profile.name for verdict in preferred_engines(selection, served)] == [
        "tensorrt_llm-bf16-tp1-pp1-throughput",
        "vllm-fp8-tp1-pp1-throughput",
        "openvino_genai-int8",
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("folders")
    return [
        language_model(root / "llm"),
        converted(language_model(root / "both")),
        encoder(root / "bert"),
        converted(encoder(root / "bert-both")),
    ]


@settings(max_examples=60, deadline=None)
@given(hosts())
def test_what_is_chosen_is_here_and_takes_the_files_as_they_are(folders: list[Path], host: Host) -> None:
    """On every machine; nothing is refused where something was converted, or where its engine runs here."""
    for folder in folders:
        verdicts = select(host, manifest_of_folder(Source(folder), "model")).verdicts
        running = {
            verdict.profile.id
            for verdict in verdicts
            if verdict.profile.built
            and verdict.profile.needs.engine in ENGINES
            and verdict.bucket.value != "incompatible"
        }
        try:
            found = chosen(host, folder)
        except InvalidModelEntry:
            assert not running
            assert not (folder / "openvino_model.xml").exists()
            continue
        if found is None:
            assert (folder / "openvino_model.xml").exists()
        else:
            assert found.id in running
            assert found.engine in CHECKPOINT_ENGINES
            assert host.engine(found.engine) is not None
