"""Holds an answer against the OpenAPI document of the app that gave it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx

JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
FORMATS = {"date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "date": r"\d{4}-\d\d-\d\d"}
KNOWN_WORDS = {
    "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "examples", "format", "items",
    "maximum", "maxItems", "minimum", "minItems", "pattern", "properties", "required", "title", "type",
}  # fmt: skip


def faults_of(document: dict[str, Any], method: str, response: httpx.Response) -> list[str]:
    """Return in what the answer is not what the document says."""
    operation = operation_of(document, method, response.url.path)
    if operation is None:
        in_document = response.url.path.startswith("/api/") and response.status_code not in {401, 403, 404, 405}
        return ["the document does not hold the route"] if in_document else []
    said = operation["responses"].get(str(response.status_code))
    if said is None:
        return [f"status {response.status_code} is not in the document"]
    media_type = response.headers["content-type"].partition(";")[0]
    if media_type not in said.get("content", {}):
        return [f"{media_type} is not in the document"]
    if "json" not in media_type:
        return []
    return list(_faults(document, said["content"][media_type]["schema"], response.json(), "body"))


def operation_of(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    for template, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] | None = operations.get(method.lower())
            return found
    return None


def _faults(document: dict[str, Any], schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    if unknown := set(schema) - KNOWN_WORDS:
        yield f"{at}: this check does not know {sorted(unknown)}"
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        yield from _faults(document, document["components"]["schemas"][name], value, at)
    if "anyOf" in schema:
        tries = [list(_faults(document, one, value, at)) for one in schema["anyOf"]]
        if all(tries):
            yield min(tries, key=len)[0]
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "type" in schema:
        yield from _faults_of_type(document, schema, value, at)


def _faults_of_type(document: dict[str, Any], schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    form = schema["type"]
    number = form in {"integer", "number"}
    if not _is_of(value, form):
        yield f"{at}: {value!r} is no {form}"
    elif form == "object":
        yield from _faults_of_object(document, schema, value, at)
    elif form == "array":
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
            return
        for place, one in enumerate(value):
            yield from _faults(document, schema["items"], one, f"{at}[{place}]")
    elif number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value!r} is out of bounds"
    elif not re.fullmatch(FORMATS.get(schema.get("format", ""), "(?s:.*)"), str(value)):
        yield f"{at}: {value!r} is no {schema['format']}"


def _is_of(value: Any, form: str) -> bool:
    if isinstance(value, bool):
        return form == "boolean"
    return isinstance(value, JSON_TYPES[form])


def _faults_of_object(
    document: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], at: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    other = schema.get("additionalProperties", not properties)
    yield from (f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value)
    for name, one in value.items():
        if name in properties:
            yield from _faults(document, properties[name], one, f"{at}.{name}")
        elif isinstance(other, dict):
            yield from _faults(document, other, one, f"{at}.{name}")
        elif not other:
            yield f"{at}: {name} is not in the document"
