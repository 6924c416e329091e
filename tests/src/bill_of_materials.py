"""Reads bills of materials, a JSON list of texts, and prints the list of what is wrong with them."""
import json
import re
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import ExpressionError, get_spdx_licensing
from packageurl import PackageURL

SPDX = get_spdx_licensing()
# RFC 3986's characters: the checker that the library would take for the format needs seconds for a document's URLs.
URL = re.compile(r"[a-z][a-z0-9+.-]*://[\w.~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)


def defects(text):
    """What the schema says, and what it cannot say: names that refer to one another, names of licences and packages."""
    document = json.loads(text)
    version = SchemaVersion.from_version(document["specVersion"])
    for error in JsonStrictValidator(version).validate_str(text, all_errors=True) or []:
        yield f"{error.data.json_path}: {error.data.message}"
    components = [document["metadata"]["component"], *document["components"]]
    references = [component["bom-ref"] for component in components]
    for twice in sorted({name for name in references if references.count(name) > 1}):
        yield f"{twice} is there twice"
    for dependency in document["dependencies"]:
        for name in {dependency["ref"], *dependency["dependsOn"]}.difference(references):
            yield f"{name} is needed and not there"
    for component in components:
        for reference in component.get("externalReferences", []):
            if not URL.fullmatch(reference["url"]):
                yield f"{component['name']}: {reference['url']} is no URL"
        try:
            PackageURL.from_string(component["purl"])
            for licence in component.get("licenses", []):
                SPDX.parse(licence["expression"], validate=True, strict=True)
        except (ExpressionError, ValueError) as error:
            yield f"{component['name']}: {error}"


print(json.dumps([defect for text in json.load(sys.stdin) for defect in defects(text)]))
