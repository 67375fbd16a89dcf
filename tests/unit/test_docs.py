"""The pages say what the code has: links, commands, files, states, parameters, log events, walls."""

import ast
import configparser
import importlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import dev
from shared.domain.broadcasts import BroadcastState
from shared.domain.outcomes import Reason, State
from shared.storage import names

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
PRODUCT = ("shared", "messages", "send_worker", "install_worker")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
COMMAND = re.compile(r"dev\.py (?P<name>[a-z]+)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`(?P<text>[^`\n]+)`")
FILE = re.compile(r"^\.?[\w.-]+(/[\w.-]+)*(/|\.(py|json|md|txt|toml|ini|cfg|yml|yaml))$")
MADE_BY_PEOPLE = {"local.settings.json", ".venv", ".tools"}
"""Files that the pages name and that no commit holds."""
PARAMETER = re.compile(r"^\| `(?P<place>[\w.]+)\.(?P<name>[A-Z_]+)` \| (?P<value>[\d,.]+)", re.MULTILINE)
NAMED_TEST = re.compile(r"\| `(?P<file>[\w/]+\.py)::(?P<name>test_\w+)` \|$")
HOST_SETTING = re.compile(r"^\| `(?P<path>[\w.]+)` \| (?P<value>`[^`]+`|\d+) \|", re.MULTILINE)
GLOSSARY = (
    *("activity", "conversation reference", "recipient", "audience", "broadcast", "batch", "delivery", "attempt"),
    *("outcome", "nudge", "lease", "claim", "journal", "settle", "lane", "group", "run", "cursor", "due marker"),
    *("revision", "edit", "recall", "retry", "pause", "resume", "brakes"),
    *("park", "pace", "slot", "epoch", "stake", "tick", "sweep", "poison", "rejection", "stand-in", "local host"),
)


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    """A page as a test's id."""
    return page.relative_to(ROOT).as_posix()


