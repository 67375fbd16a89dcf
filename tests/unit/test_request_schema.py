"""The published schema is the contract's own, and the published examples follow it.

python -m tests.unit.test_request_schema        writes the schema anew
"""

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from shared.contract import json_schema
from shared.requests import read_request
from tests.twins.accepting import TENANT

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = DOCS / "broadcast-request.schema.json"
EXAMPLES = sorted((DOCS / "examples").glob("*.json"))
IN_THE_TEXT = re.findall(r"```json\n(\{\n  \"version\".*?)```", (DOCS / "requests.md").read_text("utf-8"), re.DOTALL)


def published() -> str:
    """The schema as it stands in a file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def test_published_schema_is_that_of_the_contract() -> None:
    assert SCHEMA.read_text("utf-8") == published(), "stale: run python -m tests.unit.test_request_schema"


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
    assert IN_THE_TEXT


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_file_follows_the_contract(example: Path) -> None:
    accept(orjson.loads(example.read_bytes()))


@pytest.mark.parametrize("example", IN_THE_TEXT)
def test_example_in_the_text_follows_the_contract(example: str) -> None:
    accept(orjson.loads(example))


def accept(document: dict[str, Any]) -> None:
    """Accept a document by the schema and by the reader."""
    Draft202012Validator(json_schema()).validate(document)
    read_request(document, tenants=[TENANT], key="unused")


if __name__ == "__main__":
    SCHEMA.write_text(published(), "utf-8")
