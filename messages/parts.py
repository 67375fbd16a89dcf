"""The door's use cases, built from what the composition offers; `App.part` keeps one of each per process."""

from uuid import uuid4

from messages.activities import Door
from messages.bot import HeraldBot
from messages.broadcast_api import BroadcastApi
from messages.broadcast_requests import BroadcastRequests
from shared.composition import App
from shared.teams.adapter import TeamsAdapter
from shared.teams.authentication import Authenticator
from shared.teams.keys import SigningKeys


def door(app: App) -> Door:
    """What takes the activities of Teams."""
    return Door(
        authenticator=Authenticator(app.settings, SigningKeys(app.settings.openid_metadata_url)),
        references=app.conversations,
        adapter=TeamsAdapter(app.connector, take_slot=app.pacers.take_slot),
        bot=HeraldBot(),
    )


def broadcast_api(app: App) -> BroadcastApi:
    """What answers the HTTP API."""
    return BroadcastApi(
        acceptance=app.acceptance,
        broadcasts=app.broadcasts,
        directory=app.directory,
        rejections=app.rejections,
        clock=app.clock,
        tenants=app.settings.tenants,
        pace=app.settings.pace,
        new_key=lambda: uuid4().hex,
    )


def broadcast_requests(app: App) -> BroadcastRequests:
    """What takes requests from the queue."""
    return BroadcastRequests(
        acceptance=app.acceptance, rejections=app.rejections, clock=app.clock, tenants=app.settings.tenants
    )
