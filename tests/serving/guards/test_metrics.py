from __future__ import annotations

from domainkit.serving.guards.metrics import Metrics


def test_the_page_has_prometheus_form() -> None:
    metrics = Metrics()
    metrics.request("/v1/models", "", 200, 0.05)
    metrics.request("/v1/models", "", 200, 700.0)
    metrics.tokens('odd"na\\me\n', 3, 4)
    metrics.first_token("tiny", 0.2)
    lines = metrics.text(running=2).splitlines()
    assert 'domainkit_requests_total{path="/v1/models",model="",status="200"} 2' in lines
    assert 'domainkit_tokens_total{model="odd\\"na\\\\me\\n",kind="completion"} 4' in lines
    assert "domainkit_requests_running 2" in lines
    buckets = [line for line in lines if line.startswith("domainkit_request_seconds_bucket")]
    assert buckets[0].endswith('le="0.05"} 1')  # a limit belongs to its bucket
    assert buckets[-2].endswith('le="600"} 1')
    assert buckets[-1].endswith('le="+Inf"} 2')
    assert 'domainkit_request_seconds_count{path="/v1/models"} 2' in lines
