"""A Python 3.13 with this project's requirements, in `.tools`: Azure's worker library runs there only."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from localhost.tools import ROOT

_REQUIREMENTS = ROOT / "requirements-dev.txt"


def find_python313() -> Path | None:
    """Find an interpreter: on the path, else among those that pyenv keeps."""
    return next((path for path in _candidates() if _is_python313(path)), None)


def _candidates() -> Iterator[Path]:
    if found := shutil.which("python3.13"):
        yield Path(found)
    yield from sorted((Path.home() / ".pyenv" / "versions").glob("3.13*/bin/python3.13"), reverse=True)


def _is_python313(path: Path) -> bool:
    # A version manager may put a program on the path that only says that no such version is chosen.
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - Found above.
    return answer.stdout.startswith("Python 3.13")


def prepare_python313(interpreter: Path) -> Path:
    """Make the environment, or find it made, and return its Python; safe where two processes want it at once."""
    folder = ROOT / ".tools" / "python3.13"
    python, stamp = folder / "bin" / "python", folder / "requirements-dev.sha256"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "python3.13.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([interpreter, "-m", "venv", folder], check=True)  # noqa: S603 - Found above.
            subprocess.run([*pip, "-r", _REQUIREMENTS], check=True)  # noqa: S603 - The environment's own pip.
            stamp.write_text(wanted)
    return python
