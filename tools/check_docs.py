"""Checks that the documentation holds together: links lead somewhere, pages are reachable, names are real."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]+\]\((?!https?://|mailto:|#)(?P<target>[^)#\s]+)")
CODE_PATH = re.compile(r"`(?P<path>(?:src/argosy|tests|docs|bench|tools|requirements)/[\w./-]+)`")
FORBIDDEN = re.compile(r"\b(utils|helpers|manager|common)\b")


def main() -> int:
    """Print every problem; 1 when there is one."""
    problems = [*broken_links(), *missing_paths(), *unreachable_pages(), *drawers()]
    for problem in problems:
        print(problem)
    print(f"docs: {len(pages())} pages, {len(problems)} problems")
    return 1 if problems else 0


def pages() -> list[Path]:
    """Markdown files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def broken_links() -> list[str]:
    """Relative links whose target does not exist."""
    return [
        f"{page.relative_to(ROOT)}: link to {target} leads nowhere"
        for page in pages()
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]


def missing_paths() -> list[str]:
    """Paths named in code spans that do not exist."""
    return [
        f"{page.relative_to(ROOT)}: names {path}, which does not exist"
        for page in pages()
        for path in CODE_PATH.findall(page.read_text())
        if "<" not in path and not (ROOT / path.rstrip("/")).exists()
    ]


def unreachable_pages() -> list[str]:
    """Pages in docs/ that no other page links to."""
    linked = {(page.parent / target).resolve() for page in pages() for target in LINK.findall(page.read_text())}
    return [
        f"{page.relative_to(ROOT)}: no page links to it"
        for page in pages()
        if page.is_relative_to(ROOT / "docs") and page.resolve() not in linked
    ]


def drawers() -> list[str]:
    """Modules with a name that says nothing."""
    return [
        f"{path.relative_to(ROOT)}: name it after what it does"
        for folder in ("src", "tests", "bench", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if FORBIDDEN.search(path.stem)
    ]


if __name__ == "__main__":
    sys.exit(main())
