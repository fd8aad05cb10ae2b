"""The listing in NIM's form."""

from __future__ import annotations

from dataclasses import replace

from argosy.server.profiles.find import find
from argosy.server.profiles.nim_listing import listing
from argosy.server.profiles.select import select
from tests.suites.hosts import BARE, DATA, GIB, OPENVINO, described, gpu, with_gpus

SMALL = find(str(DATA / "models" / "llama-1b"), ())


def test_a_server_with_gpus() -> None:
    """Free GPUs, the buckets with their headings, an id and a name for each profile."""
    host = described("h100")
    lines = list(listing(host, [select(host, SMALL)]))
    assert lines[:5] == [
        "SYSTEM INFO",
        "- Free GPUs:",
        "  -  [2330:10de] (0) NVIDIA H100 80GB HBM3 (H100 80GB) [current utilization: 0%]",
        "  -  [2330:10de] (1) NVIDIA H100 80GB HBM3 (H100 80GB) [current utilization: 0%]",
        "- CPU: Intel(R) Xeon(R) Platinum 8480C (112 cores, 2048.0 GiB)",
    ]
    headings = [line for line in lines if line.endswith(":") or line == "MODEL PROFILES"]
    assert headings[1:] == [
        "MODEL PROFILES",
        "- Compatible with system and runnable:",
        "  - With LoRA support:",
        "- Compilable to TRT-LLM using just-in-time compilation of HF models to TRTLLM engines:",
        "- Compatible with system but low memory:",
        "- Incompatible with system:",
    ]
    best = next(profile for profile in SMALL if profile.name == "tensorrt_llm-bf16-tp2-pp1-latency")
    runnable = lines[lines.index(headings[2]) + 1]
    assert runnable == f"  - {best.id} ({best.name}) [requires >=5 GB/gpu]"
    assert lines[lines.index(headings[3]) + 1].endswith("(vllm-bf16-tp2-pp1-latency-feat_lora) [requires >=5 GB/gpu]")
    assert lines[lines.index(headings[5]) + 1] == "  - <None>"
    shown = [line for line in lines if line.strip().startswith("- ") and "(" in line and len(line) > 70]
    assert len([line for line in shown if "[2330" not in line and "CPU" not in line]) == len(SMALL)


def test_a_machine_without_gpus_has_its_processor() -> None:
    """Nothing is free, and the processor's profiles are runnable."""
    host = replace(BARE, engines=OPENVINO)
    lines = list(listing(host, [select(host, SMALL)]))
    assert lines[1:3] == ["- Free GPUs:", "  - <None>"]
    assert any(line.endswith("(openvino_genai-int8) [requires >=4 GB]") for line in lines)


def test_little_memory_is_told_with_the_length_that_fits() -> None:
    """As a flag that can be copied."""
    host = with_gpus(replace(gpu(8), free=6 * GIB))
    lines = list(listing(host, [select(host, SMALL)]))
    assert lines[1:5][0:4:2] == ["- Free GPUs:", "- Non-free GPUs:"]
    low = lines[lines.index("- Compatible with system but low memory:") + 1]
    assert low.endswith("[requires >=8 GB/gpu] [--max-model-len 88832]")


def test_several_models_are_told_apart() -> None:
    """By their names."""
    selection = select(BARE, SMALL)
    titles = [line for line in listing(BARE, [selection, selection]) if line.startswith("MODEL PROFILES")]
    assert titles == ["MODEL PROFILES (llama-1b)"] * 2
