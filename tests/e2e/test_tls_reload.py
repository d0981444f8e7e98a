"""New certificates in a running server: by SIGHUP, by ctl and by --tls-watch, in every process and at once, with nobody
interrupted; and files that are no good change nothing."""

import json
import os
import pathlib
import re
import shutil
import signal
import threading

import pytest
from certificates import certbot_layout, renew
from raw_client import request
from server import eventually, is_sanitized
from tls_client import Pki, ask_all, client_context, handshake, s_client, workers_of

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
READ_AGAIN = "certificates and keys were read again"
STAY = r"error supervisor\[\d+\] tls: the certificates stay as they were: (.*)\n"


class Site:
    """A server whose certificate and key are at paths that stay."""

    def __init__(self, serve, pki, folder, *options, leaf=None, target="over_tls:app", source=APPLICATIONS):
        self.pki, self.chain, self.key = pki, folder / "chain.pem", folder / "key.pem"
        self.leaf = leaf or pki.renewed()
        self.put(self.leaf)
        self.control = folder / "control"
        self.server = serve(target, "--working-dir", source, "--tls-certificate", self.chain, "--tls-key",
                            self.key, "--control-socket", self.control, *options)
        self.reloads = 0

    def put(self, leaf):
        for path, source in ((self.chain, leaf.chain), (self.key, leaf.key)):
            path.write_bytes(source.read_bytes())
            path.chmod(0o600)
        self.leaf = leaf

    def renew(self, **options):
        self.put(self.pki.renewed(**options))
        return self.leaf

    def hangup(self):
        self.reloads += 1
        self.server.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.server.log.count(READ_AGAIN) >= self.reloads)

    def refused(self, how=None):
        """The line that says why new ones are not taken."""
        count = len(re.findall(STAY, self.server.log))
        self.server.process.send_signal(signal.SIGHUP) if how is None else how()
        eventually(lambda: len(re.findall(STAY, self.server.log)) > count)
        lines = re.findall(STAY, self.server.log)
        assert len(lines) == count + 1
        return lines[-1]

    def serial(self):
        return self.ask()[1]

    def ask(self):
        """(pid, serial) of a new connection."""
        peer, body = handshake(self.server, client_context(self.pki))
        with peer:
            return json.loads(body)["pid"], peer.serial()

    def all_show(self, leaf):
        """Every worker does, or will in a moment."""

        def shown():
            eventually(lambda: self.serial() == leaf.serial())
            return self.ask()[0]

        ask_all(self.server, workers_of(self.server), shown)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def site(serve, pki, tmp_path):
    """site(*options) -> Site"""
    return lambda *options, **more: Site(serve, pki, tmp_path, *options, **more)


# --- it takes effect ---


@pytest.mark.parametrize("options", [[], ["--preload"]])
def test_hangup(site, options):
    """The same processes show the new certificate; connections that were there go on."""
    started = site("--workers", 3, *options)
    server, first = started.server, started.leaf
    before = server.workers()
    started.all_show(first)
    kept = [handshake(server, client_context(started.pki, version))[0] for version in ("TLSv1.2", "TLSv1.3")]
    started.renew()
    started.hangup()
    started.all_show(started.leaf)
    for peer in kept:
        with peer:
            assert peer.ask(request("POST", "/echo", b"x" * 50_000)).body == b"x" * 50_000
    assert server.workers() == before and started.leaf.serial() != first.serial()
    assert not re.search(r"error|warning (?!.* was stopped by SIGSTOP)", server.log), server.log


def test_successors_of_a_template_have_the_new_one(site):
    started = site("--workers", 2, "--preload")
    before = workers_of(started.server)
    started.renew()
    started.hangup()
    for pid in before:
        os.kill(pid, signal.SIGTERM)
        started.server.wait_for(rf"\(pid {pid}\) exited")
    eventually(lambda: len(workers_of(started.server)) == 2 and not set(before) & set(workers_of(started.server)))
    ask_all(started.server, workers_of(started.server), lambda: shows(started))


def shows(started):
    pid, serial = started.ask()
    assert serial == started.leaf.serial()
    return pid


def test_workers_that_start_meanwhile(site, tmp_path):
    """A reload while the application is loaded by another worker: that one has the new certificate in the end."""
    (tmp_path / "app.py").write_text("import os, over_tls\napp = over_tls.app\nos.write(2, b'it loads\\n')\n"
                                     "open('gate').read() if os.path.exists('gate') else None\n")
    shutil.copy(APPLICATIONS / "over_tls.py", tmp_path)
    started = site("--workers", 1, target="app:app", source=tmp_path)
    os.mkfifo(tmp_path / "gate")
    before, = workers_of(started.server)
    started.server.process.send_signal(signal.SIGUSR1)
    started.server.wait_for("(?s)it loads.*it loads")
    started.renew()
    started.hangup()
    (tmp_path / "gate").write_text("")
    started.server.wait_for(rf"\(pid {before}\) exited with status 0")
    eventually(lambda: started.serial() == started.leaf.serial())


