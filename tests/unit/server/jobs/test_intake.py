"""What may be ordered over HTTP, and what the command is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from argosy.core.errors import InvalidRequest
from argosy.server.artifacts.library import Library
from argosy.server.jobs.intake import Intake, Places
from argosy.server.jobs.job import JobKind
from tests.suites.echo_models import echo_tensors

CONVERT = {"kind": "convert"}
ANALYZE = {"kind": "analyze"}


class Machine:
    """Stores, a cache, a folder that jobs may read, and things beside them that they may not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("store", "second", "cache", "models", "outside"):
            (root / name).mkdir()
        echo_tensors(root / "store", "known")
        adopted = echo_tensors(root / "cache" / "store", "adopted")
        for place in ("models", "outside"):
            (root / place / "net.onnx").write_bytes(b"")
            (root / place / "texts.txt").write_text("one\n")
        (root / "models" / "out").symlink_to(root / "outside" / "net.onnx")
        (root / "models" / "loop").symlink_to(root / "models" / "loop")
        (root / "cache" / "snapshot.onnx").symlink_to(root / "cache" / "blob")
        (root / "cache" / "blob").write_bytes(b"")
        stores = (root / "store", root / "second")
        places = Places(stores, root / "store", root / "cache", (root / "models",))
        self.intake = Intake(places, Library([adopted], stores))

    def path(self, *parts: str) -> str:
        return str(self.root.joinpath(*parts))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def refused(machine: Machine, request: dict[str, Any]) -> tuple[str | None, str]:
    with pytest.raises(InvalidRequest) as caught:
        machine.intake.check(request)
    return caught.value.param, caught.value.message


def test_a_conversion_becomes_arguments(machine: Machine, tmp_path: Path) -> None:
    """Values are checked and cannot be taken for flags; the model stands alone at the end."""
    request = {
        **CONVERT,
        "model": machine.path("models", "net.onnx"),
        "name": "mine",
        "precision": "int8",
        "calibration": machine.path("models", "texts.txt"),
        "samples": 8,
        "memory": "8GiB",
        "keep_work": True,
        "replace": False,
        "load": True,
        "timeout": None,
    }
    work = machine.intake.check(request)
    assert (work.name, work.load, work.directory) == ("mine", True, tmp_path / "store" / "mine")
    assert work.arguments(JobKind.CONVERT, tmp_path, resume=False) == (
        "convert",
        "--name=mine",
        "--precision=int8",
        f"--calibration={machine.path('models', 'texts.txt')}",
        "--samples=8",
        "--memory=8GiB",
        f"--output={tmp_path / 'store'}",
        "--keep-work",
        "--json",
        "--progress=json",
        "--",
        machine.path("models", "net.onnx"),
    )
    assert "--resume" in work.arguments(JobKind.CONVERT, tmp_path, resume=True)


def test_a_search_becomes_arguments(machine: Machine, tmp_path: Path) -> None:
    """Its folder is the job's, and it always goes on with what is there."""
    work = machine.intake.check({**ANALYZE, "model": "known", "concurrency": [1, 4], "p99_ms": 5.5, "apply": True})
    assert work.arguments(JobKind.ANALYZE, tmp_path / "job", resume=False) == (
        "analyze",
        "--p99-ms=5.5",
        "--concurrency=1,4",
        "--apply",
        "--json",
        "--progress=json",
        f"--output={tmp_path / 'job' / 'analysis'}",
        "--resume",
        "--",
        "known",
    )


@pytest.mark.parametrize(
    ("model", "argument", "name"),
    [
        ("org/name", "hf://org/name", "name"),
        ("hf://org/Name@v1", "hf://org/Name@v1", "name"),
        (f"https://example.org/a.onnx#sha256={'0' * 64}", f"https://example.org/a.onnx#sha256={'0' * 64}", "a"),
    ],
)
def test_sources_are_named_as_on_the_command_line(machine: Machine, model: str, argument: str, name: str) -> None:
    """For either kind of job; nothing is fetched yet."""
    for kind in (CONVERT, ANALYZE):
        work = machine.intake.check({**kind, "model": model})
        assert (work.model, work.name) == (argument, name)