def section(page: str, heading: str) -> str:
    """The text of a page below a heading, up to the next one of its level or above."""
    marks = heading.partition(" ")[0]
    below = read(DOCS / page).partition(f"\n{heading}\n")[2]
    assert below, f"{page} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(marks)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    texts = [heading["text"].lower() for heading in HEADING.finditer(FENCE.sub("", read(page)))]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.finditer(FENCE.sub("", read(page))):
        target, _, anchor = link["target"].partition("#")
        if "://" in target:
            continue
        place = (page.parent / target).resolve() if target else page

        assert place.exists(), link["target"]
        if anchor:
            assert anchor in anchors_of(place), link["target"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_no_file_that_is_not_there(page: Path) -> None:
    for code in CODE.finditer(FENCE.sub("", read(page))):
        text = code["text"]
        if not FILE.match(text) or text.rstrip("/") in MADE_BY_PEOPLE:
            continue

        assert any((folder / text).exists() for folder in (ROOT, page.parent)), text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_only_commands_that_dev_py_has(page: Path) -> None:
    commands = {command["name"] for command in COMMAND.finditer(read(page))}

    assert commands <= dev.COMMANDS.keys()


def test_each_command_of_dev_py_is_documented() -> None:
    documented = {command["name"] for command in COMMAND.finditer(read(DOCS / "development.md"))}

    assert documented == dev.COMMANDS.keys()


def test_the_tree_in_the_readme_is_the_one_that_stands() -> None:
    tree = read(ROOT / "README.md").partition("\n## The tree\n")[2].partition("```\n")[2].partition("```")[0]
    folder = ""

    for line in tree.splitlines():
        named = line.split()[0]
        folder = folder if line.startswith(" ") else ""
        assert (ROOT / folder / named).exists(), line
        folder = folder if line.startswith(" ") else named


@pytest.mark.parametrize("state", State)
def test_each_state_of_a_delivery_has_a_row(state: State) -> None:
    is_open = "yes" if state in ("pending", "awaiting_install", "sending", "deferred") else "no"

    assert f"\n| `{state}` | {is_open} | " in section("architecture.md", "### Outcomes and states")


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_a_row(reason: Reason) -> None:
    assert f"\n| `{reason}` | " in section("architecture.md", "### Outcomes and states")


@pytest.mark.parametrize("state", BroadcastState)
def test_each_state_of_a_broadcast_is_told(state: BroadcastState) -> None:
    assert f"`{state}`" in section("architecture.md", "### Outcomes and states")


@pytest.mark.parametrize("name", [*names.TABLES, *names.QUEUES])
def test_each_table_and_queue_is_in_the_data_layout(name: str) -> None:
    data = section("architecture.md", "## Data")

    assert f"\n| {name} | " in data if name in names.TABLES else f"`{name}`" in data


def parameters() -> list[Any]:
    """The constants of the parameters' table, each with the number that the table tells."""
    rows = PARAMETER.finditer(section("architecture.md", "## Parameters"))
    return [
        pytest.param(
            row["place"], row["name"], float(row["value"].replace(",", "")), id=f"{row['place']}.{row['name']}"
        )
        for row in rows
    ]


@pytest.mark.parametrize(("place", "name", "told"), parameters())
def test_a_parameter_is_what_the_table_tells(place: str, name: str, told: float) -> None:
    value = getattr(importlib.import_module(place), name)

    assert (value.total_seconds() if isinstance(value, timedelta) else value) == told


def test_host_json_is_what_the_table_tells() -> None:
    rows = list(HOST_SETTING.finditer(section("architecture.md", "## Parameters")))
    values = json.loads(read(ROOT / "host.json"))

    for row in rows:
        found: Any = values
        for step in row["path"].split("."):
            found = found[step]
        assert str(found) == row["value"].strip("`"), row["path"]
    assert {row["path"].rpartition(".")[2] for row in rows} >= values["extensions"]["queues"].keys()


def promises() -> list[str]:
    """The rows of the guarantees' tables, each with the last of its cells."""
    rows = [line for line in read(DOCS / "guarantees.md").splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.endswith("| test |")]


@pytest.mark.parametrize("row", promises())
def test_each_promise_names_a_test_that_exists(row: str) -> None:
    named = NAMED_TEST.search(row)

    assert named, "name the test that holds this"
    tree = ast.parse(read(ROOT / "tests" / named["file"]))
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert named["name"] in tests


@pytest.mark.parametrize("state", [*State, *BroadcastState])
def test_each_state_has_a_promise(state: str) -> None:
    heading = "## States of a delivery" if isinstance(state, State) else "## States of a broadcast"

    assert f"\n| `{state}` | " in section("guarantees.md", heading)


def log_events() -> set[str]:
    """The names of the events that the product logs."""
    found = set[str]()
    for path in [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]:
        tree = ast.parse(read(path))
        chosen = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "log_event"):
                continue
            event = call.args[1]
            event = chosen[event.id] if isinstance(event, ast.Name) else event
            events = [event.body, event.orelse] if isinstance(event, ast.IfExp) else [event]
            found |= {str(ast.literal_eval(each)) for each in events}
    return found


def test_the_log_events_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (?:info|warning|error) \|", section("operations.md", "## Log events"), re.MULTILINE
    )

    assert sorted(rows) == sorted(log_events())


@pytest.mark.parametrize("word", GLOSSARY)
def test_the_glossary_has_the_word(word: str) -> None:
    assert f"\n| {word} | " in read(DOCS / "glossary.md")


def test_the_glossary_explains_a_word_once() -> None:
    words = re.findall(r"^\| ([^|]+) \| ", read(DOCS / "glossary.md"), re.MULTILINE)
    explained = [word for word in words if word != "word"]

    assert len(explained) == len(set(explained))


def test_decisions_are_short_and_numbered_without_a_gap() -> None:
    decisions = sorted((DOCS / "adr").glob("*.md"))

    for number, page in enumerate(decisions, start=1):
        text = read(page)
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert len(text.splitlines()) <= 40


def test_the_wall_around_the_rules_names_each_part_of_the_ground_floor() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    forbidden = set(contracts["importlinter:contract:pure-rules"]["forbidden_modules"].split())
    parts = {f"shared.{path.stem}" for path in (ROOT / "shared").iterdir() if path.suffix == ".py" or path.is_dir()}

    assert parts - {"shared.__init__", "shared.__pycache__", "shared.domain", "shared.errors"} <= forbidden
