"""Requests for files, whose answers are compared: of limpet with nginx's, from disk and from the archive.

Values of fields may hold {etag}, which is what the server itself says of the target, in the coding that is asked for.
"""

import dataclasses
import gzip

from static_site import FILES, TEXT

MODIFIED = 1715942096  # of all files, Unix time
EXACT = "Fri, 17 May 2024 10:34:56 GMT"
EARLIER = "Fri, 17 May 2024 10:34:55 GMT"
LATER = "Fri, 17 May 2024 10:34:57 GMT"
OLD_FORMS = {
    "rfc850": {EARLIER: "Friday, 17-May-24 10:34:55 GMT", EXACT: "Friday, 17-May-24 10:34:56 GMT",
               LATER: "Friday, 17-May-24 10:34:57 GMT"},
    "asctime": {EARLIER: "Fri May 17 10:34:55 2024", EXACT: "Fri May 17 10:34:56 2024",
                LATER: "Fri May 17 10:34:57 2024"},
}
SIZE = len(TEXT)
CSS = "/static/css/main.css"  # deflated in an archive
NOISE = "/static/noise.bin"  # stored
BOTH = {"deflated": CSS, "stored": NOISE}

# Beside those of static_site.
MORE_FILES = {
    "100%.txt": b"percent",
    "a%20b.txt": b"encoded twice",
    "what?.txt": b"question mark",
    "hash#.txt": b"hash",
    "plus+plus.txt": b"plus",
    "semi;colon=1,2.txt": b"semicolon",
    "(brackets)[].txt": b"brackets",
    "'quote\".txt": b"quote",
    "two  blanks .txt": b"blanks",
    "\u65e5\u672c\u8a9e.html": b"japanese",
    "\u00fc/index.html": b"<h1>umlaut</h1>\n",
    "sp ace/index.html": b"<h1>space</h1>\n",
    "a...b.txt": b"dots",
    "end.": b"dot at the end",
    "noending": b"no ending",
    "UPPER.TXT": b"upper",
    "~user.txt": b"tilde",
    "tail/100%/index.html": b"percent folder",
    "l" * 200 + ".txt": b"long name",
    "data.json": b'{"a": 1}' * 20,
    "data.json.gz": gzip.compress(b'{"a": 1}' * 20, mtime=1),
    "plain.svg": b"<svg/>",
    "picture.png": b"\x89PNG",
    "module.wasm": b"\0asm",
    "font.woff2": b"wOF2",
    "movie.mp4": b"mp4",
    "archive.zip": b"PK",
    "one.txt": b"1",
}
SITE = FILES | MORE_FILES


@dataclasses.dataclass
class Case:
    """A request. fields: lines; body: of those that have one."""

    target: str
    fields: tuple = ()
    method: str = "GET"
    body: bytes | None = None

    @property
    def accept(self):
        """The lines that choose the coding."""
        return tuple(line for line in self.fields if line.startswith("Accept-Encoding"))


CASES = {}


def add(name, target, *fields, **options):
    assert name not in CASES, name
    CASES[name] = Case(target, fields, **options)


# --- conditions (RFC 9110 section 13) ---

TAGS = {
    "own": '{etag}',
    "weak": 'W/{etag}',
    "other": '"other"',
    "weak-other": 'W/"other"',
    "star": "*",
    "star-in-list": '"a", *',
    "list": '"a", "b", {etag}',
    "list-first": '{etag}, "a"',
    "list-weak": 'W/"a", W/{etag}',
    "list-without": '"a", "b"',
    "list-no-blanks": '"a",{etag},"b"',
    "list-many-blanks": '"a"  ,\t {etag} ,"b"',
    "list-empty-elements": ',, {etag},',
    "comma-inside": '"a,b", {etag}',
    "empty": "",
    "empty-tag": '""',
    "unquoted": "other",
    "unclosed": '"other',
    "own-unclosed": '"other, {etag}',
    "lower-weak": 'w/{etag}',
    "own-and-more": '{etag}x',
    "garbage-first": 'garbage, {etag}',
    "long": ", ".join(f'"{number:08}"' for number in range(300)) + ", {etag}",
}
for tag, value in TAGS.items():
    add(f"none-match/{tag}", CSS, f"If-None-Match: {value}")
    add(f"match/{tag}", CSS, f"If-Match: {value}")
