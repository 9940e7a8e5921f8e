"""Validates the OpenAPI documents that the arguments name. Fails at the first that is not valid.

The reader takes YAML 1.1, in which `no` is a boolean.
"""

import sys

from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename

for name in sys.argv[1:]:
    document, _ = read_from_filename(name)
    validate(document)
    schema = document.get("components", {}).get("schemas", {}).get("OncegateProblem")
    if schema is not None:
        assert schema["properties"]["executed"]["enum"] == ["yes", "no", "unknown"], schema
    print(name, "is valid")
