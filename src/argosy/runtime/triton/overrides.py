"""What an operator says over a model's own `config.pbtxt`. Source: Triton's `model_config.proto`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2


@dataclass(frozen=True, slots=True)
class ConfigOverrides:
    """Values that win over those of a model's own config; None and absent leave its own.

    Attributes:
        parameters: for the engine, by name.
        max_batch_size: most rows in one execution; a model without a batch dimension keeps none.
        max_queue_delay: microseconds a request waits for others; for models that batch dynamically.
        instances: processes that run the model.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    max_batch_size: int | None = None
    max_queue_delay: int | None = None
    instances: int | None = None


def override(text: str, overrides: ConfigOverrides) -> str:
    """The config with the overrides in it; the same text when there are none.

    A text that is not a config stays too: Triton says what is wrong with it when that model is loaded.
    """
    if overrides == ConfigOverrides():
        return text
    try:
        message = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError:
        return text
    for name, value in overrides.parameters.items():
        message.parameters[name].string_value = value
    if overrides.max_batch_size is not None and message.max_batch_size > 0:
        message.max_batch_size = overrides.max_batch_size
        # Sizes to gather for must not be larger than a batch may be.
        preferred = [size for size in message.dynamic_batching.preferred_batch_size if size <= overrides.max_batch_size]
        if message.HasField("dynamic_batching"):
            message.dynamic_batching.preferred_batch_size[:] = preferred
    if overrides.max_queue_delay is not None and message.HasField("dynamic_batching"):
        message.dynamic_batching.max_queue_delay_microseconds = overrides.max_queue_delay
    if overrides.instances is not None:
        for group in message.instance_group:
            group.count = overrides.instances
    return str(text_format.MessageToString(message))
