"""Every command and program in the README does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import Running

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def curls() -> list[str]:
    """Each curl command in the README."""
    return [command.strip() for block in blocks("bash") for command in re.split(r"\n\n", block) if "curl" in command]


def test_success_is_two_commands_away() -> None:
    """The first two blocks are `make serve` and one curl."""
    first, second, *_ = blocks("bash")
    assert first.strip() == "make serve"
    assert second.startswith("curl ")


@pytest.mark.parametrize("command", curls(), ids=lambda command: re.findall(r"/v1/[\w/]+", command)[0])
def test_a_curl_of_the_readme_answers(bundled: Running, command: str) -> None:
    """The command exits with 0 and prints JSON without an error."""
    result = subprocess.run(
        ["bash", "-c", command.replace(":8000", f":{bundled.port}")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    reply = json.loads(result.stdout)
    assert "error" not in reply
    assert reply["model"] in command


def test_the_first_answer_is_right(bundled: Running) -> None:
    """A newcomer's first question gets the right sum."""
    result = subprocess.run(
        ["bash", "-c", curls()[0].replace(":8000", f":{bundled.port}")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "82" in json.loads(result.stdout)["choices"][0]["message"]["content"]


def test_the_python_program_of_the_readme_prints_the_json_it_asks_for(bundled: Running) -> None:
    """The streamed answer is the JSON object the prompt asks for."""
    (program,) = blocks("python")
    result = subprocess.run(
        [sys.executable, "-c", program.replace(":8000", f":{bundled.port}")],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(result.stdout) == {"city": "Oslo", "temperature": 21}
