"""Validates the OpenAPI documents that the arguments name. Fails at the first that is not valid."""

import sys

from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename

for name in sys.argv[1:]:
    document, _ = read_from_filename(name)
    validate(document)
    print(name, "is valid")
