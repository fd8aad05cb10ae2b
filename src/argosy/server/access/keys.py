"""A fixed list of API keys, known only by their digests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path

from argosy.core.errors import InvalidSetting, Unauthenticated
from argosy.server.access.contract import Headers, Principal

_SHORTEST = 16
_LONGEST = 512
_OPERATOR = "@operator"
_REMEDY = "Send the header 'Authorization: Bearer <key>' with one of this server's keys."


class StaticKeys:
    """Accepts the bearer keys it was made with.

    Keys are kept as SHA-256 digests and every one is compared in constant time, so that the time taken tells
    nothing about a key. A fast hash is right here because keys are long and random, not passwords.

    Args:
        keys: key by the name that logs show for it; a name that ends in `@operator` is shown without that and its
            holder may load and unload models.

    Raises:
        InvalidSetting: no key, one that is too short, too long or not printable ASCII, or two of one name.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        if not keys:
            raise InvalidSetting("No API key was given: put one key a line into the key file.")
        for name, key in keys.items():
            _check(name, key)
        self._principals = [(_digest(key.encode()), _principal(name)) for name, key in keys.items()]
        names = [principal.name for _, principal in self._principals]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InvalidSetting(f"Two API keys are named {twice!r}; give each its own name.")

    async def authenticate(self, headers: Headers) -> Principal:
        """The holder of the one bearer key in the headers."""
        presented = _digest(_bearer(headers))
        found: Principal | None = None
        for digest, principal in self._principals:
            if hmac.compare_digest(digest, presented):
                found = principal
        if found is None:
            raise Unauthenticated(f"The API key is not known here. {_REMEDY}")
        return found


def read_keys(path: Path) -> dict[str, str]:
    """The keys in a file: one a line, `name:key`, `name@operator:key` or just `key`.

    Blank lines and `#` comments are skipped.

    Raises:
        InvalidSetting: the file cannot be read or holds no key.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"The key file {path} cannot be read: {error}.") from error
    keys = parse_keys(lines)
    if not keys:
        raise InvalidSetting(f"The key file {path} holds no key: put one key a line into it.")
    return keys


def parse_keys(lines: Iterable[str]) -> dict[str, str]:
    """Key by name for lines (or comma-separated items) of the form `name:key`, `name@operator:key` or `key`.

    Raises:
        InvalidSetting: a name stands twice.
    """
    keys: dict[str, str] = {}
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, key = text.rpartition(":")
        name = name.strip() if separator else f"key-{len(keys) + 1}"
        if name in keys:
            raise InvalidSetting(f"Two API keys are named {name!r}; give each its own name.")
        keys[name] = key.strip()
    return keys


def _bearer(headers: Headers) -> bytes:
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise Unauthenticated(f"No API key was sent. {_REMEDY}")
    if len(values) > 1:
        raise Unauthenticated("Two Authorization headers were sent; send one.")
    scheme, _, key = values[0].strip().partition(b" ")
    key = key.strip()
    if scheme.lower() != b"bearer" or not key or len(key) > _LONGEST:
        raise Unauthenticated(f"The Authorization header holds no usable bearer key. {_REMEDY}")
    return key


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _principal(name: str) -> Principal:
    shown = name.removesuffix(_OPERATOR)
    if not shown:
        raise InvalidSetting("An API key of an operator has no name: write 'name@operator:key'.")
    return Principal(shown, operator=shown != name)


def _check(name: str, key: str) -> None:
    if not _SHORTEST <= len(key) <= _LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidSetting(
            f"The API key {name!r} cannot be used: a key has {_SHORTEST} to {_LONGEST} printable ASCII characters "
            "without blanks. Make one with: openssl rand -hex 32"
        )