for tag in ["own", "weak", "other", "star"]:
    add(f"none-match/{tag}+head", CSS, f"If-None-Match: {TAGS[tag]}", method="HEAD")
    add(f"none-match/{tag}+stored", NOISE, f"If-None-Match: {TAGS[tag]}")
    add(f"match/{tag}+head", CSS, f"If-Match: {TAGS[tag]}", method="HEAD")
    add(f"none-match/{tag}+missing", "/static/nope", f"If-None-Match: {TAGS[tag].replace('{etag}', '*')}")
    add(f"match/{tag}+missing", "/static/nope", f"If-Match: {TAGS[tag].replace('{etag}', '*')}")
    add(f"none-match/{tag}+empty-file", "/static/empty.txt", f"If-None-Match: {TAGS[tag]}")
    add(f"none-match/{tag}+post", CSS, f"If-None-Match: {TAGS[tag]}", method="POST", body=b"x")
add("none-match/two-lines", CSS, 'If-None-Match: "a"', "If-None-Match: {etag}")
add("match/two-lines", CSS, 'If-Match: "a"', "If-Match: {etag}")

DATES = {
    "exact": EXACT, "earlier": EARLIER, "later": LATER,
    **{f"{when}-{form}": table[date] for form, table in OLD_FORMS.items()
       for when, date in (("exact", EXACT), ("earlier", EARLIER), ("later", LATER))},
    "epoch": "Thu, 01 Jan 1970 00:00:00 GMT",
    "future": "Fri, 31 Dec 2100 23:59:59 GMT",
    "never": "never",
    "empty": "",
    "number": "1715942096",
    "iso": "2024-05-17T10:34:56Z",
    "no-zone": "Fri, 17 May 2024 10:34:56",
    "other-zone": "Fri, 17 May 2024 10:34:56 CET",
    "wrong-weekday": "Mon, 17 May 2024 10:34:56 GMT",
    "no-such-day": "Fri, 31 Feb 2025 10:34:56 GMT",
    "no-such-hour": "Fri, 17 May 2024 25:34:56 GMT",
    "with-length": f"{EXACT}; length=100",
    "lower-case": EXACT.lower(),
    "blanks-around": f"  {EXACT}  ",
}
for date, value in DATES.items():
    add(f"modified-since/{date}", CSS, f"If-Modified-Since: {value}")
    add(f"unmodified-since/{date}", CSS, f"If-Unmodified-Since: {value}")
for date in ["exact", "earlier", "later"]:
    add(f"modified-since/{date}+head", CSS, f"If-Modified-Since: {DATES[date]}", method="HEAD")
    add(f"modified-since/{date}+stored", NOISE, f"If-Modified-Since: {DATES[date]}")
    add(f"unmodified-since/{date}+head", CSS, f"If-Unmodified-Since: {DATES[date]}", method="HEAD")

# Precedence (RFC 9110 section 13.2.2).
for tag in ["own", "other"]:
    for date in ["exact", "earlier", "later"]:
        add(f"both/none-match-{tag}+modified-since-{date}", CSS, f"If-None-Match: {TAGS[tag]}",
            f"If-Modified-Since: {DATES[date]}")
        add(f"both/match-{tag}+unmodified-since-{date}", CSS, f"If-Match: {TAGS[tag]}",
            f"If-Unmodified-Since: {DATES[date]}")
    for other in ["own", "other"]:
        add(f"both/match-{tag}+none-match-{other}", CSS, f"If-Match: {TAGS[tag]}", f"If-None-Match: {TAGS[other]}")
    for date in ["exact", "earlier"]:
        add(f"both/match-{tag}+modified-since-{date}", CSS, f"If-Match: {TAGS[tag]}",
            f"If-Modified-Since: {DATES[date]}")
        add(f"both/none-match-{tag}+unmodified-since-{date}", CSS, f"If-None-Match: {TAGS[tag]}",
            f"If-Unmodified-Since: {DATES[date]}")
add("both/all-hold", CSS, "If-Match: {etag}", f"If-Unmodified-Since: {EXACT}", 'If-None-Match: "a"',
    f"If-Modified-Since: {EARLIER}")
add("both/all-not-modified", CSS, "If-Match: {etag}", f"If-Unmodified-Since: {EXACT}", "If-None-Match: {etag}",
    f"If-Modified-Since: {EXACT}")

# --- ranges (RFC 9110 section 14) ---

