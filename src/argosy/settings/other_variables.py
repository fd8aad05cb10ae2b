"""Variables that are known and set nothing: what each would do elsewhere, and why not here.

A variable that somebody relies on is either a setting (`registry`) or stands here with its reason, so that none is
ignored in silence. A start is refused where going on would be unsafe or a lie: TLS that is not there, code that is not
run, a name that nobody answers to. Names are those of NIM's and Triton's documentation and of OpenTelemetry's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

Harmless = Callable[[str, Mapping[str, str]], bool]


class Disposition(StrEnum):
    """What becomes of a known variable that is not a setting."""

    REFUSED = "refused"
    UNUSED = "unused"
    INHERITED = "inherited"


@dataclass(frozen=True, slots=True)
class OtherVariable:
    """A variable that is known and is not a setting.

    Attributes:
        name: a name, or its beginning followed by `*`.
        reason: why it is refused or has no effect, and what to do instead.
        harmless: whether a value, beside the other variables, asks for nothing that is not so anyway.
        harmless_values: the same in words, for the docs; empty when no value is.
    """

    name: str
    disposition: Disposition
    reason: str
    harmless: Harmless
    harmless_values: str = ""

    def matches(self, name: str) -> bool:
        """Whether `name` is this variable, or one of its family."""
        return name == self.name or (self.name.endswith("*") and name.startswith(self.name[:-1]))


@dataclass(frozen=True, slots=True)
class Findings:
    """What the known variables of an environment come to.

    Attributes:
        refusals: why a start is refused, a sentence each.
        warnings: what is set and has no effect, a sentence each.
    """

    refusals: tuple[str, ...]
    warnings: tuple[str, ...]


def examine(environment: Mapping[str, str]) -> Findings:
    """Look for known variables in `environment`; values that ask for nothing special are passed over."""
    asking = [
        (variable, name)
        for variable, name in _present(environment)
        if variable.disposition is not Disposition.INHERITED and not variable.harmless(environment[name], environment)
    ]
    return Findings(
        tuple(
            f"{name}={environment[name]}: {variable.reason}"
            for variable, name in asking
            if variable.disposition is Disposition.REFUSED
        ),
        tuple(
            f"{name} has no effect: {variable.reason}"
            for variable, name in asking
            if variable.disposition is Disposition.UNUSED
        ),
    )


def is_known(name: str) -> bool:
    """Whether the variable stands here."""
    return any(variable.matches(name) for variable in OTHER_VARIABLES)


def _present(environment: Mapping[str, str]) -> Iterator[tuple[OtherVariable, str]]:
    for name in sorted(environment):
        if environment[name] == "":
            continue
        for variable in OTHER_VARIABLES:
            if variable.matches(name):
                yield variable, name
                break


def _one_of(*values: str) -> tuple[Harmless, str]:
    return lambda raw, _: raw.strip().lower() in values, ", ".join(values)


_NEVER: tuple[Harmless, str] = (lambda _raw, _environment: False, "")
_OFF = _one_of("0", "false", "no", "off")
_ON = _one_of("1", "true", "yes", "on")
_ONE = _one_of("1")
_WITHOUT_TLS: tuple[Harmless, str] = (
    lambda _, environment: environment.get("NIM_SSL_MODE", "").strip().lower() == "disabled",
    "any, beside NIM_SSL_MODE=disabled",
)

_CODE = "Code that comes with a model is never run. Convert it to safetensors, ONNX, OpenVINO IR or GGUF."
_TLS = (
    "This version does not serve TLS itself. End TLS in a proxy or ingress in front of it, and unset the variable or "
    "say NIM_SSL_MODE=disabled."
)
_ONE_MACHINE = "One model runs on one machine in this version. Serve a model that fits, and unset the variable."
_TRACES = "This version writes no traces. Metrics are at /v1/metrics, and every answer carries x-request-id."
_INSPECTION = "It belongs to the defect inspection application, which is not part of this version."
_TENSORRT_LLM = "It tunes TensorRT-LLM in a way that is not handed on to it."
_TRITON_PORTS = "Triton opens no port of its own here: KServe v2 is at --port and --grpc-port, metrics at /v1/metrics."
_DOWNLOADS = "Models come from a hub, a web server or a path: name it as MODEL. A model that cannot be had is an error."


def _refused(reason: str, harmless: tuple[Harmless, str], *names: str) -> list[OtherVariable]:
    return [OtherVariable(name, Disposition.REFUSED, reason, *harmless) for name in names]


def _unused(reason: str, harmless: tuple[Harmless, str], *names: str) -> list[OtherVariable]:
    return [OtherVariable(name, Disposition.UNUSED, reason, *harmless) for name in names]


def _inherited(reason: str, *names: str) -> list[OtherVariable]:
    return [OtherVariable(name, Disposition.INHERITED, reason, *_NEVER) for name in names]


# fmt: off
OTHER_VARIABLES: tuple[OtherVariable, ...] = (
    *_refused(_CODE, _OFF, "NIM_TRUST_CUSTOM_CODE"),
    *_refused(_CODE, _NEVER, "NIM_CUSTOM_GUIDED_DECODING_BACKENDS"),
    *_refused(
        "A TensorRT engine with host code inside would run it. Build the engine without.",
        _OFF, "NIM_TRT_ENGINE_HOST_CODE_ALLOWED",
    ),
    *_refused("What is fetched is always checked; unset the variable.", _OFF, "NIM_MANIFEST_ALLOW_UNSAFE"),
    *_refused(_TLS, _one_of("disabled"), "NIM_SSL_MODE"),
    *_refused(
        _TLS, _WITHOUT_TLS,
        "NIM_SSL_CERT_PATH", "NIM_SSL_CERTS_PATH", "NIM_SSL_KEY_PATH", "NIM_SSL_CA_CERTS_PATH",
        "NIM_TLS_CERT_PATH", "NIM_TLS_KEY_PATH", "NIM_SERVER_TLS_CERT_PATH", "NIM_SERVER_TLS_KEY_PATH",
    ),
    *_refused(_ONE_MACHINE, _OFF, "NIM_MULTI_NODE"),
    *_refused(_ONE_MACHINE, _ONE, "NIM_NUM_COMPUTE_NODES"),
    *_refused(_ONE_MACHINE, _one_of("0"), "NIM_NODE_RANK"),
    *_refused(_ONE_MACHINE, _ON, "NIM_LEADER_ROLE"),
    *_refused(
        "Reward models are not served. A classifier is: see /v1/classify.", _OFF, "NIM_REWARD_MODEL",
    ),
    *_unused("Reward models are not served.", _NEVER, "NIM_REWARD_*"),
    *_refused(
        "A model's chat template is part of its entry: name the file in 'generate.chat_template' of argosy.yaml.",
        _NEVER, "NIM_CHAT_TEMPLATE",
    ),
    *_unused(
        "The parser is found in the chat template, or named in 'generate.tool_parser' of argosy.yaml.",
        _NEVER, "NIM_TOOL_CALL_PARSER",
    ),
    *_unused("A model that can call tools always may; send tool_choice none.", _ON, "NIM_ENABLE_AUTO_TOOL_CHOICE"),
    *_unused("Constraints are compiled by xgrammar.", _one_of("xgrammar", "auto"), "NIM_GUIDED_DECODING_BACKEND"),
    *_unused("Prompts have no log-probabilities; requests for them are refused.", _OFF, "NIM_ENABLE_PROMPT_LOGPROBS"),
    *_unused(
        "Answers carry no 'stats' object; token counts are in 'usage', times in /v1/metrics.",
        _OFF, "NIM_PER_REQ_METRICS_ENABLE",
    ),
    *_unused(
        "Answers at temperature 0 are the same each time with a profile of precision f32; others may differ in the "
        "last bit with what shares their batch.",
        _OFF, "NIM_FORCE_DETERMINISTIC",
    ),
    *_unused(
        _TENSORRT_LLM, _OFF,
        "NIM_LOW_MEMORY_MODE", "NIM_RELAX_MEM_CONSTRAINTS", "NIM_DISABLE_OVERLAP_SCHEDULING",
    ),
    *_unused("No key of that registry is needed.", _NEVER, "NGC_API_KEY"),
    *_unused("The system's certificates are always used.", _ON, "NIM_SDK_USE_NATIVE_TLS"),
    *_unused(_DOWNLOADS, _OFF, "NIM_IGNORE_MODEL_DOWNLOAD_FAIL"),
    *_refused(
        "Models would come from elsewhere than it says. Name a mirror of the hub in --hub-endpoint (HF_ENDPOINT).",
        _NEVER, "NIM_REPOSITORY_OVERRIDE",
    ),
    *_unused("Constraints are compiled without outlines, and nothing is cached for it.", _NEVER, "OUTLINES_CACHE_DIR"),
    *_unused(_TRACES, _OFF, "NIM_ENABLE_OTEL", "NIM_ENABLE_TRACING"),
    *_unused(
        _TRACES, _NEVER,
        "NIM_OTEL_SERVICE_NAME", "NIM_OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT",
        "TRITON_OTEL_URL", "TRITON_OTEL_RATE",
    ),
    *_unused(
        _TRACES, _one_of("none"),
        "NIM_OTEL_TRACES_EXPORTER", "NIM_OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER",
    ),
    *_unused(_TRITON_PORTS, _NEVER, "NIM_HTTP_TRITON_PORT", "NIM_TRITON_METRICS_PORT", "TRITON_HTTP_URL"),
    *_unused("How much runs at once is --max-concurrent and --instances.", _one_of("off"), "NIM_TRITON_RATE_LIMIT"),
    *_unused("No engine of this version uses Triton's CUDA memory pool.", _NEVER, "NIM_TRITON_CUDA_MEMORY_POOL_MB"),
    *_unused(
        "Texts are read and written inside the engine; its processor threads are --engine-threads.",
        _NEVER, "NIM_TRITON_CPU_THREADS_PRE_PROCESSOR", "NIM_TRITON_CPU_THREADS_POST_PROCESSOR",
    ),
    *_unused(
        _INSPECTION, _NEVER,
        "DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS", "TRITON_MODEL_NAME", "MODEL_CONFIDENCE_THRESHOLD",
        "IMAGE_TARGET_WIDTH", "IMAGE_TARGET_HEIGHT", "IMAGE_MAX_SIZE",
    ),
    *_unused("Models are named on the command line or in NIM_MODEL_NAME.", _NEVER, "MODEL_NAME"),
    *_unused("Precision belongs to a model's profile: 'profile.precision' in argosy.yaml.", _OFF, "ENABLE_FP16"),
    *_inherited("CUDA reads it in Triton and the engines.", "CUDA_VISIBLE_DEVICES"),
    *_inherited("The documentation's examples keep a client's key in it.", "ARGOSY_KEY"),
    *_inherited("Tests write their page anew with it.", "ARGOSY_WRITE_CONFORMANCE", "ARGOSY_WRITE_SETTINGS"),
)
# fmt: on
