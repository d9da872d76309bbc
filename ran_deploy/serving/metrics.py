"""Prometheus metrics of a server; docs/serving.md lists their names."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ran_deploy.optional import require
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.observer import Observer, Outcome
from ran_deploy.serving.statistics import ModelStatistics

UNKNOWN = "(unknown)"
"""Stands for models that do not exist: names that clients invent would fill the memory."""
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MODEL = ("model", "version")


class Metrics:
    """All metrics of one server, in a registry of its own.

    Raises:
        MissingError: prometheus_client is not installed.
    """

    def __init__(self) -> None:
        client = require("prometheus_client", "ran-deploy serve")
        self._generate, self.content_type = client.generate_latest, client.CONTENT_TYPE_LATEST
        self._client, self.registry = client, client.CollectorRegistry()

        make = self._make
        self._requests = make("Counter", "requests_total", "Inference requests that ended.", (*_MODEL, "protocol"))
        self._failures = make(
            "Counter", "failures_total", "Inference requests that got no answer.", (*_MODEL, "protocol", "reason")
        )
        self._stages = make("Histogram", "stage_seconds", "Time of each stage.", (*_MODEL, "stage"), buckets=_SECONDS)
        self.images = make("Counter", "images_total", "Images answered.", _MODEL)
        self.queue = make("Gauge", "queue_images", "Images that wait.", _MODEL)
        self.batch = make("Histogram", "batch_images", "Images in each run.", _MODEL, buckets=_IMAGES)
        self.started = make("Counter", "workers_started_total", "Worker processes that became ready.", _MODEL)
        self.lost = make("Counter", "workers_lost_total", "Worker processes that died.", _MODEL)
        self._observers: dict[tuple[str, str], ModelObserver] = {}

    def _make(self, kind: str, name: str, text: str, labels: tuple[str, ...], **more: Any) -> Any:
        return getattr(self._client, kind)(f"ran_deploy_{name}", text, labels, registry=self.registry, **more)

    def observer(self, name: str, version: str) -> "ModelObserver":
        """Return what is told about a model version; the same for the same names."""
        key = (name, version)
        if key not in self._observers:
            self._observers[key] = ModelObserver(self, name, version)
        return self._observers[key]

    def statistics(self) -> Iterable[tuple[str, str, ModelStatistics]]:
        """Return the totals of every model version."""
        return [(name, version, observer.statistics) for (name, version), observer in self._observers.items()]

    def stage(self, name: str, version: str, stage: str) -> Any:
        """Return the histogram of one stage: "decode", "queue", "compute" or "total"."""
        return self._stages.labels(name, version, stage)

    def ended(self, name: str, version: str, protocol: str, seconds: float, why: str) -> None:
        """Count an inference request that ended.

        Args:
            name: The model, or :data:`UNKNOWN`.
            version: Its version, or :data:`UNKNOWN`.
            protocol: "http" or "grpc".
            seconds: From its arrival to its answer.
            why: Empty for an answer; else why it failed, one of few words.
        """
        self._requests.labels(name, version, protocol).inc()
        if why:
            self._failures.labels(name, version, protocol, why).inc()
        else:
            self.stage(name, version, "total").observe(seconds)

    def follow(self, host: ModelHost, in_progress: Callable[[], int]) -> None:
        """Tell at each scrape of the models of ``host``, and how many requests are in progress."""
        self.registry.register(_Models(host))
        gauge = self._make("Gauge", "requests_in_progress", "Requests that were admitted and not yet answered.", ())
        gauge.set_function(in_progress)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return bytes(self._generate(self.registry))


class ModelObserver(Observer):
    """Turns what one model version's batcher and workers tell into metrics and statistics."""

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self.statistics = ModelStatistics()
        self._images = metrics.images.labels(name, version)
        self._queue = metrics.queue.labels(name, version)
        self._batch = metrics.batch.labels(name, version)
        self._started = metrics.started.labels(name, version)
        self._lost = metrics.lost.labels(name, version)
        self._waited = metrics.stage(name, version, "queue")
        self._ran = metrics.stage(name, version, "compute")

    def queue_depth(self, images: int) -> None:
        """So many images wait now."""
        self._queue.set(images)

    def queued(self, seconds: float) -> None:
        """A request has waited so long."""
        self._waited.observe(seconds)
        self.statistics.queue.add(seconds)

    def computed(self, images: int, seconds: float) -> None:
        """A batch was run."""
        self._batch.observe(images)
        self._ran.observe(seconds)
        self.statistics.computed(images, seconds)

    def served(self, images: int, seconds: float) -> None:
        """A request was answered."""
        self._images.inc(images)
        self.statistics.served(images, seconds)

    def failed(self, outcome: Outcome) -> None:  # noqa: ARG002 - the transport counts the reason
        """A request ended without logits."""
        self.statistics.fail.add(0.0)

    def worker_started(self) -> None:
        """A worker process is ready."""
        self._started.inc()

    def worker_lost(self) -> None:
        """A worker process died."""
        self._lost.inc()


class _Models:
    """A collector: reads the host when it is asked."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        ready = GaugeMetricFamily("ran_deploy_model_ready", "Whether a model takes requests.", labels=_MODEL)
        facts = ("platform", "provider", "precision", "device", "sha256")
        info = InfoMetricFamily("ran_deploy_model", "What a model is.", labels=_MODEL)
        for status in self._host.models():
            is_ready = status.state == "ready"
            ready.add_metric((status.name, status.version), float(is_ready))
            if is_ready:
                model = self._host.metadata(status.name, status.version)
                values = (model.platform, model.info.provider, model.info.precision, model.info.device, model.sha256)
                info.add_metric((status.name, status.version), dict(zip(facts, values, strict=True)))
        yield ready
        yield info
