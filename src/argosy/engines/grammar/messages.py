"""What the guard and its trial process say to each other. MessagePack, one message a frame."""

from __future__ import annotations

import msgspec


class Grammar(msgspec.Struct, frozen=True):
    """A constraint that compiles; `kind` is that of `ConstraintKind`."""

    kind: str
    text: str


class Prepare(msgspec.Struct, tag=True, frozen=True):
    """First word to a trial process.

    Attributes:
        model: the file beside which, or in which, the trial finds the model's vocabulary.
        eos_token_ids: tokens that end an answer.
        memory: bytes of address space that compiling may add.
    """

    model: str
    eos_token_ids: tuple[int, ...]
    memory: int


class Compile(msgspec.Struct, tag=True, frozen=True):
    """A constraint to compile; `kind` is that of `ConstraintKind`."""

    kind: str
    text: str


class Prepared(msgspec.Struct, tag=True, frozen=True):
    """The trial process is warm."""


class Compiled(msgspec.Struct, tag=True, frozen=True):
    """How compiling went.

    Attributes:
        reason: why it failed, in the library's words; empty when it did not.
        milliseconds: how long the pipeline would stand still for it.
        kib: memory that it holds from now on.
    """

    reason: str
    milliseconds: float
    kib: int


Command = Prepare | Compile
Report = Prepared | Compiled

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
