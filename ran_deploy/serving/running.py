"""The life of a server: listen, load, serve, drain, close."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from ran_deploy.serving.collector import settle
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.metrics import Metrics
from ran_deploy.serving.reports import Served, Serving
from ran_deploy.serving.server import LAST_S, Listener
from ran_deploy.serving.service import Service
from ran_deploy.serving.spec import HostOptions, ModelSpec
from ran_deploy.serving.stopping import Stop, stop_signals

_LOG = logging.getLogger("ran_deploy.serving")
_CUT_OFF_S = 1
"""For refusals to be sent to those who waited in vain."""


async def run_server(
    specs: Sequence[ModelSpec],
    options: HostOptions,
    limits: HttpLimits,
    *,
    host: str,
    port: int,
    grpc_port: int | None,
    control: bool | None,
    request_s: float,
    drain_s: float,
    on_ready: Callable[[Serving], None],
) -> Served:
    """Serve until a signal; see :func:`~ran_deploy.serving.serve.serve`."""
    metrics = Metrics()
    models = ModelHost(specs, options, observe=metrics.observer)
    service = Service(models, metrics, control=bool(control), request_s=request_s)
    listener = Listener(service, limits)
    with stop_signals() as stop:
        addresses = await listener.start(host, port, grpc_port)
        try:
            service.control = addresses.loopback if control is None else control
            if await _started(models, stop):
                loaded = tuple(models.metadata(status.name, status.version) for status in models.models())
                settle()
                on_ready(Serving(addresses=addresses, models=loaded, control=service.control))
                await stop.wait()
            unanswered = await _drained(service, drain_s)
        finally:
            service.gate.close()
            await models.close()  # first: what could not be answered in time is then refused, and that is sent
            await listener.stop(_CUT_OFF_S if service.gate.inside else LAST_S)
    return Served(signal=stop.signal.name if stop.signal else "", unanswered=unanswered)


async def _started(models: ModelHost, stop: Stop) -> bool:
    """Load the models; False if a signal came first."""
    starting, stopping = asyncio.ensure_future(models.start()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        return starting.done()
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)


async def _drained(service: Service, seconds: float) -> int:
    """Answer what was accepted; return how many requests had to be left."""
    service.gate.close()
    _LOG.info("draining", extra={"fields": {"requests": service.gate.inside}})
    await service.gate.emptied(seconds)
    if service.gate.inside:
        _LOG.error("gave up", extra={"fields": {"requests": service.gate.inside, "seconds": seconds}})
    return service.gate.inside
