"""Derives argo-fields.txt from the JSON schema that Argo Workflows publishes (api/jsonschema/schema.json of
its Go module, Apache-2.0): only names, types and which fields are required. Run by `make argo-fields`.

A line is a type and its fields, `name:kind`, with `!` before the colon where it is required. Kinds:
s text, i whole number, n number, b true or false, q text or number, o any mapping, * anything,
[kind] list, {kind} mapping of names to that, or the name of another type.
"""

import json
import sys

ROOT = "io.argoproj.workflow.v1alpha1.Workflow"
# The API server takes a number for these, whatever the schema says.
TEXT_OR_NUMBER = {"io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                  "io.k8s.apimachinery.pkg.api.resource.Quantity"}
SIMPLE = {"string": "s", "integer": "i", "number": "n", "boolean": "b"}

definitions = json.load(open(sys.argv[1], encoding="utf-8"))["definitions"]
waiting, lines = [ROOT], {}


def short(name):
    last = name.rsplit(".", 1)[-1]
    argo = ROOT.rsplit(".", 1)[0] + "." + last
    return "Core" + last if argo in definitions and argo != name else last


def kind(schema):
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        target = definitions[name]
        if name in TEXT_OR_NUMBER:
            return "q"
        if "properties" not in target:
            return kind(target)
        if name not in waiting:
            waiting.append(name)
        return short(name)
    of = schema.get("type")
    if of == "array":
        return "[%s]" % kind(schema["items"])
    if of == "object":
        inner = schema.get("additionalProperties")
        return "{%s}" % kind(inner) if inner else "o"
    return SIMPLE.get(of, "*")


for name in waiting:
    definition = definitions[name]
    required = definition.get("required", [])
    fields = []
    for field, schema in sorted(definition["properties"].items()):
        # What the controller writes is no part of a manifest.
        if name == ROOT and field == "status":
            fields.append("status:o")
            continue
        fields.append("%s%s:%s" % (field, "!" if field in required else "", kind(schema)))
    if short(name) in lines:
        sys.exit("two types are called " + short(name))
    lines[short(name)] = "%s %s" % (short(name), " ".join(fields))
for line in sorted(lines.values()):
    print(line)
