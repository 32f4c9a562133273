"""The gateway's plain parts: buckets, problems, waits, signatures, addresses."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.database.webhooks import check_url
from infra.gateway.limits import MAX_KEYS, TokenBuckets
from infra.gateway.metrics import Metrics
from infra.gateway.payloads import MOST_SECONDS, SLACK_SECONDS, Signer
from infra.gateway.problems import MEANINGS, Problem, meaning
from infra.gateway.webhooks.schedule import CAP_SECONDS, wait_seconds
from infra.gateway.webhooks.send import Answer, Sender, is_public
from infra.gateway.webhooks.sign import headers
from tasks.errors import UsageError


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.5, 50), st.integers(1, 20))
def test_a_key_never_gets_more_than_its_bucket_and_what_flows_in(waits, per_second, burst):
    now = [0.0]
    buckets = TokenBuckets(per_second, burst, clock=lambda: now[0])
    taken = 0
    for wait in waits:
        now[0] += wait
        left = buckets.take(b"a")
        taken += left == 0
        assert taken <= burst + now[0] * per_second + 1e-6
        if left > 0:  # who waits as long as it is told gets its turn
            now[0] += left + 1e-6
            assert buckets.take(b"a") == 0
            taken += 1
    assert buckets.take(b"b") == 0


def test_buckets_do_not_grow_without_end():
    buckets = TokenBuckets(1, 1, clock=lambda: 0.0)
    for n in range(MAX_KEYS + 50):
        buckets.take(str(n).encode())
    assert len(buckets._buckets) == MAX_KEYS


def test_every_meaning_is_an_answer():
    for state, found in MEANINGS.items():
        assert 400 <= found.status < 600
        assert meaning(state, False) is found
        assert found.status != 503 or found.headers["Retry-After"]
    assert meaning("42883", False) is None
    assert meaning(None, True).status == 503
    assert meaning("40P01", False).again


def test_a_problem_is_a_document():
    found = Problem(404, "no lease", errors=[{"pointer": "/a", "detail": "b"}]).document()
    assert found == {
        "type": "urn:labelrounds:problem:not-found", "title": "Not Found", "status": 404, "code": "NOT_FOUND",
        "detail": "no lease", "errors": [{"pointer": "/a", "detail": "b"}],
    }  # fmt: skip


@given(st.integers(0, 10_000), st.integers())
def test_waits_grow_up_to_a_limit(failures, seed):
    assert 0 <= wait_seconds(failures, random.Random(seed)) <= min(CAP_SECONDS, 5 * 2 ** min(failures, 20))


def test_a_day_has_twenty_tries_or_more():
    for seed in range(200):
        rng, total, tries = random.Random(seed), 0.0, 0
        while total < 86_400:
            total += wait_seconds(tries, rng)
            tries += 1
        assert 20 <= tries <= 120


def test_a_signature_is_that_of_standard_webhooks():
    """The example of the specification's own libraries."""
    found = headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }  # fmt: skip


def test_two_secrets_sign_both():
    both = headers(["whsec_AAAA", "whsec_BBBB"], "a", 1, b"{}")["webhook-signature"].split(" ")
    assert both == [
        headers([one], "a", 1, b"{}")["webhook-signature"] for one in ("whsec_AAAA", "whsec_BBBB")
    ]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "::1", "::",
        "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "224.0.0.1", "255.255.255.255", "ff02::1", "198.18.0.1",
    ],
)  # fmt: skip
def test_addresses_of_inner_networks_are_known(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_known(address):
    assert is_public(address)


@pytest.mark.parametrize("url", ["https://127.0.0.1:9/", "https://localhost:9/", "https://[::1]:9/x"])
def test_nothing_is_sent_into_our_own_network(url):
    answer = Sender(private=False).post(url, {}, b"{}")
    assert (answer.status, answer.outcome) == (None, "failed")
    assert "private network" in answer.error


def test_outcomes():
    assert [Answer(status).outcome for status in (200, 204, 302, 410, 500, None)] == [
        "sent", "sent", "failed", "gone", "failed", "failed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["http://a.example/", "ftp://a.example", "https://", "https://u:p@a.example/", "https://a.example/#x", "a",
     "https://a.example:99999/", "https://a.example/\n", "https://ä.example/", "https://[::1/"],
)  # fmt: skip
def test_addresses_of_receivers_are_checked(url):
    with pytest.raises(UsageError):
        check_url(url, private=False)


def test_plain_http_is_for_private_receivers():
    check_url("http://10.0.0.1/x", private=True)
    check_url("https://a.example/x?y=1", private=False)


NOW = datetime(2026, 3, 1, tzinfo=UTC)


def sign(payload, seconds=600, allowed=frozenset()):
    asked = []

    def presign(uri, seconds):
        asked.append((uri, seconds))
        return f"https://s3/{uri}"

    signer = Signer(presign, allowed, frozenset({"ours"}), lambda: NOW)
    found = signer.sign(payload, (NOW + timedelta(seconds=seconds)).isoformat())
    return found, asked


def test_addresses_outlive_the_lease():
    found, asked = sign({"a": "s3://pool/1.png", "b": "text s3://pool/2"})
    assert found["payload_urls"] == {"a": "https://s3/s3://pool/1.png"}
    assert asked == [("s3://pool/1.png", 600 + SLACK_SECONDS)]
    assert found["payload_urls_expire_at"] == (NOW + timedelta(seconds=900)).isoformat()


def test_addresses_end_after_seven_days():
    assert sign({"a": "s3://pool/1"}, 10**7)[1] == [("s3://pool/1", MOST_SECONDS)]
    assert sign({"a": "s3://pool/1"}, -50)[1] == [("s3://pool/1", SLACK_SECONDS)]


def test_what_is_ours_is_not_signed():
    assert sign({"a": "s3://ours/model", "b": 7, "c": None, "d": "s3://x", "e": ["s3://pool/1"]})[0] == {
        "payload_urls": {}, "payload_urls_expire_at": None,
    }  # fmt: skip
    assert set(
        sign({"a": "s3://pool/1", "b": "s3://other/1"}, allowed=frozenset({"pool"}))[0]["payload_urls"]
    ) == {"a"}


def test_figures_are_text_for_prometheus():
    from prometheus_client.parser import text_string_to_metric_families as parse

    metrics = Metrics()
    metrics.count("GET", "/v1/leases", 200, 0.03)
    metrics.count("GET", "/v1/leases", 500, 3.0)
    metrics.count_try("sent")
    names = ("ready", "leased", "lapsed")
    figures = dict.fromkeys(
        [*(f"tasks_{name}" for name in names), "webhooks_disabled", "deliveries_pending", "deliveries_dead"],
        2,
    )
    page = metrics.page(lambda: __import__("json").dumps(figures | {"oldest_delivery_seconds": 1.5}))
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in parse(page) for s in f.samples}
    assert samples[("labelrounds_tasks_ready", ())] == 2
    name, route = "labelrounds_gateway_request_seconds", ("route", "/v1/leases")
    assert samples[(f"{name}_bucket", (("le", "0.05"), route))] == 1
    assert samples[(f"{name}_bucket", (("le", "+Inf"), route))] == 2
    assert samples[(f"{name}_count", (route,))] == 2
