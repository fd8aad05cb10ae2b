"""What a Hugging Face hub has: the files of a repository at a revision, and where to read each.

The protocol is spoken by `huggingface_hub`; the bytes are read by `transfer`, into our own cache. Nothing here is used
when offline.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from argosy import __version__
from argosy.core.errors import InvalidSetting, NotCached, SourceUnavailable
from argosy.core.network import is_loopback
from argosy.server.artifacts.cache.digests import Digest
from argosy.server.artifacts.fetch.retry import Transient
from argosy.server.artifacts.fetch.web import Location, retry_after
from argosy.server.artifacts.reference import HubReference

DEFAULT_ENDPOINT = "https://huggingface.co"
_TIMEOUT = 20.0
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_GIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository.

    Attributes:
        size: bytes.
        digest: what its content must be.
    """

    path: str
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit.

    Attributes:
        license: from the model card, or empty.
    """

    repository: str
    commit: str
    license: str
    files: tuple[RemoteFile, ...]


class Hub:
    """One hub, asked as one user or as nobody.

    Args:
        endpoint: its address, such as `DEFAULT_ENDPOINT` or that of a mirror.
        token: of the user, or empty; never taken from files or variables behind the settings' back.

    Raises:
        InvalidSetting: the address is none, or would carry the token without encryption.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, token: str = "") -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        parts = urlsplit(self._endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSetting(f"The hub's address {endpoint!r} is not a URL; write https://host (HF_ENDPOINT).")
        if parts.scheme == "http" and token and not is_loopback(parts.hostname):
            raise InvalidSetting(
                f"The hub {endpoint} is not encrypted, and a token is set; use https:// (HF_ENDPOINT) or leave the "
                "token out (HF_TOKEN)."
            )
        self._origin = (parts.scheme, parts.netloc)
        self.plain_hosts = frozenset({parts.hostname}) if parts.scheme == "http" else frozenset[str]()

    def listing(self, reference: HubReference) -> Listing:
        """The repository's files at the revision.

        Raises:
            Transient: the hub is busy or cannot be reached now.
            SourceUnavailable: there is no such repository or revision, or no right to it.
        """
        library = _library()
        api = library.HfApi(
            endpoint=self._endpoint, token=self._token or False, library_name="argosy", library_version=__version__
        )
        info = self._ask(
            reference,
            lambda: api.model_info(
                reference.repository, revision=reference.revision, files_metadata=True, timeout=_TIMEOUT
            ),
        )
        commit = str(info.sha or "")
        if _COMMIT.fullmatch(commit) is None:
            raise SourceUnavailable(f"{self._endpoint} does not say at which commit {reference.repository} is.")
        files = tuple(_file(reference, sibling) for sibling in info.siblings or ())
        return Listing(reference.repository, commit, _license(info), files)

    def locate(self, listing: Listing, path: str) -> Location:
        """Where the file is read now; an address on other storage may be valid for minutes only.

        Raises:
            Transient: the hub is busy or cannot be reached now.
            SourceUnavailable: the file is gone, or the hub answers for another commit.
        """
        library = _library()
        url = library.hf_hub_url(listing.repository, path, revision=listing.commit, endpoint=self._endpoint)
        metadata = self._ask(
            HubReference(listing.repository, listing.commit, path),
            lambda: library.get_hf_file_metadata(
                url,
                token=self._token or False,
                timeout=_TIMEOUT,
                library_name="argosy",
                library_version=__version__,
                endpoint=self._endpoint,
            ),
        )
        if metadata.commit_hash not in {None, listing.commit}:
            raise SourceUnavailable(
                f"{self._endpoint} answers for commit {metadata.commit_hash} where {listing.commit} was asked for."
            )
        parts = urlsplit(metadata.location)
        own = (parts.scheme, parts.netloc) == self._origin
        headers = {"authorization": f"Bearer {self._token}"} if self._token and own else {}
        return Location(metadata.location, headers)

    def _ask(self, reference: HubReference, call: Callable[[], Answer]) -> Answer:
        import httpx2  # noqa: PLC0415 - see `_library`
        from huggingface_hub import errors  # noqa: PLC0415

        try:
            return call()
        except errors.OfflineModeIsEnabled as error:
            raise NotCached(f"{reference} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it.") from error
        except errors.GatedRepoError as error:
            raise SourceUnavailable(
                f"{reference.repository} is gated: accept its licence at {self._endpoint}/{reference.repository} and "
                "give a token of that account (HF_TOKEN)."
            ) from error
        except errors.RevisionNotFoundError as error:
            raise SourceUnavailable(f"{reference.repository} has no revision {reference.revision!r}.") from error
        except errors.RemoteEntryNotFoundError as error:
            raise SourceUnavailable(f"{reference.repository} has no file {reference.file!r} any more.") from error
        except errors.RepositoryNotFoundError as error:
            raise SourceUnavailable(
                f"{self._endpoint} has no model {reference.repository}, or shows it to its members only: check the "
                "name, or give a token (HF_TOKEN)."
            ) from error
        except errors.HfHubHTTPError as error:
            raise self._refused(reference, error) from error
        except errors.HFValidationError as error:
            raise SourceUnavailable(f"{reference} does not name a repository: {error}") from error
        except httpx2.TransportError as error:
            raise Transient(f"{self._endpoint} cannot be reached ({error or type(error).__name__})") from error

    def _refused(self, reference: HubReference, error: Any) -> Exception:
        status = error.response.status_code
        if status in _BUSY:
            return Transient(f"{self._endpoint} answers {status}", retry_after(error.response.headers))
        if status in {401, 403}:
            return SourceUnavailable(f"{self._endpoint} refuses {reference} ({status}); check the token (HF_TOKEN).")
        return SourceUnavailable(f"{self._endpoint} answers {status} for {reference}.")


def _library() -> Any:
    """The hub's library, imported when a hub is really asked: it takes half a second."""
    import huggingface_hub  # noqa: PLC0415
    from huggingface_hub import constants  # noqa: PLC0415

    # It would ask huggingface.co, whatever the endpoint, who might be calling, and write the answer below HF_HOME.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    return huggingface_hub


def _file(reference: HubReference, sibling: Any) -> RemoteFile:
    if sibling.lfs is not None and _SHA256.fullmatch(str(sibling.lfs.sha256)):
        return RemoteFile(sibling.rfilename, int(sibling.lfs.size), Digest("sha256", sibling.lfs.sha256))
    if sibling.size is not None and _GIT.fullmatch(str(sibling.blob_id)):
        return RemoteFile(sibling.rfilename, int(sibling.size), Digest("git", sibling.blob_id))
    raise SourceUnavailable(f"The hub does not say the hash of {sibling.rfilename!r} in {reference.repository}.")


def _license(info: Any) -> str:
    card = info.card_data
    value = card.get("license") if card is not None else None
    return value[:100] if isinstance(value, str) else ""
