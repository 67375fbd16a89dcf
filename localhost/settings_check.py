"""Asks the app whether it accepts an environment, so that a wrong setting is told before anything starts."""

import subprocess
import sys
from collections.abc import Mapping

from localhost.tools import ROOT, ToolError

# In a process of its own: the app reads the environment, and its code is not loaded here.
_QUESTION = """
import sys
from shared.errors import SettingsError
from shared.settings import read_settings
try:
    read_settings()
except SettingsError as error:
    sys.exit(str(error))
"""


def check_settings(environment: Mapping[str, str]) -> None:
    """Return where the app accepts the settings. Raises ToolError, whose text names the setting and what is right."""
    asked = subprocess.run(
        [sys.executable, "-c", _QUESTION], env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise ToolError(asked.stderr.strip())
