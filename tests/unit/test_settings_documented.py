"""Settings, the sample of local settings and docs/configuration.md tell the same story, and only Settings reads."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsError
from shared.identity import AppType
from shared.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("shared", "messages", "send_worker", "install_worker")
ALIASES = {str(field.alias): field for field in Settings.model_fields.values()}
OF_THE_HOST = {"FUNCTIONS_WORKER_RUNTIME"}
"""What the sample holds for Core Tools rather than for Herald."""
A_TENANT = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"
READERS = {"environ", "environb", "getenv", "getenvb"}
TABLE = re.compile(r"^\| name \| meaning \| default \| example \|\n\|[-|]+\|\n(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
ROW = re.compile(r"^\| `(?P<name>\w+)` \|[^|]+\|(?P<default>[^|]+)\|[^|]*\|$", re.MULTILINE)


def documented() -> dict[str, str]:
    """The settings in the tables of docs/configuration.md, with the cell that tells the default."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [row for table in TABLE.finditer(text) for row in ROW.finditer(table["rows"])]
    assert len(rows) == sum(table["rows"].count("\n") for table in TABLE.finditer(text)), "a row is not as the others"
    return {row["name"]: row["default"].strip() for row in rows}


def sample() -> dict[str, str]:
    """The values of the sample."""
    found: dict[str, Any] = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))
    return dict(found["Values"])


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALIASES:
        monkeypatch.delenv(name, raising=False)


def test_the_docs_have_a_row_for_each_setting_and_for_no_other() -> None:
    assert documented().keys() == ALIASES.keys()


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_the_docs_tell_the_default_of_a_setting(name: str) -> None:
    field, told = ALIASES[name], documented()[name]

    values = sorted(field.default) if isinstance(field.default, frozenset) else [field.default]
    if field.is_required():
        assert "required" in told
    elif any(values):
        assert all(f"`{value}`" in told for value in values)
    else:
        assert "`" not in told


@pytest.mark.parametrize("kind", AppType)
def test_the_docs_tell_what_each_kind_of_registration_needs(kind: AppType) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
    tenant, password, allowed = (cell.strip().partition(":")[0] for cell in row.strip("|").split("|")[1:])
    told = {"MicrosoftAppTenantId": tenant, "MicrosoftAppPassword": password, "HERALD_ALLOWED_TENANTS": allowed}
    given = {"MicrosoftAppId": "app", "MicrosoftAppType": kind.value, "AzureWebJobsStorage": "a connection string"}
    right = {"MicrosoftAppTenantId": A_TENANT, "MicrosoftAppPassword": "secret", "HERALD_ALLOWED_TENANTS": A_TENANT}
    given |= {name: right[name] for name, need in told.items() if need == "required"}

    assert read_settings(**given).app_type is kind
    for name, need in told.items():
        changed = {key: value for key, value in given.items() if key != name}
        if need != "required":
            changed[name] = right[name]
        if need == "optional":
            assert read_settings(**changed).app_type is kind
            continue
        with pytest.raises(SettingsError, match=name):
            read_settings(**changed)


def test_the_sample_is_enough_to_start() -> None:
    values = {name: value for name, value in sample().items() if name not in OF_THE_HOST}

    assert read_settings(**values).tenants == {values["MicrosoftAppTenantId"]}


@pytest.mark.parametrize("name", sorted(sample().keys() - OF_THE_HOST))
def test_the_sample_holds_nothing_that_could_be_left_out(name: str) -> None:
    values = {key: value for key, value in sample().items() if key not in OF_THE_HOST | {name}}

    assert name in ALIASES
    with pytest.raises(SettingsError, match=name):
        read_settings(**values)


@pytest.mark.parametrize("package", PRODUCT)
def test_only_settings_reads_the_environment(package: str) -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in [*(ROOT / package).rglob("*.py"), ROOT / "function_app.py"]
        if any(_reads_environment(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    }

    # Settings itself reads through pydantic-settings.
    assert readers == set()


def test_settings_are_read_through_pydantic_in_one_module() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.py")
        if "pydantic_settings" in path.read_text(encoding="utf-8")
    }

    assert users == {"shared/settings.py"}


def _reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in READERS
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in READERS for alias in node.names)
    return False
