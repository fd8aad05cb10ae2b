"""Decides whether a job may be taken, and what its command is told.

An order over HTTP is bound closer than the command line: of this machine's files it reaches those below folders that
the operator has named, and everything that becomes an argument is checked first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from argosy.core.errors import InvalidModelEntry, InvalidRequest, ModelNotFound
from argosy.core.models import NAME
from argosy.server.artifacts.naming import default_name
from argosy.server.artifacts.reference import Reference, parse_reference
from argosy.server.jobs.job import JobKind
from argosy.server.jobs.words import OF_EVERY_JOB, WORDS, Form, flag, spell
from argosy.store.entries import ModelEntry

_LONGEST_VALUE = 4096


class Shelf(Protocol):
    """The models that the server knows; see `argosy.server.artifacts.library.Library`."""

    def find(self, name: str) -> ModelEntry:
        """The entry of that name, read from disk now."""
        ...

    def versions(self) -> dict[str, str]:
        """The newest version of every model by name."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Folders.

    Attributes:
        stores: model stores, the earlier ones first.
        output: the model store that converted models go to when nothing is said.
        cache: the model cache.
        folders: further folders whose files jobs may read.
    """

    stores: tuple[Path, ...]
    output: Path
    cache: Path
    folders: tuple[Path, ...] = ()

    @property
    def readable(self) -> tuple[Path, ...]:
        """Where files may be that a request names."""
        return (*self.stores, self.output, self.cache, *self.folders)


@dataclass(frozen=True, slots=True)
class Work:
    """A request that can be carried out.

    Attributes:
        name: of the entry that is made, or of the model that is measured.
        words: the command's arguments, without the verb and the model.
        model: the last argument.
        load: whether the model is loaded afterwards.
        directory: of the entry that is made; None when none is.
    """

    name: str
    words: tuple[str, ...]
    model: str
    load: bool
    directory: Path | None = None

    def arguments(self, kind: JobKind, folder: Path, *, resume: bool) -> tuple[str, ...]:
        """The command's arguments.

        Args:
            kind: also the verb.
            folder: of the job.
            resume: go on after what an earlier run of this very job finished.
        """
        words = [kind.value, *self.words, "--json", "--progress=json"]
        if kind is JobKind.ANALYZE:
            words += [f"--output={folder / 'analysis'}", "--resume"]
        elif resume and flag("resume") not in words:
            words.append(flag("resume"))
        return (*words, "--", self.model)


class Intake:
    """Checks requests. Reads folders, so not for the event loop.

    Args:
        places: folders.
        shelf: what is known by name.
    """

    def __init__(self, places: Places, shelf: Shelf) -> None:
        self._places = places
        self._shelf = shelf

    def check(self, request: Mapping[str, Any], *, again: bool = False) -> Work:
        """What a request comes to.

        Args:
            request: in the words of the route; types are right.
            again: the job was begun before, so that what it makes may be there.

        Raises:
            InvalidRequest: it cannot be carried out; `param` names the field.
        """
        kind = JobKind(request["kind"])
        given = {word: value for word, value in request.items() if value is not None and value is not False}
        self._check_words(kind, given)
        work = self._convert if kind is JobKind.CONVERT else self._analyze
        return work(given, again)

    def _check_words(self, kind: JobKind, given: Mapping[str, Any]) -> None:
        for word in given.keys() - OF_EVERY_JOB - WORDS[kind].keys():
            raise InvalidRequest(f"'{word}' says nothing to {kind}; leave it out.", param=word)

    def _convert(self, given: Mapping[str, Any], again: bool) -> Work:
        model, suggest = self._source(str(given["model"]))
        name = str(given["name"]) if "name" in given else suggest()
        if NAME.fullmatch(name) is None:
            raise InvalidRequest(
                "'name' must be 1-64 characters of a-z, 0-9, '.', '_' and '-', the first a letter or digit.",
                param="name",
            )
        store = self._store(given)
        if not (again or given.keys() & {"replace", "resume"}):
            self._refuse_known(name, store)
        words = (*self._words(JobKind.CONVERT, {**given, "name": name, "output": str(store)}),)
        return Work(name, words, model, bool(given.get("load")), store / name)

    def _analyze(self, given: Mapping[str, Any], again: bool) -> Work:  # noqa: ARG002 - one of two alike
        model, name, stored = self._model(str(given["model"]))
        if "apply" in given and not stored:
            raise InvalidRequest(
                "'apply' writes the best config to a model store, and this model is in none. Leave it out.",
                param="apply",
            )
        if "load" in given and "apply" not in given:
            raise InvalidRequest("'load' goes with 'apply': nothing else about the model changes.", param="load")
        return Work(name, tuple(self._words(JobKind.ANALYZE, given)), model, bool(given.get("load")))

    def _words(self, kind: JobKind, given: Mapping[str, Any]) -> list[str]:
        words = []
        for word, form in WORDS[kind].items():
            if word in given:
                value = given[word]
                if form is Form.FILE:
                    value = self._file(word, str(value))
                words.append(spell(word, form, value))
        return words

    def _source(self, text: str) -> tuple[str, Callable[[], str]]:
        """What is converted, and what it is called when nobody says."""
        if text.startswith("/"):
            path = self._path("model", text)
            return str(path), lambda: _named_after(path)
        reference = _reference(text)
        if reference is None:
            raise InvalidRequest(
                f"There is no model {_shown(text)} to convert. Name a folder or .onnx file by its whole path, or a "
                "source: org/name, hf://org/name or https://….",
                param="model",
            )
        return str(reference), lambda: reference.name

    def _model(self, text: str) -> tuple[str, str, bool]:
        """What is measured, its name, and whether it lies in a model store."""
        if text.startswith("/"):
            path = self._path("model", text)
            return str(path), _named_after(path), False
        if NAME.fullmatch(text) is None and (reference := _reference(text)) is not None:
            return str(reference), reference.name, False
        try:
            entry = self._shelf.find(text)
        except (ModelNotFound, InvalidModelEntry) as error:
            raise InvalidRequest(error.message, param="model") from None
        if entry.directory.parent in self._places.stores:
            return entry.name, entry.name, True
        return str(entry.directory.absolute()), entry.name, False

    def _store(self, given: Mapping[str, Any]) -> Path:
        """The model store that is written to: the one named, which must be one of the server's."""
        if "output" not in given:
            return self._places.output.absolute()
        for store in (*self._places.stores, self._places.output):
            if str(store.absolute()) == os.path.normpath(str(given["output"])):
                return store.absolute()
        raise InvalidRequest(
            "'output' must be one of this server's model stores; leave it out for the first.", param="output"
        )

    def _refuse_known(self, name: str, store: Path) -> None:
        if name in self._shelf.versions() or os.path.lexists(store / name):
            raise InvalidRequest(
                f"There is a model {name!r} already. Say 'replace': true to put the new one in its place, or give "
                "another 'name'.",
                param="name",
            )

    def _file(self, word: str, text: str) -> Path:
        path = self._path(word, text)
        if not path.is_file():
            raise InvalidRequest(f"'{word}' must name a file.", param=word)
        return path

    def _path(self, word: str, text: str) -> Path:
        """A path below one of the readable folders, links followed.

        What lies outside of them is refused in the same words whether or not it exists.
        """
        path = Path(text)
        try:
            inside = ".." not in path.parts and len(text) <= _LONGEST_VALUE and self._is_readable(path)
        except (OSError, ValueError, RuntimeError):
            # A loop of links, or a name that no file can have.
            inside = False
        if not inside or not path.is_absolute():
            raise InvalidRequest(
                f"'{word}' must be a whole path below a model store, the cache, or a folder that the server was given "
                "with --job-folders.",
                param=word,
            )
        if not path.exists():
            raise InvalidRequest(f"{_shown(text)} does not exist.", param=word)
        return path

    def _is_readable(self, path: Path) -> bool:
        resolved = path.resolve()
        return any(resolved.is_relative_to(folder.resolve()) for folder in self._places.readable)


def _reference(text: str) -> Reference | None:
    if len(text) > _LONGEST_VALUE or "\0" in text:
        return None
    if text.lower().startswith("http://"):
        # Without encryption only this machine itself is asked, which is not for others to order.
        raise InvalidRequest("'model' must be an https:// address.", param="model")
    try:
        return parse_reference(text)
    except InvalidModelEntry as error:
        raise InvalidRequest(error.message, param="model") from None


def _named_after(path: Path) -> str:
    try:
        return default_name(path)
    except InvalidModelEntry:
        raise InvalidRequest("The path suggests no name; give one: 'name'.", param="name") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 128 else f"{text[:128]}…")
