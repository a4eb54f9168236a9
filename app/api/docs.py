"""``/v1/docs``: the schema of the API as a page that needs no script and nothing from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

Json = Mapping[str, Any]
STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f4f4f2;padding:.75rem;overflow:auto}
summary{cursor:pointer;padding:.4rem 0}summary b{display:inline-block;min-width:4.5rem}table{border-collapse:collapse}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}pre{background:#222}a{color:#9cf}}
"""
_HEAD: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><h1>{title}</h1><p>{about}</p>
<p>The schema, in OpenAPI {version}: <a href="openapi.json">openapi.json</a></p>"""


def page(schema: Json) -> str:
    """Return a page of all routes, with parameters, bodies and answers."""
    info = schema["info"]
    about = escape(info.get("description", ""))
    head = _HEAD.format(title=escape(info["title"]), style=STYLE, about=about, version=escape(schema["openapi"]))
    models = "".join(_model(name, model) for name, model in schema.get("components", {}).get("schemas", {}).items())
    return f"{head}{''.join(_groups(schema))}<h2>Schemas</h2>{models}</body></html>"


def _groups(schema: Json) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["Other"])[0]
            found.setdefault(tag, []).append(_operation(path, method, operation))
    for tag, operations in found.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"


def _operation(path: str, method: str, operation: Json) -> str:
    rows = "".join(_parameter(parameter) for parameter in operation.get("parameters", []))
    table = f"<table><tr><th>parameter</th><th>in</th><th>schema</th><th></th></tr>{rows}</table>" if rows else ""
    body = operation.get("requestBody", {}).get("content", {})
    bodies = "".join(f"<p>Body, <code>{escape(kind)}</code>: {_schema(of)}</p>" for kind, of in body.items())
    answers = ", ".join(f"{code}: {escape(told['description'])}" for code, told in operation["responses"].items())
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape('/v1' + path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>{table}{bodies}<p>Answers: {answers}</p></details>"
    )


def _parameter(parameter: Json) -> str:
    name = escape(parameter["name"]) + ("" if parameter.get("required") else " (optional)")
    kind, about = escape(json.dumps(parameter.get("schema", {}))), escape(parameter.get("description", ""))
    return f"<tr><td>{name}</td><td>{escape(parameter['in'])}</td><td><code>{kind}</code></td><td>{about}</td></tr>"


def _schema(content: Json) -> str:
    schema = content.get("schema", {})
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f"<a href='#{escape(name)}'>{escape(name)}</a>" if name else f"<code>{escape(json.dumps(schema))}</code>"


def _model(name: str, model: Json) -> str:
    told = escape(json.dumps(model, indent=2, ensure_ascii=False))
    return f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary><pre>{told}</pre></details>"
