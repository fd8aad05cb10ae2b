from __future__ import annotations

from pathlib import Path

import pytest

from argosy.engines.torch.processor import has_bf16


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags : avx2 amx_bf16 amx_tile", True),
        ("Features\t: fp asimd i8mm bf16", True),
        ("flags : avx2 avx512f", False),
        ("model name : avx512_bf16\nflags : avx2", False),
        ("", False),
    ],
)
def test_reads_what_the_processor_can(tmp_path: Path, text: str, has: bool) -> None:
    """As Linux names it on either architecture; a name elsewhere in the file says nothing."""
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert has_bf16(path) is has


def test_no_file_says_no(tmp_path: Path) -> None:
    """Other systems have no such file."""
    assert has_bf16(tmp_path / "none") is False
