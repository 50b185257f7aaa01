"""Traces (OpenTelemetry) and errors (Sentry), sent to where the environment says; else nothing.

Each process calls `start` once, after it has forked. What OpenTelemetry wants to know it reads from
its own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` …).
Neither is told of bodies, headers, local variables or people: they could hold secrets.
"""

import atexit
import os
from typing import Any

from cpo_platform import environment as env
from cpo_platform.common import correlation

_started = {"pid": 0}


def start(kind: str) -> None:
    """Begin to tell, where somebody is to be told; `kind` is the process's name in the Procfile."""
    if _started["pid"] == os.getpid():
        return
    _started["pid"] = os.getpid()
    if dsn := env.text("SENTRY_DSN"):
        _start_sentry(dsn, kind)
    if env.text("OTEL_EXPORTER_OTLP_ENDPOINT"):
        _start_opentelemetry(kind)


def _start_sentry(dsn: str, kind: str) -> None:
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        environment=env.text("SENTRY_ENVIRONMENT", "production"),
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
        before_send=_without_secrets,
    )
    sentry_sdk.set_tag("process", kind)


def _without_secrets(event: Any, _hint: Any) -> Any:
    """Leave out what a request brought, and name what the error came of."""
    request = event.get("request")
    if isinstance(request, dict):
        event["request"] = {name: request[name] for name in ("method",) if name in request}
    event.pop("breadcrumbs", None)
    if cause := correlation.current():
        event.setdefault("tags", {})["correlation_id"] = cause
    return event


def _start_opentelemetry(kind: str) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    service = env.text("OTEL_SERVICE_NAME", "cpo-platform")
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "cpo.process": kind})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    atexit.register(provider.shutdown)
    if kind == "web":
        # Adds a middleware: before the application is made.
        DjangoInstrumentor().instrument(request_hook=_name_the_cause)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    PsycopgInstrumentor().instrument()


def _name_the_cause(span: Any, request: Any) -> None:
    given = correlation.readable(request.headers.get("X-Correlation-ID", ""))
    if given and span.is_recording():
        span.set_attribute("cpo.correlation_id", given)
