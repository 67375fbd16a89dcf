import asyncio, random
from collections import Counter
from tests.unit.send_worker.test_pipeline import in_a_world
from shared.teams.protocol import encode_message
from shared.errors import RowConflict

async def wish(world, b, content):
    app = world.app()
    for _ in range(5):
        head = await app.broadcasts.head(b)
        await app.directory.open(b, tenant=head.tenant, opened_at=app.clock.now())
        if await app.broadcasts.revise(head, content=content, at=app.clock.now()): break
    head = await app.broadcasts.head(b)
    await app.nudging.wake(head, (await app.broadcasts.cursor(b)).cursor)

def test_many():
  for seed in range(25):
    rng = random.Random(seed)
    async def s(world):
        await world.install(range(600)); world.start(3)
        b = await world.accept(everyone=True)
        await asyncio.sleep(rng.uniform(1, 20))
        n = rng.randint(2, 6)
        for i in range(n):
            await asyncio.sleep(rng.choice([0.1, 0.7, 1.5, 2.5, 4]))
            await wish(world, b, encode_message(text=f"v{i}", card=None, summary="", alert=False))
        app = world.app()
        await world.finished(b)
        h = await app.broadcasts.head(b)
        texts = Counter(t for one in world.connector.texts.values() for t in one.values())
        bad = texts.keys() - {f"v{n-1}"}
        print(seed, n, "BAD" if bad else "ok", dict(texts), h.final_revised, h.final_outcomes)
    in_a_world(s)
