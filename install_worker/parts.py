"""The installer, built from what the composition offers; `App.part` keeps one per process."""

from install_worker.install_run import InstallRun
from install_worker.installer import Installer
from install_worker.records import Records
from shared.composition import App
from shared.work.brakes import Brakes
from shared.work.claim import Claim
from shared.work.heads import Heads
from shared.work.taking import Taking
from shared.work.walk import LaneWalk


def installer(app: App) -> Installer:
    """What gives people the app."""
    store, clock = app.broadcasts, app.clock
    heads = Heads(store, app.pacers, clock)
    brakes = Brakes(store, heads, clock)
    taking = Taking(store, heads, app.nudging, clock, installing=True)

    def begin(claim: Claim) -> InstallRun:
        records = Records(
            claim,
            catalog=app.catalog,
            brakes=brakes,
            conversations=app.conversations,
            installations=app.installations,
            clock=clock,
        )
        return InstallRun(
            claim,
            records,
            heads=heads,
            graph=app.graph,
            catalog=app.catalog,
            bind_url=app.settings.cloud.graph_url,
            scopes=app.settings.install_scopes,
            clock=clock,
        )

    return Installer(
        store,
        heads=heads,
        walk=LaneWalk(store, heads=heads, taking=taking, nudging=app.nudging, clock=clock),
        begin=begin,
        installations=app.installations,
        nudging=app.nudging,
        clock=clock,
    )