def test_handshakes_during_many_reloads(site):
    """None fails, and each shows a certificate that was there."""
    started = site("--workers", 2)
    leaves = [started.leaf, *(started.pki.renewed() for _ in range(3))]
    problems, count, ending = [], [0], threading.Event()

    def visit():
        context = client_context(started.pki)
        while not ending.is_set() and not problems:
            try:
                peer, _ = handshake(started.server, context)
                with peer:
                    assert peer.serial() in {leaf.serial() for leaf in leaves}
                    count[0] += 1
            except Exception as error:
                problems.append(repr(error))

    visitors = [threading.Thread(target=visit) for _ in range(2)]
    for visitor in visitors:
        visitor.start()
    for number in range(20):
        started.put(leaves[number % len(leaves)])
        started.hangup()
    target = count[0] + 10
    eventually(lambda: count[0] > target or problems)
    ending.set()
    for visitor in visitors:
        visitor.join()
    assert problems == []


def test_certbot_renews(serve, pki, tmp_path):
    live = certbot_layout(tmp_path, pki.local)
    server = serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, "--tls-certificate", live)
    leaf, other = pki.renewed(), pki.root.issue("more.test")
    leaf.name = pki.local.name
    renew(live, leaf)
    renew(live, other)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(READ_AGAIN)
    for name, expected in (("localhost", leaf), ("more.test", other)):
        def shown():
            peer, _ = handshake(server, client_context(pki), name)
            with peer:
                return peer.serial() == expected.serial()
        eventually(shown)


def test_watch(site):
    """--tls-watch: as soon as the files fit together again."""
    started = site("--workers", 2, "--tls-watch")
    before = started.server.workers()
    started.renew()
    started.server.wait_for("certificates have changed and were read again")
    started.all_show(started.leaf)
    started.key.write_bytes(started.pki.renewed().key.read_bytes())
    started.server.wait_for("certificates have changed, the old ones stay: .*chain.pem: no private key")
    started.all_show(started.leaf)
    started.renew()
    started.server.wait_for("(?s)(?:changed and were read again.*){2}")
    started.all_show(started.leaf)
    assert started.server.workers() == before


def test_watch_of_certbots_folder(serve, pki, tmp_path):
    live = certbot_layout(tmp_path, pki.local)
    server = serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, "--tls-certificate", live,
                   "--tls-watch")
    for _ in range(2):
        leaf = pki.renewed()
        leaf.name = pki.local.name
        renew(live, leaf)

        def shown():
            peer, _ = handshake(server, client_context(pki))
            with peer:
                return peer.serial() == leaf.serial()

        eventually(shown)


# --- ctl and status ---


def test_ctl_and_status(site, run):
    started = site("--workers", 2)
    before, leaf = started.server.workers(), started.renew()
    done = run("ctl", "reload", "--control-socket", started.control)
    assert (done.returncode, done.stderr) == (0, ""), done
    started.server.wait_for(READ_AGAIN)
    started.all_show(leaf)
    assert started.server.workers() == before
    status = json.loads(run("status", "--json", "--control-socket", started.control).stdout)
    certificate, = status["certificates"]
    assert certificate["file"] == str(started.chain) and certificate["serial"].upper() == leaf.serial()
    table = run("status", "--control-socket", started.control).stdout
    assert re.search(r"certificate +localhost, 127\.0\.0\.1 \(ECDSA P-256\), .*(89|90) days", table), table


def test_status_after_a_refusal(site, run):
    started = site("--workers", 1)
    leaf = started.leaf
    started.chain.write_text("nothing")
    done = run("ctl", "reload", "--control-socket", started.control)
    started.server.wait_for(STAY)
    status = json.loads(run("status", "--json", "--control-socket", started.control).stdout)
    assert status["certificates"][0]["serial"].upper() == leaf.serial()
    assert done.returncode != 0 or done.stdout, "whoever asks is told something"


# --- what is no good ---


