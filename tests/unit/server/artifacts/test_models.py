"""From a reference to an entry, through the real hub client and a hub on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from argosy.core.errors import CacheNotWritable, CorruptModel, InvalidModelEntry, ModelEntryExists, NotCached
from argosy.core.models import Task
from argosy.server.artifacts import integrity, staging
from argosy.server.artifacts.fetch.progress import Event, Step
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.artifacts.reference import HubReference, parse_reference
from argosy.server.artifacts.resolve import resolve
from tests.suites.hub_server import HubServer
from tests.unit.server.artifacts.conftest import models
from tests.unit.server.artifacts.repositories import put_checkpoint, put_encoder, put_gguf, put_onnx
from tests.unit.server.artifacts.sources import tensor_network

LARGE = 200 << 10
ENCODER = HubReference("acme/Small-Encoder")
CHECKPOINT = HubReference("acme/Plain")
TORCH = ChosenProfile("cd" * 32, "torch-cpu-f32", {"engine": "torch"}, "torch", "f32", "fp32", "cpu")
QUANTISED = HubReference("acme/tiny-GGUF", file="tiny-Q8_0.gguf")


@pytest.fixture(autouse=True)
def small_files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is linked and not copied starts at 64 KiB here, so that tests need no large files."""
    monkeypatch.setattr(staging, "_COPIED_UP_TO", 64 << 10)


