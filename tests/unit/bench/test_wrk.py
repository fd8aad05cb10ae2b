import pytest

from bench.wrk import LoadFailed, drive, parse

OUTPUT = """Running 8s test @ http://127.0.0.1:8000/v1/embeddings
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   120.19ms   12.00ms 300.00ms   80.00%
  4000 requests in 8.00s, 10.00MB read
Requests/sec:    500.00
RESULT {"requests":4000,"duration_us":8000000,"bytes":10485760,"connect":0,"read":1,"write":0,"status":2,"timeout":1,\
"p50_us":120190.0,"p90_us":150000.0,"p99_us":200000.5,"max_us":300000.0}
"""


def test_parse_reads_the_line_of_the_script() -> None:
    """Rates count good answers only, and latencies become milliseconds."""
    load = parse(OUTPUT)
    assert load.failed == 4
    assert load.rate == pytest.approx((4000 - 4) / 8)
    assert (load.p50, load.p90, load.p99, load.highest) == pytest.approx((120.19, 150.0, 200.0005, 300.0))


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_parse_without_the_line(output: str) -> None:
    """Output that the script did not finish is an error, not a zero."""
    with pytest.raises(LoadFailed, match="no result"):
        parse(output)


def test_parse_without_answers() -> None:
    """A run without a single answer is an error, not a rate of zero."""
    with pytest.raises(LoadFailed, match="No request"):
        parse(OUTPUT.replace('"requests":4000', '"requests":0'))


def test_missing_program_names_the_remedy(monkeypatch, tmp_path) -> None:
    """Without wrk the message says how to install it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadFailed, match="apt-get install wrk"):
        drive("http://127.0.0.1:1/", tmp_path / "bodies", clients=1, seconds=1)
