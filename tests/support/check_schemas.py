"""Run apart, with PYTHONPATH at the packages of pypi.py: pytest has older ones of the same names.

Reads {"document", "cases": [{"where", "schema", "value"}]}; prints a JSON list of what is wrong: the
document by the rules of OpenAPI 3.1, and each value by its schema.
"""
import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

# "date-time" is among them only where its package is installed.
FORMATS = Draft202012Validator.FORMAT_CHECKER
assert "date-time" in FORMATS.checkers
asked = json.load(sys.stdin)
document = asked["document"]
faults = [f"the document: {error.message[:500]}"
          for error in OpenAPIV31SpecValidator(document).iter_errors()]
for case in asked["cases"]:
    schema = {**case["schema"], "components": document["components"]}
    for error in Draft202012Validator(schema, format_checker=FORMATS).iter_errors(case["value"]):
        faults.append(f"{error.json_path} {error.message[:300]}: {case['where']}")
json.dump(faults, sys.stdout)
