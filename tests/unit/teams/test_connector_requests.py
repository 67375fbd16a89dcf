"""Requests to the Bot Connector: addresses and bodies as Microsoft documents them, and the hosts that may have them."""

import orjson
import pytest
from yarl import URL

from shared.teams.protocol import (
    create_personal,
    create_thread,
    delete_activity,
    encode_message,
    is_trusted,
    quote_conversation_id,
    send_to,
    update_activity,
)

SERVICE_URL = "https://smba.trafficmanager.net/emea/"
APP_ID = "5c1a9d3e-7b42-4f0e-9a61-2d8e0c4b7f15"
TENANT = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"


def test_personal_conversation_is_asked_for_as_documented() -> None:
    request = create_personal(SERVICE_URL, app_id=APP_ID, member="29:1abc", tenant=TENANT)

    assert (request.method, request.url) == ("POST", "https://smba.trafficmanager.net/emea/v3/conversations")
    assert orjson.loads(request.body) == {
        "bot": {"id": f"28:{APP_ID}"},
        "members": [{"id": "29:1abc"}],
        "channelData": {"tenant": {"id": TENANT}},
    }


def test_thread_carries_the_activity_byte_for_byte() -> None:
    activity = b'{"type":"message",  "text":"as it was encoded"}'

    request = create_thread(SERVICE_URL, app_id=APP_ID, channel="19:c@thread.tacv2", tenant=TENANT, activity=activity)

    assert activity in request.body
    assert orjson.loads(request.body) == {
        "isGroup": True,
        "bot": {"id": f"28:{APP_ID}"},
        "channelData": {"channel": {"id": "19:c@thread.tacv2"}, "tenant": {"id": TENANT}},
        "activity": {"type": "message", "text": "as it was encoded"},
    }


def test_message_goes_to_the_quoted_conversation_unchanged() -> None:
    quoted = quote_conversation_id("19:c@thread.tacv2;messageid=17")

    request = send_to(SERVICE_URL, quoted, b'{"type":"message"}')

    assert request.body == b'{"type":"message"}'
    assert URL(request.url, encoded=True).raw_path == (
        "/emea/v3/conversations/19%3Ac%40thread.tacv2%3Bmessageid%3D17/activities"
    )


def test_service_url_may_lack_its_slash() -> None:
    assert send_to(SERVICE_URL.rstrip("/"), "a", b"").url == send_to(SERVICE_URL, "a", b"").url


def test_messages_are_edited_and_taken_back_by_their_ids() -> None:
    edit = update_activity(SERVICE_URL, "a%3A1", "17", b"{}")
    recall = delete_activity(SERVICE_URL, "a%3A1", "17")

    assert (edit.method, recall.method) == ("PUT", "DELETE")
    assert edit.url == recall.url == "https://smba.trafficmanager.net/emea/v3/conversations/a%3A1/activities/17"


def test_text_is_encoded_as_markdown() -> None:
    assert orjson.loads(encode_message(text="**Lunch** is served")) == {
        "type": "message",
        "text": "**Lunch** is served",
        "textFormat": "markdown",
    }


def test_card_is_encoded_with_its_summary_and_alert() -> None:
    card = {"type": "AdaptiveCard", "version": "1.5", "body": []}

    assert orjson.loads(encode_message(card=card, summary="Lunch", alert=True)) == {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
        "summary": "Lunch",
        "channelData": {"notification": {"alert": True}},
    }


def test_text_with_a_card_is_refused_because_teams_would_split_it() -> None:
    with pytest.raises(ValueError, match="either text or a card"):
        encode_message(text="Lunch", card={"type": "AdaptiveCard"})


HOSTS = frozenset({"smba.trafficmanager.net", "127.0.0.1:5001", "localhost", "[::1]:5001"})
ADDRESSES = [
    # Teams' own host, in any letter case and with its scheme's port.
    ("https://smba.trafficmanager.net/teams/", True),
    ("https://SMBA.trafficmanager.net:443/teams/", True),
    # A token never travels in the clear.
    ("http://smba.trafficmanager.net/teams/", False),
    # Another port is another service.
    ("https://smba.trafficmanager.net:8443/teams/", False),
    # The name must be the whole name.
    ("https://smba.trafficmanager.net.attacker.example/teams/", False),
    ("https://attacker.example/smba.trafficmanager.net/", False),
    # Credentials in an address hide its host from a reader.
    ("https://smba.trafficmanager.net@attacker.example/teams/", False),
    ("https://user@smba.trafficmanager.net/teams/", False),
    ("https://attacker.example\\@smba.trafficmanager.net/", False),
    # Loopback may be addressed without TLS, at the port that is listed.
    ("http://127.0.0.1:5001/teams/", True),
    ("http://[::1]:5001/teams/", True),
    ("http://127.0.0.1:5002/teams/", False),
    ("http://localhost/teams/", True),
    # What is no address at all.
    ("smba.trafficmanager.net", False),
    ("https://smba.trafficmanager.net:99999/", False),
    ("file://smba.trafficmanager.net/etc/passwd", False),
    ("", False),
]


@pytest.mark.parametrize(("url", "trusted"), ADDRESSES)
def test_tokens_go_to_listed_hosts_alone(url: str, trusted: bool) -> None:
    assert is_trusted(url, HOSTS) is trusted
