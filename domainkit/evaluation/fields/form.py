"""The form of a value: what a JSON Schema says of it, as far as it decides when two values are the same.

Beside the standard keywords a schema may say: "x-tolerance": 0.5 (numbers), "x-order": "dmy" or "mdy" (dates like
03/04/2024), "x-ordered": true (the order of a list counts), "x-key": "sku" (a list's objects are matched by this
field), "x-null": "value" (null is an answer of its own there; otherwise null, "" and an absent field are the same).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from domainkit.errors import ConfigError
from domainkit.evaluation.fields.dates import Order
from domainkit.messages import JsonObject

Type = Literal["any", "text", "number", "boolean", "object", "list"]
_TYPES: dict[str, Type] = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "object": "object",
    "array": "list",
}
OWN_KEYWORDS = ("x-tolerance", "x-order", "x-ordered", "x-key", "x-null")
_HOPS = 32
"""References that may lead from one to the next."""


@dataclass(frozen=True)
class Form:
    """Of one value."""

    type: Type = "any"
    fields: Mapping[str, Form] = field(default_factory=dict)
    """Of an object, by name."""
    items: Form | None = None
    """Of a list's entries."""
    ordered: bool = False
    key: str | None = None
    tolerance: float | None = None
    order: Order | None = None
    null_counts: bool = False
    description: str = ""
    options: tuple[object, ...] = ()
    """The only values, where the schema lists them."""
    required: bool = False
    nullable: bool = False
    """Whether the schema says that null may stand there."""

    def of(self, name: str) -> Form:
        return self.fields.get(name, ANY)

    def paths(self, before: str = "") -> Iterator[tuple[str, Form]]:
        """Every field within, the containers too: "seller.name", "lines[].price"."""
        for name, form in self.fields.items():
            path = f"{before}.{name}" if before else name
            yield path, form
            yield from form.paths(path)
        if self.items is not None:
            yield from self.items.paths(f"{before}[]")


ANY = Form()


def form_of(schema: JsonObject) -> Form:
    """The form of a JSON Schema. Raises ConfigError for one that is not of an object, or says what it cannot mean."""
    form = _form(schema, schema, "#", ())
    if form.type not in ("object", "any") or not form.fields:
        what = "the schema is not one of an object with properties"
        next_step = 'write {"type": "object", "properties": {"name": {"type": "string"}, …}}'
        raise ConfigError(what, where="schema", next_step=next_step)
    return form


def without_own_keywords(schema: Any) -> Any:
    """The schema in JSON Schema's own words, for a grammar. Any: a schema's parts are of every JSON type."""
    if isinstance(schema, list):
        return [without_own_keywords(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: without_own_keywords(v) for k, v in schema.items() if k not in OWN_KEYWORDS}
    properties = schema.get("properties")
    if isinstance(properties, dict):  # a property may be called so
        kept["properties"] = {name: without_own_keywords(part) for name, part in properties.items()}
    return kept


def _form(schema: Any, root: JsonObject, place: str, above: tuple[str, ...]) -> Form:  # Any: as a file has it
    """`above`: the references that led here. A schema inside itself is any: its values go by what they are."""
    if schema is True:
        return ANY
    if not isinstance(schema, dict):
        raise _wrong(place, f"{schema!r} is not a schema", "write an object")
    nullable = _may_be_null(schema)
    schema, met = _plain(schema, root, place)
    if set(met) & set(above):
        return ANY
    above, root_null = (*above, *met), root.get("x-null") == "value"
    kind = _type(schema)
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise _wrong(f"{place}/properties", "is not an object", "write a name and a schema for each field")
    required = schema.get("required", ())
    fields = {}
    for name, part in properties.items():
        inner = _form(part, root, f"{place}/properties/{name}", above)
        fields[name] = replace(inner, required=name in required)
    items = schema.get("items")
    return Form(
        type=kind,
        fields=fields,
        items=None if items is None else _form(items, root, f"{place}/items", above),
        ordered=bool(schema.get("x-ordered")),
        key=_key(schema, place),
        tolerance=_tolerance(schema, place),
        order=_order(schema, place),
        null_counts=root_null or schema.get("x-null") == "value",
        description=str(schema.get("description") or ""),
        options=tuple(schema["enum"]) if isinstance(schema.get("enum"), list) else (),
        nullable=nullable or _may_be_null(schema),
    )


def _may_be_null(schema: JsonObject) -> bool:
    named = schema.get("type")
    choices = [c for k in ("anyOf", "oneOf") if isinstance(schema.get(k), list) for c in schema[k]]
    return "null" in (named if isinstance(named, list) else [named]) or {"type": "null"} in choices


def _plain(schema: JsonObject, root: JsonObject, place: str) -> tuple[JsonObject, list[str]]:
    """The schema that a reference names, or that is left of a choice where the other is null; and the references."""
    met: list[str] = []
    while len(met) < _HOPS:
        if "$ref" in schema:
            met.append(str(schema["$ref"]))
            rest = {k: v for k, v in schema.items() if k != "$ref"}
            schema = {**_resolved(str(schema["$ref"]), root, place), **rest}
            continue
        name = next((k for k in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(k), list)), None)
        parts = [p for p in schema[name] if isinstance(p, dict) and p.get("type") != "null"] if name else []
        if len(parts) != 1:
            return schema, met
        schema = {**parts[0], **{k: v for k, v in schema.items() if k != name}}
    raise _wrong(place, f"refers to '{met[-1]}' in a circle", "write the schema out")


def _resolved(reference: str, root: JsonObject, place: str) -> JsonObject:
    found: object = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if not reference.startswith("#") or not isinstance(found, dict):
        raise _wrong(place, f"refers to '{reference}', which is not in the schema", "write it out, or under $defs")
    return found


def _type(schema: JsonObject) -> Type:
    named = schema.get("type")
    names = [n for n in (named if isinstance(named, list) else [named]) if n not in (None, "null")]
    if len(names) == 1:
        return _TYPES.get(str(names[0]), "any")
    return "object" if "properties" in schema else "list" if "items" in schema else "any"


def _key(schema: JsonObject, place: str) -> str | None:
    key = schema.get("x-key")
    if key is not None and not isinstance(key, str):
        raise _wrong(f"{place}/x-key", f"is {key!r}", "name a field of the list's objects")
    return key


def _tolerance(schema: JsonObject, place: str) -> float | None:
    tolerance = schema.get("x-tolerance")
    if tolerance is None:
        return None
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or tolerance < 0:
        raise _wrong(f"{place}/x-tolerance", f"is {tolerance!r}", "write the largest difference, 0 or more")
    return float(tolerance)


def _order(schema: JsonObject, place: str) -> Order | None:
    order = schema.get("x-order")
    known: dict[object, Order] = {"dmy": "dmy", "mdy": "mdy"}
    if order is not None and order not in ("dmy", "mdy"):
        raise _wrong(f"{place}/x-order", f"is {order!r}", "write dmy or mdy")
    return known.get(order)


def _wrong(place: str, what: str, next_step: str) -> ConfigError:
    return ConfigError(what, where=f"schema at {place}", next_step=next_step)
