"""The endpoint's description of itself (OpenAPI 3.1), as exact as the routes: a fuzzer holds them to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from genmb_voice_widget.protocol import load
from genmb_voice_widget.service.problems import MEDIA_TYPE

from .answers import Problem

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ABOUT = (
    "Starts realtime voice sessions for apps. The voice service's key stays here, the credits of an app's "
    "owner are counted by the session, and every refusal is a problem (RFC 9457) with a stable `code`."
)
_MEANING = {
    400: "The request cannot be read.",
    401: "The request shows no app that may ask.",
    402: "The app's owner has too few credits.",
    403: "The plan has no voice, the page may not ask for this app, or no secrets are handed out.",
    404: "The app has no such session.",
    408: "The body did not come in time.",
    409: "The session is in another state: over, still being opened, or with another call or transport.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    422: "The body is not understood.",
    429: "The app has used up what it may: sessions, attempts, or sessions at the same time.",
    500: "A mistake in the endpoint.",
    502: "The voice service refused, or does not answer.",
    503: "The endpoint cannot do this just now.",
}
_WAIT = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_HEADERS = {
    401: {"WWW-Authenticate": {"description": "How to show who asks.", "schema": {"type": "string"}}},
    429: {
        **_WAIT,
        "RateLimit": {"description": "What is left, and until when.", "schema": {"type": "string"}},
        "RateLimit-Policy": {"description": "The limit that is reached.", "schema": {"type": "string"}},
    },
    503: _WAIT,
}

READING = (401, 403, 404, 500, 503)
"""What may be wrong with a request that has no body."""
WRITING = (400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503)
"""What may be wrong with a request about a session."""
STARTING = (*WRITING, 402, 429, 502)
"""What may be wrong with a request that has a provider asked."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route may answer with."""
    return {status: _problem(status) for status in sorted(statuses)}


def _problem(status: int) -> dict[str, Any]:
    codes = sorted(code for code, entry in load().errors.items() if entry.status == status)
    known = f" Codes: {', '.join(codes)}." if codes else ""
    described = {"description": _MEANING[status] + known, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    return {**described, "headers": _HEADERS[status]} if status in _HEADERS else described


def describe(app: FastAPI, providers: Iterable[str], schemes: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Return what describes the app, once its routes are there.

    Args:
        app: has all its routes.
        providers: the names that a session may be asked for by.
        schemes: how a request shows who asks; none: nobody is asked.
    """
    names = sorted(providers)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
            components = schema.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            schemas["Start"]["properties"]["provider"] = {
                "anyOf": [{"type": "string", "enum": names}, {"type": "null"}],
                "description": "Which voice service; the endpoint's first when left out.",
            }
            _drop_the_frameworks_own(schema)
            if schemes:
                components["securitySchemes"] = schemes
                for operation in _asking(schema):
                    operation["security"] = [{name: []} for name in schemes]
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi


def _asking(schema: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Find the operations that ask who asks."""
    for path in schema["paths"].values():
        yield from (operation for operation in path.values() if "401" in operation["responses"])


def _drop_the_frameworks_own(schema: dict[str, Any]) -> None:
    """Leave out the answers that FastAPI adds by itself: here they are problems, or never happen."""
    for path in schema["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
