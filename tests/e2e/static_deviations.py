"""Where limpet answers requests for files otherwise than nginx, on purpose; and the archive otherwise than the disk."""

import dataclasses
import fnmatch
import re
import urllib.parse
from collections.abc import Callable

from static_cases import CASES, CSS, SITE

GZIP = SITE["data.json.gz"]


@dataclasses.dataclass
class Deviation:
    """reason: with the section of RFC 9110 that decides, where none else is named; names: patterns of cases; like:
    another case, which limpet answers the same as these; differs: what limpet answers, and the other one does not;
    when: of (case, the other one's answer), whether it is so."""

    reason: str
    names: tuple
    like: str | None = None
    differs: dict | None = None
    when: Callable = lambda case, other: True

    def applies(self, name, other):
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.names) and self.when(CASES[name], other)


NGINX = [
    # --- conditions ---
    Deviation("13.1.1, 8.8.3: a list is read from its begin, not searched for the bytes of a tag",
              ("none-match/own-unclosed", "none-match/garbage-first"), like="type/css/main.css"),
    Deviation("13.1.1, 8.8.3: the same", ("match/own-unclosed", "match/garbage-first"), like="match/other"),
    Deviation("13.1.2, 5.3: two lines are one list; nginx refuses them", ("none-match/two-lines",),
              like="none-match/own"),
    Deviation("13.1.1, 5.3: the same", ("match/two-lines",), like="match/own"),
    Deviation("13.1.4: a date that is none is no condition; nginx answers 412", tuple(
        f"unmodified-since/{name}" for name in ("never", "empty", "number", "iso", "no-such-day", "no-such-hour",
                                                "lower-case")),
        like="type/css/main.css"),
    Deviation("13.1.3, 5.6.7: what is no date to its end is none; nginx reads a date's begin",
              ("modified-since/no-zone", "modified-since/other-zone", "modified-since/with-length"),
              like="type/css/main.css"),
    Deviation("13.2.2: If-None-Match alone decides, where there is one",
              ("both/none-match-own+modified-since-earlier",),
              like="none-match/own"),
    Deviation("13.2.2: If-Match alone decides, where there is one", ("both/match-own+unmodified-since-earlier",),
              like="match/own"),

    # --- ranges ---
    Deviation("14.3: Accept-Ranges is told with a part as well", ("*",), differs={"Accept-Ranges": "bytes"},
              when=lambda case, other: other["status"] == 206),
    Deviation("14.2: Range is of GET alone; nginx heeds it in HEAD as well",
              tuple(f"range/{name}+head" for name in ("first-byte", "open-all", "last-byte", "suffix-zero", "two",
                                                      "words",
                                                      "outside", "suffix-larger"))
              + ("if-range/own+head", "if-range/exact+head"), like="method/HEAD"),
    Deviation("14.1.2: a range's end beyond the file's is the file's, whatever the number", ("range/huge+deflated",),
              like="range/whole+deflated"),
    Deviation("14.1.2: the same", ("range/huge+stored",), like="range/whole+stored"),
    Deviation("14.2: no range at all is one that is malformed, as others are; nginx sends the file",
              ("range/empty+deflated",),
              like="range/words+deflated"),
    Deviation("14.2: the same", ("range/empty+stored",), like="range/words+stored"),
    Deviation("14.1.1: no blanks inside a range", ("range/blanks+deflated",), like="range/words+deflated"),
    Deviation("14.1.1: the same", ("range/blanks+stored",), like="range/words+stored"),
    Deviation("5.6.3: a tab is a blank", ("range/tab+deflated",), like="range/leading-zeros+deflated"),
    Deviation("5.6.3: the same", ("range/tab+stored",), like="range/leading-zeros+stored"),
    Deviation("5.6.1.2: a list's elements may be empty", ("range/comma-behind+deflated", "range/comma-before+deflated"),
              like="range/leading-zeros+deflated"),
    Deviation("5.6.1.2: the same", ("range/comma-behind+stored", "range/comma-before+stored"),
              like="range/leading-zeros+stored"),
    Deviation("5.6.1.2: the same", ("range/commas+deflated",), like="range/two+deflated"),
    Deviation("5.6.1.2: the same", ("range/commas+stored",), like="range/two+stored"),

    # --- methods ---
    Deviation("15.5.6: a 405 names what is allowed", ("*",), differs={"Allow": "GET, HEAD"},
              when=lambda case, other: other["status"] == 405),
    Deviation("9.1: names of methods are of any letters; nginx wants capital ones", ("method/get",), like="method/FOO"),
    Deviation("the method is looked at before the file is looked for", ("method/POST+missing", "method/POST+folder"),
              like="method/FOO"),

    # --- paths ---
    Deviation("folders are not listed, so they are not there; nginx tells them by 403, and leads to them by 301",
              ("path/no-index", "path/no-index-no-slash"), like="path/missing"),
    Deviation("RFC 3986 6.2.2.3: dot segments are the client's to remove; none that comes is served",
              ("path/dot", "path/dot-dot", "path/dot-dot-out-and-in"), like="path/missing"),
    Deviation("RFC 3986 2.2: an encoded slash is no slash", ("path/encoded-slash",), like="path/missing"),
    Deviation("hidden files are not served; nginx does unless it is told", ("path/hidden", "path/hidden-folder"),
              like="path/missing"),
    Deviation("RFC 3986 2.1: other bytes than ASCII are to be encoded", ("path/utf-8-raw",), like="path/bad-escape"),

    # --- types and codings ---
    Deviation("RFC 9239 6.1: text/javascript; Debian's nginx has its older name", ("type/js/app.js",),
              differs={"Content-Type": "text/javascript"}),
    Deviation("RFC 6713: nginx knows no type for .gz", ("coding/*+sibling-itself",),
              differs={"Content-Type": "application/gzip"}),
    Deviation("8.4.1.3: x-gzip is gzip; 12.5.3: * is every coding, and lines are one list",
              ("coding/x-gzip", "coding/star", "coding/two-lines"), like="coding/gzip"),
    Deviation("12.5.3: the weights decide, where nginx takes gzip if it may", ("coding/identity-first",),
              like="coding/identity"),
    Deviation("nginx has no Brotli", ("coding/br*+sibling-br",), differs={
        "Content-Type": "text/javascript", "Content-Encoding": "br",
        "Content-Length": "14", "body": SITE["js/app.js.br"]}),
    Deviation("14.3: a file that is compressed already has ranges as every other one; nginx sends it whole",
              ("*",), differs={"Accept-Ranges": "bytes"},
              when=lambda case, other: other.get("Content-Encoding") == "gzip" and other["status"] == 200),
    Deviation("14.2: the same", ("coding/gzip+range", "coding/gzip+if-range-own"), differs={
        "status": 206, "Content-Length": "10", "Content-Range": f"bytes 0-9/{len(GZIP)}", "body": GZIP[:10]}),
    Deviation("14.2: the same", ("coding/gzip+two-ranges",), differs={
        "status": 206, "Content-Length": "of parts", "Content-Type": "multipart/byteranges",
        "body": [("application/json", f"bytes {start}-{end - 1}/{len(GZIP)}", GZIP[start:end])
                 for start, end in ((0, 10), (12, 16))]}),
    Deviation("14.2: the same", ("coding/gzip+range-outside",), like="range/words+deflated",
              differs={"Content-Range": f"bytes */{len(GZIP)}"}),
]

DEFLATED = (CSS, "/static/large.txt")  # and without siblings


def _is_deflated(case, other):
    path = re.sub("/+", "/", urllib.parse.unquote(urllib.parse.urlsplit(case.target).path))
    return path in DEFLATED and other["status"] in (200, 206, 304)


ARCHIVE = [
    Deviation("15.3.7: more than one range of a member too large to be kept in memory is sent as the whole file",
              ("range/large-two",), like="type/large.txt"),
    Deviation("12.5.5: what is deflated is sent as gzip to those who take it", ("*",),
              differs={"Vary": "Accept-Encoding"},
              when=_is_deflated),
    Deviation("12.5.3: the same; 14.3: such a gzip file has no ranges", ("coding/gzip+deflated",
                                                                         "coding/gzip+deflated-head"),
              differs={"Content-Encoding": "gzip", "Content-Length": "of gzip", "Accept-Ranges": None}),
    Deviation("8.8.3.3: ranges are of the file as it was packed, whose tag is another one",
              ("coding/gzip+deflated-range",),
              differs={"ETag": "other"}),
    Deviation("13.1.5: the same, so that such a client gets the whole file", ("coding/gzip+deflated-if-range-own",),
              like="type/css/main.css", differs={"ETag": "other"}),
]
