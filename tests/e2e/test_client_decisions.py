"""Whom a TLS client in limpet talks to: every case of decision_cases.py decided by it and by an ordinary python3 with
OpenSSL, to the same end, for the same reason, in the same words. With -s the table of both is printed."""

import collections
import contextlib
import json
import os
import pathlib
import re
import subprocess
import types

import pytest
from decision_cases import CASES
from decision_deviations import DEVIATIONS
from decision_sites import Farm
from server import eventually
from tls_peers import ENVIRONMENT, Nginx, s_server

pytestmark = pytest.mark.unvalidated(reason="no application")

SCRIPT = pathlib.Path(__file__).parent / "applications/decision_client.py"
TIMEOUT_S = 120
# Of what is compared, all but these have to be the same whatever was decided. Times and identifiers are of the moment.
DECIDED = ("decision", "stage", "class", "verify_code", "alert")
WORDS = ("verify_message", "reason", "library", "text", "bases", "errno")
OPENSSL_NUMBERS = "setup"  # in this stage errno is a number of OpenSSL's table of reasons
SEEN = ("version", "cipher", "cipher_version", "bits", "alpn", "certificate", "digest", "sent", "verified", "reused",
        "binding", "compression", "status")


class Client:
    """A Python that decides one case after the other; a new one where the last has ended."""

    def __init__(self, *command):
        self._command = [*map(str, command), str(SCRIPT)]
        self._process = None

    def decide(self, task):
        if self._process is None:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             env={**os.environ, **ENVIRONMENT}, text=True)
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            return {"decision": "none", "stage": "none", "class": f"ended with status {self.close()}"}
        return json.loads(line)

    def close(self):
        if self._process is None:
            return None
        self._process.stdin.close()
        status = self._process.wait(TIMEOUT_S)
        self._process.stdout.close()
        self._process = None
        return status


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """farm, and address(name) of a site; an s_server is started when it is first wanted."""
    folder = tmp_path_factory.mktemp("decisions")
    farm = Farm(folder)
    for name in ("missing", "key"):
        farm.files[name] = folder / name
    farm.files["key"].write_bytes(farm.root.key.read_bytes())
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(Nginx(folder, farm.sites))
        started = {}

        def address(name):
            if name in farm.others and name not in started:
                started[name] = stack.enter_context(s_server(*farm.others[name]))
            return started.get(name) or nginx.address(name)

        yield types.SimpleNamespace(farm=farm, nginx=nginx, address=address)


@pytest.fixture(scope="module")
def decided(sites, limpet):
    """decided(who, case): the answer of "ordinary" or "limpet", which is asked once."""
    clients = {"ordinary": Client("/usr/bin/python3"), "limpet": Client(limpet, "python")}
    answers = collections.defaultdict(dict)

    def ask(client, case):
        address = sites.address(case.site)
        seen = len(sites.nginx.log)
        answer = client.decide(case.task(sites.farm, address))
        if answer["stage"] == "handshake" and case.site not in sites.farm.others:
            answer["alert"] = alert_at(sites.nginx, address, seen)
        return answer

    def decide(who, case):
        if str(case) not in answers[who]:
            answers[who][str(case)] = ask(clients[who], case)
        return answers[who][str(case)]

    yield decide
    assert {who: client.close() or 0 for who, client in clients.items()} == {"ordinary": 0, "limpet": 0}
    print("\n" + table(answers))


def alert_at(nginx, address, seen):
    """The number of the alert that nginx was sent at this address, by what it wrote in its log from this position on;
    None: it was not sent any."""
    ending = re.compile(rf".* SSL handshaking, client: unix:, server: unix:{re.escape(address)}\n")
    eventually(lambda: ending.search(nginx.log, seen))
    alert = re.search(r"SSL alert number (\d+)", ending.search(nginx.log, seen)[0])
    return int(alert[1]) if alert else None


def brief(answer):
    """A decision in a word or two."""
    if answer["decision"] == "accept":
        return f"accept {answer['version']} {answer['cipher']}"
    return " ".join(str(each) for each in (
        answer["decision"], answer["class"], answer.get("verify_code") or answer.get("reason") or "") if each)


def table(answers):
    lines = [f"{'case':<44} {'ordinary python3':<72} limpet"]
    for name, ordinary in answers["ordinary"].items():
        other = answers["limpet"].get(name)
        same = other and brief(other) == brief(ordinary)
        lines.append(f"{name:<44} {brief(ordinary):<72} {'=' if same else brief(other) if other else '-'}")
    return "\n".join(lines)


def test_cases_have_names_of_their_own():
    counts = collections.Counter(map(str, CASES))
    assert [name for name, count in counts.items() if count > 1] == []
    assert set(DEVIATIONS) <= set(counts)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_ordinary_python_decides_as_the_case_means(decided, case):
    answer = decided("ordinary", case)
    if case.expect == "ok":
        assert answer["decision"] == "accept", json.dumps(answer)
    elif case.expect != "*":
        assert answer["decision"] == "refuse", json.dumps(answer)
        assert case.expect in (answer["verify_code"], answer["reason"], answer["class"]), json.dumps(answer)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_limpet_decides_as_an_ordinary_python(decided, case):
    ordinary, answer = decided("ordinary", case), decided("limpet", case)
    deviation = DEVIATIONS.get(str(case))
    if deviation is None:
        names = [name for name in DECIDED + WORDS + SEEN
                 if name != "errno" or ordinary["stage"] != OPENSSL_NUMBERS or ordinary["class"] != "SSLError"]
    else:
        for name, value in deviation.differs.items():
            assert answer.get(name) == value != ordinary.get(name), (answer, ordinary)
        names = [name for name in deviation.same if name not in deviation.differs]
    assert {name: answer.get(name) for name in names} == {name: ordinary.get(name) for name in names}