def test_a_model_that_is_in_no_store_is_measured_where_it_is(machine: Machine) -> None:
    """One that was named when the server was started, for instance."""
    assert machine.intake.check({**ANALYZE, "model": "adopted"}).model == machine.path("cache", "store", "adopted")


def test_a_link_within_the_folders_is_followed(machine: Machine) -> None:
    """That is how the cache stores every file; the name it goes by is kept."""
    path = machine.path("cache", "snapshot.onnx")
    assert machine.intake.check({**CONVERT, "model": path}).model == path


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/no-such-file",
        "/",
        "/proc/self/root/etc/passwd",
        "{root}/outside/net.onnx",
        "{root}/models/../outside/net.onnx",
        # Accepted only where there is such a folder, it would tell that there is.
        "/etc/..{root}/models/net.onnx",
        "{root}/models/out",
        "{root}/models/loop",
        "/{long}",
        "/\0",
    ],
)
@pytest.mark.parametrize("word", ["model", "calibration"])
def test_files_elsewhere_are_refused_in_the_same_words(machine: Machine, path: str, word: str) -> None:
    """Whether they exist is not told either."""
    named = path.replace("{root}", str(machine.root)).replace("{long}", "x" * 9000)
    request = {**CONVERT, "model": machine.path("models", "net.onnx"), word: named}
    param, message = refused(machine, request)
    assert param == word
    assert message == refused(machine, {**request, word: "/etc/shadow"})[1]
    assert "--job-folders" in message


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({**CONVERT, "model": "known"}, "model"),
        ({**CONVERT, "model": "net.onnx"}, "model"),
        ({**CONVERT, "model": "--help"}, "model"),
        ({**CONVERT, "model": "x=/etc/passwd"}, "model"),
        ({**CONVERT, "model": "http://127.0.0.1/a.onnx#sha256=" + "0" * 64}, "model"),
        ({**CONVERT, "model": "https://example.org/a.onnx"}, "model"),
        ({**CONVERT, "model": "ftp://example.org/a"}, "model"),
        ({**CONVERT, "model": "{models}/absent.onnx"}, "model"),
        ({**CONVERT, "model": "{models}/net.onnx", "name": "../x"}, "name"),
        ({**CONVERT, "model": "{models}/net.onnx", "name": "known"}, "name"),
        ({**CONVERT, "model": "{models}/net.onnx", "name": "adopted"}, "name"),
        ({**CONVERT, "model": "{models}/net.onnx", "output": "{models}"}, "output"),
        ({**CONVERT, "model": "{models}/net.onnx", "calibration": "{models}"}, "calibration"),
        ({**CONVERT, "model": "{models}/net.onnx", "objective": "memory"}, "objective"),
        ({**ANALYZE, "model": "absent"}, "model"),
        ({**ANALYZE, "model": "x=known"}, "model"),
        ({**ANALYZE, "model": "known", "replace": True}, "replace"),
        ({**ANALYZE, "model": "known", "load": True}, "load"),
        ({**ANALYZE, "model": "adopted", "apply": True}, "apply"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_its_field(
    machine: Machine, request_: dict[str, Any], param: str
) -> None:
    """Before anything is begun."""
    sent = {
        key: value.replace("{models}", machine.path("models")) if isinstance(value, str) else value
        for key, value in request_.items()
    }
    assert refused(machine, sent)[0] == param


def test_a_store_of_the_server_may_be_named(machine: Machine, tmp_path: Path) -> None:
    """Any of them, and a known name may be taken when that is said."""
    request = {**CONVERT, "model": machine.path("models", "net.onnx"), "name": "known", "replace": True}
    work = machine.intake.check({**request, "output": machine.path("second")})
    assert work.directory == tmp_path / "second" / "known"


def test_a_job_that_goes_on_may_find_what_it_made(machine: Machine) -> None:
    """Its own entry is no reason to refuse it."""
    request = {**CONVERT, "model": machine.path("models", "net.onnx"), "name": "known"}
    assert machine.intake.check(request, again=True).name == "known"
