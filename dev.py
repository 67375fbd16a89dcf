"""One door for developers: `python3 dev.py demo | run | test | simulate | chaos | size | check | clean`.

It needs Python 3.11 to 3.13 and nothing else: it makes `.venv`, installs what `requirements-dev.txt` pins whenever
that file has changed, and hands over to the environment's own Python.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements-dev.txt"
STAMP = VENV / "requirements-dev.sha256"

COMMANDS = {
    "demo": "send a broadcast through the app, with a stand-in for Teams, and count what arrived",
    "run": "run the app on this machine, with the Agents Playground as the Teams client",
    "test": "run the tests; what follows goes to pytest",
    "simulate": "run seeds of the deterministic simulation: `--seeds N --from S`, one with `--trace`, or `--planted`",
    "chaos": "run the app for --seconds N while hosts, storage, Teams and queues fail at random, by a --seed",
    "size": "plan for very many people, undisturbed and with the planner killed: `--people N --kills N`",
    "check": "check format, style, types and the walls between packages",
    "clean": "remove the virtual environment, the tools and the caches",
}
CHECKS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy", "."),
    ("lint-imports",),
)
DISPOSABLE = (
    *(".venv", ".tools", ".herald", ".pytest_cache", ".mypy_cache", ".ruff_cache"),
    *(".hypothesis", ".import_linter_cache"),
)


def main() -> int:
    """Run one command and return its exit code."""
    lines = "\n".join(f"  {name:<9}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="dev.py", description=f"commands:\n{lines}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the command")
    arguments = parser.parse_args()
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        print(f"Herald needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    if arguments.command == "clean":
        return clean()
    prepare()
    if arguments.command == "check":
        return check()
    modules = {"test": "pytest", "simulate": "tests.simulation", "size": "tests.size"}
    module = modules.get(arguments.command, f"localhost.{arguments.command}")
    return hand_over([str(PYTHON), "-m", module, *arguments.rest])


def prepare() -> None:
    """Make the virtual environment what `requirements-dev.txt` says; do nothing where it is."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if STAMP.is_file() and PYTHON.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return
    if not PYTHON.exists():
        print("making .venv", file=sys.stderr, flush=True)
        venv.create(VENV, with_pip=True)
    print("installing requirements-dev.txt into .venv", file=sys.stderr, flush=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)  # noqa: S603 - The environment's own pip.
    STAMP.write_text(wanted, encoding="utf-8")


def check() -> int:
    """Run every check, also after one has failed, and return 1 if any did."""
    failed = [" ".join(command) for command in CHECKS if run_check(command)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run_check(command: tuple[str, ...]) -> int:
    """Run one check with the environment's own program and return its exit code."""
    print(f"$ {' '.join(command)}", flush=True)
    program = str(PYTHON.parent / command[0])
    return subprocess.run([program, *command[1:]], check=False).returncode  # noqa: S603 - One of CHECKS.


def clean() -> int:
    """Remove all that the other commands made."""
    for name in DISPOSABLE:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for cache in ROOT.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    return 0


def hand_over(command: list[str]) -> NoReturn:
    """Become another program, so that signals and the exit code are its own."""
    os.execv(command[0], command)  # noqa: S606 - The program is the environment's Python, named by its full path.


if __name__ == "__main__":
    sys.exit(main())
