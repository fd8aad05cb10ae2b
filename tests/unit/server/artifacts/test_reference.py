"""What a MODEL argument refers to."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.reference import HubReference, WebReference, parse_reference

SHA = "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", HubReference("org/name")),
        ("org/name@v1.5", HubReference("org/name", "v1.5")),
        ("hf://org/name", HubReference("org/name")),
        ("hf://org/name@refs%2Fpr%2F1", HubReference("org/name", "refs/pr/1")),
        ("hf://org/name/sub/model.gguf", HubReference("org/name", file="sub/model.gguf")),
        ("hf://org/name@0123/model.gguf", HubReference("org/name", "0123", "model.gguf")),
        (f"https://host/m.onnx#sha256={SHA}", WebReference("https://host/m.onnx", SHA)),
        (f"http://127.0.0.1:80/m.onnx?x=1#sha256={SHA}", WebReference("http://127.0.0.1:80/m.onnx?x=1", SHA)),
        ("name", None),
        ("./org/name", None),
        ("a/b/c", None),
        ("../org", None),
        ("~/name", None),
    ],
)
def test_each_form(text: str, expected: object) -> None:
    """Forms are told apart without looking at the disk."""
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["hf://org/name@v2/a.gguf", "hf://org/name", f"https://host/m.onnx#sha256={SHA}"])
def test_a_reference_writes_itself(text: str) -> None:
    """What is written is read as the same again; manifests are found by it."""
    assert str(parse_reference(text)) == text


def test_the_hash_may_be_given_apart() -> None:
    """--sha256 pins a URL that does not carry its hash."""
    assert parse_reference("https://host/m.onnx", SHA.upper()) == WebReference("https://host/m.onnx", SHA)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf://Org/My_Model.v2", "my_model.v2"),
        ("hf://org/name-GGUF/sub/Tiny-Q8_0.gguf", "tiny-q8_0"),
        (f"https://host/a%20b.tar.gz#sha256={SHA}", "a-b"),
    ],
)
def test_a_reference_names_its_model(text: str, name: str) -> None:
    """The name is the file's or the repository's, made fit."""
    reference = parse_reference(text)
    assert reference is not None
    assert reference.name == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hf://org", "does not name a repository"),
        ("hf://org/../name", "does not name"),
        ("hf://org/name@", "revision"),
        ("hf://org/name@../x", "revision"),
        ("hf://org/name@a..b", "revision"),
        ("hf://org/name/../../etc/passwd", "does not name a file"),
        ("hf://org/name/a//b.gguf", "does not name a file"),
        ("hf://org/name/..\\b.gguf", "does not name a file"),
        ("hf://org/name/a\0.gguf", "does not name a file"),
        ("org/name@..", "None"),
        ("file:///etc/passwd", "scheme"),
        ("ftp://host/m.onnx", "scheme"),
        ("https://host/m.onnx", "SHA-256"),
        ("https://host/m.onnx#sha256=123", "SHA-256"),
        (f"http://host/m.onnx#sha256={SHA}", "without encryption"),
        (f"http://127.0.0.1.evil.example/m.onnx#sha256={SHA}", "without encryption"),
        (f"https://user:secret@host/m.onnx#sha256={SHA}", "password"),
        (f"https://host/#sha256={SHA}", "file name"),
        (f"https://host/..%2Fm.onnx#sha256={SHA}", "file name"),
    ],
)
def test_r1_what_cannot_be_meant_is_refused(text: str, says: str) -> None:
    """R1: names that lead elsewhere, and URLs nobody should fetch, are refused before anything is opened."""
    if says == "None":
        assert parse_reference(text) is None
        return
    with pytest.raises(InvalidModelEntry, match=says) as caught:
        parse_reference(text)
    assert "secret" not in caught.value.message


def test_two_hashes_that_differ_are_refused() -> None:
    """Nobody can tell which of them is meant."""
    with pytest.raises(InvalidModelEntry, match="different hashes"):
        parse_reference(f"https://host/m.onnx#sha256={SHA}", "b" * 64)
