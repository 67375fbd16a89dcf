"""The door's use cases, built from what the composition offers; `App.part` keeps one of each per process."""

from uuid import uuid4

from messages.activities import Door
from messages.audience_api import AudienceApi
from messages.audience_counts import AudienceCounts
from messages.audience_estimate import AudienceEstimate
from messages.bot import HeraldBot
from messages.broadcast_api import BroadcastApi
from messages.broadcast_requests import BroadcastRequests
from messages.calendar_api import CalendarApi
from messages.digest_api import DigestApi
from messages.digest_requests import DigestRequests
from messages.directory_counts import DirectoryCounts
from messages.install_api import InstallApi
from messages.item_intake import ItemIntake
from messages.people_api import PeopleApi
from messages.person_reports import PersonReports
from messages.poison import PoisonKeeper
from messages.poison_api import PoisonApi
from messages.rejecting import Rejecting
from messages.replay import Replay
from messages.reports import Reports
from messages.schedule_api import ScheduleApi
from messages.schedule_view import ScheduleView
from messages.tenant_api import TenantApi
from messages.waking import Waking
from messages.wishes import Wishes
from shared.composition import App
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.named_people import NamedPeople
from shared.storage.names import INSTALL_QUEUE, PLAN_QUEUE, SEND_QUEUE
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


def reports(app: App) -> Reports:
    """What reads broadcasts for people."""
    return Reports(app.broadcasts, app.families, installations=app.installations, pacers=app.pacers, clock=app.clock)


def broadcast_api(app: App) -> BroadcastApi:
    """What answers the HTTP API."""
    return BroadcastApi(
        acceptance=app.acceptance,
        broadcasts=app.broadcasts,
        directory=app.directory,
        rejections=app.rejections,
        search=app.search,
        reports=app.part(reports),
        families=app.families,
        passing_on=app.passing_on,
        clock=app.clock,
        tenants=app.settings.tenants,
        new_key=lambda: uuid4().hex,
        takes_names=app.settings.takes_names,
    )


def wishes(app: App) -> Wishes:
    """What answers an author's wishes."""
    return Wishes(
        broadcasts=app.broadcasts,
        directory=app.directory,
        acceptance=app.acceptance,
        reports=app.part(reports),
        nudging=app.nudging,
        passing_on=app.passing_on,
        clock=app.clock,
        new_key=lambda: uuid4().hex,
    )


def broadcast_requests(app: App) -> BroadcastRequests:
    """What takes requests from the queue."""
    return BroadcastRequests(
        acceptance=app.acceptance,
        rejections=app.rejections,
        clock=app.clock,
        tenants=app.settings.tenants,
        takes_names=app.settings.takes_names,
    )


def audience_api(app: App) -> AudienceApi:
    """What answers authors of saved audiences."""
    return AudienceApi(
        app.audiences, clock=app.clock, tenants=app.settings.tenants, takes_names=app.settings.takes_names
    )


def audience_estimate(app: App) -> AudienceEstimate:
    """What tells authors how many an audience has."""
    calls = DirectoryCalls(app.graph)
    counts = AudienceCounts(
        app.conversations,
        app.broadcasts,
        app.families,
        names=NamedPeople(calls),
        directory=DirectoryCounts(calls),
        clock=app.clock,
    )
    return AudienceEstimate(
        snapshots=app.snapshots,
        counts=counts,
        lookup=app.lookup,
        pace=app.settings.pace,
        tenants=app.settings.tenants,
        takes_names=app.settings.takes_names,
    )


def people_api(app: App) -> PeopleApi:
    """What answers questions about people."""
    return PeopleApi(
        PersonReports(app.broadcasts, app.directory, families=app.families, search=app.search, clock=app.clock),
        app.conversations,
        clock=app.clock,
        tenants=app.settings.tenants,
    )


def tenant_api(app: App) -> TenantApi:
    """What answers operators who stop a tenant's sending."""
    return TenantApi(app.pacers, app.part(waking), tenants=app.settings.tenants)


def install_api(app: App) -> InstallApi:
    """What answers operators whose tenant's installs stand still."""
    return InstallApi(
        app.installations,
        app.part(waking),
        acceptance=app.acceptance,
        reports=app.part(reports),
        clock=app.clock,
        tenants=app.settings.tenants,
        scopes=app.settings.install_scopes,
        new_key=lambda: uuid4().hex,
        takes_names=app.settings.takes_names,
    )


def schedule_api(app: App) -> ScheduleApi:
    """What answers the authors of schedules."""
    return ScheduleApi(
        app.schedules,
        app.calendars,
        acceptance=app.acceptance,
        view=ScheduleView(app.broadcasts, app.calendars, app.part(reports)),
        clock=app.clock,
        tenants=app.settings.tenants,
        new_key=lambda: uuid4().hex,
        default_zone=app.settings.default_zone,
        takes_names=app.settings.takes_names,
    )


def calendar_api(app: App) -> CalendarApi:
    """What answers operators who say when nobody is to be disturbed."""
    return CalendarApi(app.calendars, clock=app.clock, tenants=app.settings.tenants)


def item_intake(app: App) -> ItemIntake:
    """What takes up items for digests, for both doors."""
    return ItemIntake(
        app.digest_items,
        snapshots=app.snapshots,
        clock=app.clock,
        tenants=app.settings.tenants,
        takes_names=app.settings.takes_names,
    )


def digest_api(app: App) -> DigestApi:
    """What answers services that drop items by HTTP, and who looks at what waits."""
    return DigestApi(
        app.digest_items,
        app.part(item_intake),
        clock=app.clock,
        tenants=app.settings.tenants,
        new_key=lambda: uuid4().hex,
    )


def digest_requests(app: App) -> DigestRequests:
    """What takes items from the queue."""
    return DigestRequests(
        app.part(item_intake), Rejecting(app.rejections, clock=app.clock, tenants=app.settings.tenants)
    )


def waking(app: App) -> Waking:
    """What wakes a tenant's broadcasts."""
    return Waking(app.broadcasts, app.directory, app.nudging)


def poison_keeper(app: App) -> PoisonKeeper:
    """What takes poison."""
    return PoisonKeeper(
        app.poison,
        requests=app.part(broadcast_requests),
        items=app.part(digest_requests),
        broadcasts=app.broadcasts,
        clock=app.clock,
    )


def poison_api(app: App) -> PoisonApi:
    """What answers operators who look at poison, and replays it."""
    replay = Replay(
        app.poison,
        requests=app.part(broadcast_requests),
        items=app.part(digest_requests),
        broadcasts=app.broadcasts,
        nudging=app.nudging,
        queues={PLAN_QUEUE: app.plans, SEND_QUEUE: app.sends, INSTALL_QUEUE: app.installs},
        clock=app.clock,
    )
    return PoisonApi(app.poison, replay)
