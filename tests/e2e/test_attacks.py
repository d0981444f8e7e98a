"""A little of each attack of tests/attack (./build.sh attack), beside a client that asks all the time: it gets every
answer, the worker stays who it is and within the memory that its limits allow, and everything is given back. How quick
it is under attack, the long run says."""

import os
import pathlib
import resource
import sys
import zlib

import pytest
from raw_client import Peer, request
from server import eventually, is_sanitized
from serving import serving
from steady_client import SteadyClient

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "attack"))
from attacked import SCENARIOS, Attacked, Attackers, bound, forget_peak, many_descriptors, memory  # noqa: E402

SECONDS, SLOW_SECONDS = 1, 2.5  # of an attack; and of one that limits of 2 s end
SCALE = 0.05 if is_sanitized() else 0.2
ENOUGH = 5  # answers that others get meanwhile, at least, on any machine

# A worker that has keys shows its memory and descriptors to nobody else.
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the worker's /proc")
pytestmark = pytest.mark.unvalidated(reason="not about the application")


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    before = many_descriptors()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def attacked(limpet, tmp_path_factory):
    """attacked(scenario) -> Attacked; those with the same settings have one server, one after the other."""
    subjects = {}
    with serving(limpet, False, tmp_path_factory.mktemp) as start:

        def find(scenario):
            settings = scenario.application, scenario.options
            if settings not in subjects:
                subjects[settings] = Attacked(start, tmp_path_factory.mktemp("attacked"), scenario)
            return subjects[settings]

        yield find


@needs_root
@pytest.mark.parametrize("name", SCENARIOS)
def test_others_are_served(attacked, name):
    scenario = SCENARIOS[name]
    seconds = SLOW_SECONDS if "--header-timeout" in scenario.options else SECONDS
    subject = attacked(scenario)
    with SteadyClient(subject.server) as warm:
        warm.wait_for(lambda bodies: len(bodies) > 50)
    descriptors, before = subject.server.descriptors(subject.worker), memory(subject.worker, "VmRSS")
    forget_peak(subject.worker)
    with Attackers(subject, name, seconds, SCALE) as attackers, SteadyClient(subject.server) as steady:
        counts = attackers.finish()
        answered = len(steady.bodies)
        steady.wait_for(lambda bodies: len(bodies) > answered)  # it is served behind it, too
    assert counts["connections"] > 0
    assert answered >= ENOUGH and set(steady.bodies) == {b"Hello, World!"}
    assert subject.is_same()
    grown = memory(subject.worker, "VmHWM") - before
    assert is_sanitized() or grown < bound(scenario, SCALE), f"{grown} KB"
    eventually(lambda: subject.server.descriptors(subject.worker) <= descriptors + 5)


@needs_root
def test_coded_bodies_stay_as_they_are(attacked):
    """What a client has compressed, nobody but the application inflates."""
    subject = attacked(SCENARIOS["coded-body"])
    body = zlib.compress(bytes(10 << 20), 9)
    before = memory(subject.worker, "VmRSS")
    forget_peak(subject.worker)
    with Peer(subject.server) as peer:
        for coding in ("gzip", "deflate", "zstd", "br"):
            answer = peer.ask(request("POST", "/length", body, f"Content-Encoding: {coding}"))
            assert answer.body == str(len(body)).encode()
    assert is_sanitized() or memory(subject.worker, "VmHWM") - before < 8 << 10


@pytest.mark.parametrize("size", [2000, 10000, 60000])
def test_percent_signs_are_no_work(attacked, size):
    """Answered or refused, and the next one is answered."""
    subject = attacked(SCENARIOS["percent-signs"])
    for sign in (b"%", b"%25", b"%zz", b"%00"):
        with Peer(subject.server) as peer:
            peer.send(b"GET /" + sign * (size // len(sign)) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.head().status in (200, 400, 414)
    with Peer(subject.server) as peer:
        assert peer.ask(request("GET", "/")).status == 200
    assert subject.is_same()
