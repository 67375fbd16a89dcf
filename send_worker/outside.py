"""What deliveries meet outside their rows: real for messages in earnest, pretended for rehearsals in the sandbox."""

from dataclasses import dataclass

from send_worker.sandbox import Sandbox
from send_worker.speaker import Speaker
from send_worker.witness import Witness
from shared.composition import App
from shared.pacer import Pacers


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The slots of the pace, the way to Teams, and what is remembered of people."""

    pacers: Pacers
    speaker: Speaker
    witness: Witness


def teams(app: App) -> Outside:
    """Teams itself."""
    return Outside(
        pacers=app.pacers,
        speaker=Speaker(app.connector, app.conversations, app.windows, app.clock, app_id=app.settings.app_id),
        witness=Witness(app.conversations, app.clock),
    )


def sandbox(app: App) -> Outside:
    """The sandbox: slots of its own, so that it takes none from anybody."""
    pretended = Sandbox(app.settings.service_hosts)
    return Outside(
        pacers=app.sandbox_pacers,
        speaker=Speaker(pretended, pretended, pretended, app.clock, app_id=app.settings.app_id),
        witness=Witness(pretended, app.clock),
    )
