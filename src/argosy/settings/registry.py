"""Every setting, declared once: its name, default, bounds, help, and the variables that set it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from argosy.core.memory import MemoryAmount
from argosy.settings.conversions import (
    host_of,
    inverted,
    json_lines,
    kv_precision,
    log_form,
    microseconds_from_milliseconds,
    port_of,
)
from argosy.settings.declaration import Alias, Declaration, setting
from argosy.settings.parsers import (
    choice,
    fraction,
    integer,
    level,
    memory,
    path,
    paths,
    seconds,
    secret,
    secrets,
    switch,
    text,
    words,
)
from argosy.settings.secret import Secret


# fmt: off
@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field's metadata holds its `Declaration`."""

    models: tuple[str, ...] = setting(
        (), words, "models",
        "Models to serve: names in the model store, paths, hub ids, or name=path. Empty means everything in the store.",
        "NIM_MODEL_NAME", "NIM_MODEL_PATH", "NIM_FT_MODEL", flag=False,
    )
    served_model_name: tuple[str, ...] = setting(
        (), words, "models", "Further names for the model, when one is served, separated by commas.",
        "NIM_SERVED_MODEL_NAME", "NIM_CUSTOM_MODEL_NAME",
    )
    model_store: tuple[Path, ...] = setting(
        (), paths, "models", "Folders with model store entries, separated by ':'. Empty means the bundled models."
    )
    model_profile: str = setting(
        "", text, "models",
        "Profile to run: its id, its name, or tags as key=value,key=value. Empty or default chooses by the machine.",
        "NIM_MODEL_PROFILE", "NIM_MANIFEST_PROFILE", "NIM_TAGS_SELECTOR",
    )
    cache: Path | None = setting(
        None, path, "models",
        "Where compiled models and entries made from paths are kept. Default: $XDG_CACHE_HOME/argosy.",
        "NIM_CACHE_PATH",
    )
    offline: bool = setting(
        False, switch, "downloads",
        "Open no connection to fetch a model: serve what is here and in the cache.",
        "NIM_DISABLE_MODEL_DOWNLOAD", "HF_HUB_OFFLINE",
    )
    hub_endpoint: str = setting(
        "https://huggingface.co", text, "downloads", "Address of the Hugging Face hub, or of a mirror.", "HF_ENDPOINT"
    )
    hub_token: Secret | None = setting(
        None, secret, "downloads", "Token of the hub's user; needed for gated and private models only.", "HF_TOKEN",
        flag=False,
    )
    max_parallel_downloads: int = setting(
        4, integer(1, 64), "downloads", "Files of a model fetched at once.", "NIM_SDK_MAX_PARALLEL_DOWNLOAD_REQUESTS"
    )
    conversion_python: Path | None = setting(
        None, path, "conversion",
        "Python of the environment that has torch and the exporters. Default: .work/convert, which make builds.",
        flag=False,
    )
    job_folders: tuple[Path, ...] = setting(
        (), paths, "conversion",
        "Folders, separated by ':', whose files jobs of the HTTP API may read, beside the model stores and the cache.",
    )
    peft_source: Path | None = setting(
        None, path, "adapters",
        "Folder of LoRA adapters, each a folder with adapter_config.json and adapter_model.safetensors.",
        "NIM_PEFT_SOURCE",
    )
    peft_refresh_interval: float = setting(
        0.0, seconds(0, 86_400), "adapters",
        "Seconds between two looks at the adapters' folder; 0 looks once, at the start.",
        "NIM_PEFT_REFRESH_INTERVAL",
    )
    max_loras: int = setting(
        8, integer(1, 1000), "adapters", "Adapters served at once; each holds a copy of its base model's weights.",
        "NIM_MAX_CPU_LORAS", "NIM_MAX_GPU_LORAS",
    )
    max_lora_rank: int = setting(
        32, integer(1, 4096), "adapters", "Highest rank of an adapter.", "NIM_MAX_LORA_RANK"
    )
    host: str = setting(
        "127.0.0.1", text, "network", "Address the gateway listens on.", "NIM_SERVER_HOST",
        Alias("NIM_BIND_ADDR", host_of, "host:port; sets port as well"),
        Alias("NIM_SERVER_BIND_ADDR", host_of, "host:port; sets port as well"),
    )
    port: int = setting(
        8000, integer(1, 65535), "network", "TCP port of the gateway.", "NIM_HTTP_API_PORT", "NIM_SERVER_PORT",
        Alias("NIM_BIND_ADDR", port_of, "host:port; sets host as well"),
        Alias("NIM_SERVER_BIND_ADDR", port_of, "host:port; sets host as well"),
    )
    grpc_port: int = setting(
        8001, integer(0, 65535), "network", "TCP port of KServe's gRPC; 0 serves without it.",
        "NIM_GRPC_API_PORT", "NIM_TRITON_GRPC_PORT",
    )
    workers: int = setting(
        0, integer(0, 64), "network", "Gateway worker processes; 0 chooses from the processors.",
        "NIM_HTTP_MAX_WORKERS",
    )
    insecure: bool = setting(
        False, switch, "access", "Allow an address beyond loopback without API keys. Anyone who reaches it can use it."
    )
    api_keys: tuple[Secret, ...] = setting(
        (), secrets, "access", "API keys, separated by commas. Prefer --api-keys-file.", flag=False
    )
    api_keys_file: Path | None = setting(
        None, path, "access", "File with one API key a line: key, name:key or name@operator:key; '#' starts a comment."
    )
    max_body_bytes: int = setting(
        16 << 20, integer(1024, 1 << 31), "limits", "Largest request body, bytes; more is refused with 413."
    )
    max_concurrent: int = setting(
        128, integer(1, 100_000), "limits", "Requests one model works on at once; more wait in its queue."
    )
    max_queue: int = setting(
        512, integer(0, 1_000_000), "limits", "Requests that may wait for one model; more are refused with 503.",
        "NIM_SERVER_MAX_QUEUE_SIZE", "NIM_MAX_QUEUE_SIZE",
    )
    max_queue_bytes: int = setting(
        64 << 20, integer(1024, 1 << 40), "limits", "Bytes of request bodies that may wait for one model."
    )
    request_timeout: float = setting(
        300.0, seconds(0.1, 86_400), "limits", "Longest time one request may take, queueing included, seconds.",
        "NIM_SERVER_REQUEST_TIMEOUT_S", "NIM_REQUEST_TIMEOUT_S", "TRITON_TIMEOUT",
    )
    drain_timeout: float = setting(
        30.0, seconds(0, 3600), "limits", "Seconds that running requests get to finish after SIGTERM or Ctrl-C."
    )
    max_model_len: int | None = setting(
        None, integer(1, 10_000_000), "engines",
        "Longest prompt and answer together (language models) or input (encoders), tokens; at most the model's.",
        "NIM_MAX_MODEL_LEN",
    )
    max_input_length: int | None = setting(
        None, integer(1, 10_000_000), "engines", "Longest input, tokens.", "NIM_MAX_INPUT_LENGTH", "--max-input-len"
    )
    max_output_length: int | None = setting(
        None, integer(1, 10_000_000), "engines", "Longest answer of a language model, tokens.", "NIM_MAX_OUTPUT_LENGTH"
    )
    max_batch_size: int | None = setting(
        None, integer(1, 65_536), "engines",
        "Most rows in one execution; of a language model, most answers in one forward pass.",
        "NIM_MAX_BATCH_SIZE", "NIM_TRITON_MAX_BATCH_SIZE", "NIM_PIPELINE_MAX_BATCH_SIZE",
    )
    max_num_seqs: int | None = setting(
        None, integer(1, 65_536), "engines", "Most answers of a language model in one forward pass; more wait.",
        "NIM_MAX_NUM_SEQS",
    )
    max_num_batched_tokens: int | None = setting(
        None, integer(1, 1_048_576), "engines", "Most tokens of a language model in one forward pass.",
        "--max-num-tokens",
    )
    max_queue_delay: int | None = setting(
        None, integer(0, 10_000_000), "engines", "Microseconds that a request waits for others to share its execution.",
        "NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS",
        Alias("NIM_SERVER_MAX_WAIT_MS", microseconds_from_milliseconds, "milliseconds"),
        Alias("NIM_MAX_WAIT_MS", microseconds_from_milliseconds, "milliseconds"),
    )
    instances: int | None = setting(
        None, integer(1, 64), "engines",
        "Processes that run one model; the processor threads are divided among them.", "NIM_ENGINE_COUNT",
    )
    performance_mode: str | None = setting(
        None, choice("latency", "throughput"), "engines",
        "latency runs one execution on all threads, throughput one on each.",
        "NIM_TRITON_PERFORMANCE_MODE", "NIM_PERFORMANCE_MODE",
    )
    tensor_parallel_size: int | None = setting(
        None, integer(1, 1024), "engines", "GPUs that share each layer of a model.",
        "NIM_TENSOR_PARALLEL_SIZE", "--tp-size",
    )
    pipeline_parallel_size: int | None = setting(
        None, integer(1, 1024), "engines", "Groups of GPUs that hold a model's layers one after another.",
        "NIM_PIPELINE_PARALLEL_SIZE", "--pp-size",
    )
    gpu_memory_utilization: float | None = setting(
        None, fraction(), "engines", "Share of a GPU's memory that an engine may take.",
        "NIM_GPU_MEM_FRACTION", "NIM_GPU_MEMORY_UTILIZATION", "NIM_KVCACHE_PERCENT", "NIM_KV_CACHE_PERCENT",
        Alias("NIM_KV_CACHE_FREE_GPU_MEM_FRACTION", note="taken as a share of the whole"),
        "--kv-cache-free-gpu-memory-fraction",
    )
    kv_cache_gib: int | None = setting(
        None, integer(1, 65_536), "engines", "Memory for a language model's key-value cache, GiB."
    )
    kv_cache_precision: str | None = setting(
        None, choice("u8", "i8", "fp8", "bf16", "f16", "f32"), "engines", "Type the key-value cache is kept in.",
        Alias("NIM_KV_CACHE_PRECISION", kv_precision, "fp16, float32, int8, … are understood"),
    )
    kv_cache_reuse: bool | None = setting(
        None, switch, "engines", "Keep the key-value cache of a prompt for later ones that begin the same.",
        "NIM_ENABLE_KV_CACHE_REUSE", "--enable-prefix-caching",
    )
    kv_cache_host_offload: bool | None = setting(
        None, switch, "engines", "Move key-value blocks that no request uses from the GPU to the host's memory.",
        "NIM_ENABLE_KV_CACHE_HOST_OFFLOAD",
    )
    kv_cache_host_memory_fraction: float | None = setting(
        None, fraction(), "engines", "Share of the host's memory for blocks moved there.",
        "NIM_KV_CACHE_HOST_MEM_FRACTION",
    )
    quantization: str | None = setting(
        None, choice("none", "fp8", "int8", "int4", "awq", "gptq", "nvfp4", "mxfp4"), "engines",
        "How a language model's weights are quantised when it is loaded.", "NIM_QUANTIZATION",
    )
    quantization_group: int | None = setting(
        None, integer(0, 4096), "engines",
        "With int8 weights, activations are rounded to int8 in groups of this many; 0 keeps them in the precision."
    )
    chunked_prefill: bool | None = setting(
        None, switch, "engines", "Read long prompts in pieces between the steps of answers under way.",
        "NIM_ENABLE_CHUNKED_PREFILL", "--enable-chunked-prefill",
    )
    scheduling_policy: str | None = setting(
        None, choice("fcfs", "priority", "guarantee_no_evict", "max_utilization", "static_batch"), "engines",
        "Which requests a language model's engine takes next.",
        "NIM_SCHEDULER_POLICY", "NIM_SCHEDULING_POLICY",
    )
    tensorrt_llm_python: Path | None = setting(
        None, path, "engines",
        "Python of the environment that has TensorRT-LLM, which cannot be installed beside Argosy.",
        flag=False,
    )
    tritonserver: Path | None = setting(
        None, path, "runtime", "The tritonserver program. Empty means the one in the Python environment.",
        "TRITONSERVER_BIN",
    )
    triton_url: str = setting(
        "", text, "runtime", "gRPC address host:port of a Triton that somebody else runs; none is started then.",
        "TRITON_SERVER_URL",
    )
    run_directory: Path | None = setting(
        None, path, "runtime", "Private folder for sockets, logs and the rendered model repository."
    )
    engine_threads: int = setting(
        0, integer(0, 1024), "runtime", "Processor threads for each engine; 0 chooses from the processors."
    )
    start_timeout: float = setting(
        30.0, seconds(1, 3600), "runtime", "Seconds that Triton gets to start before it is killed and retried."
    )
    load_timeout: float = setting(
        120.0, seconds(1, 86_400), "runtime", "Seconds that one model gets to load before it counts as failed."
    )
    load_on_demand: bool = setting(
        False, switch, "memory",
        "Load a model when a request asks for it, not at the start; the least recently used leave when room is needed.",
    )
    memory_budget: MemoryAmount = setting(
        MemoryAmount(), memory, "memory",
        "Memory for all models together, such as 6GiB, 800MB or 75% of this machine's; 0 means no bound.",
    )
    idle_timeout: float = setting(
        0.0, seconds(0, 604_800), "memory",
        "Seconds without a request after which a model leaves memory, with --load-on-demand; 0 means never.",
    )
    pinned: tuple[str, ...] = setting(
        (), words, "memory",
        "Models, separated by commas, that are loaded at the start and never leave, with --load-on-demand.",
    )
    load_queue_timeout: float = setting(
        60.0, seconds(0.1, 86_400), "memory",
        "Seconds that a request waits for its model to be loaded, room included, before it is answered 503.",
    )
    log_level: str = setting(
        "info", level, "logs", "debug, info, warning, error or critical.", "NIM_LOG_LEVEL", "LOG_LEVEL"
    )
    log_format: str = setting(
        "console", choice("console", "json"), "logs", "console for people, json for collectors.",
        Alias("NIM_JSONL_LOGGING", json_lines, "true means json"), Alias("LOG_FORMAT", log_form, "text means console"),
    )
    log_requests: bool = setting(
        True, switch, "logs", "One log line for each request; never its content.",
        Alias("NIM_DISABLE_LOG_REQUESTS", inverted, "the opposite: true turns it off"),
    )
    triton_log_verbose: int = setting(
        0, integer(0, 9), "logs", "How much Triton writes into its log; 0 is errors, warnings and notes.",
        "NIM_TRITON_LOG_VERBOSE",
    )
    show_config: bool = setting(
        False, switch, "logs", "Print the effective configuration instead of serving.", "SHOW_CONFIG"
    )
# fmt: on


def declarations() -> Iterator[tuple[str, Declaration]]:
    """Every setting's name and declaration, in the order of `Settings`."""
    for item in fields(Settings):
        yield item.name, item.metadata["declaration"]


def variables(name: str) -> tuple[str, ...]:
    """The environment variables that set `name`, highest precedence first."""
    aliases = next(declaration.aliases for key, declaration in declarations() if key == name)
    return (f"ARGOSY_{name.upper()}", *(alias.name for alias in aliases))


def flag(name: str) -> str:
    """The command-line spelling of a setting."""
    return "--" + name.replace("_", "-")
