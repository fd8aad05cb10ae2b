"""What every engine promises about its life, whatever it computes."""

from __future__ import annotations

import abc
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import InvalidModelEntry, MissingRequirement
from argosy.core.models import ModelSpec
from argosy.engines import registry
from argosy.engines.contract import Engine, EngineOptions


@dataclass(frozen=True)
class Deployment:
    """A model entry and the options that go with it."""

    spec: ModelSpec
    options: EngineOptions


@dataclass(frozen=True)
class Broken:
    """A deployment that must not start, and the word its error must name."""

    deployment: Deployment
    names: str


class EngineContract(abc.ABC):
    """What both kinds of engine promise about their life."""

    library: str | None = None
    """The import name of what the engine needs, or None when it needs nothing."""

    @abc.abstractmethod
    def deployment(self, directory: Path) -> Deployment:
        """A sound deployment; its files are put below `directory`, the version folder."""

    @abc.abstractmethod
    def broken(self, sound: Deployment) -> Sequence[Broken]:
        """Ways to break a sound deployment: a missing file, a damaged file. May change the files in place."""

    @abc.abstractmethod
    def use(self, engine: Engine) -> None:
        """Make one small request and assert that it was answered."""

    @pytest.fixture
    def sound(self, tmp_path: Path) -> Deployment:
        directory = tmp_path / "1"
        directory.mkdir()
        return self.deployment(directory)

    @pytest.fixture
    def engine(self, sound: Deployment) -> Iterator[Engine]:
        engine = registry.create(sound.spec, sound.options)
        engine.start()
        yield engine
        engine.stop()

    def test_answers_after_start_without_its_files(self, sound: Deployment) -> None:
        """After `start` returns the engine answers, and nothing is loaded from its folder any more."""
        engine = registry.create(sound.spec, sound.options)
        engine.start()
        try:
            shutil.rmtree(sound.options.directory)
            self.use(engine)
        finally:
            engine.stop()

    def test_start_names_what_is_broken(self, sound: Deployment) -> None:
        """`start` raises `InvalidModelEntry` for a broken or missing file, naming it."""
        for broken in self.broken(sound):
            engine = registry.create(broken.deployment.spec, broken.deployment.options)
            with pytest.raises(InvalidModelEntry) as caught:
                engine.start()
            assert broken.names in caught.value.message
            engine.stop()
            engine.stop()

    def test_start_says_which_library_is_missing(self, sound: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        """`start` raises `MissingRequirement` for a missing library, with the command that adds it."""
        if self.library is None:
            engine = registry.create(sound.spec, sound.options)
            engine.start()
            engine.stop()
            return
        monkeypatch.setitem(sys.modules, self.library, None)
        engine = registry.create(sound.spec, sound.options)
        with pytest.raises(MissingRequirement, match="pip install"):
            engine.start()
        engine.stop()

    def test_stop_may_be_called_at_any_time(self, sound: Deployment) -> None:
        """`stop` may be called without a start, and a second `stop` does nothing."""
        engine = registry.create(sound.spec, sound.options)
        engine.stop()
        engine.start()
        self.use(engine)
        engine.stop()
        engine.stop()

    def test_starts_again_after_stop(self, sound: Deployment) -> None:
        """`stop` frees everything, so that a new engine of the same entry starts and answers."""
        for _ in range(2):
            engine = registry.create(sound.spec, sound.options)
            engine.start()
            self.use(engine)
            engine.stop()

    def test_metrics_are_numbers_at_any_time(self, sound: Deployment) -> None:
        """`metrics` is callable before, during and after the engine's life and gives finite numbers by name."""
        engine = registry.create(sound.spec, sound.options)
        seen = [engine.metrics()]
        engine.start()
        seen.append(engine.metrics())
        engine.stop()
        seen.append(engine.metrics())
        assert all(name and np.isfinite(value) for metrics in seen for name, value in metrics.items())
