"""The pipeline's use cases, built once for an app."""

from dataclasses import dataclass

from send_worker.audience_pages import AudiencePages
from send_worker.children import Children
from send_worker.closing import Closing
from send_worker.collecting import Collecting
from send_worker.connector_calls import ConnectorCalls
from send_worker.counting import Counting
from send_worker.digesting import Digesting
from send_worker.directory_pages import DirectoryPages
from send_worker.due_schedules import DueSchedules
from send_worker.emitting import Emitting
from send_worker.family_ends import FamilyEnds
from send_worker.lost_due_rows import LostDueRows
from send_worker.named_conversations import NamedConversations
from send_worker.old_items import OldItems
from send_worker.outside import sandbox, teams
from send_worker.plan_steps import PlanSteps
from send_worker.planner import Planner
from send_worker.retention import Retention
from send_worker.roster_pages import RosterPages
from send_worker.sender import Sender
from send_worker.splitting import Splitting
from send_worker.sweep import Sweep
from send_worker.team_groups import TeamGroups
from send_worker.walking import Walking
from shared.composition import App
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.mailbox_zones import MailboxZones
from shared.graph.named_people import NamedPeople


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Planner, sender, sweep and what runs due schedules, of one process."""

    planner: Planner
    sender: Sender
    sweep: Sweep
    due_schedules: DueSchedules


def build_pipeline(app: App) -> Pipeline:
    """Build the pipeline of an app."""
    store, clock = app.broadcasts, app.clock
    steps = PlanSteps(store)
    digesting = Digesting(
        store,
        items=app.digest_items,
        turns=app.digest_turns,
        snapshots=app.snapshots,
        steps=steps,
        lookup=app.lookup,
        clock=clock,
    )
    walking = Walking(store.runs, digesting=digesting, lookup=app.lookup, steps=steps)
    return Pipeline(
        planner=Planner(
            store,
            steps=steps,
            collecting=Collecting(store.runs, _build_pages(app), clock),
            digesting=digesting,
            emitting=Emitting(
                store,
                steps=steps,
                digesting=digesting,
                walking=walking,
                nudging=app.nudging,
                clock=clock,
                scopes=app.settings.install_scopes,
            ),
            splitting=Splitting(
                store,
                steps=steps,
                walking=walking,
                zones=MailboxZones(app.graph) if app.settings.mailbox_zones else None,
                clock=clock,
            ),
            children=Children(
                store,
                app.families,
                steps=steps,
                acceptance=app.acceptance,
                passing_on=app.passing_on,
                nudging=app.nudging,
                clock=clock,
            ),
            closing=Closing(
                store,
                directory=app.directory,
                digesting=digesting,
                family_ends=FamilyEnds(store, app.families, directory=app.directory, steps=steps, clock=clock),
                nudging=app.nudging,
                clock=clock,
            ),
            counting=Counting(store, clock),
            nudging=app.nudging,
            clock=clock,
        ),
        sender=Sender(
            store,
            outside=teams(app),
            sandbox=sandbox(app),
            nudging=app.nudging,
            clock=clock,
        ),
        sweep=Sweep(store, app.directory, app.pacers, app.nudging, clock),
        due_schedules=DueSchedules(
            app.schedules,
            app.calendars,
            acceptance=app.acceptance,
            rejections=app.rejections,
            clock=clock,
            tenants=app.settings.tenants,
            takes_names=app.settings.takes_names,
        ),
    )


def _build_pages(app: App) -> AudiencePages:
    """Build what reads the sources of audiences."""
    graph = DirectoryCalls(app.graph)
    connector = ConnectorCalls(app.connector, service_urls=app.lookup, pacers=app.pacers, clock=app.clock)
    teams = TeamGroups(graph, app.conversations, app.lookup)
    return AudiencePages(
        app.conversations,
        app.broadcasts,
        app.families,
        app.clock,
        directory=DirectoryPages(graph),
        rosters=RosterPages(connector, teams),
        people=NamedPeople(graph),
        named_conversations=NamedConversations(connector, teams),
    )


def build_lost_due_rows(app: App) -> LostDueRows:
    """Build what looks for schedules that the tick cannot see."""
    return LostDueRows(app.schedules, clock=app.clock, tenants=app.settings.tenants)


def build_old_items(app: App) -> OldItems:
    """Build what removes items that no digest took."""
    return OldItems(app.digest_items, clock=app.clock, tenants=app.settings.tenants)


def build_retention(app: App) -> Retention:
    """Build what removes an app's old rows."""
    return Retention(
        broadcasts=app.broadcasts,
        directory=app.directory,
        rejections=app.rejections,
        poison=app.poison,
        clock=app.clock,
        tenants=app.settings.tenants,
        keep=app.settings.retention,
    )
