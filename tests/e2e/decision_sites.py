"""The sites that test_client_decisions.py calls: their certificates, good and bad, as nginx and s_server serve them.

    farm = Farm(folder)
    farm.sites             # of nginx
    farm.others            # {name: arguments of s_server}, what nginx cannot do
    farm.files["root"]     # paths of PEM files that clients load: authorities, lists of what is revoked
"""

import itertools
import ssl

from certificates import Authority, make_key, openssl
from tls_peers import Site

HOST = "server.test"
IDENTIFIERS = "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
NO_IDENTIFIERS = "subjectKeyIdentifier = none\nauthorityKeyIdentifier = none\n"
USAGE = "keyUsage = critical, keyCertSign, cRLSign\n"
CA = "basicConstraints = critical, CA:TRUE\n"
OLD = "ssl_ciphers ALL:@SECLEVEL=0;"  # lets nginx load weak keys and digests
RICH = """
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 1.2.3.4
authorityInfoAccess = OCSP;URI:http://ocsp.test/, OCSP;URI:http://ocsp2.test/, caIssuers;URI:http://ca.test/mid.der
crlDistributionPoints = URI:http://crl.test/1.crl, URI:http://crl.test/2.crl
subjectAltName = @names
[names]
DNS.1 = server.test
DNS.2 = *.server.test
IP.1 = 192.0.2.7
IP.2 = 2001:db8::7
email.1 = somebody@server.test
URI.1 = https://server.test/path?q=1
RID.1 = 1.2.3.4.5
otherName.1 = 1.3.6.1.5.5.7.8.5;UTF8:somebody
dirName.1 = directory
[directory]
C = DE
O = Ünïcødé
"""


