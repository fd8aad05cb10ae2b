"""A checkpoint as published, run by the engine that was chosen for this machine; nothing is converted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Pooling, ProfileSpec, Task, TextSpec
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.kinds.checkpoint_files import CONFIG_FILE, TOKENIZER_FILE, checkpoint_files
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.artifacts.kinds.encoder import labels, max_tokens, refuse_multi_label, vector_length
from argosy.server.artifacts.kinds.language_model import TEMPLATE_FILE, chat_template, generation
from argosy.server.artifacts.kinds.sentence_transformers import read_recipe
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.architectures import architectures
from argosy.server.artifacts.source import Source

_WRITES = ("ForCausalLM", "LMHeadModel")
_CLASSIFIES = "ForSequenceClassification"
_EMBEDS = ("Model", "ForMaskedLM", "ForPreTraining")
_SEVERAL = "ForConditionalGeneration"


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """A checkpoint, whichever engine will run it.

    Attributes:
        spec: without an engine and how it runs.
        template: text of the chat template.
    """

    spec: ModelSpec
    files: Mapping[str, Path]
    template: str | None = None


def plan_checkpoint(source: Source, name: str, origin: Mapping[str, Any], chosen: ChosenProfile) -> Plan:
    """The entry of a checkpoint: its files as they are, and how the chosen engine runs them.

    Raises:
        InvalidModelEntry: the folder is incomplete, or holds a model with another task than those there are routes for.
    """
    model = _read(source, name)
    generate = model.spec.generate
    if generate is not None and chosen.max_model_len:
        generate = replace(generate, context_length=min(generate.context_length, chosen.max_model_len))
    spec = replace(
        model.spec,
        engine=chosen.engine,
        source={**origin, "device": chosen.device, "profile": chosen.record()},
        profile=ProfileSpec(precision=chosen.precision, weights=chosen.weights),
        generate=generate,
    )
    return Plan(spec, _config(spec, chosen), model.files, {TEMPLATE_FILE: model.template} if model.template else {})


def check_checkpoint(source: Source) -> None:
    """Refuse what no engine would be given.

    Raises:
        InvalidModelEntry: as `plan_checkpoint`.
    """
    _read(source, source.root.name)


def _read(source: Source, name: str) -> _Checkpoint:
    config = source.json(CONFIG_FILE)
    spec = ModelSpec(name=name, task=task_of(source, config), engine="", model=CONFIG_FILE)
    files = checkpoint_files(source)
    if spec.task is not Task.GENERATE:
        return _Checkpoint(_encoder(spec, source, config, files), files)
    template = chat_template(source)
    return _Checkpoint(replace(spec, generate=generation(source, template)), files, template)


def task_of(source: Source, config: Mapping[str, Any]) -> Task:
    """What the model does, by its architecture; sentence-transformers' `modules.json` makes any of them an embedder.

    Raises:
        InvalidModelEntry: it does something that no route serves.
    """
    if (task := known_task(source, config)) is not None:
        return task
    names = architectures(config)
    shown = ", ".join(names)[:128] or "no architecture"
    if any(name.endswith(_SEVERAL) for name in names):
        raise InvalidModelEntry(
            f"{source.root} is a model of several networks (vision or encoder-decoder: {shown}); they do not run here."
        )
    raise InvalidModelEntry(
        f"{source.root / CONFIG_FILE} names {shown}; served as they are: language models (*{', *'.join(_WRITES)}), "
        f"classifiers and cross-encoders (*{_CLASSIFIES}) and text encoders (*{', *'.join(_EMBEDS)}). To serve it by "
        f"its tensors, run: argosy convert {source.root}"
    )


def known_task(source: Source, config: Mapping[str, Any]) -> Task | None:
    """As `task_of`; None for what no route serves."""
    if source.find("modules.json") is not None:
        return Task.EMBED
    names = architectures(config)
    if any(name.endswith(_WRITES) for name in names):
        return Task.GENERATE
    if any(name.endswith(_CLASSIFIES) for name in names):
        return Task.RANK if len(labels(config)) == 1 else Task.CLASSIFY
    return Task.EMBED if any(name.endswith(_EMBEDS) for name in names) else None


def _encoder(spec: ModelSpec, source: Source, config: Mapping[str, Any], files: Mapping[str, Path]) -> ModelSpec:
    if TOKENIZER_FILE not in files:
        raise InvalidModelEntry(
            f"{source.root} has no {TOKENIZER_FILE}, which serving needs. Write it with "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    text = TextSpec(tokenizer=TOKENIZER_FILE, max_tokens=max_tokens(source, config))
    if spec.task is Task.EMBED:
        return replace(spec, text=_pooled(text, source, config))
    refuse_multi_label(spec.name, config)
    # The network pools and scores by itself.
    pair = spec.task is Task.RANK
    spec = replace(spec, text=replace(text, pooling=Pooling.NONE, normalize=False, pair=pair))
    return spec if pair else replace(spec, labels=labels(config))


def _pooled(text: TextSpec, source: Source, config: Mapping[str, Any]) -> TextSpec:
    recipe = read_recipe(source)
    if recipe.projects:
        raise InvalidModelEntry(
            f"{source.root} has a Dense module after its pooling, which is not applied to a checkpoint; export the "
            "whole model with: optimum-cli export onnx --library-name sentence_transformers "
            f"--model {source.root} FOLDER"
        )
    length = vector_length(source, config)
    return replace(
        text, pooling=recipe.pooling, normalize=recipe.normalize, dimensions=length, prefixes=recipe.prefixes
    )


def _config(spec: ModelSpec, chosen: ChosenProfile) -> str:
    lines = [
        f"parameters {{ key: {json.dumps(key)} value {{ string_value: {json.dumps(value)} }} }}\n"
        for key, value in sorted(chosen.parameters.items())
    ]
    return triton_config.render(spec) + "".join(lines)
