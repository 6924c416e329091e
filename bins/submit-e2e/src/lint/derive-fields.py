"""Derives argo-fields.txt from what Argo Workflows publishes in its Go module (Apache-2.0): the names of
types from its JSON schema (api/jsonschema/schema.json); which fields are required, which values a text
may have and what is a quantity from the CRD (manifests/base/crds/full), as the API server enforces that.
Run by `make argo-fields`, with the module's folder; needs PyYAML.

A line is a type and its fields, `name:kind`, with `!` before the colon where it is required. Kinds:
s text, i whole number, n number, b true or false, q text or number, u quantity, o any mapping,
* anything, =a|b one of these texts, [kind] list, {kind} mapping of names to that, or the name of
another type.
"""

import json
import sys

import yaml

ROOT = "io.argoproj.workflow.v1alpha1.Workflow"
# The API server takes a number for this, whatever the JSON schema says.
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
SIMPLE = {"string": "s", "integer": "i", "number": "n", "boolean": "b"}

module = sys.argv[1]
with open(module + "/api/jsonschema/schema.json", encoding="utf-8") as file:
    definitions = json.load(file)["definitions"]
with open(module + "/manifests/base/crds/full/argoproj.io_workflows.yaml", encoding="utf-8") as file:
    crd = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
lines, required, values = {}, {}, {}


def short(name):
    last = name.rsplit(".", 1)[-1]
    argo = ROOT.rsplit(".", 1)[0] + "." + last
    return "Core" + last if argo in definitions and argo != name else last


def target_of(schema):
    """The definition that a schema refers to, through those that have no fields; its name."""
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if "properties" in definitions[name] or name in (INT_OR_STRING, QUANTITY):
            return name
        schema = definitions[name]
    return None


def note(name, enforced, above):
    """Notes, along both schemas, what the CRD enforces of a type wherever it is used."""
    if enforced.get("x-kubernetes-preserve-unknown-fields") or name in above:
        return
    own = set(enforced.get("required", []))
    required[name] = required.get(name, own) & own
    for field, schema in definitions[name]["properties"].items():
        # What the controller writes is no part of a manifest.
        if field in enforced.get("properties", {}) and (name, field) != (ROOT, "status"):
            note_value((name, field), schema, enforced["properties"][field], above | {name})


def note_value(place, schema, enforced, above):
    if "enum" in enforced:
        values[place] = "=" + "|".join(value for value in enforced["enum"] if value)
    name = target_of(schema)
    if name is not None:
        if "properties" in definitions[name]:
            note(name, enforced, above)
    elif schema.get("type") == "array":
        note_value(place, schema["items"], enforced.get("items", {}), above)
    elif isinstance(schema.get("additionalProperties"), dict):
        note_value(place, schema["additionalProperties"], enforced.get("additionalProperties", {}), above)
    elif "$ref" in schema:
        note_value(place, definitions[schema["$ref"].rsplit("/", 1)[-1]], enforced, above)


def kind(schema, waiting):
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in (INT_OR_STRING, QUANTITY):
            return "q" if name == INT_OR_STRING else "u"
        if "properties" not in definitions[name]:
            return kind(definitions[name], waiting)
        if name not in waiting:
            waiting.append(name)
        return short(name)
    of = schema.get("type")
    if of == "array":
        return "[%s]" % kind(schema["items"], waiting)
    if of == "object":
        inner = schema.get("additionalProperties")
        return "{%s}" % kind(inner, waiting) if inner else "o"
    return SIMPLE.get(of, "*")


note(ROOT, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], frozenset())
waiting = [ROOT]
for name in waiting:
    # A type that the CRD leaves open has what is required of it where it does not.
    must = required.get(name, definitions[name].get("required", []))
    fields = []
    for field, schema in sorted(definitions[name]["properties"].items()):
        if (name, field) == (ROOT, "status"):
            fields.append("status:o")
            continue
        of = values.get((name, field)) or kind(schema, waiting)
        fields.append("%s%s:%s" % (field, "!" if field in must else "", of))
    if short(name) in lines:
        sys.exit("two types are called " + short(name))
    lines[short(name)] = "%s %s" % (short(name), " ".join(fields))
for line in sorted(lines.values()):
    print(line)
