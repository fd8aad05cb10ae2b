"""How a sentence-transformers folder turns token states into a vector.

Source: sentence-transformers' `modules.json`, `<n>_Pooling/config.json`, `config_sentence_transformers.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import Pooling
from argosy.server.artifacts.source import Source

_PACKAGE = "sentence_transformers."
_MODES = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_lasttoken": Pooling.LAST,
}
_WORDS = {"cls": Pooling.CLS, "mean": Pooling.MEAN, "lasttoken": Pooling.LAST}
_PASSAGE_WORDS = ("passage", "document", "corpus")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What follows the transformer.

    Attributes:
        projects: whether a Dense module changes the vector.
        prefixes: text put before the input for each `input_type`.
    """

    pooling: Pooling = Pooling.MEAN
    normalize: bool = True
    projects: bool = False
    prefixes: Mapping[str, str] = field(default_factory=dict)


def read_recipe(source: Source) -> Recipe:
    """The recipe in a folder; a folder without `modules.json` gets mean pooling and unit vectors.

    Raises:
        InvalidModelEntry: a module or pooling that the engine does not have, or code of the folder's own.
    """
    prefixes = _prefixes(source.json("config_sentence_transformers.json"))
    modules = source.json_list("modules.json")
    if modules is None:
        return Recipe(prefixes=prefixes)
    pooling, normalize, projects = Pooling.MEAN, False, False
    for module in modules:
        kind, folder = _kind(source, module), _folder(source, module)
        match kind:
            case "Transformer":
                pass
            case "Pooling":
                pooling = _pooling(source, f"{folder}/config.json" if folder else "config.json")
            case "Normalize":
                normalize = True
            case "Dense":
                projects = True
            case _:
                raise InvalidModelEntry(f"{source.root / 'modules.json'} asks for {kind!r}, which is not supported.")
    return Recipe(pooling, normalize, projects, prefixes)


def _kind(source: Source, module: Any) -> str:
    kind = module.get("type") if isinstance(module, dict) else None
    if not isinstance(kind, str) or not kind.startswith(_PACKAGE):
        raise InvalidModelEntry(
            f"{source.root / 'modules.json'} names the module {str(kind)[:100]!r}, which is code of the model's own. "
            "Such code is never run; use a model made of sentence-transformers' modules."
        )
    return kind.rpartition(".")[2]


def _folder(source: Source, module: Mapping[str, Any]) -> str:
    folder = str(module.get("path") or "")
    if folder and (folder.startswith("/") or ".." in folder.split("/")):
        raise InvalidModelEntry(f"{source.root / 'modules.json'} leads out of the folder: {folder[:100]!r}.")
    return folder


def _pooling(source: Source, file: str) -> Pooling:
    config = source.json(file)
    word = config.get("pooling_mode")
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    found = [_WORDS.get(str(word))] if word else [_MODES.get(key) for key in chosen]
    if len(found) == 1 and found[0] is not None:
        return found[0]
    wanted = word or ", ".join(chosen) or "nothing"
    raise InvalidModelEntry(
        f"{source.root / file} asks for the pooling {wanted}; supported are mean, cls and lasttoken."
    )


def _prefixes(config: Mapping[str, Any]) -> dict[str, str]:
    prompts = config.get("prompts")
    texts = {key: text for key, text in (prompts if isinstance(prompts, dict) else {}).items() if isinstance(text, str)}
    passage = next((texts[word] for word in _PASSAGE_WORDS if texts.get(word)), "")
    return {role: text for role, text in (("query", texts.get("query", "")), ("passage", passage)) if text}
