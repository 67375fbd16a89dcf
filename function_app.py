"""Herald's functions: registers the blueprints, nothing else."""

import azure.functions as func

from install_worker.blueprint import blueprint as install_worker
from messages.audience_blueprint import blueprint as audiences
from messages.blueprint import blueprint as messages
from messages.digest_blueprint import blueprint as digests
from messages.schedule_blueprint import blueprint as schedules
from messages.watching_blueprint import blueprint as watching
from send_worker.blueprint import blueprint as send_worker

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(messages)
app.register_functions(audiences)
app.register_functions(schedules)
app.register_functions(digests)
app.register_functions(watching)
app.register_functions(send_worker)
app.register_functions(install_worker)
