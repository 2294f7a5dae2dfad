"""The client's address behind proxies: only trusted ones are believed, and no client can choose its own."""

from __future__ import annotations

import pytest

from salon.web.http.forwarded import HOPS, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "::1/128"])
CLIENT = "203.0.113.7"


@pytest.mark.parametrize(
    ("peer", "x_forwarded_for", "address"),
    [
        ("10.0.0.1", [CLIENT], CLIENT),
        ("10.0.0.1", [f"{CLIENT}, 10.0.0.2"], CLIENT),
        ("10.0.0.1", [CLIENT, "10.0.0.2, 10.0.0.3"], CLIENT),
        ("10.0.0.1", [f"198.51.100.1, {CLIENT}"], CLIENT),  # what the client itself has sent
        ("10.0.0.1", [f"10.9.9.9, {CLIENT}"], CLIENT),
        ("10.0.0.1", [f"{CLIENT}:4711"], CLIENT),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", [f"::ffff:{CLIENT}"], CLIENT),
        ("::1", [CLIENT], CLIENT),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [f"{CLIENT}, unknown"], "10.0.0.1"),
        ("10.0.0.1", [f"{CLIENT}, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["1.2.3.4.5"], "10.0.0.1"),
        (CLIENT, ["198.51.100.1"], CLIENT),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_it_is_the_nearest_that_is_no_proxy_of_ours(
    peer: str, x_forwarded_for: list[str], address: str
) -> None:
    assert PROXIES.address(peer, (), x_forwarded_for) == address
    assert TrustedProxies().address(peer, (), x_forwarded_for) == peer


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([f"for={CLIENT}"], CLIENT),
        ([f"For={CLIENT};proto=https;by=10.0.0.1"], CLIENT),
        ([f'proto=https; for="{CLIENT}:80"'], CLIENT),
        (['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        ([f"for=198.51.100.1, for={CLIENT}, for=10.0.0.2"], CLIENT),
        ([f"for={CLIENT}", "for=10.0.0.2"], CLIENT),
        ([f'for={CLIENT}, for="_hidden"'], "10.0.0.1"),
        ([f"for={CLIENT}, proto=https"], "10.0.0.1"),
        ([f'for=198.51.100.1;x=", for={CLIENT}"'], "198.51.100.1"),
        (["nonsense"], "10.0.0.1"),
    ],
)
def test_the_standards_header_says_the_same(forwarded: list[str], address: str) -> None:
    assert PROXIES.address("10.0.0.1", forwarded) == address


def test_so_many_proxies_in_a_row_are_looked_at() -> None:
    for ours, address in ((HOPS - 1, CLIENT), (HOPS, "10.0.0.2")):
        hops = [CLIENT, *["10.0.0.2"] * ours]
        assert PROXIES.address("10.0.0.1", (), hops) == address
        assert PROXIES.scheme("10.0.0.1", (), hops, ["https", *["http"] * ours]) == (
            "https" if address == CLIENT else "http"
        )


def test_two_headers_that_differ_are_not_believed() -> None:
    assert PROXIES.address("10.0.0.1", [f"for={CLIENT}"], [CLIENT]) == CLIENT
    assert PROXIES.address("10.0.0.1", ["for=198.51.100.1"], [CLIENT]) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "x_forwarded_for", "x_forwarded_proto", "scheme"),
    [
        ([], [CLIENT], ["https"], "https"),
        ([], [], ["HTTPS"], "https"),
        ([], [], ["wss"], "https"),
        ([], [CLIENT], ["http"], "http"),
        ([], [f"{CLIENT}, 10.0.0.2"], ["https, http"], "https"),
        (
            [],
            [f"198.51.100.1, {CLIENT}"],
            ["https, http"],
            "http",
        ),  # the first is the client's word
        ([], [CLIENT], ["https, http"], None),
        ([], [], ["https", "https"], None),
        ([], [CLIENT], ["javascript"], None),
        ([], [CLIENT], [""], None),
        ([f"for={CLIENT};proto=https"], [], [], "https"),
        ([f'for={CLIENT}; Proto="https"'], [], [], "https"),
        ([f"for={CLIENT};proto=https, for=10.0.0.2;proto=http"], [], [], "https"),
        ([f"for=198.51.100.1;proto=https, for={CLIENT};proto=http"], [], [], "http"),
        (["for=_hidden;proto=https"], [], [], "https"),
        (["proto=https"], [], ["http"], None),  # two headers that differ
        ([f"for={CLIENT}"], [CLIENT], ["https"], "https"),
        ([f"for={CLIENT}"], [CLIENT], [], None),
        ([f'for={CLIENT};x=";proto=https"'], [], [], None),
    ],
)
def test_the_scheme_is_what_the_client_speaks_with_our_outermost_proxy(
    forwarded: list[str],
    x_forwarded_for: list[str],
    x_forwarded_proto: list[str],
    scheme: str | None,
) -> None:
    said = (forwarded, x_forwarded_for, x_forwarded_proto)
    assert PROXIES.scheme("10.0.0.1", *said) == scheme
    assert PROXIES.scheme(CLIENT, *said) is None
    assert TrustedProxies().scheme("10.0.0.1", *said) is None
