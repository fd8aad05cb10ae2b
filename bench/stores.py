"""Model store entries made for one measurement."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from argosy.server.artifacts import spec_file, triton_config
from argosy.store.entries import CONFIG_FILE, SPEC_FILE, versions

_TEMPLATE_FILE = "chat_template.jinja"
_BLOCK = re.compile(r"\bdynamic_batching\s*:?\s*\{")
_BATCH_SIZE = re.compile(r"\bmax_batch_size\s*:\s*\d+")
_NAME = r"^name\s*:\s*[\"']?{name}[\"']?"


def write_echo(
    store: Path, name: str, parameters: Mapping[str, str] | None = None, chat_template: str | None = None
) -> Path:
    """An entry whose engine sends the prompt back: all that a request costs is the way to it and back.

    Args:
        parameters: of the echo engine.
        chat_template: Jinja source; without it the model has no chat form.
    """
    spec = ModelSpec(
        name=name,
        task=Task.GENERATE,
        engine="echo",
        model="",
        description="Sends the prompt back.",
        license="Apache-2.0",
        profile=ProfileSpec(),
        generate=GenerateSpec(
            context_length=8192, tokenizer=None, chat_template=None if chat_template is None else _TEMPLATE_FILE
        ),
    )
    entry = store / name
    (entry / "1").mkdir(parents=True, exist_ok=True)
    if chat_template is not None:
        (entry / "1" / _TEMPLATE_FILE).write_text(chat_template, encoding="utf-8")
    (entry / SPEC_FILE).write_text(spec_file.render(spec), encoding="utf-8")
    config = triton_config.render(spec) + "".join(
        f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
        for key, value in (parameters or {}).items()
    )
    (entry / CONFIG_FILE).write_text(config, encoding="utf-8")
    return entry


def copy_without_batching(source: Path, store: Path, name: str) -> Path:
    """The same model under another name, taken by Triton one request at a time."""
    entry = store / name
    shutil.rmtree(entry, ignore_errors=True)
    entry.mkdir(parents=True)
    for version in versions(source):
        (entry / str(version)).symlink_to((source / str(version)).resolve(), target_is_directory=True)
    spec = (source / SPEC_FILE).read_text(encoding="utf-8")
    (entry / SPEC_FILE).write_text(rename(spec, source.name, name), encoding="utf-8")
    config = (source / CONFIG_FILE).read_text(encoding="utf-8")
    (entry / CONFIG_FILE).write_text(one_at_a_time(rename(config, source.name, name)), encoding="utf-8")
    return entry


def rename(text: str, old: str, new: str) -> str:
    """A config or spec with its `name:` line changed.

    Raises:
        ValueError: it has no such line, or more than one.
    """
    changed, count = re.subn(_NAME.format(name=re.escape(old)), f'name: "{new}"', text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"expected one line naming {old!r}, found {count}")
    return changed


def one_at_a_time(config: str) -> str:
    """A `config.pbtxt` without `dynamic_batching` and with `max_batch_size` 1.

    Raises:
        ValueError: it had no dynamic batching, so that turning it off would compare a thing with itself.
    """
    found = _BLOCK.search(config)
    if found is None:
        raise ValueError("the model has no dynamic batching to turn off")
    end, depth = found.end(), 1
    while depth:
        depth += {"{": 1, "}": -1}.get(config[end], 0)
        end += 1
    return _BATCH_SIZE.sub("max_batch_size: 1", config[: found.start()] + config[end:])
