"""How much memory a model takes on one device, and what of it is there.

    need = W / (tp · pp)  +  batch · tokens · 2 · ⌈L / pp⌉ · ⌈H_kv / tp⌉ · d_head · b  +  overhead

`W` is the bytes of the weights as the profile keeps them. The middle term is the KV cache: a key and a value for each
token, layer and key-value head (Kwon et al. 2023, "Efficient Memory Management for Large Language Model Serving with
PagedAttention", section 3; grouped heads: Ainslie et al. 2023), heads being copied where there are fewer than `tp`.
Multi-head latent attention keeps one compressed vector for each token and layer instead (DeepSeek-V2, section 2.1).
The overhead is an estimate, see `argosy.server.profiles.overhead`. Sliding windows are not counted: the cache is
taken to be as long as the context.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GIB = 1 << 30
_STEP = 256


@dataclass(frozen=True, slots=True)
class KvCache:
    """The shape of a model's KV cache.

    Attributes:
        heads: key-value heads.
        size: numbers in a head's key, and as many in its value.
        bytes: of one number.
        latent: numbers of the compressed vector that stands for all heads; 0 without such attention.
    """

    layers: int
    heads: int
    size: int
    bytes: float
    latent: int = 0

    def per_token(self, tp: int = 1, pp: int = 1) -> int:
        """Bytes of one token on one device."""
        layers = math.ceil(self.layers / pp)
        if self.latent:
            return math.ceil(layers * self.latent * self.bytes)
        return math.ceil(2 * layers * math.ceil(self.heads / tp) * self.size * self.bytes)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a profile keeps in memory.

    Attributes:
        weights: bytes, over all devices together.
        overhead: bytes on each device for everything else.
        cache: None for models that keep nothing between tokens.
        context: tokens in the longest context; 0 without a cache.
    """

    weights: int
    overhead: int
    cache: KvCache | None = None
    context: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """A footprint on one device, for one length of context.

    Attributes:
        weights, cache, overhead: bytes on the device.
        usable: bytes that the profile may take there.
        total: bytes that the device has.
        tokens: length of the context counted; 0 without a cache.
        batch: how many contexts of that length.
        fits: longest context for which all fits, in steps of 256 tokens; 0 when none does.
    """

    weights: int
    cache: int
    overhead: int
    usable: int
    total: int
    tokens: int
    batch: int
    fits: int

    @property
    def needed(self) -> int:
        """Bytes on the device."""
        return self.weights + self.cache + self.overhead

    @property
    def enough(self) -> bool:
        """Whether it fits."""
        return self.needed <= self.usable

    @property
    def usable_text(self) -> str:
        """Usable memory, GiB."""
        return gib(self.usable)

    @property
    def total_text(self) -> str:
        """The device's memory, GiB."""
        return gib(self.total)

    @property
    def text(self) -> str:
        """The sum in GiB, "weights 15.0 + KV cache 1.0 (8192 tokens) + overhead 1.1 = 17.1 GiB"."""
        many = f"{self.batch} x " if self.batch > 1 else ""
        cache = f" + KV cache {gib(self.cache)} ({many}{self.tokens} tokens)" if self.tokens else ""
        return f"weights {gib(self.weights)}{cache} + overhead {gib(self.overhead)} = {gib(self.needed)} GiB"


def demand(
    footprint: Footprint, *, usable: int, total: int, tokens: int, batch: int = 1, tp: int = 1, pp: int = 1
) -> Demand:
    """What `footprint` takes on one of `tp * pp` devices.

    Args:
        footprint: of the profile.
        usable: bytes that it may take of the device.
        total: bytes of the device.
        tokens: length of each context; what the model cannot take is not counted.
        batch: how many such contexts are held at once.
        tp: devices that share each layer.
        pp: groups of devices that share the layers among them.
    """
    weights = math.ceil(footprint.weights / (tp * pp))
    length = min(tokens, footprint.context) if footprint.cache is not None else 0
    each = footprint.cache.per_token(tp, pp) * batch if footprint.cache is not None else 0
    room = usable - weights - footprint.overhead
    fits = 0
    if each and room >= 0:
        fits = min(room // each // _STEP * _STEP, footprint.context)
    return Demand(weights, each * length, footprint.overhead, usable, total, length, batch, fits)


def gib(size: int) -> str:
    """Bytes in GiB: one decimal, two below one."""
    value = size / GIB
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
