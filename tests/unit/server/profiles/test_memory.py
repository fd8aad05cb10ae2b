"""The memory arithmetic, against figures worked out by hand."""

from __future__ import annotations

import pytest

from argosy.server.profiles.memory import GIB, Footprint, KvCache, demand, gib

LLAMA = KvCache(layers=32, heads=8, size=128, bytes=2)


def test_a_token_of_llama_8b_takes_128_kib() -> None:
    """2 x 32 layers x 8 heads x 128 numbers x 2 bytes."""
    assert LLAMA.per_token() == 128 << 10


@pytest.mark.parametrize(("tp", "pp", "kib"), [(2, 1, 64), (8, 1, 16), (16, 1, 16), (1, 2, 64), (1, 3, 44), (4, 4, 8)])
def test_gpus_share_heads_and_layers(tp: int, pp: int, kib: int) -> None:
    """Heads that are fewer than GPUs are copied; layers that do not divide are rounded up."""
    assert LLAMA.per_token(tp, pp) == kib << 10


def test_latent_attention_is_one_vector_for_a_layer() -> None:
    """DeepSeek V3: 61 layers x 576 numbers x 2 bytes, on every GPU the same."""
    cache = KvCache(layers=61, heads=128, size=128, bytes=2, latent=576)
    assert cache.per_token(tp=8) == 61 * 576 * 2


def test_the_sum_and_what_fits_beside_it() -> None:
    """15 GiB of weights and 1 of overhead leave 5 of 21 GiB: 40960 tokens of 128 KiB."""
    found = demand(Footprint(15 * GIB, GIB, LLAMA, 131072), usable=21 * GIB, total=24 * GIB, tokens=131072)
    assert (found.needed, found.enough, found.fits) == (32 * GIB, False, 40960)
    assert found.text == "weights 15.0 + KV cache 16.0 (131072 tokens) + overhead 1.0 = 32.0 GiB"
    again = demand(Footprint(15 * GIB, GIB, LLAMA, 131072), usable=21 * GIB, total=24 * GIB, tokens=40960)
    assert again.enough


def test_a_batch_takes_so_many_caches() -> None:
    """And each may be that much shorter."""
    found = demand(Footprint(GIB, 0, LLAMA, 8192), usable=3 * GIB, total=4 * GIB, tokens=8192, batch=4)
    assert (found.cache, found.fits) == (4 * GIB, 4096)
    assert "(4 x 8192 tokens)" in found.text


def test_without_room_for_the_weights_no_length_fits() -> None:
    """However short."""
    assert demand(Footprint(5 * GIB, GIB, LLAMA, 8192), usable=5 * GIB, total=8 * GIB, tokens=1).fits == 0


def test_a_model_without_a_cache_has_no_tokens_in_its_sum() -> None:
    """Only weights and overhead."""
    found = demand(Footprint(GIB, GIB), usable=3 * GIB, total=4 * GIB, tokens=512, tp=2)
    assert (found.needed, found.tokens) == (GIB + GIB // 2, 0)
    assert found.text == "weights 0.50 + overhead 1.0 = 1.5 GiB"


@pytest.mark.parametrize(("size", "text"), [(0, "0.00"), (GIB // 4, "0.25"), (GIB, "1.0"), (80 * GIB, "80.0")])
def test_small_amounts_have_two_decimals(size: int, text: str) -> None:
    """So that an encoder does not take 0.0 GiB."""
    assert gib(size) == text
