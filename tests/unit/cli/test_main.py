"""How the command ends when something goes wrong outside of a verb's own care."""

from __future__ import annotations

import errno

import pytest

import argosy.cli


def test_a_full_disk_is_a_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it was met; the exit code is 1."""

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/small/file")

    monkeypatch.setattr(argosy.cli, "group", full)
    with pytest.raises(SystemExit) as end:
        argosy.cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "argosy: /small/file cannot be written: No space left on device. Make room and run it again.\n"
    )


def test_other_defects_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback is what whoever repairs them needs."""

    def broken() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file")

    monkeypatch.setattr(argosy.cli, "group", broken)
    with pytest.raises(FileNotFoundError):
        argosy.cli.main()
