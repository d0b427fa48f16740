"""The endpoint's description as a page: made here, so that it works offline and loads nothing from others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8884; }
td, th { padding: 0.2rem 1rem 0.2rem 0; text-align: left; vertical-align: top; }
"""


def docs_page(schema: dict[str, Any]) -> str:
    """Write the page for an OpenAPI description."""
    info = schema["info"]
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(info['title'])}</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body>',
            f"<h1>{escape(info['title'])}</h1><p>{_words(info['description'])}</p>",
            '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>',
            *_schemes(schema),
            *_operations(schema),
            "</body></html>",
        ]
    )


def _words(text: str) -> str:
    """Write a description, whose code stands between backticks (CommonMark, §6.1)."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _schemes(schema: dict[str, Any]) -> Iterator[str]:
    schemes = schema["components"].get("securitySchemes", {})
    if schemes:
        yield "<h2>Who may ask</h2><p>One of:</p><ul>"
        yield from (f"<li>{_words(scheme['description'])}</li>" for scheme in schemes.values())
        yield "</ul>"


def _operations(schema: dict[str, Any]) -> Iterator[str]:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{_words(operation.get('description', ''))}</p>"
            for body in _resolved(schema, operation.get("requestBody")):
                yield f"<pre>{escape(json.dumps(body, indent=2, ensure_ascii=False))}</pre>"
            yield "<table><tbody>"
            for status, answer in operation["responses"].items():
                yield f"<tr><th>{escape(status)}</th><td>{_words(answer['description'])}</td></tr>"
            yield "</tbody></table>"


def _resolved(schema: dict[str, Any], request_body: dict[str, Any] | None) -> Iterator[Any]:
    """Give the examples of a request body, whose schema is one of the components."""
    if request_body is not None:
        name = request_body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        yield from schema["components"]["schemas"][name].get("examples", ())
