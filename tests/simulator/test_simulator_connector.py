"""The Connector's shapes and refusals, over real HTTP on loopback."""

import time
from urllib.parse import quote

import orjson
import pytest
from connector_caller import CARD, a_caller, an_installed_person

from simulator.config import Config


async def test_same_person_always_gets_the_same_chat_by_either_id() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        by_object_id = await caller.create(person.object_id)
        by_user_id = await caller.create(person.user_id)

        assert by_object_id.status == 201
        assert by_object_id.body["id"].startswith("a:")
        assert by_user_id.body == by_object_id.body


async def test_sent_message_gets_an_id_and_stands_in_the_ledger() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        reply = await caller.send(person.chat_id, "Welcome")

        assert reply.status == 201
        (entry,) = caller.teams.ledger_entries()
        assert (entry.activity_id, entry.person, entry.text) == (reply.body["id"], person.object_id, "Welcome")
