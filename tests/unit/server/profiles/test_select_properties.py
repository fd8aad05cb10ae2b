"""What holds of the selector on every machine."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.models import Task
from argosy.server.probe.host import Host
from argosy.server.profiles.facts import Facts, Form
from argosy.server.profiles.generate import generate
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.profile import Device
from argosy.server.profiles.select import Options, select
from argosy.server.profiles.verdict import Bucket, Lack
from tests.suites.hosts import GIB, OPENVINO, hosts


@st.composite
def models(draw: st.DrawFn) -> Facts:
    """Language models and others, of any size and form."""
    form = draw(st.sampled_from([*[Form.TRANSFORMERS] * 5, Form.ONNX, Form.IR, Form.GGUF]))
    task = Task.GENERATE if form is Form.GGUF else draw(st.sampled_from([Task.GENERATE, Task.EMBED, Task.TENSOR]))
    parameters = draw(st.sampled_from([3_000_000, 100_000_000, 1_000_000_000, 8_000_000_000, 70_000_000_000]))
    heads = draw(st.sampled_from([1, 8, 12, 32]))
    return Facts(
        "model",
        task,
        form,
        parameters=parameters,
        stored=draw(st.sampled_from(["bf16", "fp16", "fp32"])),
        weight_bytes=parameters * 2,
        context=draw(st.sampled_from([16, 512, 8192, 131072, 1 << 20])),
        layers=draw(st.integers(1, 120)),
        hidden=draw(st.integers(8, 16384)),
        intermediate=draw(st.integers(8, 65536)),
        heads=heads,
        kv_heads=draw(st.sampled_from([heads, 1])),
        head_size=draw(st.sampled_from([16, 64, 128])),
        vocabulary=draw(st.integers(100, 256_000)),
    )


wishes = st.builds(
    Options,
    max_model_len=st.none() | st.integers(1, 1 << 20),
    batch=st.sampled_from([1, 1, 1, 64]),
    gpu_memory_fraction=st.sampled_from([0.9, 0.9, 1.0, 0.1]),
    lora=st.sampled_from([False, False, False, True]),
    tags=st.sampled_from([{}, {}, {}, {"precision": "int8"}, {"engine": "vllm", "tp": "2"}]),
)
RANDOM = settings(max_examples=40, deadline=None)


@RANDOM
@given(hosts(), models(), wishes)
def test_every_profile_is_in_one_bucket_and_every_rejection_has_its_reasons(
    host: Host, facts: Facts, options: Options
) -> None:
    """Needs and has are told; a compatible profile has no reason against it."""
    manifest = generate(facts)
    selection = select(host, manifest, options)
    buckets = [verdict.profile.id for bucket in Bucket for verdict in selection.in_bucket(bucket)]
    assert sorted(buckets) == sorted(profile.id for profile in manifest)
    for verdict in selection.verdicts:
        assert (verdict.bucket is Bucket.COMPATIBLE) is (not verdict.reasons)
        for reason in verdict.reasons:
            assert reason.needs
            assert reason.has
            assert reason.text.startswith(f"needs {reason.needs}, has {reason.has}")


@RANDOM
@given(hosts(), models(), wishes, st.randoms(use_true_random=False))
def test_the_ranking_is_total_and_the_same_in_whatever_order_profiles_come(
    host: Host, facts: Facts, options: Options, random: Random
) -> None:
    """The same arguments give the same list."""
    manifest = generate(facts)
    shuffled = list(manifest)
    random.shuffle(shuffled)
    assert select(host, Manifest(manifest.model, tuple(shuffled)), options) == select(host, manifest, options)
    assert len({profile.id for profile in manifest}) == len(manifest)


@RANDOM
@given(hosts(), models(), wishes)
def test_what_is_chosen_can_run(host: Host, facts: Facts, options: Options) -> None:
    """And nothing is chosen only when nothing can; with a length asked for, only what has room for it counts."""
    selection = select(host, generate(facts), options)
    runs = {Bucket.COMPATIBLE} if options.max_model_len is not None else {Bucket.COMPATIBLE, Bucket.LOW_MEMORY}
    running = [verdict for verdict in selection.verdicts if verdict.bucket in runs]
    if selection.chosen is None:
        assert not running
    else:
        assert selection.chosen in running


@RANDOM
@given(hosts(), models())
def test_a_machine_with_openvino_and_room_is_never_without_a_profile(host: Host, facts: Facts) -> None:
    """Whatever else it lacks: the processor's row is the last resort."""
    equipped = replace(host, engines=OPENVINO, memory=4096 * GIB)
    chosen = select(equipped, generate(facts)).chosen
    assert chosen is not None


@RANDOM
@given(hosts(), models(), wishes, st.sampled_from([1, 4 * GIB, 16 * GIB, 120 * GIB, 512 * GIB]))
def test_more_memory_takes_nothing_away(host: Host, facts: Facts, options: Options, more: int) -> None:
    """Neither of the machine nor of its GPUs."""
    manifest = generate(facts)
    known = replace(host, gpus=tuple(gpu for gpu in host.gpus if gpu.memory))
    larger = replace(
        known,
        memory=known.memory + more,
        gpus=tuple(replace(gpu, memory=gpu.memory + more, free=gpu.free + more) for gpu in known.gpus),
    )
    order = list(Bucket)
    before = {verdict.profile.id: verdict for verdict in select(known, manifest, options).verdicts}
    for verdict in select(larger, manifest, options).verdicts:
        assert order.index(verdict.bucket) <= order.index(before[verdict.profile.id].bucket)


@RANDOM
@given(hosts(), models(), wishes)
def test_a_shorter_context_never_needs_more(host: Host, facts: Facts, options: Options) -> None:
    """And the length that is offered for little memory fits."""
    manifest = generate(facts)
    for verdict in select(host, manifest, options).in_bucket(Bucket.LOW_MEMORY):
        shorter = replace(options, max_model_len=verdict.max_model_len)
        again = next(
            other for other in select(host, manifest, shorter).verdicts if other.profile.id == verdict.profile.id
        )
        assert again.bucket is Bucket.COMPATIBLE


@RANDOM
@given(hosts(), models())
def test_without_gpus_only_processors_are_used(host: Host, facts: Facts) -> None:
    """Every profile for GPUs says that there is none."""
    for verdict in select(replace(host, gpus=()), generate(facts)).verdicts:
        lacking = {reason.lack for reason in verdict.reasons}
        assert (Lack.COUNT in lacking) is (verdict.profile.needs.device is Device.GPU)
