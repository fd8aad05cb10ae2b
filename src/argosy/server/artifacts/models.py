"""Models by what users call them: fetched when they are not here, adopted when they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argosy.core.errors import CacheNotWritable, CorruptModel, InvalidModelEntry, NotCached
from argosy.core.models import ModelSpec, check_name
from argosy.server.artifacts import integrity, staging
from argosy.server.artifacts.adopt import choice_for, plan
from argosy.server.artifacts.archives.unpack import is_archive
from argosy.server.artifacts.cache.digests import sha256_of
from argosy.server.artifacts.cache.layout import Layout, writing
from argosy.server.artifacts.cache.manifest import Manifest, read_manifest
from argosy.server.artifacts.cache.snapshot import snapshot
from argosy.server.artifacts.fetch.fetch import Fetcher, FetchOptions
from argosy.server.artifacts.fetch.progress import Event, Listener, Step, quiet
from argosy.server.artifacts.fingerprint import REVISION, fingerprint
from argosy.server.artifacts.kinds.chosen_profile import Choose, Substitute
from argosy.server.artifacts.naming import default_name
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.reference import HubReference, Reference
from argosy.server.artifacts.variants import Variant, stores
from argosy.store.entries import ModelEntry, list_entries


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source that is in the cache.

    Attributes:
        source: as `str(reference)` writes it.
        model: the file or folder in the snapshot that stands for the model.
    """

    source: str
    manifest: Manifest
    model: Path


class SourceModels:
    """Model store entries made of sources that are somewhere else, kept in the cache.

    Guarantees: a source that is in the cache is used without asking anyone; an entry whose files were changed on disk
    is refused; nothing is visible before it is complete.

    Args:
        cache: may be read-only when everything asked for is in it.
        options: how sources are fetched.
        listener: told of the progress.
        choose: chooses how a checkpoint runs; None refuses checkpoints.
        substitute: see `adopt`.

    Attributes:
        choose, substitute: as given.
    """

    def __init__(
        self,
        cache: Path,
        options: FetchOptions,
        listener: Listener = quiet,
        choose: Choose | None = None,
        substitute: Substitute | None = None,
    ) -> None:
        self.choose = choose
        self.substitute = substitute
        self._layout = Layout(cache)
        self._fetcher = Fetcher(cache, options, listener)
        self._listener = listener

    def entry(self, reference: Reference, name: str | None = None, *, refresh: bool = False) -> ModelEntry:
        """The entry of a source.

        Args:
            reference: what to serve.
            name: what clients call it; None takes the reference's own.
            refresh: see `Fetcher.fetch`; a damaged entry is built anew then.

        Raises:
            InvalidModelEntry: it cannot be served; the message says what to do instead.
            CorruptModel: its files were changed on disk.
            ConfigurationError: as `Fetcher.fetch`.
        """
        return self.build(self.fetch(reference, refresh=refresh), name or reference.name, refresh=refresh)

    def archive(self, path: Path, name: str | None = None) -> ModelEntry:
        """The entry of what a local archive holds.

        Raises:
            InvalidModelEntry: it holds what may not be served.
            ConfigurationError: the cache cannot be written.
        """
        return self.build(self._unpacked(path), name or default_name(_without_suffix(path)), refresh=False)

    def folder(self, reference: Reference, *, refresh: bool = False) -> Path:
        """The source's files as a folder (or the one model file) of links, for whoever converts it.

        Of a repository that has a network as well as weights these are the weights.

        Raises:
            ConfigurationError: as `Fetcher.fetch`.
        """
        if not isinstance(reference, HubReference) or reference.file:
            return self.fetch(reference, refresh=refresh).model
        known = read_manifest(self._layout, str(reference))
        if known is not None and known.weights_only and not refresh:
            return self.fetch(reference).model
        try:
            return self.fetch(replace(reference, weights=True), refresh=refresh).model
        except NotCached:
            if known is None:
                raise
            return self.fetch(reference).model

    def export(self, reference: Reference, store: Path, name: str | None = None) -> ModelEntry:
        """The source as an entry of a model store of the user's, without a link into the cache.

        Raises:
            ModelEntryExists: the store has a model of that name.
            ConfigurationError: as `entry`.
        """
        fetched = self.fetch(reference)
        return staging.export(store, self._planned(fetched, _checked(name or reference.name)))

    def planned(self, reference: Reference, name: str | None = None) -> ModelSpec:
        """What the entry of a source will say of it; the source is fetched, no entry is made.

        Raises:
            ConfigurationError: as `entry`.
        """
        return self._planned(self.fetch(reference), _checked(name or reference.name)).spec

    def fetch(self, reference: Reference, *, refresh: bool = False) -> Fetched:
        """The source, in the cache.

        Raises:
            ConfigurationError: as `Fetcher.fetch`.
        """
        manifest = self._fetcher.fetch(reference, refresh=refresh)
        return Fetched(str(reference), manifest, self._model(manifest, _file(reference)))

    def verify(self, reference: Reference) -> Manifest:
        """Read everything the cache has of a source, and compare it with the hashes; no connection is opened.

        Raises:
            NotCached: the cache does not have it.
            CorruptModel: bytes were changed; the message names the files.
        """
        known = read_manifest(self._layout, str(reference))
        if known is None:
            raise NotCached(
                f"{reference} is not whole in the model cache {self._layout.root}; run: argosy pull {reference}"
            )
        bad = [file.path for file in known.files if sha256_of(self._layout.blob(file.sha256)) != file.sha256]
        if bad:
            raise CorruptModel(f"{', '.join(bad)} of {reference} changed in the cache; run: argosy pull {reference}")
        for store in stores(self._layout.place(known.identity)):
            for entry in list_entries(store):
                integrity.check(entry, full=True)
        return known

    def _unpacked(self, path: Path) -> Fetched:
        source = f"file://{path.name}#{fingerprint(path, [path])}"
        manifest = self._fetcher.unpack_local(path, source)
        return Fetched(source, manifest, self._model(manifest, ""))

    def _model(self, manifest: Manifest, file: str) -> Path:
        with writing(self._layout.root):
            folder = snapshot(self._layout, manifest)
        if file:
            return folder / file
        tops = {entry.path.split("/")[0] for entry in manifest.files}
        # Archives of a folder are more usual than archives of its content.
        return folder / tops.pop() if len(tops) == 1 else folder

    def build(self, fetched: Fetched, name: str, *, refresh: bool = False) -> ModelEntry:
        """The entry of a source that is in the cache.

        Raises:
            InvalidModelEntry: it cannot be served, or its files were changed on disk.
            CacheNotWritable: the cache cannot be written.
        """
        variant = self._variant(fetched, _checked(name))
        known = variant.reusable()
        if known is not None and (not refresh or _is_sound(known)):
            if refresh:
                staging.tidy(variant.place, self._layout.root)
            else:
                integrity.check(known.directory)
            return known
        self._listener(Event(Step.BUILD, fetched.source))
        planned = self._plan(fetched, variant)
        try:
            return staging.build(variant.place, planned, root=self._layout.root)
        except CacheNotWritable as error:
            if refresh:
                raise
            other = variant.instead(error, self.substitute)
            integrity.check(other.directory)
            return other

    def _variant(self, fetched: Fetched, name: str) -> Variant:
        manifest = fetched.manifest
        chosen = choice_for(fetched.model, name, self.choose)
        return Variant(self._layout.place(manifest.identity), name, _content(manifest), chosen)

    def _planned(self, fetched: Fetched, name: str) -> Plan:
        return self._plan(fetched, self._variant(fetched, name))

    def _plan(self, fetched: Fetched, variant: Variant) -> Plan:
        manifest, name, chosen = fetched.manifest, variant.name, variant.chosen
        if manifest.weights_only and chosen is None:
            raise InvalidModelEntry(
                f"{fetched.source} holds weights without a network. Convert it once and serve the result; run: "
                f"{convert_command(fetched, name)}"
            )
        planned = plan(fetched.model, name, _origin(fetched, variant), chosen)
        hashes = {entry.path: entry.sha256 for entry in manifest.files}
        folder = self._layout.snapshots / manifest.identity[:16]
        known = {
            target: hashes[path]
            for target, file in planned.files.items()
            if (path := file.relative_to(folder).as_posix()) in hashes
        }
        spec = planned.spec if planned.spec.license else replace(planned.spec, license=manifest.license)
        return replace(planned, spec=spec, hashes=known)


