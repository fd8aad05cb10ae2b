"""AIPerf drives each endpoint type that the server has: a few requests, no errors, sane counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.conformance.judges.checking import main

REQUESTS = 6
AIPERF = Path(sys.executable).with_name("aiperf")
TOKENIZER = Path(__file__).parents[3] / "models" / "abacus" / "hf"
SECONDS = 110


def profile(root: str, kind: str, model: str, *flags: str, scrape: bool = False) -> tuple[dict[str, Any], set[str]]:
    """Run `aiperf profile`; its exported figures, and the names of the server's metrics if asked for."""
    with tempfile.TemporaryDirectory(prefix="argosy-aiperf-") as folder:
        place = Path(folder)
        command = [str(AIPERF), "profile", "--model", model, "--url", root, "--endpoint-type", kind]
        command += ["--tokenizer", "argosy/abacus", "--request-count", str(REQUESTS), "--concurrency", "2"]
        command += ["--num-dataset-entries", str(REQUESTS), "--random-seed", "7", "--isl", "40", "--isl-stddev", "0"]
        command += ["--workers-max", "1", "--record-processors", "1", "--ui", "none", "--no-gpu-telemetry"]
        command += ["--artifact-dir", str(place / "out"), *flags, *([] if scrape else ["--no-server-metrics"])]
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_CACHE": str(_tokenizer_cache(place / "hub")),
            "AIPERF_SERVER_METRICS_COLLECTION_FLUSH_PERIOD": "0.2",
        }
        run = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert run.returncode == 0, (run.stdout + run.stderr)[-1500:]
        figures = json.loads((place / "out" / "profile_export_aiperf.json").read_text())
        scraped = place / "out" / "server_metrics_export.json"
        return figures, set(json.loads(scraped.read_text())["metrics"]) if scrape else set()


def _tokenizer_cache(hub: Path) -> Path:
    """A cache in which AIPerf finds the model's tokenizer without asking a network."""
    model = hub / "models--argosy--abacus"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("1")
    (model / "snapshots").mkdir()
    (model / "snapshots" / "1").symlink_to(TOKENIZER)
    return hub


def sound(figures: dict[str, Any]) -> None:
    """Demand that every request was answered well."""
    assert figures["is_complete"]
    assert not figures["was_cancelled"]
    assert figures["error_summary"] == []
    assert figures["request_count"]["avg"] == figures["completed_request_count"]["avg"] == REQUESTS
    assert figures["request_error_rate"]["avg"] == 0
    assert 0 < figures["request_latency"]["min"] <= figures["request_latency"]["max"]


def check_chat(root: str) -> None:
    """Streamed chat: as many tokens as asked for, by the server's count and by AIPerf's, and its metrics are read."""
    flags = ("--streaming", "--osl", "24", "--extra-inputs", "ignore_eos:true", "--extra-inputs", "min_tokens:24")
    figures, metrics = profile(root, "chat", "abacus", *flags, scrape=True)
    sound(figures)
    assert figures["usage_completion_tokens"]["min"] == figures["usage_completion_tokens"]["max"] == 24
    assert figures["usage_prompt_tokens"]["min"] > 40
    assert 0 < figures["time_to_first_token"]["max"] <= figures["request_latency"]["max"]
    assert figures["output_sequence_length"]["avg"] > 0
    assert {"argosy_requests", "nv_inference_request_success"} <= metrics, sorted(metrics)
    assert {"vllm:num_requests_running", "vllm:time_to_first_token_seconds"} <= metrics, sorted(metrics)


def check_completions(root: str) -> None:
    """Streamed completions, with the token counts the server reports."""
    # AIPerf takes an answer without text, which is a model's right, for an error.
    flags = ("--streaming", "--osl", "8", "--use-server-token-count", "--extra-inputs", "ignore_eos:true")
    figures, _ = profile(root, "completions", "abacus", *flags)
    sound(figures)
    assert figures["usage_prompt_tokens"]["avg"] >= 40
    assert figures["usage_completion_tokens"]["min"] == figures["usage_completion_tokens"]["max"] == 8


def check_embeddings(root: str) -> None:
    """Embeddings, three texts a request."""
    figures, _ = profile(root, "embeddings", "all-minilm-l6-v2", "--batch-size", "3")
    sound(figures)


def check_nim_embeddings(root: str) -> None:
    """Embeddings as a NIM takes them."""
    figures, _ = profile(root, "nim-embeddings", "all-minilm-l6-v2")
    sound(figures)


def check_nim_rankings(root: str) -> None:
    """Rankings as a NIM takes them."""
    figures, _ = profile(root, "nim-rankings", "minilm-reranker", "--rankings-passages-mean", "5")
    sound(figures)


def check_cohere_rankings(root: str) -> None:
    """Rankings in Cohere's dialect."""
    figures, _ = profile(root, "cohere-rankings", "minilm-reranker", "--rankings-passages-mean", "5")
    sound(figures)


def check_hf_tei_rankings(root: str) -> None:
    """Rankings in the dialect of text-embeddings-inference."""
    figures, _ = profile(root, "hf-tei-rankings", "minilm-reranker", "--rankings-passages-mean", "5")
    sound(figures)


if __name__ == "__main__":
    main(sys.modules[__name__])
