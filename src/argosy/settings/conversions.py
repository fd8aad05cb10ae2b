"""Other people's forms of a value, turned into ours."""

from __future__ import annotations

from argosy.settings.parsers import integer, switch


def host_of(raw: str) -> str:
    """The address in `host:port`."""
    return _split(raw)[0]


def port_of(raw: str) -> str:
    """The port in `host:port`."""
    return _split(raw)[1]


def inverted(raw: str) -> str:
    """A switch that turns off what ours turns on."""
    return "false" if switch(raw) else "true"


def microseconds_from_milliseconds(raw: str) -> str:
    """A time in milliseconds, fractions allowed, in whole microseconds."""
    try:
        value = float(raw)
    except ValueError:
        raise ValueError(f"expected a number of milliseconds, got {raw!r}") from None
    if not 0 <= value <= 10_000:
        raise ValueError(f"expected 0 to 10000 milliseconds, got {value:g}")
    return str(round(value * 1000))


def json_lines(raw: str) -> str:
    """A switch for JSON lines as the name of the form."""
    return "json" if switch(raw) else "console"


def log_form(raw: str) -> str:
    """What programs call their log forms."""
    word = raw.strip().lower()
    return {"jsonl": "json", "text": "console", "plain": "console", "pretty": "console"}.get(word, word)


def kv_precision(raw: str) -> str:
    """What engines' command lines call the types of a key-value cache."""
    word = raw.strip().lower()
    return {"bfloat16": "bf16", "float16": "f16", "fp16": "f16", "float32": "f32", "int8": "i8"}.get(word, word)


def _split(raw: str) -> tuple[str, str]:
    host, colon, port = raw.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise ValueError(f"expected host:port, got {raw!r}")
    return host, str(integer(1, 65535)(port))
