"""The pipeline's use cases, built once for an app."""

from dataclasses import dataclass

from send_worker.audience_pages import StoredAudience
from send_worker.closing import Closing
from send_worker.planner import Planner
from send_worker.sender import Sender
from send_worker.speaker import Speaker
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
    store, clock, plans, sends = app.broadcasts, app.clock, app.plans, app.sends
    return Pipeline(
        planner=Planner(
            store,
            pages=StoredAudience(app.conversations),
            lookup=app.lookup,
            closing=Closing(store, app.directory, clock),
            plans=plans,
            sends=sends,
            clock=clock,
        ),
        sender=Sender(
            store,
            pacers=app.pacers,
            speaker=Speaker(app.connector, app.conversations, app_id=app.settings.app_id),
            sends=sends,
            plans=plans,
            clock=clock,
        ),
        sweep=Sweep(store, app.directory, plans=plans, sends=sends, clock=clock),
    )
