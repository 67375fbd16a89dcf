"""The app's settings as the host sees them: `local.settings.json`, `%SETTING%` and the storage connection.

https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

# Azurite's account and key are published: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
DEVELOPMENT_ACCOUNT = "devstoreaccount1"
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

# Azure spells this setting so, on every system.
STORAGE_SETTING = "AzureWebJobsStorage"

_SETTING = re.compile(r"%([^%]+)%")


class MissingSettingError(LookupError):
    """A binding names a setting that is not there: whoever runs the app adds it."""


def load_local_settings(root: Path) -> None:
    """Put the `Values` of `local.settings.json` into the environment, which wins where both name a setting."""
    path = root / "local.settings.json"
    if not path.is_file():
        return
    values = json.loads(path.read_text(encoding="utf-8-sig")).get("Values", {})
    for name, value in values.items():
        os.environ.setdefault(name, str(value))


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """Replace each `%SETTING%` of a binding's property by the setting's value."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if not environment.get(name):
            raise MissingSettingError(f"'%{name}%' does not resolve to a value: the setting {name} is missing")
        return environment[name]

    return _SETTING.sub(value_of, text)


def storage_connection(name: str, environment: Mapping[str, str]) -> str:
    """Return the connection string that a trigger's `connection` names; an empty name means AzureWebJobsStorage.

    `UseDevelopmentStorage=true` becomes Azurite's full connection string with its default ports.
    """
    setting = name or STORAGE_SETTING
    value = environment.get(setting) or environment.get(f"AzureWebJobs{setting}")
    if not value:
        raise MissingSettingError(f"the storage connection {setting} is missing: set it to a connection string")
    if value.strip().rstrip(";").lower() == "usedevelopmentstorage=true":
        return development_connection_string(blob=10000, queue=10001, table=10002)
    return value


def development_connection_string(*, blob: int, queue: int, table: int, host: str = "127.0.0.1") -> str:
    """Return the connection string of an Azurite that listens on the given three ports."""
    endpoints = {"Blob": blob, "Queue": queue, "Table": table}
    parts = [
        "DefaultEndpointsProtocol=http",
        f"AccountName={DEVELOPMENT_ACCOUNT}",
        f"AccountKey={DEVELOPMENT_KEY}",
        *(f"{kind}Endpoint=http://{host}:{port}/{DEVELOPMENT_ACCOUNT}" for kind, port in endpoints.items()),
    ]
    return ";".join(parts) + ";"
