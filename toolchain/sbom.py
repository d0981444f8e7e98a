#!/usr/bin/python3
"""sbom.py - what a limpet binary is made of, as SPDX 2.3 JSON (https://spdx.github.io/spdx-spec/v2.3/).

    sbom.py --binary FILE --parts FILE --lock FILE --licences FOLDER --patches FOLDER --wheel FILE --python-source FILE
            --created SECONDS --output FILE

Beside limpet itself it lists each part (--parts: lines "name version licence", those of "limpet inspect") with its source and
the patches to it, what CPython has inside (its own Misc/sbom.spdx.json, out of its source), pip, and what that has inside.
The same input gives the same bytes: the only time in it is --created, the commit's.
"""

import argparse
import datetime
import hashlib
import importlib.util
import json
import os
import re
import sys
import tarfile
import zipfile

# As SPDX's list of licences calls what sources.lock calls otherwise. "public-domain" is no licence, so the list has none.
IDENTIFIERS = {"LGPL-2.1+": "LGPL-2.1-or-later", "public-domain": "LicenseRef-public-domain"}
EXTRACTED = {"LicenseRef-public-domain": "tzdata"}  # the part whose text says so
# Data in the archive; all other parts are linked in.
DATA = {"tzdata", "ca-certificates"}
INSIDE_PYTHON = "Misc/sbom.spdx.json"
NONE = "NOASSERTION"


def main(arguments):
    """Write it. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    for name in ("binary", "parts", "lock", "licences", "patches", "wheel", "python-source", "created", "output"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(arguments)
    try:
        document = describe(options)
    except (OSError, ValueError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        print(f"sbom.py: {error!r}", file=sys.stderr)
        return 1
    with open(options.output, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")
    return 0


def describe(options):
    """The document as a dict."""
    parts = [line.split(" ", 2) for line in read(options.parts).decode().splitlines()]
    version = dict((name, version) for name, version, _ in parts)["limpet"]
    digest = hashlib.sha256(read(options.binary)).hexdigest()
    sbom = Document(version, digest, int(options.created))
    sources = locked(options.lock)
    whole = expression(licence for _, _, licence in parts)
    for name, version, licence in parts:
        if name == "limpet":
            add_limpet(sbom, options.binary, version, (licence, whole), digest)
        elif name == "pip":
            add_pip(sbom, options.wheel, version, licence)
        else:
            add_part(sbom, name, version, licence, sources[name])
            add_patches(sbom, name, os.path.join(options.patches, f"{name}-{version}"))
    add_inside_python(sbom, options.python_source)
    for reference, part in EXTRACTED.items():
        text = read(os.path.join(options.licences, part)).decode("utf-8", "replace")
        sbom.document["hasExtractedLicensingInfos"].append(
            {"licenseId": reference, "name": reference.removeprefix("LicenseRef-"), "extractedText": text})
    return sbom.document


class Document:
    """The document while it grows."""

    def __init__(self, version, digest, created):
        """version: limpet's. digest: of the binary, which makes the document's name a unique one. created: seconds."""
        time = datetime.datetime.fromtimestamp(created, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.document = {
            "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0",
            "name": f"limpet-{version}", "documentNamespace": f"https://spdx.org/spdxdocs/limpet-{version}-{digest}",
            "creationInfo": {"created": time, "creators": [f"Tool: limpet-sbom-{version}"]},
            "packages": [], "files": [], "relationships": [], "hasExtractedLicensingInfos": [],
        }

    def package(self, name, version, licence, **more):
        """Add a package. Returns its SPDXID."""
        identity = identifier("Package", name)
        self.document["packages"].append({
            "SPDXID": identity, "name": name, "versionInfo": version, "downloadLocation": NONE, "filesAnalyzed": False,
            "licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": NONE,
            "supplier": NONE, **more})
        return identity

    def relate(self, subject, relation, other):
        """Add a relationship."""
        self.document["relationships"].append(
            {"spdxElementId": subject, "relationshipType": relation, "relatedSpdxElement": other})


def identifier(kind, name):
    """An SPDXID: letters, digits, dots and hyphens."""
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def expression(licences):
    """SPDX's expression for one file of parts under all of these licences, by their names in sources.lock."""
    terms = [IDENTIFIERS.get(licence, licence) for licence in dict.fromkeys(licences)]
    return " AND ".join(f"({term})" if " OR " in term else term for term in terms)


def read(path):
    """The content of a file."""
    with open(path, "rb") as file:
        return file.read()


def sha256(content):
    """A checksum as SPDX has it."""
    return {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}


