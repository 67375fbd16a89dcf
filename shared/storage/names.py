"""The names of all tables and queues, in one place: deployment, composition, triggers and tests agree by it."""

CONVERSATIONS = "Conversations"
BROADCASTS = "Broadcasts"
DIRECTORY = "Directory"
REJECTIONS = "Rejections"
POISON = "Poison"
PACE = "Pace"
INSTALLATIONS = "Installations"
AUDIENCES = "Audiences"
SCHEDULES = "Schedules"
DIGESTS = "Digests"
TABLES = (CONVERSATIONS, BROADCASTS, DIRECTORY, REJECTIONS, POISON, PACE, INSTALLATIONS, AUDIENCES, SCHEDULES, DIGESTS)

BROADCAST_QUEUE = "broadcasts"
PLAN_QUEUE = "plans"
SEND_QUEUE = "sends"
INSTALL_QUEUE = "installs"
DIGEST_ITEM_QUEUE = "digest-items"
BROADCAST_POISON_QUEUE = "broadcasts-poison"
PLAN_POISON_QUEUE = "plans-poison"
SEND_POISON_QUEUE = "sends-poison"
INSTALL_POISON_QUEUE = "installs-poison"
DIGEST_ITEM_POISON_QUEUE = "digest-items-poison"
QUEUES = (
    BROADCAST_QUEUE,
    PLAN_QUEUE,
    SEND_QUEUE,
    INSTALL_QUEUE,
    DIGEST_ITEM_QUEUE,
    BROADCAST_POISON_QUEUE,
    PLAN_POISON_QUEUE,
    SEND_POISON_QUEUE,
    INSTALL_POISON_QUEUE,
    DIGEST_ITEM_POISON_QUEUE,
)