def convert_command(fetched: Fetched, name: str) -> str:
    """What turns weights that are in the cache into a model that can be served."""
    return f"argosy convert {fetched.model} --name {name}"


def _without_suffix(archive: Path) -> Path:
    return archive.with_name(re.sub(r"\.(zip|tar|tar\.gz|tgz)$", "", archive.name, flags=re.IGNORECASE))


def _file(reference: Reference) -> str:
    """The file of a snapshot that stands for the model; empty when the whole does."""
    if isinstance(reference, HubReference):
        return reference.file
    return "" if is_archive(reference.file) else reference.file


def _origin(fetched: Fetched, variant: Variant) -> Mapping[str, Any]:
    """What `argosy.yaml` says of the source; `argosy.server.catalog.origin` reads `kind`, `id` and `version`."""
    manifest = fetched.manifest
    origin = {"fetched": fetched.source, **variant.origin, "sha256": manifest.identity}
    if fetched.source.startswith("hf://"):
        repository = "/".join(fetched.source[5:].split("/")[:2]).partition("@")[0]
        return {"kind": "huggingface", "id": repository, "version": manifest.version, **origin}
    if fetched.source.startswith("file://"):
        return {"adopted": fetched.source[7:].partition("#")[0], **origin}
    return {"kind": "web", "id": fetched.source.partition("#")[0].partition("?")[0], **origin}


def _content(manifest: Manifest) -> str:
    return f"sha256:{hashlib.sha256(f'{REVISION} {manifest.identity}'.encode()).hexdigest()}"


def _is_sound(entry: ModelEntry) -> bool:
    try:
        integrity.check(entry.directory, full=True)
    except InvalidModelEntry:
        return False
    return True


def _checked(name: str) -> str:
    check_name(name)
    return name
