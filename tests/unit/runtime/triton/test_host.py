"""The parts of the host that need no Triton; `tests/integration/test_triton_host.py` runs the whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    EngineCrashed,
    EngineError,
    InputTooLong,
    InvalidModelEntry,
    MissingRequirement,
    Overloaded,
    RequestCancelled,
)
from argosy.engines.contract import Chunk, TokenLogprob
from argosy.runtime.triton.host import check_numpy
from argosy.runtime.triton.host_errors import code_name, unexpected
from argosy.runtime.triton.host_generation import merge
from argosy.runtime.triton.host_options import engine_options, read_config
from argosy.runtime.triton.host_parent import parent_pid
from argosy.runtime.triton.host_tensors import decode_parameters

CONFIG = {
    "max_batch_size": 16,
    "input": [{"name": "text"}, {"name": "token_ids"}],
    "output": [{"name": "embedding"}],
    "parameters": {"threads": {"string_value": "3"}, "streams": {"string_value": "1"}},
}


def test_refuses_numpy_2() -> None:
    """NumPy 2 is refused with the command that helps; NumPy 1 is not."""
    check_numpy("1.26.4")
    with pytest.raises(MissingRequirement, match="pip install 'numpy"):
        check_numpy("2.3.1")


def test_reads_tritons_configuration() -> None:
    """Names, batch size and parameters come from the configuration; options carry them to the engine."""
    config = read_config(CONFIG)
    assert config.inputs == ("text", "token_ids")
    assert config.outputs == ("embedding",)
    options = engine_options(config, Path("/store/model/1"))
    assert (options.directory, options.threads, options.max_batch_size) == (Path("/store/model/1"), 3, 16)
    assert options.parameters == {"threads": "3", "streams": "1"}


def test_uses_every_processor_it_may_without_a_limit() -> None:
    """Without `threads` the engine may keep all processors of this process busy."""
    options = engine_options(read_config({}), Path())
    assert options.threads == len(os.sched_getaffinity(0))
    assert options.max_batch_size == 0


@pytest.mark.parametrize("threads", ["0", "two", "-1", "1.5"])
def test_refuses_a_thread_count_that_is_none(threads: str) -> None:
    """A wrong `threads` names the parameter."""
    config = read_config({"parameters": {"threads": {"string_value": threads}}})
    with pytest.raises(InvalidModelEntry, match="threads"):
        engine_options(config, Path())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputTooLong("x"), "INVALID_ARG"),
        (Overloaded("x"), "UNAVAILABLE"),
        (RequestCancelled("x"), "CANCELLED"),
        (DeadlineExceeded("x"), "UNAVAILABLE"),
        (EngineError("x"), "INTERNAL"),
        (EngineCrashed("x"), "INTERNAL"),
    ],
)
def test_errors_have_tritons_codes(error: ArgosyError, code: str) -> None:
    """Each class of error has the code of Triton that means the same."""
    assert code_name(error) == code


def test_a_defect_is_not_shown_to_callers(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets a fixed sentence, the log the cause."""
    error = unexpected(ValueError("secret path"))
    assert "secret" not in error.message
    assert "secret path" in caplog.text


def test_parameters_may_be_absent() -> None:
    """Triton passes an empty text or JSON."""
    assert decode_parameters("") == {}
    assert decode_parameters("{}") == {}
    assert decode_parameters('{"truncate": "END", "n": 2}') == {"truncate": "END", "n": 2}


def test_piled_up_chunks_of_one_answer_become_one() -> None:
    """Texts are joined in order, the newest counts and the finish reason stay, streams do not mix."""
    merged = merge(
        ("a", Chunk("one", None, 4, 1)),
        [("b", Chunk("x", None, 2, 1)), ("a", Chunk(" two", None, 4, 2)), ("a", Chunk(" three", "stop", 4, 3))],
    )
    assert merged == [("a", Chunk("one two three", "stop", 4, 3)), ("b", Chunk("x", None, 2, 1))]


def test_piled_up_log_probabilities_stay_in_order() -> None:
    """Joined chunks keep every token's log-probability, in order."""
    one, two = TokenLogprob(b"a", -0.1), TokenLogprob(b"b", -0.2)
    merged = merge(
        ("s", Chunk("a", logprobs=(one,))), [("s", Chunk("")), ("s", Chunk("b", "stop", 1, 3, None, (two,)))]
    )
    assert merged == [("s", Chunk("ab", "stop", 1, 3, None, (one, two)))]


def test_an_error_follows_the_text_before_it() -> None:
    """An error is a response of its own, after the text that came before it."""
    error = EngineError("broke")
    assert merge(("a", Chunk("half")), [("a", Chunk(error=error))]) == [("a", Chunk("half")), ("a", Chunk(error=error))]


def test_finds_triton_among_the_stubs_arguments() -> None:
    """The parent is the pid that Triton passes, and the parent process where there is none."""
    line = b"\0".join(
        [b"/b/python/triton_python_backend_stub", b"/m.py", b"shm", b"1", b"1", b"4711", b"/b/python", b""]
    )
    assert parent_pid(line, 1) == 4711
    assert parent_pid(b"python\0-m\0pytest\0", 42) == 42