RANGES = {
    "first-byte": "0-0", "first-100": "0-99", "middle": "1000-1999", "last-byte": "-1", "last-100": "-100",
    "open": "5000-", "open-all": "0-", "open-end": "{last}-", "whole": "0-{last}", "past-end": "5000-99999999",
    "suffix-larger": "-99999999", "outside": "99999999-", "outside-closed": "99999999-999999999", "at-size": "{size}-",
    "suffix-zero": "-0", "huge": "0-99999999999999999999999", "huge-start": "99999999999999999999999-",
    "reversed": "5-2", "words": "a-b", "dash": "-", "empty": "", "number": "5", "minus": "--5", "negative": "-5-10",
    "hexadecimal": "0x1-0x5", "blanks": " 0 - 9 ", "blank-before": " 0-9", "blank-behind": "0-9 ", "tab": "\t0-9",
    "plus": "+0-9", "fraction": "0.5-9", "leading-zeros": "000000-000009", "semicolon": "0-9;20-29",
    "garbage-behind": "0-9x",
    "two": "0-9,20-29", "two-blanks": "0-9, 20-29", "two-reversed": "20-29,0-9", "three": "0-0,-1,5-9",
    "adjacent": "0-9,10-19", "overlapping": "0-19,10-29", "same": "0-9,0-9", "nested": "0-99,10-19",
    "one-outside": "0-9,99999999-", "all-outside": "99999999-,999999999-", "one-malformed": "0-9,x",
    "malformed-first": "x,0-9", "suffix-and-first": "-10,0-9", "comma-behind": "0-9,", "comma-before": ",0-9",
    "commas": "0-9,,20-29", "only-commas": ",,,", "whole-twice": "0-,0-", "whole-and-byte": "0-,0-0",
    "32": ",".join(f"{10 * number}-{10 * number}" for number in range(32)),
    "33": ",".join(f"{10 * number}-{10 * number}" for number in range(33)),
    "500": ",".join(["0-0"] * 500),
    "one-byte-often": ",".join(["0-"] * 20),
}
for kind, target in BOTH.items():
    size = len(SITE[target.removeprefix("/static/")])
    for name, value in RANGES.items():
        add(f"range/{name}+{kind}", target, f"Range: bytes={value.format(size=size, last=size - 1)}")
for name in ["first-byte", "open-all", "last-byte", "suffix-zero", "two", "words", "outside", "suffix-larger",
             "whole-twice"]:
    value = RANGES[name]
    add(f"range/{name}+empty-file", "/static/empty.txt", f"Range: bytes={value}")
    add(f"range/{name}+one-byte-file", "/static/one.txt", f"Range: bytes={value}")
    add(f"range/{name}+head", CSS, f"Range: bytes={value}", method="HEAD")
add("range/first-100+post", CSS, "Range: bytes=0-99", method="POST", body=b"x")
add("range/first-100+missing", "/static/nope", "Range: bytes=0-99")
add("range/first-100+index", "/static/", "Range: bytes=0-3")
add("range/first-100+redirect", "/static/docs", "Range: bytes=0-3")
add("range/unit-upper", CSS, "Range: BYTES=0-9")
add("range/unit-other", CSS, "Range: lines=0-9")
add("range/unit-none", CSS, "Range: 0-9")
add("range/unit-blank", CSS, "Range: bytes =0-9")
add("range/empty-value", CSS, "Range: ")
add("range/two-lines", CSS, "Range: bytes=0-9", "Range: bytes=20-29")
add("range/large-start", "/static/large.txt", "Range: bytes=0-99")
add("range/large-end", "/static/large.txt", "Range: bytes=-100")
add("range/large-middle", "/static/large.txt", "Range: bytes=1500000-1500099")
add("range/large-outside", "/static/large.txt", "Range: bytes=3000000-")
add("range/large-two", "/static/large.txt", "Range: bytes=0-9,1800000-1800009")

# With conditions: If-Range, and those that come before a range.
IF_RANGES = {
    "own": "{etag}", "weak": "W/{etag}", "other": '"other"', "weak-other": 'W/"other"', "star": "*", "exact": EXACT,
    "earlier": EARLIER, "later": LATER, "never": "never", "empty": "", "unquoted": "other", "list": '{etag}, "a"',
    "exact-rfc850": OLD_FORMS["rfc850"][EXACT], "exact-asctime": OLD_FORMS["asctime"][EXACT], "unclosed": '"other',
}
for name, value in IF_RANGES.items():
    add(f"if-range/{name}", CSS, "Range: bytes=0-99", f"If-Range: {value}")
