"""Chains of certificates are judged as OpenSSL judges them: the same decision, number and depth, for each of
chain_cases.py's chains under every set of flags that ssl has. What differs on purpose stands in DIFFERENT."""

import pathlib
import subprocess

import certificate_maker
import chain_cases
import openssl_verify
import pytest

NOW = int(certificate_maker.NOW.timestamp())
LEAF, CHAIN, STRICT, PARTIAL = 0x4, 0xc, 0x20, 0x80000
SETTINGS = [{}, {"flags": PARTIAL}, {"flags": STRICT}, {"flags": STRICT | PARTIAL}, {"client": True},
            {"client": True, "flags": STRICT | PARTIAL}, *({"level": level} for level in range(1, 6))]
LISTED = [{"flags": flags} for flags in (LEAF, CHAIN, CHAIN | PARTIAL, CHAIN | STRICT)]

# Cases in which the verdict is another one than OpenSSL's, and why. All of them are refused here.
_PARSER = "mbedTLS does not take such a certificate (RFC 5280 has no such form), so the handshake ends before"
_NOT_KNOWN = "mbedTLS has neither the algorithm nor the curve"
_LISTS = "mbedTLS does not take lists with critical extensions, so there is none: refused where lists are asked for"
DIFFERENT = {
    "authority of leaf: empty": _PARSER, "authority of leaf: broken": _PARSER, "middle: usage broken": _PARSER,
    "middle: no CA with length": _PARSER, "trusted middle: no CA with length": _PARSER,
    "root: no CA with length": _PARSER, "leaf: length without CA": _PARSER, "leaf trusted: length without CA": _PARSER,
    "leaf: for none": _PARSER, "leaf trusted: for none": _PARSER, "leaf: names broken": _PARSER,
    "leaf trusted: names broken": _PARSER, "middle without subject": _PARSER, "constraints: odd address": _PARSER,
    "constraints: odd address, of root": _PARSER, "list: unknown critical": _LISTS, "list: critical scope": _LISTS,
    "not known: Ed25519 signs": _NOT_KNOWN, "not known: Ed25519 is the leaf's": _NOT_KNOWN,
    "not known: P-224 signs": _NOT_KNOWN, "not known: P-224 is the leaf's": _NOT_KNOWN,
}

# Before 3.0.22 OpenSSL took a list of changes for a whole one, and looked no further in a folder than to a file that is
# none. (what it says, what we say) of the cases that this is about.
IS_OLD = openssl_verify.VERSION < (3, 0, 22)
OLD_VERDICTS = {"list: delta": (23, 3)} if IS_OLD else {}


@pytest.fixture(scope="module")
def program(limpet):
    path = pathlib.Path(limpet).parent / "unit/verify_chain"
    if not path.exists():
        path = pathlib.Path(limpet).parent / "fast/unit/verify_chain"
    if not path.exists():
        pytest.skip("verify_chain is not built")
    return path


def settings_of(case):
    yield from SETTINGS
    if any(label == "X509 CRL" for _, label in case.trust):
        yield from LISTED
    for host in case.hosts:
        for host_flags in case.host_flags:
            yield {"host": host, "host_flags": host_flags}


def judge(program, chain, settings, trust):
    """The words of each answer."""
    words = [program, chain, f"now={NOW}"] + ([f"trust={trust}"] if trust else [])
    for setting in settings:
        words += ["--", *(f"{key.replace('_', '-')}={int(value) if isinstance(value, bool) else value}"
                          for key, value in setting.items())]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    answers = [line.split(None, 3) for line in result.stdout.splitlines()]
    assert len(answers) == len(settings)
    return answers


def compare(program, case, folder):
    """What differs, as lines."""
    chain, trust = folder / "chain.pem", folder / "trust.pem"
    chain.write_text("".join(map(certificate_maker.pem, case.chain)))
    trust.write_text("".join(certificate_maker.pem(der, label) for der, label in case.trust))
    trust = trust if case.trust else None
    settings = list(settings_of(case))
    for setting, answer in zip(settings, judge(program, chain, settings, trust)):
        expected = openssl_verify.verify(case.chain, now=NOW, trust=trust, **setting)
        found = None if answer[0] == "unparsed" else tuple(map(int, answer[:3]))
        assert found is None or answer[3] == openssl_verify.text(found[0])
        if expected and found and OLD_VERDICTS.get(case.name) == (expected[0], found[0]):
            continue
        # What OpenSSL does not take at all must not be good here, whatever the reason is.
        if found != expected and not (expected is None and found[0] != 0):
            yield found, f"{setting}: OpenSSL says {expected}, we say {found}"


@pytest.mark.unsanitized(reason="most of it is openssl; fuzz_tls_verify has such chains")
@pytest.mark.parametrize("group", chain_cases.GROUPS)
def test_as_openssl(program, tmp_path, group):
    wrong = []
    for case in chain_cases.cases_of(group):
        answers = list(compare(program, case, tmp_path))
        if case.name in DIFFERENT:
            assert answers, f"{case.name}: no difference any more; take it out of the table"
            assert all(found is None or found[0] != 0 for found, _ in answers), case.name
        elif answers:
            wrong.append(f"{case.name}: {len(answers)} verdicts; {answers[0][1]}")
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(wrong)


def test_folders(program, tmp_path):
    """Authorities and lists in a folder, by the hash of their name."""
    root, list_der = chain_cases.ROOT_DER, chain_cases.MIDDLE.revoke(77)
    hashes = {}
    for what, der, label, kind in (("root", root, "CERTIFICATE", "x509"), ("list", list_der, "X509 CRL", "crl")):
        file = tmp_path / f"{what}.pem"
        file.write_text(certificate_maker.pem(der, label))
        hashes[what] = subprocess.run(["openssl", kind, "-hash", "-noout", "-in", file], capture_output=True, text=True,
                                      check=True).stdout.strip()
    folder, chain = tmp_path / "folder", tmp_path / "chain.pem"
    folder.mkdir()
    der = [chain_cases.LEAF_DER, chain_cases.MIDDLE_DER]
    chain.write_text("".join(map(certificate_maker.pem, der)))
    twin = certificate_maker.Maker("Root", number=70)
    twin_der = twin.certify(twin, chain_cases.of_ca(twin, twin))

    def ours(flags=0):
        words = [program, chain, f"now={NOW}", f"folder={folder}", "--", f"flags={flags}"]
        answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.split()
        return tuple(map(int, answer[:3]))

    def both(flags=0):
        expected = openssl_verify.verify(der, now=NOW, folder=folder, flags=flags)
        assert ours(flags) == expected
        return expected[0]

    assert both() == 20
    (folder / f"{hashes['root']}.0").write_text("no certificate")
    assert both() == 20
    (folder / f"{hashes['root']}.1").write_text(certificate_maker.pem(twin_der))
    assert both() == 20
    (folder / f"{hashes['root']}.2").write_text(certificate_maker.pem(root))
    assert ours()[0] == 0
    if IS_OLD:
        (folder / f"{hashes['root']}.0").write_text(certificate_maker.pem(twin_der))
    assert both() == 0
    assert both(LEAF) == 3
    (folder / f"{hashes['list']}.r0").write_text(certificate_maker.pem(list_der, "X509 CRL"))
    assert both(LEAF) == 23
