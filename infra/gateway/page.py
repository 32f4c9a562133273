"""The API as a page for people: no script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h2 { margin-top: 2.5rem; font-size: 1.1rem; border-top: 1px solid #d5dbe3; padding-top: 1rem }
code, pre { font: 13px/1.45 ui-monospace, monospace; background: #f3f5f8; border-radius: 4px }
code { padding: 1px 4px } pre { padding: .8rem; overflow-x: auto }
.verb { color: #fff; background: #2f5fa8; border-radius: 4px; padding: 1px 6px; font-size: .8rem }
table { border-collapse: collapse; margin: .6rem 0 }
td { text-align: left; padding: 2px 14px 2px 0; vertical-align: top }
"""


def page(document: Mapping[str, Any]) -> str:
    """Write an OpenAPI document as HTML, with an example for each call."""
    body = "".join(_calls(document))
    info = document["info"]
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(info['title'])}</title>"
        f"<style>{STYLE}</style><h1>{escape(info['title'])}</h1><p>{_inline(info['description'])}</p>"
        f"<p>For machines: <a href='/openapi.json'>openapi.json</a>.</p>{body}</html>"
    )


def _calls(document: Mapping[str, Any]) -> Iterator[str]:
    for path, verbs in document["paths"].items():
        for verb, call in verbs.items():
            title = f"<span class='verb'>{verb.upper()}</span> <code>{escape(path)}</code> {escape(call['summary'])}"
            yield f"<h2>{title}</h2>"
            yield f"<p>{_inline(call.get('description', ''))}</p>"
            if parameters := call.get("parameters"):
                yield "<table>" + "".join(_parameter(one) for one in parameters) + "</table>"
            if "requestBody" in call:
                schema = call["requestBody"]["content"]["application/json"]["schema"]
                yield "<p>Send</p>" + _pre(example(schema, document))
            answer = call["responses"]["200"].get("content", {}).get("application/json", {}).get("schema")
            if answer:
                yield "<p>Answer</p>" + _pre(example(answer, document))


def _parameter(one: Mapping[str, Any]) -> str:
    kind = one["schema"].get("type") or "/".join(
        kind["type"] for kind in one["schema"].get("anyOf", ()) if kind["type"] != "null"
    )
    return (
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{one['in']}, {escape(kind)}</td>"
        f"<td>{_inline(one.get('description', ''))}</td></tr>"
    )


def example(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """Make up a value of a schema: its own example where it has one, else by type."""
    if "$ref" in schema:
        return example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for key in ("example", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], document)
    kind = schema.get("type")
    if kind == "object":
        return {name: example(one, document) for name, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"], document)]
    if kind == "string":
        return {"uuid": "b7e0f0de-6f0f-4f0a-9d59-7c1f8f0f3a21", "date-time": "2026-03-01T09:30:00+00:00"}.get(
            schema.get("format", ""), "text"
        )
    return {"integer": 1, "number": 0.5, "boolean": True}.get(str(kind))


def _pre(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"


def _inline(text: str) -> str:
    """Write text with `code` in backticks."""
    parts = escape(text).split("`")
    found = "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))
    return found.replace("\n\n", "</p><p>")