def test_bad_files_change_nothing(site, pki):
    """Each is refused as a whole with one line that names the file, and what was there stays."""
    started = site("--workers", 2)
    good, before = started.leaf, started.server.workers()
    other = pki.renewed()

    def spoil(chain=None, key=None):
        started.put(good)
        if chain is not None:
            started.chain.write_bytes(chain)
        if key is not None:
            started.key.write_bytes(key)

    expired = pki.renewed(days=-1, since=-30)
    cases = [
        (lambda: spoil(key=other.key.read_bytes()), "chain.pem: no private key"),
        (lambda: spoil(chain=other.chain.read_bytes()), "chain.pem: no private key"),
        (lambda: spoil(expired.chain.read_bytes(), expired.key.read_bytes()), "chain.pem.*expired"),
        (lambda: spoil(chain=b"\0garbage" * 100), "chain.pem"),
        (lambda: spoil(chain=b""), "chain.pem"),
        (lambda: spoil(chain=good.chain.read_bytes()[:300]), "chain.pem"),
        (lambda: spoil(key=good.key.read_bytes()[:100]), "key.pem"),
        (lambda: (spoil(), started.key.unlink()), "key.pem.*No such file"),
        (lambda: (spoil(), started.chain.unlink()), "chain.pem.*No such file"),
    ]
    for spoiled, pattern in cases:
        spoiled()
        line = started.refused()
        assert re.search(pattern, line), line
        assert str(started.chain.parent) in line
        assert started.serial() == good.serial()
    started.all_show(good)
    started.renew()
    started.hangup()
    started.all_show(started.leaf)
    assert started.server.workers() == before


# --- staples ---


def staple(server, version="-tls1_3"):
    """What "openssl s_client -status" says, without the parts that nobody asked for."""
    out = s_client(server, "-status", version, data=GET)
    assert "HTTP/1.1 200" in out
    return out


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_staple(site, pki, tmp_path, version):
    response = tmp_path / "response.der"
    leaf = pki.renewed()
    response.write_bytes(pki.root.ocsp(leaf).read_bytes())
    started = site("--workers", 1, "--tls-ocsp", response, leaf=leaf)
    out = staple(started.server, version)
    assert "OCSP Response Status: successful" in out and "Cert Status: good" in out
    first = re.search("Next Update: .*", out)[0]
    response.write_bytes(pki.root.ocsp(leaf, days=3).read_bytes())
    started.hangup()
    eventually(lambda: re.search("Next Update: .*", staple(started.server, version))[0] != first)
    pki.root.revoke(leaf)
    response.write_bytes(pki.root.ocsp(leaf).read_bytes())
    assert "revoked" in started.refused()


def test_no_staple(site):
    assert "OCSP response: no response sent" in staple(site("--workers", 1).server)


def test_staple_of_another_certificate(site, pki, tmp_path):
    """It is refused, with what came beside it."""
    response = tmp_path / "response.der"
    first = pki.renewed()
    response.write_bytes(pki.root.ocsp(first).read_bytes())
    started = site("--workers", 1, "--tls-ocsp", response, leaf=first)
    started.renew()
    assert "response.der" in started.refused()
    assert started.serial() == first.serial()


# --- dates ---


def test_expiry_is_told_in_time(site):
    started = site("--workers", 1)
    assert "expires in" not in started.server.log
    started.renew(days=13.5)
    started.hangup()
    told = started.server.wait_for(
        r"warning supervisor\[\d+\] tls: (\S+) \((.*)\) expires in (\d+) days, on \S+ \S+ UTC\n")
    assert told[1] == str(started.chain) and told[2] == "localhost, 127.0.0.1" and told[3] == "13"


# --- the end of others ---


def test_upgrade(serve, limpet, pki, tmp_path):
    """SIGUSR2: the successor reads the files by itself, and nobody is turned away."""
    binary = shutil.copy(limpet, tmp_path / "binary")
    started = Site(lambda *words: serve("serve", *words, binary=pathlib.Path(binary)), pki, tmp_path, "--workers", 1)
    before = started.ask()
    started.renew()
    started.server.process.send_signal(signal.SIGUSR2)
    started.server.follow()
    eventually(lambda: started.ask()[0] != before[0])
    assert started.serial() == started.leaf.serial()
    started.renew()
    started.hangup()
    eventually(lambda: started.serial() == started.leaf.serial())


def test_nothing_grows(site):
    """Descriptors and memory after many reloads."""
    started = site("--workers", 2)
    pids = [started.server.process.pid, *workers_of(started.server)]

    def resident(pid):
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * 4

    def reload(times):
        for _ in range(times):
            started.hangup()
        # The last of them has arrived when a new one is shown.
        started.renew()
        started.hangup()
        started.all_show(started.leaf)

    reload(70)  # some of those that were before are kept for whoever starts: 64
    before = [(started.server.descriptors(pid), resident(pid)) for pid in pids]
    reload(130)
    for pid, (descriptors, kilobytes) in zip(pids, before):
        eventually(lambda: started.server.descriptors(pid) <= descriptors)
        assert is_sanitized() or resident(pid) < kilobytes * 1.03 + 256
    assert [started.server.process.pid, *workers_of(started.server)] == pids