class Farm:
    """Authorities, what they issue, and who serves it."""

    def __init__(self, folder):
        self._folder = folder
        self._numbers = itertools.count(1)
        self.sites, self.others, self.files = [], {}, {}
        self.root = Authority(folder, "Decision Root", extensions=CA + USAGE + "subjectKeyIdentifier = hash\n")
        self.mid = self.authority("Decision Intermediate")
        self.other = Authority(folder, "Other Root")
        self.files |= {"root": self.root.certificate, "mid": self.mid.certificate, "other": self.other.certificate}
        self._keys()
        self._times()
        self._trust()
        self._names()
        self._addresses()
        self._revoked()
        self._weak()
        self._chains()
        self._authorities()
        self._constraints()
        self._uses()
        self._strict()
        self._protocols()
        self._clients()
        self._rich()

    # --- how the rest is made ---

    def authority(self, name, extensions=CA + USAGE, parent=None, **options):
        """An intermediate one."""
        return (parent or self.root).intermediate(name, extensions=extensions + IDENTIFIERS, **options)

    def leaf(self, authority=None, name=HOST, extensions=IDENTIFIERS, **options):
        return (authority or self.mid).issue(name, extensions=extensions, **options)

    def file(self, *parts):
        """The path of a new PEM file of these: paths, bytes."""
        path = self._folder / f"chain-{next(self._numbers)}.pem"
        path.write_bytes(b"".join(part if isinstance(part, bytes) else part.read_bytes() for part in parts))
        return path

    def serve(self, name, leaf, chain=None, settings="", **options):
        """A site of nginx. chain: what it sends, paths; by default the leaf's own."""
        self.sites.append(Site(name, self.file(*chain) if chain else leaf.chain, leaf.key, settings, **options))

    def by_s_server(self, name, leaf, *arguments):
        self.others[name] = ["-cert", leaf.certificate, "-cert_chain", leaf.chain, "-key", leaf.key, *arguments]

    # --- the sites ---

    def _keys(self):
        for kind in ("rsa:2048", "rsa:4096", "ecdsa:P-256", "ecdsa:P-384", "ecdsa:P-521", "ed25519"):
            self.serve(kind.replace(":", "-").lower(), self.leaf(kind=kind))
        root = Authority(self._folder, "RSA Root", kind="rsa:2048")
        self.files["rsa-root"] = root.certificate
        for digest in ("sha256", "sha384", "sha512"):
            authority = root.intermediate(f"RSA {digest}", kind="rsa:2048")
            self.serve(f"by-rsa-{digest}", self.leaf(authority, digest=digest))

    def _times(self):
        self.serve("good", self.leaf())
        self.serve("expired", self.leaf(days=-1, since=-30))
        self.serve("not-yet", self.leaf(days=90, since=10))
        self.serve("expired-elsewhere", self.leaf(name="elsewhere.test", days=-1, since=-30))
        old_mid = self.authority("Expired Intermediate", days=-1, since=-30)
        self.serve("mid-expired", self.leaf(old_mid))
        old_root = Authority(self._folder, "Expired Root", days=-1, since=-30)
        self.files["old-root"] = old_root.certificate
        self.serve("root-expired", self.leaf(old_root.intermediate("Of the expired")))
        young_mid = self.authority("Intermediate to come", days=90, since=10)
        self.serve("mid-not-yet", self.leaf(young_mid))

    def _trust(self):
        alone = self.leaf(self_signed=True)
        self.files["self-signed"] = alone.certificate
        self.serve("self-signed", alone)
        unknown = self.leaf(self.other)
        self.serve("unknown", unknown)
        self.serve("unknown-with-root", unknown, [unknown.certificate, self.other.certificate])
        # Another authority, with another key, of the same name.
        twin = Authority(self._folder, "Decision Root")
        self.files["twin"] = twin.certificate
        self.files["both"] = self.file(self.other.certificate, self.root.certificate)
        capath = self._folder / "hashed"
        capath.mkdir()
        digest = openssl("x509", "-in", self.root.certificate, "-noout", "-hash").decode().strip()
        (capath / f"{digest}.0").write_bytes(self.root.certificate.read_bytes())
        self.files["capath"] = capath

    def _names(self):
        for name, names in {"wildcard": ["*.wild.test"], "partial": ["f*.wild.test"], "top": ["*.test"],
                            "inner": ["a.*.test"], "two": ["*.*.test"], "several": ["one.test", "two.test"],
                            "upper": ["SERVER.Test"], "idna": ["xn--bcher-kva.test"], "idna-wild": ["xn--*.test"],
                            "long": [f"{'a' * 63}.{'b' * 63}.test"]}.items():
            self.serve(name, self.leaf(name="x", names=names))
        self.serve("common-name", self.leaf(names=[]))
        self.serve("common-name-beside", self.leaf(names=["other.test"]))
        self.serve("common-name-beside-address", self.leaf(names=["192.0.2.1"]))
        for name in ("a", "b"):
            self.serve("sni", self.leaf(name=f"{name}.sni.test"), host=f"{name}.sni.test")

    def _addresses(self):
        self.serve("address", self.leaf(name="x", names=["127.0.0.1", "::1"]))
        self.serve("address-as-name", self.leaf(name="x", names=[], extensions="subjectAltName = DNS:127.0.0.1\n"))
        self.serve("address-as-common-name", self.leaf(name="127.0.0.1", names=[]))

    def _revoked(self):
        revoked = self.leaf()
        self.mid.revoke(revoked)
        self.serve("revoked", revoked)
        taken = self.authority("Revoked Intermediate")
        self.root.revoke(taken)
        self.serve("mid-revoked", self.leaf(taken))
        twin = Authority(self._folder, "Decision Intermediate")
        self.files |= {
            "crl-mid": self.mid.crl(), "crl-root": self.root.crl(), "crl-taken": taken.crl(),
            "crl-mid-old": self.mid.crl(days=-1, since=-9), "crl-mid-young": self.mid.crl(days=9, since=3),
            "crl-mid-forged": twin.crl()}

    def _weak(self):
        self.serve("rsa-1024", self.leaf(kind="rsa:1024"), settings=OLD)
        self.serve("sha1", self.leaf(digest="sha1"), settings=OLD)
        self.serve("mid-rsa-1024", self.leaf(self.authority("Weak Key", kind="rsa:1024")), settings=OLD)
        self.serve("mid-sha1", self.leaf(self.authority("Weak Digest", digest="sha1")), settings=OLD)
        # Nobody looks at the signature of what is trusted anyway.
        root = Authority(self._folder, "Weakly Signed Root", digest="sha1")
        self.files["sha1-root"] = root.certificate
        self.serve("root-sha1", self.leaf(root))
        weak = Authority(self._folder, "Weak Root", kind="rsa:1024")
        self.files["weak-root"] = weak.certificate
        self.serve("root-rsa-1024", self.leaf(weak), settings=OLD)

    def _chains(self):
        low = self.authority("Low", parent=self.mid)
        leaf = self.leaf(low)
        mid, root, own = self.mid.certificate, self.root.certificate, leaf.certificate
        for name, chain in {"three": [own, low.certificate, mid], "wrong-order": [own, mid, low.certificate],
                            "with-root": [own, low.certificate, mid, root],
                            "root-first": [own, root, mid, low.certificate],
                            "with-unneeded": [own, self.other.certificate, low.certificate, mid],
                            "twice": [own, low.certificate, low.certificate, mid, mid], "alone": [own],
                            "gap-below": [own, mid], "gap-above": [own, low.certificate]}.items():
            self.serve(f"chain-{name}", leaf, chain)
        self.files["low"] = low.certificate
        der = bytearray(leaf.der())
        der[-1] ^= 1
        forged = ssl.DER_cert_to_PEM_cert(bytes(der)).encode()
        self.serve("chain-forged", leaf, [forged, low.certificate, mid])
        foreign = self.leaf(self.other, key=leaf.key.read_bytes())
        self.serve("chain-of-another", foreign, [foreign.certificate, mid])
        # The same intermediate, signed anew by a root that nobody knows, and by ours: both paths are possible.
        cross = self.other.intermediate("Decision Intermediate", key=self.mid.key.read_bytes(),
                                        extensions=CA + USAGE + IDENTIFIERS)
        crossed = self.leaf()
        self.serve("chain-crossed", crossed, [crossed.certificate, cross.certificate, mid])
        self.serve("chain-crossed-last", crossed, [crossed.certificate, mid, cross.certificate])

    def _authorities(self):
        no_pathlen = "basicConstraints = critical, CA:TRUE, pathlen:0\n" + USAGE
        for name, extensions in {
                "no-ca": "basicConstraints = critical, CA:FALSE\n" + USAGE, "no-constraints": USAGE,
                "no-sign": CA + "keyUsage = critical, digitalSignature, cRLSign\n", "no-usage": CA,
                "for-clients": CA + USAGE + "extendedKeyUsage = clientAuth\n",
                "for-servers": CA + USAGE + "extendedKeyUsage = serverAuth\n",
                "uncritical": CA.replace("critical, ", "") + USAGE, "pathlen-0": no_pathlen}.items():
            self.serve(f"mid-{name}", self.leaf(self.authority(f"Intermediate {name}", extensions)))
        short = self.authority("Short", no_pathlen)
        self.serve("path-too-long", self.leaf(self.authority("Too Low", parent=short)))
        longer = self.authority("Longer", no_pathlen.replace("pathlen:0", "pathlen:1"))
        self.serve("path-fits", self.leaf(self.authority("Low Enough", parent=longer)))
        root = Authority(self._folder, "Short Root", extensions=no_pathlen)
        self.files["short-root"] = root.certificate
        self.serve("path-too-long-for-root", self.leaf(root.intermediate("One too many")))
        self.serve("leaf-as-authority", self.leaf(self._fake_authority()))

    def _fake_authority(self):
        """A leaf that signs."""
        return self.mid.intermediate("A leaf", extensions="basicConstraints = critical, CA:FALSE\n"
                                     "keyUsage = critical, digitalSignature\nextendedKeyUsage = serverAuth\n")

    def _constraints(self):
        def constrained(name, text, names, leaf_name="x"):
            authority = self.authority(f"Constrained {name}", CA + USAGE + f"nameConstraints = critical, {text}\n")
            self.serve(f"names-{name}", self.leaf(authority, name=leaf_name, names=names))

        constrained("permitted", "permitted;DNS:permitted.test", ["permitted.test", "a.permitted.test"])
        constrained("not-permitted", "permitted;DNS:permitted.test", ["permitted.test", "other.test"])
        constrained("excluded", "excluded;DNS:excluded.test", ["a.excluded.test"])
        constrained("not-excluded", "excluded;DNS:excluded.test", ["a.other.test"])
        constrained("similar", "excluded;DNS:excluded.test", ["notexcluded.test"])
        constrained("dot", "permitted;DNS:.permitted.test", ["a.permitted.test"])
        constrained("dot-bare", "permitted;DNS:.permitted.test", ["permitted.test"])
        constrained("wildcard-excluded", "excluded;DNS:a.excluded.test", ["*.excluded.test"])
        constrained("address", "permitted;IP:192.0.2.0/255.255.255.0", ["192.0.2.9"])
        constrained("wrong-address", "permitted;IP:192.0.2.0/255.255.255.0", ["198.51.100.9"])
        constrained("address-excluded", "excluded;IP:2001:db8::/ffff:ffff::", ["2001:db8::1"])
        constrained("common-name", "permitted;DNS:permitted.test", [], "other.test")
        constrained("common-name-no-host", "permitted;DNS:permitted.test", [], "Some Body")
        constrained("other-kind", "permitted;email:permitted.test", ["a.other.test"])

    def _uses(self):
        self.serve("for-clients", self.leaf(usage="client"))
        self.serve("for-any", self.leaf(usage="any"))
        self.serve("any-usage", self.leaf(usage="any", extensions="extendedKeyUsage = anyExtendedKeyUsage\n"))
        self.serve("only-encipherment", self.leaf(usage="any", extensions="keyUsage = critical, keyEncipherment\n"))
        self.serve("only-agreement", self.leaf(usage="any", extensions="keyUsage = critical, keyAgreement\n"))
        self.serve("only-certsign", self.leaf(usage="any", extensions="keyUsage = critical, keyCertSign\n"))
        self.serve("unhandled", self.leaf(extensions="1.2.3.4 = critical, ASN1:UTF8String:strange\n"))
        self.serve("strange", self.leaf(extensions=IDENTIFIERS + "1.2.3.4 = ASN1:UTF8String:strange\n"))
        self.serve("mid-unhandled", self.leaf(self.authority(
            "Strange", CA + USAGE + "1.2.3.4 = critical, ASN1:UTF8String:strange\n")))
        self.serve("must-staple", self.leaf(extensions=IDENTIFIERS + "tlsfeature = status_request\n"))

    def _strict(self):
        self.serve("no-identifiers", self.leaf(extensions=NO_IDENTIFIERS))
        self.serve("no-subject", self.leaf(name="", names=[HOST]))
        self.serve("no-authority-identifier", self.leaf(
            extensions="subjectKeyIdentifier = hash\nauthorityKeyIdentifier = none\n"))
        bare = Authority(self._folder, "Root without usage", extensions=CA + "subjectKeyIdentifier = hash\n")
        self.files["bare-root"] = bare.certificate
        self.serve("root-no-usage", self.leaf(bare))
        plain = Authority(self._folder, "Root without identifier", extensions=CA + USAGE + NO_IDENTIFIERS)
        self.files["plain-root"] = plain.certificate
        self.serve("root-no-identifier", self.leaf(
            plain, extensions="subjectKeyIdentifier = hash\nauthorityKeyIdentifier = issuer:always\n"))

    def _protocols(self):
        leaf, rsa = self.leaf(), self.leaf(kind="rsa:2048")
        self.serve("only-1.2", leaf, settings="ssl_protocols TLSv1.2;")
        self.serve("only-1.3", leaf, settings="ssl_protocols TLSv1.3;")
        self.serve("only-old", rsa, settings="ssl_protocols TLSv1 TLSv1.1;" + OLD)
        for name, ciphers in {"cbc": "ECDHE-RSA-AES128-SHA256", "cbc-sha1": "ECDHE-RSA-AES128-SHA",
                              "rsa-exchange": "AES128-GCM-SHA256", "chacha": "ECDHE-RSA-CHACHA20-POLY1305",
                              "ccm": "ECDHE-ECDSA-AES128-CCM:DHE-RSA-AES128-CCM",
                              "gcm-128": "ECDHE-RSA-AES128-GCM-SHA256",
                              "dhe": "DHE-RSA-AES128-GCM-SHA256", "none": "aNULL:@SECLEVEL=0"}.items():
            dh = f"ssl_dhparam {self._dh_file()};" if name == "dhe" else ""
            self.serve(f"cipher-{name}", rsa, settings=f"ssl_protocols TLSv1.2; ssl_ciphers {ciphers};{dh}")
        for curve in ("X25519", "prime256v1", "secp384r1", "secp521r1", "X448"):
            self.serve(f"curve-{curve.lower()}", leaf, settings=f"ssl_ecdh_curve {curve};")
        self.serve("alpn", leaf, more=" http2")
        self.by_s_server("no-alpn", leaf)
        self.by_s_server("alpn-other", leaf, "-alpn", "imap,other")
        self.by_s_server("many-suites", leaf, "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-no_tls1_2")
        self.by_s_server("chacha-1.3", leaf, "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
        self.by_s_server("no-tickets", leaf, "-num_tickets", "0")

    def _dh_file(self):
        """ffdhe2048, which needs no search."""
        path = self._folder / "dh.pem"
        if not path.exists():
            path.write_bytes(openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048"))
        return path

    def _clients(self):
        leaf = self.leaf()
        verify = f"ssl_client_certificate {self.root.certificate}; ssl_verify_depth 3; ssl_verify_client "
        self.serve("client-wanted", leaf, settings=verify + "on;")
        self.serve("client-wanted-1.2", leaf, settings="ssl_protocols TLSv1.2;" + verify + "on;")
        self.serve("client-welcome", leaf, settings=verify + "optional;")
        for version in ("2", "3"):
            self.by_s_server(f"client-must-1.{version}", leaf, "-Verify", 3, "-verify_return_error", "-CAfile",
                             self.root.certificate, f"-tls1_{version}")
        for name, client in {"client": self.leaf(name="Somebody", names=[], usage="client"),
                             "client-rsa": self.leaf(name="Somebody", names=[], usage="client", kind="rsa:2048"),
                             "client-other": self.leaf(self.other, name="Somebody", names=[], usage="client"),
                             "client-expired": self.leaf(name="Somebody", names=[], usage="client", days=-1, since=-9),
                             }.items():
            self.files |= {name: client.chain, f"{name}-key": client.key}

    def _rich(self):
        """A certificate of all that one can be made of, by another command than "openssl ca"."""
        folder = self._folder / "rich"
        folder.mkdir()
        (folder / "extensions").write_text(RICH)
        (folder / "key.pem").write_bytes(make_key("rsa:2048"))
        subject = ("/C=DE/ST=Bavaria/L=München/O=Ünïcødé, \"quoted\" <x>/OU=One+OU=Two/CN=server.test"
                   "/emailAddress=a@b.test")
        openssl("req", "-new", "-config", self.mid.folder / "openssl.cnf", "-key", folder / "key.pem", "-utf8", "-subj",
                subject, "-out", folder / "request")
        for name, serial in {"rich": "0x00ABCDEF0123456789", "rich-small-serial": "0x7"}.items():
            certificate = openssl("x509", "-req", "-in", folder / "request", "-CA", self.mid.certificate, "-CAkey",
                                  self.mid.key, "-set_serial", serial, "-days", 30, "-extfile", folder / "extensions")
            self.sites.append(Site(name, self.file(certificate, self.mid.certificate), folder / "key.pem"))