for name in ["own", "other", "exact", "earlier"]:
    add(f"if-range/{name}+outside", CSS, "Range: bytes=99999999-", f"If-Range: {IF_RANGES[name]}")
    add(f"if-range/{name}+two", CSS, "Range: bytes=0-9,20-29", f"If-Range: {IF_RANGES[name]}")
    add(f"if-range/{name}+stored", NOISE, "Range: bytes=0-99", f"If-Range: {IF_RANGES[name]}")
    add(f"if-range/{name}+no-range", CSS, f"If-Range: {IF_RANGES[name]}")
    add(f"if-range/{name}+head", CSS, "Range: bytes=0-99", f"If-Range: {IF_RANGES[name]}", method="HEAD")
for name, fields in {
    "none-match-own": ("If-None-Match: {etag}",), "none-match-other": ('If-None-Match: "a"',),
    "match-own": ("If-Match: {etag}",), "match-other": ('If-Match: "a"',),
    "modified-since-exact": (f"If-Modified-Since: {EXACT}",),
    "modified-since-earlier": (f"If-Modified-Since: {EARLIER}",),
    "unmodified-since-exact": (f"If-Unmodified-Since: {EXACT}",),
    "unmodified-since-earlier": (f"If-Unmodified-Since: {EARLIER}",),
    "none-match-own+if-range": ("If-None-Match: {etag}", "If-Range: {etag}"),
    "match-own+if-range-other": ("If-Match: {etag}", 'If-Range: "a"'),
}.items():
    add(f"range-condition/{name}", CSS, "Range: bytes=0-99", *fields)
add("range-condition/outside+none-match-own", CSS, "Range: bytes=99999999-", "If-None-Match: {etag}")
add("range-condition/outside+match-other", CSS, "Range: bytes=99999999-", 'If-Match: "a"')

# --- methods ---

for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "FOO"]:
    body = b"x" if method in ("POST", "PUT", "PATCH") else None
    add(f"method/{method}", CSS, method=method, body=body)
for method in ["HEAD", "POST", "DELETE"]:
    add(f"method/{method}+missing", "/static/nope", method=method, body=b"" if method == "POST" else None)
    add(f"method/{method}+index", "/static/", method=method, body=b"" if method == "POST" else None)
    add(f"method/{method}+folder", "/static/docs", method=method, body=b"" if method == "POST" else None)
add("method/GET+body", CSS, body=b"not wanted")

# --- folders and paths ---

for name, target in {
    "index": "/static/", "sub-index": "/static/docs/", "index-by-name": "/static/docs/index.html",
    "no-slash": "/static/docs", "no-slash-root": "/static", "no-slash-query": "/static/docs?a=b&c",
    "no-index": "/static/no-index/", "no-index-no-slash": "/static/no-index", "file-as-folder": "/static/css/main.css/",
    "below-a-file": "/static/css/main.css/x", "missing": "/static/nope", "missing-folder": "/static/nope/",
    "missing-below": "/static/nope/nope/nope.css", "query": CSS + "?version=5", "empty-query": CSS + "?",
    "two-slashes": "/static//css//main.css", "slashes-end": "/static/docs//", "dot": "/static/css/./main.css",
    "dot-dot": "/static/docs/../css/main.css", "dot-dot-out-and-in": "/static/../static/css/main.css",
    "other-case": "/static/CSS/main.css", "encoded-slash": "/static/css%2fmain.css",
    "encoded-letters": "/st%61tic/%63ss/m%61in.css", "hidden": "/static/.hidden",
    "hidden-folder": "/static/.git/config",
    "percent": "/static/100%25.txt", "percent-lone": "/static/100%.txt", "percent-twice": "/static/a%2520b.txt",
    "percent-once": "/static/a%20b.txt", "question-mark": "/static/what%3f.txt", "hash": "/static/hash%23.txt",
    "blank": "/static/a%20b+c.txt", "plus-for-blank": "/static/a+b+c.txt", "plus": "/static/plus+plus.txt",
    "plus-encoded": "/static/plus%2Bplus.txt", "semicolon": "/static/semi;colon=1,2.txt",
    "brackets": "/static/(brackets)%5B%5D.txt", "quote": "/static/'quote%22.txt",
    "blanks": "/static/two%20%20blanks%20.txt",
    "utf-8": "/static/%c3%a4.txt", "utf-8-upper": "/static/%C3%A4.txt", "utf-8-raw": "/static/\u00c3\u00a4.txt",
    "utf-8-three": "/static/%E6%97%A5%E6%9C%AC%E8%AA%9E.html", "utf-8-folder": "/static/%c3%bc",
    "utf-8-index": "/static/%c3%bc/", "latin-1": "/static/%e4.txt", "blank-folder": "/static/sp%20ace",
    "percent-folder": "/static/tail/100%25", "dots-inside": "/static/a...b.txt", "dot-end": "/static/end.",
    "tilde": "/static/%7Euser.txt", "upper": "/static/UPPER.TXT", "long-name": "/static/" + "l" * 200 + ".txt",
    "too-long-name": "/static/" + "l" * 300, "no-ending": "/static/noending", "control": "/static/a%01b",
    "nul": "/static/css/main.css%00", "fragment-encoded": CSS + "%23top", "bad-escape": "/static/%zz",
    "absolute-form": "http://x" + CSS, "absolute-form-folder": "http://x/static/docs",
}.items():
    add(f"path/{name}", target)
