"""What testssl.sh finds: nothing that it thinks is worth a warning, with certificates of both kinds."""

import json
import os
import re
import subprocess

from certificates import Authority

TIMEOUT = 1800  # seconds; three minutes where nobody else works

# What may have another severity than OK and INFO, and why.
ACCEPTED = {
    "DNS_CAArecord": "localhost is in no zone that could say which authorities may issue for it",
    "engine_problem": "of testssl.sh's own openssl, which has no GOST",
}

# What has to be among the findings, so that a scan which looked at nothing does not pass. Each with a pattern.
EXPECTED = {
    "SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered",
    "TLS1_2": "offered", "TLS1_3": "offered",
    "cipherlist_STRONG": "offered",
    "cert_keySize <cert#1>": "RSA 2048", "cert_keySize <cert#2>": "EC 256",
    "cert_trust <cert#1>": "Ok via SAN", "cert_trust <cert#2>": "Ok via SAN",
    "cert_chain_of_trust <cert#1>": "passed", "cert_chain_of_trust <cert#2>": "passed",
    "OCSP_stapling <cert#1>": "offered", "OCSP_stapling <cert#2>": "offered",
    "cert_mustStapleExtension <cert#1>": "supported", "cert_mustStapleExtension <cert#2>": "supported",
    "sessionresumption_ticket": "supported",
    "HSTS_time": "days",
    "heartbleed": "not vulnerable", "CCS": "not vulnerable", "ticketbleed": "not vulnerable", "ROBOT": "not vulnerable",
    "secure_renego": "supported", "secure_client_renego": "not vulnerable", "CRIME_TLS": "not vulnerable",
    "LUCKY13": "not vulnerable", "SWEET32": "not vulnerable", "FREAK": "not vulnerable", "DROWN": "not vulnerable",
}


def issue(authority, kind):
    """A certificate that says where its state is to be asked for, and that the answer to that is stapled."""
    status = "authorityInfoAccess = OCSP;URI:http://127.0.0.1:9/\ntlsfeature = status_request\n"
    return authority.issue("localhost", kind=kind, names=["localhost", "127.0.0.1"], extensions=status)


def options_of(authority, leaf):
    return ["--tls-certificate", leaf.chain, "--tls-key", leaf.key, "--tls-ocsp", authority.ocsp(leaf)]


def scan(tool, folder, server, root):
    """testssl.sh's findings."""
    out = folder / "findings.json"
    # It finds its server by the address; the name is for SNI and the certificate.
    command = [tool("testssl"), "--ip", "127.0.0.1", "--add-ca", root, "--warnings", "off", "--color", "0", "--quiet",
               "--nodns", "none", "--jsonfile", out, f"localhost:{server.port}"]
    done = subprocess.run(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT,
                          env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder)})
    assert done.returncode == 0, done.stdout[-4000:]
    return json.loads(out.read_text()), done.stdout


def test_testssl_finds_nothing(tool, serve, tmp_path):
    authority = Authority(tmp_path, kind="rsa:2048")
    leaves = [issue(authority, kind) for kind in ("ecdsa:P-256", "rsa:2048")]
    server = serve("--port", 0, "--workers", 2, "--hsts", "365d",
                   *(option for leaf in leaves for option in options_of(authority, leaf)))
    workers = server.workers()
    found, text = scan(tool, tmp_path, server, authority.certificate)
    bad = [finding for finding in found
           if finding["severity"] not in ("OK", "INFO") and finding["id"].partition(" ")[0] not in ACCEPTED]
    assert bad == [], text
    findings = {finding["id"]: finding["finding"] for finding in found}
    missing = {name: findings.get(name) for name, pattern in EXPECTED.items()
               if not re.search(pattern, findings.get(name, ""))}
    assert missing == {}, text
    assert server.workers() == workers and " error " not in server.log, server.log
