"""What Teams posts to the bot, how it is signed, and the forgeries it can post."""

import aiohttp
import jwt
import pytest

from simulator.forgery import Forgery
from simulator.standin import StandIn
from tests.simulator.connector_caller import Inbox, a_bot


async def verified(teams: StandIn, inbox: Inbox, number: int = -1) -> dict[str, object]:
    """The claims of a request's token, checked with PyJWT against the keys that are served."""
    token = inbox.headers[number]["Authorization"].removeprefix("Bearer ")
    connector = aiohttp.TCPConnector(ssl=teams.ssl_context)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(teams.openid_metadata_url) as answer:
        metadata = await answer.json()
        async with session.get(metadata["jwks_uri"]) as keys:
            served = jwt.PyJWKSet.from_dict(await keys.json())
    key = served[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(
        token, key, algorithms=["RS256"], audience=teams.app_id, issuer="https://api.botframework.com"
    )
    return claims


async def test_activity_is_signed_like_the_real_service() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)
        await teams.say(person, "hello")

        claims = await verified(teams, inbox)

        assert claims["serviceurl"] == inbox.activities[0]["serviceUrl"] == teams.service_url


async def test_personal_install_posts_two_activities_with_every_datum_in_its_place() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)

        tally = await teams.install([person])

        assert (tally.posted, tally.failed) == (2, 0)
        install, update = inbox.activities
        assert (install["type"], install["action"]) == ("installationUpdate", "add")
        assert install["channelData"]["tenant"]["id"] == install["conversation"]["tenantId"] == teams.tenant_id
        assert install["conversation"]["id"] == person.chat_id
        assert install["conversation"]["conversationType"] == "personal"
        assert (install["from"]["id"], install["from"]["aadObjectId"]) == (person.user_id, person.object_id)
        assert install["recipient"]["id"] == f"28:{teams.app_id}"
        assert install["entities"][0]["locale"] == install["locale"] == person.locale
        assert "timezone" not in install["entities"][0]
        assert update["type"] == "conversationUpdate"
        assert {"id": f"28:{teams.app_id}"} in update["membersAdded"]
        assert "tenantId" not in update["conversation"]


async def test_message_carries_the_time_zone_of_its_author() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)

        await teams.say(person, "hello")

        (message,) = inbox.activities
        assert message["entities"][0]["timezone"] == message["localTimezone"] == person.zone
        assert (message["text"], message["from"]["name"]) == ("hello", person.name)
        assert inbox.headers[0]["x-ms-tenant-id"] == teams.tenant_id


async def test_uninstall_posts_a_removal() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        people = teams.add_people(3)
        await teams.install(people, notify=False)

        tally = await teams.uninstall(people)

        assert tally.posted == 3
        assert {activity["action"] for activity in inbox.activities} == {"remove"}


async def test_team_install_names_the_selected_channel() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        people = teams.add_people(2)
        team = teams.add_team("Kitchen", channels=["Menus"], members=people)

        await teams.install_in_team(team, people[0], channel_id=team.channels[1].id)
        await teams.uninstall_from_team(team, people[0])

        install, added, removed, uninstall = inbox.activities
        assert install["channelData"]["settings"]["selectedChannel"]["id"] == team.channels[1].id
        assert install["conversation"]["id"] == team.channels[1].id
        assert install["channelData"]["team"] == {"id": team.id, "name": "Kitchen", "aadGroupId": team.group_id}
        assert added["channelData"]["eventType"] == "teamMemberAdded"
        assert removed["membersRemoved"] == [{"id": f"28:{teams.app_id}"}]
        assert "settings" not in uninstall["channelData"]
        assert not team.installed


async def test_team_tells_of_its_members_and_its_name() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        adele, bruno = teams.add_people(2)
        team = teams.add_team("Kitchen", members=[adele])

        await teams.join_team(team, [bruno], adele)
        await teams.leave_team(team, [bruno], adele)
        await teams.rename_team(team, "Canteen", adele)

        added, removed, renamed = inbox.activities
        account = {"id": bruno.user_id, "aadObjectId": bruno.object_id}
        assert (added["membersAdded"], removed["membersRemoved"]) == ([account], [account])
        assert renamed["channelData"]["eventType"] == "teamRenamed"
        assert renamed["channelData"]["team"]["name"] == "Canteen"
        assert list(team.members) == [adele.object_id]


async def test_group_chat_mentions_the_bot() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        people = teams.add_people(2)
        chat = teams.add_chat("Lunch", members=people)

        await teams.install_in_chat(chat, people[0])
        await teams.say(people[1], "stop", where=chat.id)

        message = inbox.activities[-1]
        assert message["conversation"] == chat.conversation
        assert message["text"] == "<at>Herald</at> stop"
        assert message["entities"][1]["mentioned"]["id"] == f"28:{teams.app_id}"


async def test_invoke_brings_back_the_answer() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)
        inbox.body = {"statusCode": 200}

        answer = await teams.invoke(person, "adaptiveCard/action", {"action": {"verb": "ok"}}, reply_to="7")

        assert (answer.status, answer.body) == (200, {"statusCode": 200})
        assert inbox.activities[0]["replyToId"] == "7"


async def test_reaction_names_the_message() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)

        await teams.react(person, "7")

        assert inbox.activities[0]["reactionsAdded"] == [{"type": "like"}]
        assert inbox.activities[0]["replyToId"] == "7"


async def test_bot_in_trouble_is_asked_again() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)
        inbox.answers = [503]

        answer = await teams.say(person, "hello")

        assert (answer.status, len(inbox.activities)) == (200, 2)
        assert inbox.activities[0] == inbox.activities[1]


@pytest.mark.parametrize("forgery", [each for each in Forgery if each not in (Forgery.GENUINE, Forgery.MISSING)])
async def test_forged_token_does_not_stand_up_to_the_documented_checks(forgery: Forgery) -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)
        await teams.forge(forgery, person)

        try:
            claims = await verified(teams, inbox)
        except (jwt.PyJWTError, KeyError):
            return

        kid = jwt.get_unverified_header(inbox.headers[0]["Authorization"].removeprefix("Bearer "))["kid"]
        endorsed = next(key.endorsements for key in teams.world.bot_keys.keys if key.kid == kid)
        assert claims.get("serviceurl") != teams.service_url or "msteams" not in endorsed


async def test_genuine_token_stands_and_a_missing_one_is_missing() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        (person,) = teams.add_people(1)
        await teams.forge("genuine", person)
        await teams.forge("missing", person)

        assert (await verified(teams, inbox, 0))["serviceurl"] == teams.service_url
        assert "Authorization" not in inbox.headers[1]


async def test_mass_install_reuses_one_token() -> None:
    async with StandIn() as teams, a_bot(teams) as inbox:
        teams.add_people(200)

        tally = await teams.install(concurrency=20)

        assert tally.posted == 400
        assert len({headers["Authorization"] for headers in inbox.headers}) == 1