for name in ["data.json", "plain.svg", "picture.png", "module.wasm", "font.woff2", "movie.mp4", "archive.zip",
             "js/app.js",
             "css/main.css", "index.html", "large.txt", "noise.bin", "empty.txt"]:
    add(f"type/{name}", f"/static/{name}")

# --- codings (RFC 9110 section 12.5.3) ---

CODINGS = {
    "gzip": "gzip", "upper": "GZIP", "x-gzip": "x-gzip", "list": "deflate, gzip",
    "weights": "deflate;q=0.5, gzip;q=1.0",
    "gzip-zero": "gzip;q=0", "gzip-zero-long": "gzip;q=0.000", "gzip-small": "gzip;q=0.001", "star": "*",
    "star-zero": "*;q=0", "identity": "identity", "identity-zero": "identity;q=0",
    "identity-first": "identity, gzip;q=0.5",
    "identity-zero-gzip": "gzip, identity;q=0", "empty": "", "deflate": "deflate", "gzipped": "gzipped",
    "zero-and-star": "gzip;q=0, *", "chromium": "gzip, deflate, br, zstd", "blanks": " gzip ; q=0.5 ",
    "bad-weight": "gzip;q=x", "large-weight": "gzip;q=2",
}
GZ = "/static/data.json"  # with a sibling .gz
for name, value in CODINGS.items():
    add(f"coding/{name}", GZ, f"Accept-Encoding: {value}")
for name in ["gzip", "identity"]:
    coding = f"Accept-Encoding: {CODINGS[name]}"
    add(f"coding/{name}+head", GZ, coding, method="HEAD")
    add(f"coding/{name}+none-match-own", GZ, coding, "If-None-Match: {etag}")
    add(f"coding/{name}+range", GZ, coding, "Range: bytes=0-9")
    add(f"coding/{name}+two-ranges", GZ, coding, "Range: bytes=0-9,12-15")
    add(f"coding/{name}+range-outside", GZ, coding, "Range: bytes=99999-")
    add(f"coding/{name}+if-range-own", GZ, coding, "Range: bytes=0-9", "If-Range: {etag}")
    add(f"coding/{name}+modified-since", GZ, coding, f"If-Modified-Since: {EXACT}")
    add(f"coding/{name}+no-sibling", NOISE, coding)
    add(f"coding/{name}+deflated", CSS, coding)
    add(f"coding/{name}+deflated-none-match-own", CSS, coding, "If-None-Match: {etag}")
    add(f"coding/{name}+deflated-head", CSS, coding, method="HEAD")
    add(f"coding/{name}+deflated-range", CSS, coding, "Range: bytes=0-9")
    add(f"coding/{name}+deflated-if-range-own", CSS, coding, "Range: bytes=0-9", "If-Range: {etag}")
    add(f"coding/{name}+sibling-itself", GZ + ".gz", coding)
    add(f"coding/{name}+index", "/static/", coding)
    add(f"coding/{name}+missing", "/static/nope", coding)
add("coding/two-lines", GZ, "Accept-Encoding: deflate", "Accept-Encoding: gzip")
add("coding/br+sibling-br", "/static/js/app.js", "Accept-Encoding: br")
add("coding/br-or-gzip+sibling-br", "/static/js/app.js", "Accept-Encoding: gzip, br")
