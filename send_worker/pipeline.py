"""The pipeline's use cases, built once for an app."""

from dataclasses import dataclass

from send_worker.audience_pages import AudiencePages
from send_worker.closing import Closing
from send_worker.collecting import Collecting
from send_worker.counting import Counting
from send_worker.directory_calls import DirectoryCalls
from send_worker.directory_pages import DirectoryPages
from send_worker.named_people import NamedPeople
from send_worker.outside import sandbox, teams
from send_worker.planner import Planner
from send_worker.retention import Retention
from send_worker.sender import Sender
from send_worker.sweep import Sweep
from shared.composition import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Planner, sender and sweep of one process."""

    planner: Planner
    sender: Sender
    sweep: Sweep


def build_pipeline(app: App) -> Pipeline:
    """Build the pipeline of an app."""
    store, clock = app.broadcasts, app.clock
    calls = DirectoryCalls(app.graph)
    pages = AudiencePages(app.conversations, store, clock, directory=DirectoryPages(calls), names=NamedPeople(calls))
    return Pipeline(
        planner=Planner(
            store,
            collecting=Collecting(store.runs, pages, clock),
            lookup=app.lookup,
            closing=Closing(store, app.directory, app.nudging, clock),
            counting=Counting(store, clock),
            nudging=app.nudging,
            clock=clock,
            scopes=app.settings.install_scopes,
        ),
        sender=Sender(
            store,
            outside=teams(app),
            sandbox=sandbox(app),
            nudging=app.nudging,
            clock=clock,
        ),
        sweep=Sweep(store, app.directory, app.pacers, app.nudging, clock),
    )


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
