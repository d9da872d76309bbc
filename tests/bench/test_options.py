from typing import Any

import pytest

from ran_deploy.bench.options import SCENARIOS, BenchOptions
from ran_deploy.errors import UsageError

_SERVER: dict[str, Any] = {"scenario": "server", "batches": (1,)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "multi"}, "expected one of sweep, single-stream, multi-stream, server, offline"),
        ({"boundary": "all"}, "expected one of engine, end-to-end, both"),
        ({"scenario": "single-stream", "batches": (8,)}, "has queries of 1"),
        ({"scenario": "multi-stream", "batches": (1,)}, "has queries of 8"),
        ({"qps": 5.0}, "Only the server scenario takes --qps; this one is sweep"),
        ({"slo_ms": 5.0}, "takes --slo-ms;"),
        ({"find_max_qps": True}, "takes --find-max-qps;"),
        (_SERVER, "needs a rate of arrivals"),
        ({**_SERVER, "qps": 0.0}, "--qps is 0.0; expected a number above 0"),
        ({**_SERVER, "qps": -1.0}, "--qps is -1.0"),
        ({**_SERVER, "qps": float("nan")}, "--qps is nan"),
        ({**_SERVER, "find_max_qps": True}, "needs the latency that must hold"),
        ({**_SERVER, "find_max_qps": True, "slo_ms": 0.0}, "--slo-ms is 0.0"),
        ({**_SERVER, "find_max_qps": True, "slo_ms": 5.0, "qps": 5.0}, "exclude each other"),
        ({**_SERVER, "find_max_qps": True, "slo_ms": 5.0, "processes": 2}, "in one process"),
        ({**_SERVER, "find_max_qps": True, "slo_ms": 5.0, "boundary": "both"}, "at one boundary"),
        ({**_SERVER, "find_max_qps": True, "slo_ms": 5.0, "trials": 0}, "0 trials"),
        ({**_SERVER, "qps": 5.0, "slo_ms": 5.0}, "--slo-ms says what a search must hold"),
        ({**_SERVER, "qps": 5.0, "workers": 0}, "0 workers"),
        ({"max_duration_s": 1.0}, "expected at least the duration, 3 s"),
        ({"precision": 0.0}, "precision is 0.0"),
        ({"percentiles": ()}, "percentiles are"),
        ({"percentiles": (100,)}, "percentiles are"),
        ({"percentiles": (90, 90)}, "name one twice"),
        ({"average_runs": 0}, "Averages of 0 runs"),
        ({"processes": 0}, "number of processes is 0"),
    ],
)
def test_what_does_not_fit_is_refused(options: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        BenchOptions(**options)
    assert message in caught.value.message


def test_what_fits() -> None:
    for scenario, batches in (("sweep", (1, 2)), ("single-stream", (1,)), ("multi-stream", (8,)), ("offline", (256,))):
        assert scenario in SCENARIOS
        BenchOptions(scenario=scenario, batches=batches)
    BenchOptions(**_SERVER, qps=0.5)
    search = BenchOptions(**_SERVER, find_max_qps=True, slo_ms=50)
    assert search.boundaries == ("engine",)
    assert BenchOptions(boundary="both").boundaries == ("engine", "end-to-end")


def test_the_longest_time_is_three_times_the_least_unless_given() -> None:
    assert BenchOptions(duration_s=2).stop_rule.most_s == 6
    assert BenchOptions(duration_s=2, max_duration_s=2).stop_rule.most_s == 2
