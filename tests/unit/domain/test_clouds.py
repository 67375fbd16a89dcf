"""Clouds: every address is https, and a token never leaves its cloud."""

from urllib.parse import urlsplit

import pytest

from shared.domain.clouds import CLOUDS, CloudName


@pytest.mark.parametrize("name", CloudName)
def test_every_cloud_is_known_with_https_addresses_alone(name: CloudName) -> None:
    cloud = CLOUDS[name]

    for address in (cloud.service_url, cloud.login_url, cloud.openid_metadata_url, cloud.graph_url):
        assert urlsplit(address).scheme == "https"
        assert urlsplit(address).hostname in cloud.own_hosts
    assert cloud.service_url.endswith("/")
    assert cloud.connector_scope.endswith("/.default")
    assert cloud.graph_scope == f"https://{urlsplit(cloud.graph_url).hostname}/.default"


@pytest.mark.parametrize(
    ("name", "host", "is_served"),
    [
        (CloudName.PUBLIC, "smba.trafficmanager.net", True),  # Its own.
        (CloudName.PUBLIC, "smba.infra.gcc.teams.microsoft.com", True),  # GCC has the public cloud's tokens.
        (CloudName.GCC, "smba.trafficmanager.net", True),  # And the other way round.
        (CloudName.PUBLIC, "smba.infra.gov.teams.microsoft.us", False),  # Another cloud's.
        (CloudName.GCC_HIGH, "smba.infra.gov.teams.microsoft.us", True),  # Its own.
        (CloudName.GCC_HIGH, "smba.trafficmanager.net", False),  # The public one's.
        (CloudName.GCC_HIGH, "smba.infra.dod.teams.microsoft.us", False),  # The neighbour's.
        (CloudName.DOD, "smba.infra.dod.teams.microsoft.us", True),  # Its own.
        (CloudName.PUBLIC, "graph.microsoft.com", False),  # Graph does not get the Connector's token.
    ],
)
def test_the_connectors_token_is_for_the_clouds_own_hosts(name: CloudName, host: str, is_served: bool) -> None:
    assert (host in CLOUDS[name].service_hosts) is is_served


@pytest.mark.parametrize(
    ("name", "is_government"),
    [
        (CloudName.PUBLIC, False),  # The world's.
        (CloudName.GCC, False),  # Authenticates like the public cloud.
        (CloudName.GCC_HIGH, True),  # With its own authorities.
        (CloudName.DOD, True),  # As well.
    ],
)
def test_government_clouds_have_authorities_of_their_own(name: CloudName, is_government: bool) -> None:
    cloud = CLOUDS[name]

    assert bool(cloud.channel_service) is is_government
    assert cloud.login_url.endswith(".us") is is_government
    assert cloud.token_issuer.endswith(".us") is is_government
    assert cloud.graph_scope.endswith(".us/.default") is is_government
    assert cloud.exchange_audience.endswith("USGov") is is_government
