"""What the binary is made of: the list beside it is SPDX 2.3, and every part's licence text is inside."""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import zipfile

import pytest
from server import is_sanitized

pytestmark = pytest.mark.unsanitized(reason="it is about the build")

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of SPDX 2.3: annex A.1 (the JSON schema's required properties), 7.4, 11.1.
PACKAGE_NEEDS = {"SPDXID", "name", "downloadLocation"}
DOCUMENT_NEEDS = {"SPDXID", "spdxVersion", "creationInfo", "dataLicense", "name", "documentNamespace"}
FILE_NEEDS = {"SPDXID", "fileName", "checksums"}
ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")
RELATIONSHIPS = {"DESCRIBES", "CONTAINS", "STATIC_LINK", "PATCH_APPLIED"}
PURPOSES = {"APPLICATION", "FRAMEWORK", "LIBRARY", "CONTAINER", "OPERATING-SYSTEM", "DEVICE", "FIRMWARE", "SOURCE", "ARCHIVE",
            "FILE", "INSTALL", "OTHER"}
DIGESTS = {"SHA1": 40, "SHA256": 64, "SHA512": 128}


@pytest.fixture(scope="module")
def sbom(limpet):
    """The document beside the binary."""
    path = limpet.parent / "limpet.spdx.json"
    if not path.exists():
        path = ROOT / "build/fast/limpet.spdx.json"
    if is_sanitized() or not path.exists():
        pytest.skip("this build has none")
    if hashlib.sha256((path.parent / "limpet").read_bytes()).digest() != hashlib.sha256(limpet.read_bytes()).digest():
        pytest.skip("it is another binary's")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def sources():
    """{name: (version, sha256, licence)} of sources.lock."""
    lines = [line.split() for line in (ROOT / "toolchain/sources.lock").read_text().splitlines()]
    return {line[0]: (line[1], line[2], line[4]) for line in lines if line and not line[0].startswith("#")}


def parts_of(limpet):
    """[(name, version)] of what inspect lists."""
    with zipfile.ZipFile(limpet) as archive:
        return [tuple(line.split()[:2]) for line in archive.read("limpet/parts").decode().splitlines()]


def test_document(sbom):
    assert DOCUMENT_NEEDS <= sbom.keys() and sbom["spdxVersion"] == "SPDX-2.3"
    assert (sbom["SPDXID"], sbom["dataLicense"]) == ("SPDXRef-DOCUMENT", "CC0-1.0")
    assert re.fullmatch(r"https://\S+", sbom["documentNamespace"]) and "#" not in sbom["documentNamespace"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sbom["creationInfo"]["created"])
    assert all(re.match(r"(Tool|Person|Organization): \S", who) for who in sbom["creationInfo"]["creators"])


def test_elements(sbom):
    everything = sbom["packages"] + sbom["files"]
    names = [element["SPDXID"] for element in everything]
    assert len(names) == len(set(names)) and all(map(ID.fullmatch, names))
    for package in sbom["packages"]:
        assert PACKAGE_NEEDS <= package.keys() and package["filesAnalyzed"] is False
        assert package["primaryPackagePurpose"] in PURPOSES
        assert re.fullmatch(r"NOASSERTION|NONE|(https|git|http)\S+", package["downloadLocation"])
        for reference in package["externalRefs"]:
            assert reference["referenceCategory"] in ("PACKAGE-MANAGER", "SECURITY", "OTHER", "PERSISTENT-ID", "PACKAGE_MANAGER")
            assert re.match(r"pkg:\w+/\S+@\S+$|cpe:2\.3:a:", reference["referenceLocator"])
    for file in sbom["files"]:
        assert FILE_NEEDS <= file.keys() and file["fileName"].startswith("./")
        assert "SHA1" in {checksum["algorithm"] for checksum in file["checksums"]}
    for element in everything:
        for checksum in element.get("checksums", []):
            assert re.fullmatch(r"[0-9a-f]{%d}" % DIGESTS[checksum["algorithm"]], checksum["checksumValue"])


def test_relationships(sbom):
    names = {element["SPDXID"]: element for element in sbom["packages"] + sbom["files"]}
    for relation in sbom["relationships"]:
        assert relation["relationshipType"] in RELATIONSHIPS
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= names.keys() | {"SPDXRef-DOCUMENT"}
    described = [relation["relatedSpdxElement"] for relation in sbom["relationships"]
                 if relation["relationshipType"] == "DESCRIBES"]
    assert described == ["SPDXRef-Package-limpet"]
    # Everything hangs together: nothing is listed that nothing has.
    reached, related = {"SPDXRef-DOCUMENT"}, sbom["relationships"]
    for _ in range(5):
        for relation in related:
            ends = {relation["spdxElementId"], relation["relatedSpdxElement"]}
            if ends & reached:
                reached |= ends
    assert reached == names.keys() | {"SPDXRef-DOCUMENT"}


def test_parts(sbom, limpet, sources):
    """Each part that inspect lists, with the source that it was built from and its patches."""
    packages = {package["name"]: package for package in sbom["packages"]}
    links = {relation["relatedSpdxElement"].removeprefix("SPDXRef-Package-"): relation["relationshipType"]
             for relation in sbom["relationships"] if relation["spdxElementId"] == "SPDXRef-Package-limpet"}
    parts = parts_of(limpet)
    assert links.keys() == {name for name, _ in parts} - {"limpet"}
    assert links["musl"] == links["python"] == "STATIC_LINK" and links["tzdata"] == links["pip"] == "CONTAINS"
    for name, version in parts:
        assert packages[name]["versionInfo"] == version
        digests = [checksum["checksumValue"] for checksum in packages[name]["checksums"]]
        if name in sources:
            assert sources[name][:2] == (version, digests[0])
        patches = {path.name for path in (ROOT / f"toolchain/patches/{name}-{version}").glob("*.patch")}
        told = {file["fileName"].rpartition("/")[2] for file in sbom["files"] if f"/{name}-{version}/" in file["fileName"]}
        assert patches == told and all(patch in packages[name].get("sourceInfo", "") for patch in patches)
    assert packages["limpet"]["checksums"][0]["checksumValue"] == hashlib.sha256(limpet.read_bytes()).hexdigest()
    assert {"python-expat", "python-mpdecimal", "python-hacl-star"} <= packages.keys()


def test_licence_expressions(sbom, run):
    """By SPDX's list as packaging has it, which is inside pip; what is not on the list has its text in the document."""
    extracted = {entry["licenseId"]: entry["extractedText"] for entry in sbom["hasExtractedLicensingInfos"]}
    used = {package[key] for package in sbom["packages"] for key in ("licenseConcluded", "licenseDeclared")}
    used -= {"NOASSERTION", "NONE"}
    assert {licence for licence in used if licence.startswith("LicenseRef-")} == extracted.keys() and all(extracted.values())
    code = ("import sys; from pip._vendor.packaging.licenses import canonicalize_license_expression as c\n"
            "for text in sys.argv[1:]: assert c(text) == text, text")
    done = run("python", "-c", code, *sorted(used))
    assert done.returncode == 0, done.stderr


def test_licence_of_the_whole(sbom):
    """limpet's source is under one licence; the file is under those of all that is linked into it as well."""
    packages = {package["name"]: package for package in sbom["packages"]}
    parts = [relation["relatedSpdxElement"].removeprefix("SPDXRef-Package-") for relation in sbom["relationships"]
             if relation["spdxElementId"] == "SPDXRef-Package-limpet"]
    assert packages["limpet"]["licenseDeclared"] == "MIT"
    concluded = packages["limpet"]["licenseConcluded"].split(" AND ")
    assert set(concluded) == {"MIT"} | {packages[name]["licenseConcluded"] for name in parts}
    assert len(concluded) == len(set(concluded)) and {"LGPL-2.1-or-later", "MPL-2.0"} <= set(concluded)


def test_same_input_same_bytes(sbom, limpet, tmp_path):
    """The script again, elsewhere, in another time zone, with another hash seed."""
    out = ROOT / "build/fast"
    if not (out / "gen/parts").exists() or (out / "limpet").read_bytes() != limpet.read_bytes():
        pytest.skip("needs what build/fast is made from")
    wheels = sorted((pathlib.Path.home() / ".cache/limpet/build").glob("python-*/lib/python3.14/ensurepip/_bundled/pip-*.whl"))
    pip = next(package for package in sbom["packages"] if package["name"] == "pip")
    wheel = next((path for path in wheels
                  if hashlib.sha256(path.read_bytes()).hexdigest() == pip["checksums"][0]["checksumValue"]), None)
    if wheel is None:
        pytest.skip("needs the build's cache")
    source = subprocess.run([ROOT / "toolchain/fetch.sh", "python"], check=True, capture_output=True, text=True).stdout.strip()
    created = re.search(r"LIMPET_BUILD_TIME INT64_C\((\d+)\)", (out / "gen/version.h").read_text())[1]
    subprocess.run(["python3", "-B", ROOT / "toolchain/sbom.py", "--binary", out / "limpet", "--parts", out / "gen/parts",
                    "--lock", ROOT / "toolchain/sources.lock", "--licences", out / "gen/licences", "--patches",
                    ROOT / "toolchain/patches", "--wheel", wheel, "--python-source", source, "--created", created, "--output",
                    tmp_path / "again"], check=True, cwd=tmp_path,
                   env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"})
    assert (tmp_path / "again").read_bytes() == (out / "limpet.spdx.json").read_bytes()


# --- Licence texts ---


def test_every_part_has_its_licence_text(limpet, run, sources):
    """Those that inspect lists, those of sources.lock, and what pip has inside by its own list."""
    texts = {}
    for line in run("inspect", "--licences").stdout.splitlines():
        if line.startswith("=== "):
            texts[line[4:]] = 0
        elif texts:
            texts[list(texts)[-1]] += len(line)
    names = {name for name, _ in parts_of(limpet)}
    assert sources.keys() <= names
    for name in names - {"pip"}:
        assert texts.get(name, 0) > 100, f"no licence text of {name}"
    assert texts["python-incorporated"] > 10_000
    with zipfile.ZipFile(limpet) as archive:
        vendored = re.findall(r"^\s*([\w.-]+)==", archive.read("lib/pip/_vendor/vendor.txt").decode(), re.MULTILINE)
    assert len(vendored) > 10 and any(re.fullmatch(r"pip-[\d.]+\.dist-info/licenses/LICENSE.txt", title) for title in texts)
    modules = {"setuptools": "pkg_resources"}  # what is taken of it
    for name in vendored:
        module = modules.get(name, name.lower().replace("-", "_"))
        assert any(f"/_vendor/{module}/" in title and size > 50 for title, size in texts.items()), f"no licence text of {name}"
