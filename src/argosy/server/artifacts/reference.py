"""What a MODEL argument means when it is no file here and no name in a store: where to fetch it from.

Forms: `org/name[@revision]`, `hf://org/name[@revision][/path/of/a/file]`, `https://…#sha256=…`; each also as
`name=FORM`. The grammar of `hf://` is that of huggingface_hub's `HfFileSystem`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from argosy.core.errors import InvalidModelEntry
from argosy.core.network import is_loopback
from argosy.server.artifacts.naming import normalise

DEFAULT_REVISION = "main"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._/-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODEL_SUFFIXES = (".gguf", ".onnx", ".xml", ".zip", ".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class HubReference:
    """A repository of a Hugging Face hub, or one model file of it.

    Attributes:
        repository: `org/name`.
        revision: branch, tag or commit.
        file: path in the repository; empty when the whole repository is meant.
        weights: whether safetensors are wanted where the repository also has a network, to convert them. No form
            that a user writes says so; the cache keeps the two apart.
    """

    repository: str
    revision: str = DEFAULT_REVISION
    file: str = ""
    weights: bool = False

    def __str__(self) -> str:
        revision = "" if self.revision == DEFAULT_REVISION else f"@{self.revision}"
        wanted = f"/{self.file}" if self.file else "#weights" if self.weights else ""
        return f"hf://{self.repository}{revision}{wanted}"

    @property
    def name(self) -> str:
        """What the model is called when the user gives no name."""
        return _name(self.file or self.repository)


@dataclass(frozen=True, slots=True)
class WebReference:
    """A file on a web server, pinned by its hash.

    Attributes:
        url: without a fragment.
        sha256: 64 hexadecimal digits.
    """

    url: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.url}#sha256={self.sha256}"

    @property
    def file(self) -> str:
        """The file's name: the last part of the URL's path."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def name(self) -> str:
        """What the model is called when the user gives no name."""
        return _name(self.file)


Reference = HubReference | WebReference


def parse_reference(text: str, sha256: str = "") -> Reference | None:
    """What `text` refers to, or None when it is none of the forms above.

    Args:
        text: without a `name=` before it.
        sha256: the hash of a web source that does not carry one itself.

    Raises:
        InvalidModelEntry: it begins like a URL and cannot be used as one; the message says what to write.
    """
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme == "hf":
        return _hub(text[5:], text)
    if scheme in {"http", "https"}:
        return _web(text, sha256)
    if scheme:
        raise InvalidModelEntry(f"{text[:200]} has a scheme that is not known; use hf://org/name or https://….")
    repository, _, revision = text.partition("@")
    if _REPOSITORY.fullmatch(repository) is None or ".." in text:
        return None
    return HubReference(repository, _revision(revision, text) if "@" in text else DEFAULT_REVISION)


def _hub(path: str, text: str) -> HubReference:
    parts = path.split("/")
    organisation, (name, at, revision) = parts[0], (parts[1] if len(parts) > 1 else "").partition("@")
    repository, file = f"{organisation}/{name}", "/".join(parts[2:])
    if _REPOSITORY.fullmatch(repository) is None:
        raise InvalidModelEntry(f"{text[:200]} does not name a repository; write hf://org/name[@revision][/file].")
    if file and any(part in {"", ".", ".."} or "\\" in part or not part.isprintable() for part in parts[2:]):
        raise InvalidModelEntry(f"{text[:200]} does not name a file of the repository; write hf://org/name/file.gguf.")
    # A slash within a revision (refs/pr/1) is written %2F, as everywhere with hf://.
    return HubReference(repository, _revision(unquote(revision), text) if at else DEFAULT_REVISION, file)


def _revision(revision: str, text: str) -> str:
    if _REVISION.fullmatch(revision) is None or ".." in revision:
        raise InvalidModelEntry(f"{text[:200]} does not name a revision; write a branch, tag or commit after '@'.")
    return revision


def _web(text: str, sha256: str) -> WebReference:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError as error:
        raise InvalidModelEntry(f"{text[:200]} is not a URL ({error}).") from None
    if parts.username is not None or parts.password is not None:
        raise InvalidModelEntry(f"The URL to {host} carries a password, which would end up in logs; leave it out.")
    if not host or (parts.scheme.lower() == "http" and not is_loopback(host)):
        raise InvalidModelEntry(f"{text[:200]} is not fetched without encryption; use https://.")
    stated = parts.fragment.removeprefix("sha256=").lower()
    if stated and sha256 and stated != sha256.lower():
        raise InvalidModelEntry(f"{text[:200]} and --sha256 state different hashes; leave one out.")
    digest = (stated or sha256).lower()
    if _SHA256.fullmatch(digest) is None:
        raise InvalidModelEntry(
            f"{text[:200]} needs the SHA-256 of the file, so that nothing else is taken for it: append #sha256=<64 "
            "hexadecimal digits> or give --sha256."
        )
    reference = WebReference(urlunsplit(parts._replace(fragment="")), digest)
    file = reference.file
    if file in {"", ".", ".."} or "/" in file or "\\" in file or not file.isprintable():
        raise InvalidModelEntry(f"The path of {text[:200]} does not end in a file name.")
    return reference


def _name(path: str) -> str:
    last = path.rpartition("/")[2]
    for suffix in _MODEL_SUFFIXES:
        if last.lower().endswith(suffix):
            last = last[: -len(suffix)]
            break
    return normalise(last)
