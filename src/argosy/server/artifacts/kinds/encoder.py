"""A folder with a text encoder: ONNX or IR, `tokenizer.json` and Hugging Face's `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Pooling, ProfileSpec, Task, TextSpec
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.kinds.network import find_network, network_files
from argosy.server.artifacts.kinds.sentence_transformers import read_recipe
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.architectures import architectures
from argosy.server.artifacts.readers.network import Network, Port, read_network
from argosy.server.artifacts.source import Source

ENGINE = "openvino"
TOKENIZER = "tokenizer.json"
_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
_VECTOR_OUTPUTS = ("sentence_embedding",)
_TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")
_CLASSIFIER = "ForSequenceClassification"
_LONGEST_INPUT = 1 << 20

# These count positions from behind the padding token, so that many places are never used.
_OFFSET_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}


def is_encoder(source: Source) -> bool:
    """Whether the folder holds a network with a tokenizer and a config."""
    parts = (find_network(source), source.find(TOKENIZER), source.find("config.json"))
    return all(part is not None for part in parts)


def plan_encoder(source: Source, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry of a text encoder; its task is read from the config and the network's outputs.

    Raises:
        InvalidModelEntry: the folder is incomplete, or holds a model with another task.
        MissingRequirement: OpenVINO is not installed.
    """
    path, tokenizer = find_network(source), source.find(TOKENIZER)
    if path is None or tokenizer is None:
        raise InvalidModelEntry(f"{source.root} needs a network and {TOKENIZER}.")
    files, copied = network_files(path)
    network = read_network(path)
    _check_inputs(path, network)
    config = source.json("config.json")
    spec = ModelSpec(
        name=name,
        task=_task(path, config, network),
        engine=ENGINE,
        model=path.name,
        source=origin,
        profile=ProfileSpec(precision="bf16"),
        text=TextSpec(tokenizer=TOKENIZER, max_tokens=max_tokens(source, config)),
    )
    spec = _embedder(spec, source, config, network) if spec.task is Task.EMBED else _classifier(spec, config, network)
    return Plan(spec, triton_config.render(spec), files | {TOKENIZER: tokenizer}, copied=copied)


def max_tokens(source: Source, config: Mapping[str, Any]) -> int:
    """The longest input: the smallest of what the files that speak of it say, 512 when none does."""
    positions = config.get("max_position_embeddings")
    offset = _OFFSET_POSITIONS.get(str(config.get("model_type")), 0)
    limits = [
        source.json("sentence_bert_config.json").get("max_seq_length"),
        # Tokenizers without a limit write 10^30.
        source.json("tokenizer_config.json").get("model_max_length"),
        positions - offset if isinstance(positions, int) else None,
    ]
    usable = [int(limit) for limit in limits if isinstance(limit, int | float) and 0 < limit <= _LONGEST_INPUT]
    return min(usable, default=512)


def _task(path: Path, config: Mapping[str, Any], network: Network) -> Task:
    names = architectures(config)
    if any(name.endswith(_CLASSIFIER) for name in names):
        return Task.RANK if len(labels(config)) == 1 else Task.CLASSIFY
    if network.output(*_VECTOR_OUTPUTS, *_TOKEN_OUTPUTS) is not None:
        return Task.EMBED
    kind = ", ".join(names) or "no architecture"
    raise InvalidModelEntry(
        f"{path} is neither an embedding nor a classification model (config.json says {kind}; outputs "
        f"{', '.join(port.name for port in network.outputs)}). Serve it by its tensors: name the file {path} itself."
    )


