from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from argosy.core.residency import Residence, ResidenceState, Tally
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.telemetry.metrics import Metrics

AWAKE = Residence(
    "awake",
    ResidenceState.RESIDENT,
    size=500,
    tally=Tally(loaded=3, failed=1, evicted={"idle": 2}, seconds=(1, 0, 2, *(0,) * 9), seconds_sum=0.9),
)
ASLEEP = Residence("asleep", ResidenceState.UNLOADED, size=700)


def samples() -> dict[tuple[str, ...], float]:
    metrics = Metrics()
    models = {"awake": ModelStatus("awake", ModelState.FENCED, "repaired")}
    metrics.runtime_changed(RuntimeStatus(RuntimeState.READY, models=models))
    metrics.residences_changed([AWAKE, ASLEEP], 4000)
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        if family.name.startswith(("argosy_model", "argosy_memory"))
        for sample in family.samples
    }


def test_memory_is_what_models_in_memory_count_for() -> None:
    """One that sleeps takes none."""
    found = samples()
    assert found["argosy_model_memory_bytes", "awake"] == 500
    assert found["argosy_model_memory_bytes", "asleep"] == 0
    assert found["argosy_memory_budget_bytes",] == 4000


def test_a_model_is_in_one_state() -> None:
    """One in memory as the runtime has it."""
    states = {key[1:]: value for key, value in samples().items() if key[0] == "argosy_model_state"}
    assert {key for key, value in states.items() if value} == {("awake", "fenced"), ("asleep", "unloaded")}


def test_loads_and_evictions_are_counted_once_whatever_the_number_of_workers() -> None:
    """As the supervisor has them, the histogram cumulative."""
    found = samples()
    assert found["argosy_model_loads_total", "awake", "ready"] == 3
    assert found["argosy_model_loads_total", "awake", "failed"] == 1
    assert found["argosy_model_evictions_total", "awake", "idle"] == 2
    assert found["argosy_model_evictions_total", "awake", "room"] == 0
    assert found["argosy_model_load_duration_seconds_bucket", "0.1", "awake"] == 1
    assert found["argosy_model_load_duration_seconds_bucket", "+Inf", "awake"] == 3
    assert found["argosy_model_load_duration_seconds_sum", "awake"] == 0.9
