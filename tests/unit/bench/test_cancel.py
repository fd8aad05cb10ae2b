import pytest

from bench.cancel import engine_gauges

PAGE = """# HELP argosy_engine_running Generations running.
# TYPE argosy_engine_running gauge
argosy_engine_running{model="other",version="1"} 9
argosy_engine_running{model="random-llama",version="1"} 3
argosy_engine_kv_cache_usage{model="random-llama",version="1"} 0.25
nv_cpu_utilization 0.5
"""


def test_gauges_of_the_model_asked_for() -> None:
    """Another model's gauges are not taken for this one's."""
    assert engine_gauges(PAGE, "random-llama") == {"_running": 3.0, "_kv_cache_usage": 0.25}


def test_missing_gauges_are_an_error() -> None:
    """Without the gauges nothing could be measured, and an engine that is busy would pass for a free one."""
    with pytest.raises(ValueError, match="lack one of"):
        engine_gauges(PAGE, "other")