def purl(kind, name, version, qualifiers=""):
    """externalRefs: what scanners know a package by."""
    return [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
             "referenceLocator": f"pkg:{kind}/{name}@{version.replace('+', '%2B')}{qualifiers}"}]


def locked(path):
    """{name: (sha256, archive's path in Debian, address or "-")} of sources.lock."""
    lines = [line.split() for line in read(path).decode().splitlines() if line.strip() and not line.startswith("#")]
    return {line[0]: (line[2], line[5], line[6]) for line in lines}


def add_limpet(sbom, binary, version, licences, digest):
    """limpet itself, with the checksum of the binary. licences: that of its own source, and that of the file."""
    executable = machine_of(binary)
    identity = sbom.package(
        "limpet", version, licences[0], licenseConcluded=licences[1], primaryPackagePurpose="APPLICATION",
        packageFileName=os.path.basename(binary),
        checksums=[{"algorithm": "SHA256", "checksumValue": digest}], comment=f"for {executable}, Linux, statically linked",
        externalRefs=purl("generic", "limpet", version, f"?arch={executable}"))
    sbom.relate("SPDXRef-DOCUMENT", "DESCRIBES", identity)


def machine_of(binary):
    """For which machine the binary is."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../packaging/machine.py")
    specification = importlib.util.spec_from_file_location("machine", path)
    machine = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(machine)
    return machine.name(read(binary))


def add_part(sbom, name, version, licence, source):
    """A part that is built from a source of sources.lock."""
    digest, archive, address = source
    identity = sbom.package(
        name, version, IDENTIFIERS.get(licence, licence), downloadLocation=NONE if address == "-" else address,
        packageFileName=os.path.basename(archive), checksums=[{"algorithm": "SHA256", "checksumValue": digest}],
        externalRefs=purl("generic", name, version), primaryPackagePurpose="FILE" if name in DATA else "LIBRARY",
        sourceInfo=f"built from Debian's source archive pool/main/{archive}, whose checksum this is")
    sbom.relate(identifier("Package", "limpet"), "CONTAINS" if name in DATA else "STATIC_LINK", identity)


def add_patches(sbom, part, folder):
    """What the part's source was changed by before it was built."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    names = [name for name in names if name.endswith(".patch")]
    for name in names:
        content = read(os.path.join(folder, name))
        identity = identifier("Patch", f"{part}-{name}")
        sbom.document["files"].append({
            "SPDXID": identity, "fileName": f"./toolchain/patches/{os.path.basename(folder)}/{name}", "fileTypes": ["SOURCE"],
            "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()}, sha256(content)],
            "licenseConcluded": NONE, "licenseInfoInFiles": [NONE], "copyrightText": NONE})
        sbom.relate(identity, "PATCH_APPLIED", identifier("Package", part))
    if names:
        package = next(package for package in sbom.document["packages"] if package["name"] == part)
        package["sourceInfo"] += f"; changed by {len(names)} patches of limpet's: {', '.join(names)}"


def add_pip(sbom, wheel, version, licence):
    """pip, and what it has inside, by its own list."""
    with zipfile.ZipFile(wheel) as files:
        vendored = files.read("pip/_vendor/vendor.txt").decode()
    identity = sbom.package("pip", version, licence, primaryPackagePurpose="APPLICATION",
                            packageFileName=os.path.basename(wheel), checksums=[sha256(read(wheel))],
                            externalRefs=purl("pypi", "pip", version))
    sbom.relate(identifier("Package", "limpet"), "CONTAINS", identity)
    for line in vendored.splitlines():
        name, equal, version = line.partition("#")[0].strip().partition("==")
        if equal:
            inside = sbom.package(f"pip-{name.lower()}", version, NONE, primaryPackagePurpose="LIBRARY",
                                  externalRefs=purl("pypi", name.lower(), version),
                                  comment="inside pip; limpet inspect --licences has its licence text")
            sbom.relate(identity, "CONTAINS", inside)


def add_inside_python(sbom, source):
    """What CPython's source has of other projects, as its own list says."""
    with tarfile.open(source) as archive:
        member = next(member for member in archive if member.name.partition("/")[2] == INSIDE_PYTHON)
        theirs = json.load(archive.extractfile(member))
    for package in sorted(theirs["packages"], key=lambda package: package["name"]):
        identity = sbom.package(
            f"python-{package['name']}", package["versionInfo"], package.get("licenseConcluded", NONE),
            downloadLocation=package["downloadLocation"], externalRefs=package.get("externalRefs", []),
            checksums=package.get("checksums", []), primaryPackagePurpose="LIBRARY",
            comment="inside CPython's source, listed by its own Misc/sbom.spdx.json")
        sbom.relate(identifier("Package", "python"), "CONTAINS", identity)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
