from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidSetting, Unauthenticated
from argosy.server.access.anyone import OpenAccess
from argosy.server.access.contract import Principal
from argosy.server.access.keys import StaticKeys, parse_keys, read_keys

ONE, TWO = "1" * 32, "2" * 32


async def test_each_key_has_its_principal() -> None:
    """The name is the operator's, never the key."""
    keys = StaticKeys({"one": ONE, "two": TWO})
    assert (await keys.authenticate([(b"authorization", f"Bearer {TWO}".encode())])).name == "two"
    assert (await keys.authenticate([(b"authorization", f"bearer  {ONE}".encode())])).name == "one"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"authorization", b"Bearer " + ONE[:-1].encode())],
        [(b"authorization", b"Bearer " + ONE.encode() + b"\x00")],
        [(b"authorization", b"Bearer " + b"1" * 1_000_000)],
        [(b"authorization", f"Basic {ONE}".encode())],
        [(b"authorization", f"Bearer {ONE}".encode()), (b"authorization", f"Bearer {ONE}".encode())],
        [(b"x-api-key", ONE.encode())],
    ],
)
async def test_anything_else_is_nobody(headers: list[tuple[bytes, bytes]]) -> None:
    """V21: no fallback identity, whatever is sent."""
    with pytest.raises(Unauthenticated):
        await StaticKeys({"one": ONE}).authenticate(headers)


async def test_the_error_does_not_repeat_the_key() -> None:
    """It ends up in logs."""
    with pytest.raises(Unauthenticated) as caught:
        await StaticKeys({"one": ONE}).authenticate([(b"authorization", b"Bearer wrong-but-secret")])
    assert "wrong-but-secret" not in caught.value.message


@pytest.mark.parametrize("key", ["", "short", "x" * 513, "with blank in the key", "ümlaut" * 5, "line\nbreak" * 3])
def test_a_key_that_cannot_be_sent_or_guessed_refuses_to_start(key: str) -> None:
    """The message says how to make a good one and does not show the bad one."""
    with pytest.raises(InvalidSetting, match="openssl rand") as caught:
        StaticKeys({"team": key})
    assert not key or key not in caught.value.message


def test_no_key_at_all_refuses_to_start() -> None:
    """An empty list would lock everybody out."""
    with pytest.raises(InvalidSetting):
        StaticKeys({})


def test_a_key_file_has_names_comments_and_blank_lines(tmp_path: Path) -> None:
    """`name:key`, or a key that gets a number."""
    path = tmp_path / "keys"
    path.write_text(f"# team keys\nred: {ONE}\n\n{TWO}\n")
    assert read_keys(path) == {"red": ONE, "key-2": TWO}


def test_two_keys_of_one_name_refuse_to_start() -> None:
    """Logs could not tell them apart."""
    with pytest.raises(InvalidSetting, match="red"):
        parse_keys([f"red:{ONE}", f"red:{TWO}"])


@pytest.mark.parametrize("content", [None, b"", b"# only\n", b"\xff\xfe"])
def test_a_useless_key_file_refuses_to_start(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty or not text; the message names the file."""
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSetting, match="keys"):
        read_keys(path)


async def test_open_access_lets_everybody_in() -> None:
    """With or without a key."""
    access = OpenAccess()
    assert (await access.authenticate([])).name == "anonymous"
    assert (await access.authenticate([(b"authorization", b"Bearer x")])).name == "anonymous"


async def test_a_key_may_be_an_operators(tmp_path: Path) -> None:
    """`name@operator:key` in a key file; logs show the bare name."""
    path = tmp_path / "keys"
    path.write_text(f"red@operator:{ONE}\nblue@acme:{TWO}\n")
    keys = StaticKeys(read_keys(path))
    assert await keys.authenticate([(b"authorization", f"Bearer {ONE}".encode())]) == Principal("red", operator=True)
    assert await keys.authenticate([(b"authorization", f"Bearer {TWO}".encode())]) == Principal("blue@acme")


@pytest.mark.parametrize("keys", [{"@operator": ONE}, {"red": ONE, "red@operator": TWO}])
def test_an_operator_needs_a_name_of_its_own(keys: dict[str, str]) -> None:
    """Two keys of one name could not be told apart in the log."""
    with pytest.raises(InvalidSetting, match="name"):
        StaticKeys(keys)


@pytest.mark.parametrize(
    ("host", "operator"),
    [
        (b"localhost", True),
        (b"LOCALHOST:8000", True),
        (b"127.0.0.1:8000", True),
        (b"127.1.2.3", True),
        (b"[::1]:8000", True),
        (b"evil.example:8000", False),
        (b"localhost.evil.example", False),
        (b"127.0.0.1.evil.example", False),
        (b"192.0.2.1:8000", False),
        (b"", False),
    ],
)
async def test_without_keys_a_name_of_elsewhere_makes_no_operator(host: bytes, *, operator: bool) -> None:
    """A web page whose name was made to lead to this machine asks as if it were of this server."""
    assert (await OpenAccess(operator=True).authenticate([(b"host", host)])).operator is operator


async def test_without_keys_everybody_is_an_operator_where_that_is_said() -> None:
    """Only a server that nobody else reaches says so."""
    assert await OpenAccess(operator=True).authenticate([]) == Principal("anonymous", operator=True)
    assert not (await OpenAccess().authenticate([])).operator
