"""Fetching over the real protocol, with a server that fails in the ways servers do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from argosy.core.errors import CorruptModel, InvalidModelEntry, InvalidSetting, SourceUnavailable
from argosy.server.artifacts.cache.layout import Layout
from argosy.server.artifacts.fetch.fetch import Fetcher, FetchOptions
from argosy.server.artifacts.fetch.hub import Hub
from argosy.server.artifacts.fetch.progress import Event, Step, quiet
from argosy.server.artifacts.reference import HubReference, WebReference
from tests.suites.hub_server import TOKEN, Fault, HubServer, Repository
from tests.unit.server.artifacts.conftest import fetching
from tests.unit.server.artifacts.repositories import put_encoder, put_gguf

SIZE = 1 << 20
MODEL = HubReference("acme/tiny-GGUF", file="tiny-Q8_0.gguf")
FILE = "tiny-Q8_0.gguf"


@pytest.fixture
def content(hub: HubServer, tmp_path: Path) -> bytes:
    return put_gguf(hub, tmp_path / "work", size=SIZE).files[FILE]


def fetched(hub: HubServer, cache: Path, reference: HubReference = MODEL, *, attempts: int = 4) -> bytes:
    """The content of the one file of the reference, fetched."""
    manifest = Fetcher(cache, fetching(hub, attempts=attempts)).fetch(reference, refresh=True)
    (file,) = manifest.files
    return Layout(cache).blob(file.sha256).read_bytes()


def blobs(cache: Path) -> list[Path]:
    return [path for path in (cache / "blobs").rglob("*") if path.is_file()]


def ranges(hub: HubServer) -> list[str]:
    return [request.range for request in hub.asked if request.path.startswith("/storage/")]


class TestAnswers:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_busy_hub_is_asked_again(self, hub: HubServer, cache: Path, content: bytes, status: int) -> None:
        """Listing, address and body are each tried again, as long after as the server asks."""
        for part, method in (("/api/models", "GET"), ("/resolve/", "HEAD"), ("/storage/", "GET")):
            hub.faults.append(Fault(part, 2, status, {"retry-after": "0"}, method=method))
        assert fetched(hub, cache, attempts=5) == content

    def test_a_hub_that_stays_busy_is_given_up(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """The number of tries is bounded and told."""
        hub.faults.append(Fault("/api/models", -1, 503, {"retry-after": "0"}))
        with pytest.raises(SourceUnavailable, match="Tried 4 times"):
            fetched(hub, cache)
        assert len(hub.asked) == 4

    def test_nobody_listens(self, hub: HubServer, cache: Path) -> None:
        """A hub that cannot be reached is named."""
        options = FetchOptions(endpoint="http://127.0.0.1:9", patience=fetching(hub, attempts=2).patience)
        with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9 cannot be reached"):
            Fetcher(cache, options).fetch(MODEL)

    def test_a_gated_model_needs_a_token(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """Without one the message says where the licence is accepted; with it the model is fetched."""
        hub.repositories[MODEL.repository].gated = True
        with pytest.raises(SourceUnavailable, match=r"gated.*HF_TOKEN"):
            Fetcher(cache, fetching(hub)).fetch(MODEL)
        Fetcher(cache, fetching(hub, TOKEN)).fetch(MODEL)

    def test_the_token_never_leaves_the_hub(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """Storage on another origin gets no authorization, the hub does."""
        Fetcher(cache, fetching(hub, TOKEN)).fetch(MODEL)
        told = {request.path.split("/")[1]: request.authorization for request in hub.asked}
        assert told == {"api": f"Bearer {TOKEN}", "acme": f"Bearer {TOKEN}", "storage": ""}

    def test_no_token_of_the_machine_is_used(
        self, hub: HubServer, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the setting counts; the library does not look for one of its own."""
        monkeypatch.setenv("HF_TOKEN", "hf_of-somebody-else")
        Fetcher(cache, fetching(hub)).fetch(MODEL)
        assert {request.authorization for request in hub.asked} == {""}

    def test_only_what_is_needed_is_asked(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """One listing, one address, one body: no telemetry, no look at who is calling."""
        Fetcher(cache, fetching(hub)).fetch(MODEL)
        assert [(request.method, request.path.split("/")[1]) for request in hub.asked] == [
            ("GET", "api"),
            ("HEAD", "acme"),
            ("GET", "storage"),
        ]

    @pytest.mark.parametrize(
        ("reference", "says"),
        [
            (HubReference("acme/none"), "no model acme/none"),
            (HubReference("acme/tiny-GGUF", "v9"), "no revision 'v9'"),
            (HubReference("acme/tiny-GGUF", file="none.gguf"), r"no file 'none\.gguf'"),
        ],
    )
    def test_what_is_not_there(
        self, hub: HubServer, cache: Path, content: bytes, reference: HubReference, says: str
    ) -> None:
        """The message names the part that is wrong."""
        with pytest.raises((SourceUnavailable, InvalidModelEntry), match=says):
            Fetcher(cache, fetching(hub)).fetch(reference)

    def test_a_file_that_vanishes_meanwhile(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """A listing and a file that do not agree are no reason to try for ever."""
        hub.faults.append(Fault("/resolve/", -1, 404, {"x-error-code": "EntryNotFound"}, method="HEAD"))
        with pytest.raises(SourceUnavailable, match="any more"):
            fetched(hub, cache)

    def test_a_redirect_without_encryption_is_not_followed(self, hub: HubServer, cache: Path) -> None:
        """Even a pinned file is not read from a stranger over plain HTTP."""
        hub.files["/m.onnx"] = b"x"
        hub.faults.append(Fault("/m.onnx", -1, 302, {"location": "http://198.51.100.7/m.onnx"}))
        with pytest.raises(SourceUnavailable, match="not encrypted"):
            Fetcher(cache, fetching(hub)).fetch(WebReference(f"{hub.endpoint}/m.onnx", "0" * 64))

    def test_a_token_is_not_sent_without_encryption(self) -> None:
        """A plain mirror may be asked by nobody in particular only."""
        Hub("http://mirror.example")
        with pytest.raises(InvalidSetting, match="not encrypted"):
            Hub("http://mirror.example", "hf_x")


class TestResume:
    """R5: bodies that are short, other, or other than before."""

    def test_r5_a_short_body_is_continued(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """The next try asks for what is missing only."""
        hub.faults.append(Fault("/storage/", 1, cut=300_000))
        assert fetched(hub, cache) == content
        first, second = ranges(hub)
        assert first == ""
        assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000

    def test_r5_a_connection_that_gains_every_time_is_never_given_up(
        self, hub: HubServer, cache: Path, content: bytes
    ) -> None:
        """Ten cuts are survived with two tries, because each of them brought something."""
        hub.faults.append(Fault("/storage/", 10, cut=70_000))
        assert fetched(hub, cache, attempts=2) == content

    def test_r5_a_download_that_was_given_up_is_continued_later(
        self, hub: HubServer, cache: Path, content: bytes
    ) -> None:
        """What arrived is kept for the next command."""
        hub.faults += [Fault("/storage/", 1, cut=500_000), Fault("/storage/", 1, 403)]
        with pytest.raises(SourceUnavailable, match="403"):
            fetched(hub, cache)
        assert blobs(cache) == []
        hub.asked.clear()
        assert fetched(hub, cache) == content
        assert len(ranges(hub)) == 1
        assert ranges(hub)[0].startswith("bytes=")

    def test_r5_a_server_without_ranges_begins_anew(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """200 instead of 206 means the whole, and is taken so."""
        hub.faults += [Fault("/storage/", 1, cut=300_000), Fault("/storage/", 1, ranges=False)]
        assert fetched(hub, cache) == content

    def test_r5_other_bytes_than_before_are_found_and_fetched_anew(
        self, hub: HubServer, cache: Path, content: bytes
    ) -> None:
        """A part left by an earlier run that does not belong to the file costs one more download, not a wrong model."""
        digest = next(file for file in Hub(hub.endpoint).listing(MODEL).files if file.path == FILE).digest
        partial = cache / "partial" / f"sha256-{digest.text}"
        partial.parent.mkdir(parents=True)
        partial.write_bytes(b"something else" * 1000)
        assert fetched(hub, cache) == content
        assert ranges(hub) == ["bytes=14000-", ""]

    @pytest.mark.parametrize("length", [SIZE + 10, 3 * SIZE])
    def test_r5_a_part_that_is_longer_than_the_file(
        self, hub: HubServer, cache: Path, content: bytes, length: int
    ) -> None:
        """It is thrown away."""
        digest = next(file for file in Hub(hub.endpoint).listing(MODEL).files if file.path == FILE).digest
        partial = cache / "partial" / f"sha256-{digest.text}"
        partial.parent.mkdir(parents=True)
        partial.write_bytes(b"x" * length)
        assert fetched(hub, cache) == content

    @pytest.mark.parametrize("change", ["another byte", "longer", "shorter"])
    def test_r5_a_wrong_hash_is_refused(self, hub: HubServer, cache: Path, content: bytes, change: str) -> None:
        """Nothing of it is kept: no blob, no part, no manifest."""
        body = {"another byte": b"X" + content[1:], "longer": content + b"x", "shorter": content[:-1]}[change]
        hub.faults.append(Fault("/storage/", -1, body=body))
        with pytest.raises((CorruptModel, SourceUnavailable), match=r"is not what it should be|Tried"):
            fetched(hub, cache)
        assert blobs(cache) == []
        assert not (cache / "manifests").exists()
        hub.faults.clear()
        assert fetched(hub, cache) == content

    def test_r5_a_small_file_is_checked_by_its_git_id(self, hub: HubServer, cache: Path, tmp_path: Path) -> None:
        """Files outside LFS have no SHA-256; git's own hash pins them."""
        put_encoder(hub, tmp_path)
        hub.faults.append(Fault("/resolve/", -1, body=b'{"auto": 1}' + b" " * 80))
        with pytest.raises(CorruptModel, match=r"git hash|longer|bytes where"):
            Fetcher(cache, fetching(hub)).fetch(HubReference("acme/Small-Encoder"))

    def test_r5_a_wrong_file_on_a_web_server(self, hub: HubServer, cache: Path) -> None:
        """The hash in the reference decides."""
        hub.files["/m.onnx"] = b"other bytes"
        with pytest.raises(CorruptModel, match="sha256 hash"):
            Fetcher(cache, fetching(hub)).fetch(WebReference(f"{hub.endpoint}/m.onnx", "0" * 64))
        assert blobs(cache) == []


class TestConfigs:
    @pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
    def test_r6_a_config_that_asks_for_code_ends_it_before_the_weights(
        self, hub: HubServer, cache: Path, tmp_path: Path, file: str
    ) -> None:
        """R6: auto_map is found in the first kilobytes; no weights are downloaded for it."""
        repository = put_encoder(hub, tmp_path)
        repository.files[file] = b'{"auto_map": {"AutoModel": "modeling_x.X"}}'
        with pytest.raises(InvalidModelEntry, match=f"{file} of hf://acme/Small-Encoder has an auto_map"):
            Fetcher(cache, fetching(hub)).fetch(HubReference("acme/Small-Encoder"))
        assert not [path for path in hub.bodies() if path.endswith((".bin", ".xml"))]
        assert not (cache / "manifests").exists()


class TestTogether:
    def test_files_are_fetched_side_by_side_within_a_bound(self, hub: HubServer, cache: Path, tmp_path: Path) -> None:
        """Never more at once than the setting says, and more than one."""
        shards = {f"model-{number}-of-9.safetensors": bytes([number]) * 300_000 for number in range(9)}
        hub.repositories["acme/sharded"] = Repository({**shards, "config.json": b"{}"})
        running: set[str] = set()
        most = [0]
        lock = threading.Lock()

        def listen(event: Event) -> None:
            with lock:
                if event.step is Step.FILE:
                    running.add(event.file)
                    most[0] = max(most[0], len(running))
                elif event.step is Step.FILE_DONE:
                    running.discard(event.file)

        Fetcher(cache, fetching(hub), listen).fetch(HubReference("acme/sharded"))
        assert 2 <= most[0] <= 3

    def test_r8_two_at_once_fetch_once(self, hub: HubServer, cache: Path, content: bytes) -> None:
        """R8: the second waits for the first, is told so, and finds the file there."""
        started, told = threading.Event(), threading.Event()

        def first(event: Event) -> None:
            if event.step is Step.PROGRESS and not started.is_set():
                started.set()
                told.wait(30)

        def second(event: Event) -> None:
            if event.step is Step.WAIT:
                told.set()

        thread = threading.Thread(target=lambda: Fetcher(cache, fetching(hub), first).fetch(MODEL))
        thread.start()
        started.wait(30)
        Fetcher(cache, fetching(hub), second).fetch(MODEL)
        thread.join(30)
        assert told.is_set()
        assert len(ranges(hub)) == 1
        assert list((cache / "partial").iterdir()) == []

    def test_one_failure_ends_the_others(self, hub: HubServer, cache: Path) -> None:
        """A model that cannot be whole is not downloaded to the end."""
        shards = {f"model-{number}-of-9.safetensors": bytes([number]) * 3_000_000 for number in range(9)}
        hub.repositories["acme/sharded"] = Repository({**shards, "config.json": b"{}"})
        hub.faults.append(Fault("model-0-of", -1, 403))
        with pytest.raises(SourceUnavailable, match="403"):
            Fetcher(cache, fetching(hub), quiet).fetch(HubReference("acme/sharded"))
        assert not (cache / "manifests").exists()
        assert len(blobs(cache)) < 9
