"""A cache that was filled elsewhere and is really mounted read-only, as volumes in a cluster are."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from argosy.app.sources import source_models
from argosy.app.supervisor import plan
from argosy.core.errors import CacheNotWritable
from argosy.server.artifacts.resolve import resolve
from argosy.server.probe.host import probe
from argosy.server.probe.software import Engine
from argosy.settings import load
from tests.suites.checkpoints import encoder
from tests.suites.hosts import BARE
from tests.suites.small_disk import unsharing

_MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
_ROOT = Path(__file__).parents[3]
HOST = replace(BARE, engines=(Engine("torch", "2.13.0", ("cpu",)),))


def serve(folder: Path, cache: Path, profile: str) -> tuple[str, list[str]]:
    """Name of the profile that a folder is served as on a machine with bf16 and torch, and what is warned of."""
    warnings: list[str] = []
    loaded = load({"cache": cache, "model_profile": profile}, {}, cache)
    models = source_models(loaded, host=HOST, warn=warnings.append)
    (entry,) = resolve([str(folder)], [], cache, models).entries
    return entry.spec.source["profile"]["name"], warnings


def outcomes(folder: Path, cache: Path) -> list[str]:
    """What becomes of each wish."""
    found = []
    for wish in ("torch-cpu-f32", "", "torch-cpu-bf16"):
        try:
            found.append(str(serve(folder, cache, wish)))
        except CacheNotWritable as error:
            found.append(error.message)
    return found


def on_read_only_cache(folder: Path, cache: Path, *arguments: str) -> list[str]:
    """The lines that this module writes about a folder while the cache is mounted read-only."""
    prefix = unsharing()
    if prefix is None:
        pytest.skip("a folder can be mounted read-only by root or in a user namespace only")
    command = [*prefix, _MOUNT, str(cache), sys.executable, "-m", __name__, str(folder), str(cache), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(folder.parent)])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=_ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_the_profile_it_was_filled_for_is_served_with_a_warning(tmp_path: Path) -> None:
    """Without another word where it is the one that is chosen; an error where another is asked for by name."""
    folder, cache = encoder(tmp_path / "bert"), tmp_path / "cache"
    assert serve(folder, cache, "torch-cpu-f32") == ("torch-cpu-f32", [])
    same, automatic, asked = on_read_only_cache(folder, cache)
    assert same == "('torch-cpu-f32', [])"
    assert automatic.startswith("('torch-cpu-f32', ['bert is served as torch-cpu-f32, for which")
    assert "torch-cpu-bf16 would be chosen here" in automatic
    assert asked.startswith(f"The model cache {cache} cannot be written: Read-only file system.")
    assert "It holds bert for torch-cpu-f32, which is not what was asked for" in asked


def test_the_server_tells_its_operator(tmp_path: Path) -> None:
    """On this very machine, where distributions without content stand for torch: nothing is loaded to choose."""
    folder, cache = encoder(tmp_path / "bert"), tmp_path / "cache"
    for name in ("torch", "transformers"):
        metadata = tmp_path / f"{name}-5.10.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 5.10\n")
    filled = "torch-cpu-f32" if "bf16" in probe().features else "torch-cpu-bf16"
    serve(folder, cache, filled)
    first, *_ = on_read_only_cache(folder, cache, "plan")
    assert first.startswith(f"bert is served as {filled}, for which the model cache was filled. torch-")


if __name__ == "__main__":
    given, filled_cache = Path(sys.argv[1]), Path(sys.argv[2])
    if sys.argv[3:]:
        settings = load({"cache": filled_cache, "models": (str(given),)}, {}, filled_cache)
        written = list(plan(settings).warnings)
    else:
        written = outcomes(given, filled_cache)
    sys.stdout.write("\n".join(written) + "\n")