def _embedder(spec: ModelSpec, source: Source, config: Mapping[str, Any], network: Network) -> ModelSpec:
    recipe = read_recipe(source)
    vector = network.output(*_VECTOR_OUTPUTS)
    port = vector or network.output(*_TOKEN_OUTPUTS)
    if port is None or len(port.shape) != (2 if vector else 3):
        raise InvalidModelEntry(f"{source.root}: the network's output has an unexpected shape; export it again.")
    if vector is None and recipe.projects:
        raise InvalidModelEntry(
            f"{source.root} has a Dense module that the network lacks; export the whole model with: "
            f"optimum-cli export onnx --library-name sentence_transformers --model {source.root} FOLDER"
        )
    assert spec.text is not None  # noqa: S101 - built above
    text = replace(
        spec.text,
        pooling=Pooling.NONE if vector else recipe.pooling,
        normalize=recipe.normalize,
        dimensions=_dimensions(source, config, port),
        prefixes=recipe.prefixes,
    )
    return replace(spec, text=text)


def _classifier(spec: ModelSpec, config: Mapping[str, Any], network: Network) -> ModelSpec:
    logits = network.output("logits")
    names = labels(config)
    if logits is None or len(logits.shape) != 2:
        raise InvalidModelEntry(
            f"The network of {spec.name!r} has no output 'logits' [rows, classes]; export it again."
        )
    if logits.shape[1] not in {triton_config.DYNAMIC, len(names)}:
        raise InvalidModelEntry(
            f"The network of {spec.name!r} gives {logits.shape[1]} scores and config.json names {len(names)} labels; "
            'correct "id2label".'
        )
    refuse_multi_label(spec.name, config)
    assert spec.text is not None  # noqa: S101 - built above
    # The network pools and scores by itself.
    pair = spec.task is Task.RANK
    spec = replace(spec, text=replace(spec.text, pooling=Pooling.NONE, normalize=False, pair=pair))
    return spec if pair else replace(spec, labels=names)


def refuse_multi_label(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a classifier whose labels do not exclude one another.

    Raises:
        InvalidModelEntry: the message says how it can be served.
    """
    if config.get("problem_type") == "multi_label_classification":
        raise InvalidModelEntry(
            f"{name!r} is a multi-label classifier, and the classify task gives probabilities that sum to 1. "
            "Serve it by its tensors: name its network file, .onnx or .xml, itself."
        )


def labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Label texts by class number; Transformers leaves both keys out for its default of two classes.

    Raises:
        InvalidModelEntry: the keys of `id2label` are no class numbers.
    """
    names = config.get("id2label")
    if isinstance(names, dict) and names:
        try:
            return tuple(str(names[key]) for key in sorted(names, key=int))
        except ValueError as error:
            raise InvalidModelEntry(f'config.json: "id2label" must map class numbers to texts ({error}).') from None
    count = config.get("num_labels")
    return tuple(f"LABEL_{number}" for number in range(count if isinstance(count, int) and 0 < count <= 10_000 else 2))


def _dimensions(source: Source, config: Mapping[str, Any], port: Port) -> int:
    found = port.shape[-1]
    return vector_length(source, config) if found == triton_config.DYNAMIC else found


def vector_length(source: Source, config: Mapping[str, Any]) -> int:
    """Numbers in a token's state, by the config.

    Raises:
        InvalidModelEntry: it does not say.
    """
    found = config.get("hidden_size") or config.get("dim")
    if not isinstance(found, int) or found <= 0:
        raise InvalidModelEntry(f'{source.root}: nothing says how long a vector is; add "hidden_size" to config.json.')
    return found


def _check_inputs(path: Path, network: Network) -> None:
    names = {port.name for port in network.inputs}
    if "input_ids" not in names or names - _INPUTS:
        raise InvalidModelEntry(
            f"{path} takes {', '.join(sorted(names))}; a text encoder takes input_ids and any of "
            f"{', '.join(sorted(_INPUTS - {'input_ids'}))}. To serve it by its tensors, name the file itself."
        )
    if any(port.shape != (triton_config.DYNAMIC,) * 2 for port in network.inputs):
        raise InvalidModelEntry(
            f"{path} was exported for one fixed input size; export it with free batch and sequence dimensions."
        )