class TestEntry:
    def test_a_repository_becomes_an_entry(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """The entry says where it came from, at which commit and under which licence."""
        repository = put_encoder(hub, tmp_path)
        entry = models(cache, hub).entry(ENCODER)
        assert (entry.name, entry.spec.task, entry.spec.license) == ("small-encoder", Task.EMBED, "apache-2.0")
        source = entry.spec.source
        assert (source["kind"], source["id"], source["version"]) == (
            "huggingface",
            ENCODER.repository,
            repository.commit,
        )
        assert integrity.is_recorded(entry.directory)

    def test_only_what_serving_needs_is_fetched(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """No pickle, no code, no second network, no training notes."""
        put_encoder(hub, tmp_path)
        models(cache, hub).entry(ENCODER)
        names = {path.rpartition("/")[2] for path in hub.bodies()}
        assert names == {"openvino_model.xml", "openvino_model.bin", "tokenizer.json", "config.json", "LICENSE"}

    def test_a_second_time_nobody_is_asked(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """What is in the cache is served without a request, pinned by its commit too."""
        repository = put_encoder(hub, tmp_path)
        first = models(cache, hub).entry(ENCODER)
        hub.asked.clear()
        assert models(cache, hub).entry(ENCODER) == first
        assert models(cache, hub).entry(HubReference(ENCODER.repository, repository.commit)) == first
        assert hub.asked == []

    def test_one_file_of_a_repository(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """Only that file is fetched, and it names the model."""
        put_gguf(hub, tmp_path)
        entry = models(cache, hub).entry(QUANTISED)
        assert (entry.name, entry.spec.task) == ("tiny-q8_0", Task.GENERATE)
        assert [path.rpartition("/")[2] for path in hub.bodies()] == ["tiny-Q8_0.gguf"]

    def test_an_onnx_file_with_weights_beside_it(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """OpenVINO reads external data from the snapshot, which it would refuse behind a symbolic link."""
        put_onnx(hub, tmp_path)
        entry = models(cache, hub).entry(HubReference("acme/double"))
        assert {path.name for path in entry.newest.iterdir()} == {"model.onnx", "model.onnx_data"}

    def test_weights_without_a_network_point_to_convert(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """They are fetched, for whoever converts them, and the message has the command."""
        repository = put_encoder(hub, tmp_path)
        for path in ("openvino_model.xml", "openvino_model.bin", "onnx/model.onnx"):
            del repository.files[path]
        with pytest.raises(InvalidModelEntry, match=r"run: argosy convert \S+/snapshots/\w+ --name small-encoder"):
            models(cache, hub).entry(ENCODER)
        hub.asked.clear()
        for offline in (True, False):
            folder = models(cache, hub, offline=offline).folder(ENCODER)
            assert {path.name for path in folder.iterdir()} >= {"model.safetensors", "config.json", "tokenizer.json"}
        assert hub.asked == []

    def test_a_checkpoint_is_served_with_the_profile_that_is_chosen(
        self, hub: HubServer, tmp_path: Path, cache: Path
    ) -> None:
        """Its blobs are checked as any model's; another choice makes the entry anew, and nothing is fetched for it."""
        put_checkpoint(hub, tmp_path)
        sources = models(cache, hub, choose=lambda source, name: TORCH)
        entry = sources.entry(CHECKPOINT)
        assert (entry.name, entry.spec.task, entry.spec.engine) == ("plain", Task.EMBED, "torch")
        assert entry.spec.source["id"] == CHECKPOINT.repository
        assert integrity.is_recorded(entry.directory)
        assert sources.entry(CHECKPOINT).spec.source == entry.spec.source
        hub.asked.clear()
        other = models(cache, hub, offline=True, choose=lambda source, name: replace(TORCH, precision="bf16"))
        assert other.entry(CHECKPOINT).spec.profile.precision == "bf16"
        assert other.planned(CHECKPOINT, "mine").name == "mine"
        assert hub.asked == []

    def test_a_cache_that_was_filled_for_another_profile_serves_it(
        self, hub: HubServer, tmp_path: Path, cache: Path
    ) -> None:
        """Where it cannot be written; what was changed on the disk is refused, and a pull does not pretend."""
        put_checkpoint(hub, tmp_path)
        made = models(cache, hub, choose=lambda source, name: TORCH).entry(CHECKPOINT)
        other = replace(TORCH, precision="bf16")
        other.place(made.directory.parents[3]).write_text("nothing can be made here")
        sources = models(cache, hub, choose=lambda source, name: other, substitute=lambda made, chosen: made[0])
        assert sources.entry(CHECKPOINT) == made
        with pytest.raises(CacheNotWritable):
            sources.entry(CHECKPOINT, refresh=True)
        (made.newest / "added").write_text("x")
        with pytest.raises(CorruptModel, match="added"):
            sources.entry(CHECKPOINT)
        with pytest.raises(CorruptModel, match="added"):
            sources.verify(CHECKPOINT)

    def test_a_checkpoint_is_exported_without_links(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """With the profile that this machine chose."""
        put_checkpoint(hub, tmp_path)
        sources = models(cache, hub, choose=lambda source, name: TORCH)
        entry = sources.export(CHECKPOINT, tmp_path / "store")
        assert entry.spec.source["profile"]["name"] == TORCH.name
        assert not [path for path in entry.directory.rglob("*") if path.is_symlink()]

    def test_two_sources_of_one_name_do_not_replace_one_another(
        self, hub: HubServer, tmp_path: Path, cache: Path
    ) -> None:
        """Each content has a place of its own."""
        put_encoder(hub, tmp_path / "a", "acme/net")
        put_gguf(hub, tmp_path / "b", "other/net")
        del hub.repositories["other/net"].files["tiny-F16.gguf"]
        first = models(cache, hub).entry(HubReference("acme/net"))
        second = models(cache, hub).entry(HubReference("other/net"))
        assert first.name == second.name == "net"
        assert models(cache, hub, offline=True).entry(HubReference("acme/net")).spec.task is first.spec.task

    def test_a_newer_revision_comes_with_a_refresh_only(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """Serving keeps what it has; pulling looks again and fetches only what changed."""
        repository = put_encoder(hub, tmp_path)
        old = models(cache, hub).entry(ENCODER)
        tensor_network(tmp_path / "other.xml")
        repository.files["openvino_model.bin"] += b"\0" * 8
        assert models(cache, hub).entry(ENCODER) == old
        hub.asked.clear()
        new = models(cache, hub).entry(ENCODER, refresh=True)
        assert new.spec.source["version"] == repository.commit != old.spec.source["version"]
        assert [path for path in hub.bodies() if path.startswith("/storage/")] == [
            "/storage/acme/Small-Encoder//openvino_model.bin"
        ]
        assert old.newest.is_dir()

    def test_resolve_fetches(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """A MODEL argument may be a source, with a name of the user's."""
        put_encoder(hub, tmp_path)
        selection = resolve(["mine=acme/Small-Encoder"], [], cache, models(cache, hub))
        assert [entry.name for entry in selection.entries] == ["mine"]


class TestExport:
    def test_an_exported_entry_needs_no_cache(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """Files of every size are copied into the store, none is a link."""
        put_gguf(hub, tmp_path, size=LARGE)
        entry = models(cache, hub).export(QUANTISED, tmp_path / "store")
        shutil.rmtree(cache)
        assert not [path for path in entry.directory.rglob("*") if path.is_symlink()]
        assert (entry.newest / "model.gguf").stat().st_size == LARGE
        integrity.check(entry.directory, full=True)

    def test_r8_of_two_writers_of_one_entry_one_wins(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """R8: both copy, the first to finish has the name, the other is told, and one whole entry is there."""
        put_gguf(hub, tmp_path, size=LARGE)
        sources = models(cache, hub)
        sources.fetch(QUANTISED)
        both = threading.Barrier(2)

        def write() -> str:
            both.wait(30)
            try:
                sources.export(QUANTISED, tmp_path / "store")
            except ModelEntryExists:
                return "exists"
            return "written"

        with ThreadPoolExecutor(2) as pool:
            outcomes = [future.result() for future in [pool.submit(write) for _ in range(2)]]
        assert sorted(outcomes) == ["exists", "written"]
        (entry,) = (tmp_path / "store").iterdir()
        integrity.check(entry, full=True)


class TestWeb:
    def test_a_file_pinned_by_its_hash(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """The hash is in the fragment, which is not sent."""
        put_gguf(hub, tmp_path)
        data = hub.repositories["acme/tiny-GGUF"].files["tiny-F16.gguf"]
        hub.files["/models/tiny.gguf"] = data
        reference = parse_reference(f"{hub.endpoint}/models/tiny.gguf#sha256={sha256(data)}")
        assert reference is not None
        entry = models(cache, hub).entry(reference)
        assert (entry.name, entry.spec.source["id"]) == ("tiny", f"{hub.endpoint}/models/tiny.gguf")
        hub.asked.clear()
        assert models(cache, hub, offline=True).entry(reference) == entry
        assert hub.asked == []

    def test_an_archive_is_unpacked(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """A folder in an archive is a model; the archive itself is not kept."""
        tensor_network(tmp_path / "pack" / "net" / "model.xml")
        archive = Path(shutil.make_archive(str(tmp_path / "net"), "gztar", tmp_path / "pack"))
        data = archive.read_bytes()
        hub.files["/net.tar.gz"] = data
        reference = parse_reference(f"{hub.endpoint}/net.tar.gz", sha256(data))
        assert reference is not None
        entry = models(cache, hub).entry(reference)
        assert (entry.name, {path.name for path in entry.newest.iterdir()}) == ("net", {"model.xml", "model.bin"})
        assert sha256(data) not in {path.name for path in (cache / "blobs").rglob("*")}
        assert models(cache, hub, offline=True).entry(reference) == entry

    def test_a_local_archive(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """A zip of the files themselves is a model too."""
        tensor_network(tmp_path / "pack" / "model.xml")
        archive = shutil.make_archive(str(tmp_path / "mynet"), "zip", tmp_path / "pack")
        selection = resolve([archive], [], cache)
        assert selection.entries[0].name == "mynet"
        assert resolve([archive], [], cache).entries == selection.entries
        assert hub.asked == []


class TestOffline:
    def test_what_is_missing_is_refused(self, hub: HubServer, cache: Path) -> None:
        """The message says how to fill the cache."""
        with pytest.raises(NotCached, match="argosy pull hf://acme/Small-Encoder"):
            models(cache, hub, offline=True).entry(ENCODER)
        assert hub.asked == []

    def test_no_socket_is_opened_and_no_name_looked_up(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """In a process that dies of any use of the network, what is cached is served, and the rest refused."""
        put_encoder(hub, tmp_path)
        models(cache, hub).entry(ENCODER)
        program = """
import sys
def refuse(event, arguments):
    if event.startswith("socket.") and event not in {"socket.__new__"}:
        print("USED", event, arguments, flush=True)
        import os; os._exit(9)
sys.addaudithook(refuse)
from pathlib import Path
from argosy.core.errors import NotCached
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.reference import HubReference
from argosy.server.artifacts.resolve import resolve
cache = Path(sys.argv[1])
sources = SourceModels(cache, FetchOptions(offline=True))
print(resolve(["acme/Small-Encoder"], [], cache, sources).entries[0].name)
for refresh in (False, True):
    try:
        sources.entry(HubReference("acme/none"), refresh=refresh)
    except NotCached:
        print("refused")
"""
        done = subprocess.run([sys.executable, "-c", program, cache], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()) == (0, ["small-encoder", "refused", "refused"]), done.stderr


class TestBitRot:
    """R10: a byte that flips on the disk."""

    def flip(self, path: Path, *, quietly: bool) -> None:
        target, status = path.resolve(), path.stat()
        data = bytearray(target.read_bytes())
        # In a text that is still read: the context length says 513 then.
        place = data.index(b"512") + 2 if b"512" in data else len(data) // 2
        data[place] ^= 1
        with target.open("r+b") as file:
            file.write(data)
        if quietly:
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    @pytest.mark.parametrize("file", ["the blob", "1/model.gguf", "config.pbtxt", "argosy.yaml"])
    def test_r10_a_damaged_model_is_refused_and_pull_repairs_it(
        self, hub: HubServer, tmp_path: Path, cache: Path, file: str
    ) -> None:
        """The load ends with a message that names the file and the repair; pulling again repairs it."""
        put_gguf(hub, tmp_path, size=LARGE)
        entry = models(cache, hub).entry(QUANTISED)
        victim = entry.directory / file
        if not victim.exists():
            victim = next(path for path in (cache / "blobs").rglob("*") if path.is_file())
        was = victim.resolve().read_bytes()
        self.flip(victim, quietly=False)
        for _ in range(2):
            with pytest.raises(InvalidModelEntry):
                models(cache, hub, offline=True).entry(QUANTISED)
        repaired = models(cache, hub).entry(QUANTISED, refresh=True)
        assert (repaired.directory / file if (entry.directory / file).exists() else victim).read_bytes() == was
        assert models(cache, hub, offline=True).entry(QUANTISED) == repaired

    def test_r10_silent_rot_is_found_by_verify(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """A disk that returns another byte under the old time of change is caught when everything is read."""
        put_gguf(hub, tmp_path, size=LARGE)
        sources = models(cache, hub)
        entry = sources.entry(QUANTISED)
        sources.verify(QUANTISED)
        self.flip(entry.newest / "model.gguf", quietly=True)
        with pytest.raises(CorruptModel, match=r"tiny-Q8_0\.gguf.*argosy pull"):
            sources.verify(QUANTISED)
        sources.entry(QUANTISED, refresh=True)
        sources.verify(QUANTISED)

    def test_an_added_file_is_refused(self, hub: HubServer, tmp_path: Path, cache: Path) -> None:
        """Somebody who can write to the cache cannot slip a file into a version."""
        put_encoder(hub, tmp_path)
        entry = models(cache, hub).entry(ENCODER)
        (entry.newest / "extra.bin").write_bytes(b"x")
        with pytest.raises(CorruptModel, match=r"extra\.bin"):
            models(cache, hub).entry(ENCODER)

    def test_a_copied_cache_is_checked_once(
        self, hub: HubServer, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On another disk every stamp differs: everything is read once, then the stamps are right again."""
        put_gguf(hub, tmp_path, size=LARGE)
        models(cache, hub).entry(QUANTISED)
        moved = tmp_path / "moved"
        shutil.copytree(cache, moved, symlinks=True)
        shutil.rmtree(cache)
        read: list[Path] = []
        hashed = integrity.sha256_of
        monkeypatch.setattr(integrity, "sha256_of", lambda path: (read.append(path), hashed(path))[1])
        entry = models(moved, hub, offline=True).entry(QUANTISED)
        assert len(read) >= 4
        read.clear()
        assert models(moved, hub, offline=True).entry(QUANTISED) == entry
        assert read == []


def test_steps_are_told(hub: HubServer, tmp_path: Path, cache: Path) -> None:
    """A listener hears of every file and how far it is."""
    put_gguf(hub, tmp_path, size=LARGE)
    heard: list[Event] = []
    models(cache, hub, listener=heard.append).entry(QUANTISED)
    steps = [event.step for event in heard]
    assert (steps[0], steps[-1]) == (Step.RESOLVE, Step.BUILD)
    progress = [event for event in heard if event.step is Step.PROGRESS]
    assert progress[-1].done == progress[-1].total == LARGE


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are for one user, and closed again by each run."""
    with tempfile.TemporaryDirectory(prefix="argosy-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_cache_that_may_not_be_read_is_not_called_damaged(open_folder: Path) -> None:
    """The message is about the permission; fetching the model again would not help."""
    (open_folder / "cache" / "manifests").mkdir(parents=True)
    (open_folder / "cache" / "manifests").chmod(0o700)
    program = (
        "import os, sys; from pathlib import Path; from argosy.server.artifacts.resolve import resolve\n"
        "os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
        "resolve(['hf://acme/tiny-GGUF/tiny-Q8_0.gguf'], [], Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, open_folder / "cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ConfigurationError" in done.stderr
    assert "cannot be read: Permission denied" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_serves_from_a_cache_it_cannot_write(hub: HubServer, tmp_path: Path, open_folder: Path) -> None:
    """A cache filled by root is read by any other number, with no lock and no file of its own."""
    cache = open_folder / "cache"
    put_gguf(hub, tmp_path, size=LARGE)
    models(cache, hub).entry(QUANTISED)
    before = {path: path.lstat().st_mtime_ns for path in cache.rglob("*")}
    # The interpreter may lie where only root may look, so that the user is changed after the imports.
    program = (
        "import os, sys; from pathlib import Path; from argosy.server.artifacts.resolve import resolve\n"
        "os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
        "entry = resolve(['hf://acme/tiny-GGUF/tiny-Q8_0.gguf'], [], Path(sys.argv[1])).entries[0]\n"
        "print(entry.name, len((entry.newest / 'model.gguf').read_bytes()))"
    )
    done = subprocess.run([sys.executable, "-c", program, cache], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["tiny-q8_0", str(LARGE)]), done.stderr
    assert {path: path.lstat().st_mtime_ns for path in cache.rglob("*")} == before


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
