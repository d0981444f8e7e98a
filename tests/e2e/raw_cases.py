"""Requests as raw bytes, each with what a strict server makes of it: the public classes of request smuggling and of malformed
HTTP/1 (RFC 9110, RFC 9112), in families. What is refused has a second request behind it that nobody may ever see."""

from typing import NamedTuple


class Seen(NamedTuple):
    """A request as the application must have seen it. fields: some of its fields, lower-case name and value."""

    method: str
    target: str
    body: bytes = b""
    fields: tuple = ()


class Case(NamedTuple):
    """id: unique, also in the targets; data: the bytes; statuses: of the answers in sequence; stays: whether the connection takes
    another request behind them; seen: requests in order; ends: the client closes its side behind the data."""

    id: str
    data: bytes
    statuses: tuple
    stays: bool = False
    seen: tuple = ()
    ends: bool = False


CASES = []
HOST = b"Host: x\r\n"


def smuggled(name):
    """A request that nobody may see."""
    return b"GET /smuggled/%s HTTP/1.1\r\nHost: x\r\n\r\n" % name.encode()


def refuse(name, data, status=400, behind=None):
    """Refused with that status, and the connection closed. behind: the bytes behind it, None: a smuggled request."""
    CASES.append(Case(name, data.replace(b"/OWN", b"/" + name.encode()) + (smuggled(name) if behind is None else behind), (status,)))


def accept(name, data, *seen, stays=True):
    """Taken. seen: targets may have "/OWN", which stands for the case's own everywhere; another behind it is up to the data."""
    own = "/" + name
    seen = tuple(one._replace(target=one.target.replace("/OWN", own)) for one in seen)
    CASES.append(Case(name, data.replace(b"/OWN", own.encode()), (200,) * len(seen), stays, seen))


def unfinished(name, data):
    """It ends too early: never a request."""
    CASES.append(Case(name, data.replace(b"/OWN", b"/" + name.encode()), (), ends=True))


def post(*lines, body=b"", version=b"HTTP/1.1"):
    """A POST with these lines behind its Host."""
    return b"POST /OWN " + version + b"\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def get(*lines):
    """A GET with these lines and no other."""
    return b"GET /OWN HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def named(value):
    """Bytes as a part of an id."""
    out = "".join(chr(c) if chr(c).isascii() and (chr(c).islower() or chr(c).isdigit()) else f"_{c:02x}" for c in value)
    return out[:60] if out else "nothing"


# --- Content-Length (RFC 9112 sections 6.2 and 6.3, RFC 9110 section 8.6) ---

for text in (b"5", b"05", b"0000000005", b"00000000000000000000000000000000005"):
    accept("length-" + named(text), post(b"Content-Length: " + text, body=b"hello"), Seen("POST", "/OWN", b"hello"))
for before, after in ((b"", b""), (b"  ", b""), (b" ", b"  "), (b"\t", b"\t "), (b" \t \t", b"\t")):
    accept(f"length-blanks-{named(before)}-{named(after)}", post(b"Content-Length:" + before + b"5" + after, body=b"hello"),
           Seen("POST", "/OWN", b"hello"))
for text in (b"", b"+5", b"-5", b"-0", b"+0", b"5,", b",5", b"5,5", b"5, 5", b"5, 6", b"5;", b"5;q=1", b"5 5", b"5 0", b"0 5",
             b"5\t5", b"0x5", b"0X5", b"5h", b"0b101", b"0o5", b"5.0", b"5.", b".5", b"5e0", b"5_0", b"five", b'"5"', b"'5'", b"(5)",
             b"%35", b"\xef\xbc\x95", b"5\xa0", b"\xa05", b"5\x0b", b"\x0b5", b"5\x0c", b"5\x00", b"\x005", b"5\x01", b"5\x7f",
             b"5\x85", b"18446744073709551616", b"18446744073709551621", b"99999999999999999999", b"9" * 60, b"-1",
             b"5\r", b"\r5", b"chunked", b"NaN", b"inf", b"null", b"0x", b"0,5", b"1e1", b"5\\", b"5/5", b"5#", b"5-"):
    refuse("length-bad-" + named(text), post(b"Content-Length: " + text, body=b"hello"))
for size in (2**64 - 1, 2**63, 2**40):
    refuse(f"length-huge-{size}", post(b"Content-Length: %d" % size, body=b"hello"), 413)
for one, two in ((b"5", b"5"), (b"5", b"6"), (b"6", b"5"), (b"0", b"5"), (b"5", b"0"), (b"5", b""), (b"", b"5"), (b"05", b"5"),
                 (b"5", b"x"), (b"0", b"0")):
    for second in (b"Content-Length", b"content-length", b"CONTENT-LENGTH"):
        refuse(f"length-twice-{named(one)}-{named(two)}-{named(second[:2] + second[-1:])}",
               post(b"Content-Length: " + one, second + b": " + two, body=b"hello"))
refuse("length-three", post(*[b"Content-Length: 5"] * 3, body=b"hello"))
refuse("length-twice-apart", post(b"Content-Length: 5", *[b"X-%d: y" % i for i in range(20)], b"Content-Length: 5", body=b"hello"))
accept("length-zero-then-another", post(b"Content-Length: 0") + b"GET /OWN/2 HTTP/1.1\r\nHost: x\r\n\r\n",
       Seen("POST", "/OWN"), Seen("GET", "/OWN/2"))
accept("length-none-then-another", post() + b"GET /OWN/2 HTTP/1.1\r\nHost: x\r\n\r\n", Seen("POST", "/OWN"), Seen("GET", "/OWN/2"))
for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"PATCH", b"TRACE", b"PROPFIND"):
    accept("length-of-" + method.decode().lower(), post(b"Content-Length: 5", body=b"hello").replace(b"POST", method),
           Seen(method.decode(), "/OWN", b"hello"))
accept("length-body-like-a-request", post(b"Content-Length: 43", body=b"GET /smuggled/in-body HTTP/1.1\r\nHost: x\r\n\r\n"),
       Seen("POST", "/OWN", b"GET /smuggled/in-body HTTP/1.1\r\nHost: x\r\n\r\n"))
for name in (b"Content_Length", b"ContentLength", b"Content-Lengt", b"Content-Length-", b"X-Content-Length", b"Content.Length"):
    accept("length-not-" + named(name), post(name + b": 5"), Seen("POST", "/OWN"))

# --- Transfer-Encoding (RFC 9112 sections 6.1 and 6.3) ---

CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"
for text in (b"chunked", b"Chunked", b"CHUNKED", b"cHuNkEd"):
    for before, after in ((b" ", b""), (b"", b""), (b"\t", b" "), (b"  \t", b"\t\t")):
        accept(f"coding-{named(text)}-{named(before)}-{named(after)}",
               post(b"Transfer-Encoding:" + before + text + after, body=b"5\r\nhello\r\n" + LAST), Seen("POST", "/OWN", b"hello"))
for name in (b"transfer-encoding", b"TRANSFER-ENCODING", b"tRANSFER-eNCODING"):
    accept(f"coding-name-{named(name)}", post(name + b": chunked", body=b"5\r\nhello\r\n" + LAST), Seen("POST", "/OWN", b"hello"))
UNKNOWN = [b"identity", b"gzip", b"deflate", b"compress", b"x-gzip", b"br", b"xchunked", b"chunkedx", b"chunke", b"chunked-",
           b"x-chunked", b"chunk", b"cow", b"identity, chunked", b"gzip, chunked", b"gzip,chunked", b"deflate, gzip, chunked",
           b"xchunked, chunked", b"chunked2", b"null", b"none", b"cow, chunked", b"gzip\t,\tchunked", b"chunked.", b"!chunked", b"'chunked"]
for text in UNKNOWN:
    refuse("coding-unknown-" + named(text), post(b"Transfer-Encoding: " + text, body=LAST), 501)
MALFORMED = [b"", b",", b"chunked,", b",chunked", b", chunked", b"chunked, ", b"chunked,,", b"chunked, chunked", b"chunked,chunked",
             b"chunked, identity", b"chunked, gzip", b"chunked,cow", b"gzip, chunked, gzip", b"chunked;", b"chunked;q=1",
             b"chunked; foo=bar", b'"chunked"', b"chunked\x00", b"\x00chunked", b"chunked\x0b", b"\x0bchunked",
             b"chunked\x0c", b"\x0cchunked", b"\x01chunked", b"chunked\x1f", b"chunked\x7f", b"chunked\xa0", b"\xa0chunked",
             b"\xc2\xa0chunked", b"chunked\xc2\x85", b"\xef\xbb\xbfchunked", b"chu nked", b"chunked chunked", b"chunked identity",
             b"identity chunked", b"chunked/1", b"chunked:", b":chunked", b"chunked=", b"(chunked)", b"chunked(x)", b"[chunked]",
             b"{chunked}", b"chunked\\", b"chunked\\r\\n", b"@", b"chunk\xe9d", b"\xd1\x81hunked", b"gzip,", b",gzip", b"chunked\r",
             b"\rchunked", b"chunked?", b"chunked, ,identity", b"chunked\t chunked"]
for text in MALFORMED:
    refuse("coding-malformed-" + named(text), post(b"Transfer-Encoding: " + text, body=LAST))
for one, two, status in ((b"chunked", b"chunked", 400), (b"chunked", b"identity", 400), (b"identity", b"chunked", 501),
                         (b"chunked", b"", 400), (b"", b"chunked", 400), (b"chunked", b"cow", 400), (b"cow", b"chunked", 501),
                         (b"chunked", b"Chunked", 400)):
    for second in (b"Transfer-Encoding", b"transfer-encoding"):
        refuse(f"coding-twice-{named(one)}-{named(two)}-{second[0]}",
               post(b"Transfer-Encoding: " + one, second + b": " + two, body=LAST), status)
refuse("coding-1.0", post(CHUNKED, version=b"HTTP/1.0", body=LAST))
refuse("coding-1.0-length", post(CHUNKED, b"Content-Length: 5", version=b"HTTP/1.0", body=LAST))
refuse("coding-1.0-keep-alive", post(CHUNKED, b"Connection: keep-alive", version=b"HTTP/1.0", body=LAST))
refuse("coding-1.0-identity", post(b"Transfer-Encoding: identity", version=b"HTTP/1.0", body=LAST))
for name in (b"Transfer_Encoding", b"TransferEncoding", b"Transfer-Encodin", b"Transfer-Encodings", b"X-Transfer-Encoding", b"TE",
             b"Transfer.Encoding", b"Content-Transfer-Encoding"):
    accept("coding-not-" + named(name), post(name + b": chunked"), Seen("POST", "/OWN"))
for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT"):
    accept("coding-of-" + method.decode().lower(), post(CHUNKED, body=b"5\r\nhello\r\n" + LAST).replace(b"POST", method),
           Seen(method.decode(), "/OWN", b"hello"))

# --- Both (RFC 9112 section 6.3, item 3) ---

for coding in (b"chunked", b"Chunked", b"identity", b"xchunked", b"cow", b"chunked, identity", b"identity, chunked", b"", b"gzip",
               b"\x0bchunked", b'"chunked"', b"chunked;x"):
    for length in (b"0", b"3", b"5", b"6", b"43"):
        lines = [b"Transfer-Encoding: " + coding, b"Content-Length: " + length]
        refuse(f"both-{named(coding)}-{named(length)}", post(*lines, body=LAST))
        refuse(f"both-turned-{named(coding)}-{named(length)}", post(*lines[::-1], body=LAST))
for name in (b"transfer-encoding", b"TRANSFER-ENCODING", b"Transfer-encoding", b"TRANSFER-encoding"):
    refuse(f"both-named-{named(name)}", post(b"Content-Length: 6", name + b": chunked", body=b"0\r\n\r\nX"))
for name, line in (("space-colon", b"Transfer-Encoding : chunked"), ("tab-colon", b"Transfer-Encoding\t: chunked"),
                   ("folded", b"Transfer-Encoding:\r\n chunked"), ("folded-tab", b"Transfer-Encoding:\r\n\tchunked"),
                   ("folded-name", b"Transfer-Encoding\r\n : chunked"), ("leading", b" Transfer-Encoding: chunked"),
                   ("leading-tab", b"\tTransfer-Encoding: chunked"), ("bare-lf", b"X: y\nTransfer-Encoding: chunked"),
                   ("bare-cr", b"X: y\rTransfer-Encoding: chunked"), ("vt", b"Transfer-Encoding\x0b: chunked"),
                   ("nul-name", b"Transfer-Encoding\x00: chunked"), ("nul", b"X: y\x00\r\nTransfer-Encoding: chunked"),
                   ("no-colon", b"Transfer-Encoding chunked"), ("two-colons", b"Transfer-Encoding:: chunked"),
                   ("colon-first", b":Transfer-Encoding: chunked"), ("high", b"Transfer-Encoding\xff: chunked"),
                   ("quoted-name", b'"Transfer-Encoding": chunked'), ("lf-first", b"\nTransfer-Encoding: chunked"),
                   ("lf-cr", b"X: y\n\rTransfer-Encoding: chunked"), ("cr-cr", b"X: y\r\r\nTransfer-Encoding: chunked"),
                   ("del", b"Transfer-Encoding\x7f: chunked"), ("semicolon", b"Transfer-Encoding; chunked"),
                   ("equals", b"Transfer-Encoding=chunked"), ("folded-vt", b"Foo: bar\r\n\x0bTransfer-Encoding: chunked"),
                   ("folded-behind", b"Foo: bar\r\n Transfer-Encoding: chunked")):
    refuse("both-hidden-" + name, post(b"Content-Length: 6", line, body=b"0\r\n\r\nX"))
    refuse("both-hidden-turned-" + name, post(line, b"Content-Length: 6", body=b"0\r\n\r\nX"))

# --- Chunks (RFC 9112 section 7.1) ---


def chunks(body):
    """A POST of these chunks."""
    return post(CHUNKED, body=body)


for size in (b"5", b"05", b"0000000000000005", b"00000000000000000000000005"):
    accept("chunk-size-" + named(size), chunks(size + b"\r\nhello\r\n" + LAST), Seen("POST", "/OWN", b"hello"))
for size in (b"a", b"A", b"0a", b"0A"):
    accept("chunk-size-" + named(size), chunks(size + b"\r\n0123456789\r\n" + LAST), Seen("POST", "/OWN", b"0123456789"))
for last in (b"0", b"00", b"0000000000000000"):
    accept("chunk-last-" + named(last), chunks(b"5\r\nhello\r\n" + last + b"\r\n\r\n"), Seen("POST", "/OWN", b"hello"))
accept("chunk-none", chunks(LAST), Seen("POST", "/OWN"))
accept("chunk-like-a-request", chunks(b"2b\r\nGET /smuggled/in-body HTTP/1.1\r\nHost: x\r\n\r\n\r\n" + LAST),
       Seen("POST", "/OWN", b"GET /smuggled/in-body HTTP/1.1\r\nHost: x\r\n\r\n"))
accept("chunk-like-the-last", chunks(b"5\r\n0\r\n\r\n\r\n" + LAST), Seen("POST", "/OWN", b"0\r\n\r\n"))
accept("chunks-many", chunks(b"1\r\nx\r\n" * 300 + LAST), Seen("POST", "/OWN", b"x" * 300))
accept("chunks-then-another", chunks(b"5\r\nhello\r\n" + LAST) + b"GET /OWN/2 HTTP/1.1\r\nHost: x\r\n\r\n",
       Seen("POST", "/OWN", b"hello"), Seen("GET", "/OWN/2"))
for size in (b"", b" 5", b"\t5", b"+5", b"-5", b"-0", b"0x5", b"0X5", b"x5", b"5h", b"5g", b"g", b"5 ", b"5\t", b"5  ", b"5 5",
             b"5,", b"5.", b"5.0", b"5_", b"5_0", b"'5'", b'"5"', b"5\x00", b"\x005", b"5\x0b", b"5\x0c", b"\x0b5", b"5\x7f",
             b"5\xa0", b"\xa05", b"\xef\xbc\x95", b"$5", b"#5", b"5L", b"\\x5", b"5:", b"5=", b"5/", b"5h;x", b" ", b"\t",
             b"-ffffffffffffffff", b"fffffffffffffffb 5", b"5\r", b"\r5", b"(5)", b"five", b"5!", b"5&", b"5?", b"0 ", b" 0", b"0\t"):
    refuse("chunk-size-bad-" + named(size), chunks(size + b"\r\nhello\r\n" + LAST))
    refuse("chunk-size-bad-later-" + named(size), chunks(b"3\r\nabc\r\n" + size + b"\r\nhello\r\n" + LAST))
for size in (b"10000000000000000", b"10000000000000005", b"ffffffffffffffffff", b"100000000000000000005", b"f" * 40, b"0" * 300 + b"5"):
    refuse("chunk-size-overflows-" + named(size), chunks(size + b"\r\nhello\r\n" + LAST))
for size in (b"ffffffffffffffff", b"fffffffffffffffe", b"7fffffffffffffff", b"8000000000000000", b"100000000"):
    unfinished("chunk-size-huge-" + named(size), chunks(size + b"\r\nhello\r\n" + LAST))
for name, body in (("lf-size", b"5\nhello\r\n" + LAST), ("lf-data", b"5\r\nhello\n" + LAST), ("lf-last", b"5\r\nhello\r\n0\n\r\n"),
                   ("lf-end", b"5\r\nhello\r\n0\r\n\n"), ("lf-all", b"5\nhello\n0\n\n"), ("cr-size", b"5\rhello\r\n" + LAST),
                   ("cr-cr-size", b"5\r\rhello\r\n" + LAST), ("cr-data", b"5\r\nhello\r" + LAST), ("cr-last", b"5\r\nhello\r\n0\r\r\n"),
                   ("lf-cr-size", b"5\n\rhello\r\n" + LAST), ("missing-data-end", b"5\r\nhello" + LAST),
                   ("short", b"6\r\nhello\r\n" + LAST), ("long", b"4\r\nhello\r\n" + LAST), ("very-long", b"1\r\nhello\r\n" + LAST),
                   ("blank-line-first", b"\r\n5\r\nhello\r\n" + LAST), ("blank-line-between", b"5\r\nhello\r\n\r\n" + LAST),
                   ("space-behind-data", b"5\r\nhello \r\n" + LAST), ("x-behind-data", b"5\r\nhelloXX" + LAST),
                   ("x-behind-data-lf", b"5\r\nhelloX\n" + LAST), ("cr-x-behind-data", b"5\r\nhello\rX" + LAST),
                   ("no-size", b"hello\r\n" + LAST), ("crcrlf-size", b"5\r\r\nhello\r\n" + LAST),
                   ("nul-behind-data", b"5\r\nhello\0\r\n" + LAST), ("lflf-size", b"5\n\nhello\r\n" + LAST)):
    refuse("chunk-end-" + name, chunks(body))
for extension in (b";a", b";a=b", b";a=1;b=2", b';a="b"', b';a=""', b';a="b;c"', b';a="b\\"c"', b';a="b\\\\"', b";a;b;c=d",
                  b';a="\t \xe9"', b";!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~", b";x=" + b"y" * 200, b';a="0,5:{}()"'):
    accept("extension-" + named(extension), chunks(b"5" + extension + b"\r\nhello\r\n0" + extension + b"\r\n\r\n"),
           Seen("POST", "/OWN", b"hello"))
for extension in (b";", b";;", b";a;", b";a;;b", b"; a", b" ;a", b"\t;a", b";a ", b";a\t", b";a =b", b";a= b", b";a=", b";=b", b";a=b=c",
                  b';a="b', b';a=b"', b';a="b"c', b';a="b""c"', b';a="b\\', b';a="\x01"', b';a="\\\x01"', b';a="\x7f"', b";a\x00",
                  b";\x00", b";a=\x00b", b';a="\x00"', b";a\x0bb", b";a=b\x0c", b";a=\x7f", b";\xe9", b";a=\xe9", b";a b", b";a,b",
                  b";a:b", b";a=b/c", b";a=(b)", b";[a]", b";a=b,c", b";a@b", b";a\rb", b";a\nb", b";\n", b";a\n", b";a=\"b\nc\"",
                  b";a=\"b\rc\"", b";a=\"b\r\nc\"", b";" + b"x" * 300, b";x=" + b"y" * 3000, b';x="' + b"y" * 100_000 + b'"', b",a",
                  b"g;b", b" ", b"\n;a", b';a=b;"c"', b";\r", b"\r;a", b";a=\\", b"; a = b", b";a\xff", b";a=\"b\\\nc\""):
    refuse("extension-bad-" + named(extension[:24]) + (f"-{len(extension)}" if len(extension) > 24 else ""),
           chunks(b"5" + extension + b"\r\nhello\r\n" + LAST))
    if len(extension) < 100:
        refuse("extension-bad-last-" + named(extension[:24]), chunks(b"5\r\nhello\r\n0" + extension + b"\r\n\r\n"))

# --- Trailers (RFC 9112 section 7.1.2, RFC 9110 section 6.5) ---

for trailer in (b"X: y", b"X:", b"X:y\t", b"X-Checksum: abc\r\nX-Other: def", b"X: \xe9", b"TE: chunked", b"Content-Lengt: 5"):
    accept("trailer-" + named(trailer), chunks(b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"), Seen("POST", "/OWN", b"hello"))
for trailer in (b"Content-Length: 5", b"content-length: 0", b"Transfer-Encoding: chunked", b"transfer-encoding: identity", b"Host: y",
                b"host: x", b"X y: z", b"X : y", b"X\t: y", b" X: y", b"\tX: y", b"X", b": y", b"X: y\r\n z", b"X: y\n", b"X: y\nZ: a",
                b"X: y\rZ: a", b"X: \x00", b"X\x00: y", b"X: \x01", b"X: y\x7f", b"X: \x0b", b"X\x0b: y", b"\xff: y", b"(X): y",
                b"X[1]: y", b"X: y\r\n\tz", b"GET / HTTP/1.1", b"X@: y", b"X: y\r\nContent-Length: 5", b"X\r: y"):
    refuse("trailer-bad-" + named(trailer), chunks(b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"))

# --- Ends of lines, folds, blanks, NUL (RFC 9112 sections 2.2, 3, 5) ---

accept("empty-line-first", b"\r\n" + get(b"Host: x"), Seen("GET", "/OWN"))
accept("empty-line-between", get(b"Host: x") + b"\r\nGET /OWN/2 HTTP/1.1\r\nHost: x\r\n\r\n", Seen("GET", "/OWN"), Seen("GET", "/OWN/2"))
for name, before in (("two", b"\r\n\r\n"), ("many", b"\r\n" * 50), ("lf", b"\n"), ("lf-lf", b"\n\n"), ("cr", b"\r"), ("space", b" "),
                     ("tab", b"\t"), ("crlf-space", b"\r\n "), ("nul", b"\0"), ("bom", b"\xef\xbb\xbf"), ("vt", b"\x0b"),
                     ("crlf-lf", b"\r\n\n"), ("crcrlf", b"\r\r\n"), ("header", b"X: y\r\n"), ("word", b"hello\r\n"), ("high", b"\xff"),
                     ("space-crlf", b" \r\n"), ("one", b"5\r\n")):
    refuse("before-line-" + name, before + get(b"Host: x"))
for name, data in (
        ("lf-line", b"GET /OWN HTTP/1.1\nHost: x\r\n\r\n"), ("lf-host", b"GET /OWN HTTP/1.1\r\nHost: x\n\r\n"),
        ("lf-end", b"GET /OWN HTTP/1.1\r\nHost: x\r\n\n"), ("lf-all", b"GET /OWN HTTP/1.1\nHost: x\n\n"),
        ("cr-line", b"GET /OWN HTTP/1.1\rHost: x\r\n\r\n"), ("cr-host", b"GET /OWN HTTP/1.1\r\nHost: x\r\r\n\r\n"),
        ("cr-end", b"GET /OWN HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n"), ("cr-all", b"GET /OWN HTTP/1.1\rHost: x\r\r"),
        ("lf-cr", b"GET /OWN HTTP/1.1\n\rHost: x\n\r\n\r"), ("lf-in-value", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX: a\nb: c\r\n\r\n"),
        ("cr-in-value", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX: a\rb: c\r\n\r\n"), ("cr-in-name", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX\r: a\r\n\r\n"),
        ("lf-in-name", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX\n: a\r\n\r\n"), ("lf-in-target", b"GET /OWN\n HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("cr-in-target", b"GET /OWN\rx HTTP/1.1\r\nHost: x\r\n\r\n"), ("lf-in-method", b"GE\nT /OWN HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("cr-in-method", b"GE\rT /OWN HTTP/1.1\r\nHost: x\r\n\r\n"), ("cr-in-version", b"GET /OWN HTTP/1.1\r \r\nHost: x\r\n\r\n"),
        ("lf-unknown-method", b"BREW /OWN HTTP/1.1\nHost: x\r\n\r\n"), ("lf-first-field", b"GET /OWN HTTP/1.1\r\n\nHost: x\r\n\r\n"),
        ("crcrlf-line", b"GET /OWN HTTP/1.1\r\r\nHost: x\r\n\r\n"), ("crcrlf-value", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX: y\r\r\n\r\n")):
    refuse("line-" + name, data)
for name, lines in (("value", [b"Host: x", b"X: a", b" b"]), ("tab", [b"Host: x", b"X: a", b"\tb"]), ("empty", [b"Host: x", b"X:", b" b"]),
                    ("first", [b" X: a", b"Host: x"]), ("first-tab", [b"\tX: a", b"Host: x"]), ("host", [b"Host:", b" x"]),
                    ("blank", [b"Host: x", b"X: a", b" "]), ("several", [b"Host: x", b"X: a", b" b", b"  c"]),
                    ("hidden-length", [b"Host: x", b"X: a", b" Content-Length: 5"]), ("first-colon", [b" : a", b"Host: x"]),
                    ("last", [b"Host: x", b" "]), ("name", [b"Host: x", b"X-", b" Y: a"])):
    refuse("fold-" + name, get(*lines))
for name, line in (("two-before-target", b"GET  /OWN HTTP/1.1"), ("two-before-version", b"GET /OWN  HTTP/1.1"), ("tab-target", b"GET\t/OWN HTTP/1.1"),
                   ("tab-version", b"GET /OWN\tHTTP/1.1"), ("trailing", b"GET /OWN HTTP/1.1 "), ("trailing-tab", b"GET /OWN HTTP/1.1\t"),
                   ("leading", b" GET /OWN HTTP/1.1"), ("leading-tab", b"\tGET /OWN HTTP/1.1"), ("vt", b"GET\x0b/OWN HTTP/1.1"),
                   ("ff", b"GET /OWN\x0cHTTP/1.1"), ("in-target", b"GET /OWN b HTTP/1.1"), ("in-target-tab", b"GET /OWN\tb HTTP/1.1"),
                   ("word-behind", b"GET /OWN HTTP/1.1 x"), ("two-versions", b"GET /OWN HTTP/1.1 HTTP/1.1"), ("three", b"GET   /OWN   HTTP/1.1"),
                   ("all-tabs", b"GET\t/OWN\tHTTP/1.1"), ("no-target", b"GET HTTP/1.1"), ("no-target-two", b"GET  HTTP/1.1"),
                   ("cr-as-blank", b"GET\r/OWN HTTP/1.1"), ("nbsp", b"GET\xa0/OWN HTTP/1.1"), ("nul", b"GET\0/OWN HTTP/1.1"),
                   ("only-method", b"GET"), ("method-blank", b"GET "), ("only-target", b"/OWN"), ("unknown-two", b"BREW  /OWN HTTP/1.1"),
                   ("unknown-trailing", b"BREW /OWN HTTP/1.1 "), ("unknown-none", b"BREW"), ("comma", b"GET,/OWN,HTTP/1.1"),
                   ("header", b"Host: y"), ("answer", b"HTTP/1.1 200 OK")):
    refuse("blank-" + name, line + b"\r\nHost: x\r\n\r\n")
for name, data in (("method", b"G\0T /OWN HTTP/1.1\r\nHost: x\r\n\r\n"), ("target", b"GET /OWN\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
                   ("query", b"GET /OWN?a=\0 HTTP/1.1\r\nHost: x\r\n\r\n"), ("version", b"GET /OWN HTTP/1.1\0\r\nHost: x\r\n\r\n"),
                   ("name", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX\0: y\r\n\r\n"), ("value", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
                   ("host", b"GET /OWN HTTP/1.1\r\nHost: x\0y\r\n\r\n"), ("first", b"\0GET /OWN HTTP/1.1\r\nHost: x\r\n\r\n"),
                   ("end", b"GET /OWN HTTP/1.1\r\nHost: x\r\n\0\r\n"), ("cookie", b"GET /OWN HTTP/1.1\r\nHost: x\r\nCookie: a=\0\r\n\r\n")):
    refuse("nul-" + name, data)

# --- Host (RFC 9112 section 3.2, RFC 9110 section 7.2) ---

for host in (b"x", b"x:80", b"x:", b"x.example", b"X.Example:8080", b"127.0.0.1", b"127.0.0.1:80", b"[::1]", b"[::1]:80", b"[::1]:",
             b"[::ffff:1.2.3.4]", b"[2001:db8::1]:443", b"a_b", b"xn--bcher-kva.example", b"x.", b"a-b.c~d", b"", b"%41.example",
             b"1.2.3", b"x:65535", b"x:0080", b"[ABCD::]"):
    accept("host-" + named(host), get(b"Host: " + host), Seen("GET", "/OWN", fields=(("host", host.decode()),)))
for host in (b"x y", b"x, y", b"x,y", b"user@x", b"user:pw@x", b"@x", b"x/", b"x/path", b"/x", b"http://x", b"x?q", b"x#f", b"x\\y",
             b"x:80:80", b"x:8a", b"x:-1", b"x:+80", b"x: 80", b"x :80", b"x:80 ,y", b"x:65536", b"x:999999", b"x:80/", b"::1", b"[::1",
             b"::1]", b"[]", b"[::1]x", b"[::1]80", b"[::1]:x", b"[::g]", b"[::1%25eth0]", b"[::1%eth0]", b"[v1.x]", b"[1.2.3.4]", b"[x]",
             b":80", b":", b"x\x00", b"x\x01", b"x\x7f", b"x\x0b", b"x\xe9", b"\xc3\xa9.example", b"x%", b"x%4", b"x%zz", b'"x"', b"<x>",
             b"x|y", b"x^y", b"x`y", b"{x}", b"x;y z", b"x\ty", b"[::1]:80:80", b"[[::1]]", b"[::1]:99999", b"x[y]", b"x:\xef\xbc\x98"):
    refuse("host-bad-" + named(host), get(b"Host: " + host))
refuse("host-missing", get(b"X: y"))
refuse("host-missing-alone", b"GET /OWN HTTP/1.1\r\n\r\n")
for one, two in ((b"x", b"x"), (b"x", b"y"), (b"x", b""), (b"", b"x"), (b"", b"")):
    for second in (b"Host", b"host", b"HOST"):
        refuse(f"host-twice-{named(one)}-{named(two)}-{named(second)}", get(b"Host: " + one, second + b": " + two))
refuse("host-twice-apart", get(b"Host: x", *[b"X: y"] * 10, b"Host: y"))
refuse("host-twice-1.0", b"GET /OWN HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n")
refuse("host-bad-1.0", b"GET /OWN HTTP/1.0\r\nHost: a b\r\n\r\n")
refuse("host-space-colon", get(b"Host : x"))
accept("host-missing-1.0", b"GET /OWN HTTP/1.0\r\n\r\n", Seen("GET", "/OWN"), stays=False)

# --- Forms of the target (RFC 9112 section 3.2) ---

for target in ("/OWN?a=b", "/OWN//x", "/OWN/%41", "/OWN/..", "/OWN;p=q?r", "/OWN?", "/OWN??", "/OWN?a=b&c=d&e", "///OWN", "/OWN?http://y/", "/OWN|^`{}\"<>\\"):
    accept("target-" + named(target.replace("/OWN", "").encode()), b"GET " + target.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
           Seen("GET", target))
for target, host in (("http://x/OWN", "x"), ("http://y.example/OWN", "y.example"), ("HTTP://x:8080/OWN", "x:8080"), ("http://[::1]:80/OWN", "[::1]:80"),
                     ("https://x/OWN", "x"), ("http://x?a/OWN", "x")):
    accept("target-absolute-" + named(target.encode()), b"GET " + target.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
           Seen("GET", target, fields=(("host", host),)))
accept("target-asterisk", b"OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Marker: target-asterisk\r\n\r\n", Seen("OPTIONS", "*"))
for method, target in (("GET", "*"), ("POST", "*"), ("OPTIONS", "**"), ("OPTIONS", "*?x"), ("OPTIONS", "*/"), ("GET", "x"), ("GET", "x/y"),
                       ("GET", "x:80"), ("GET", "?x"), ("GET", "#x"), ("GET", "/#x"), ("GET", "/x#"), ("GET", "/?x#y"), ("GET", "mailto:x"),
                       ("GET", "http:/x"), ("GET", "http:x"), ("GET", "http://"), ("GET", "http:///x"), ("GET", "http://?x"),
                       ("GET", "http://u@x/"), ("GET", "http://u:p@x/"), ("GET", "http://x:99999/"), ("GET", "http://x:a/"),
                       ("GET", "http://[::1/"), ("GET", "http://a,b/"), ("GET", "ftp://x/"), ("GET", "file:///x"), ("GET", "ws://x/"),
                       ("GET", "://x/"), ("GET", "http//x/"), ("GET", "\\x"), ("GET", "../x"), ("GET", "%2fx"), ("GET", "http://x#y"),
                       ("GET", "http://x\\y/"), ("GET", "http://:80/"), ("GET", "javascript:x"), ("GET", "http://x"[:6]), ("GET", "HTTP/1.1"),
                       ("CONNECT", "/x"), ("CONNECT", "*"), ("CONNECT", "http://x/"), ("CONNECT", "x"), ("CONNECT", "x:"),
                       ("CONNECT", "x:y"), ("CONNECT", ":80"), ("CONNECT", "u@x:80"), ("CONNECT", "x:80/")):
    refuse(f"target-bad-{method.lower()}-{named(target.encode())}",
           f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
for target in (b"x:80", b"x.example:443", b"[::1]:443", b"127.0.0.1:1"):
    refuse("connect-" + named(target), b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n", 501)
for byte in [*range(0x01, 0x09), *range(0x0e, 0x20, 3), 0x0b, 0x0c, 0x1f, 0x7f, 0x80, 0xa0, 0xc3, 0xff]:
    refuse(f"target-byte-{byte:02x}", b"GET /OWN%c HTTP/1.1\r\nHost: x\r\n\r\n" % byte)
    refuse(f"target-query-byte-{byte:02x}", b"GET /OWN?%c HTTP/1.1\r\nHost: x\r\n\r\n" % byte)

# --- Methods (RFC 9110 section 9.1) ---

for method in ("get", "Get", "BREW", "M-SEARCH", "PATCH", "TRACE", "PROPFIND", "X" * 200, "!#$%&'*+-.^_`|~0", "GETX", "G", "PUT", "QUERY"):
    accept("method-" + named(method[:20].encode()), method.encode() + b" /OWN HTTP/1.1\r\nHost: x\r\n\r\n", Seen(method, "/OWN"))
for byte in [*range(0x00, 0x0a), *range(0x0b, 0x0d), *range(0x0e, 0x20, 3), *b'"(),/:;<=>?@[\\]{}', 0x7f, 0x80, 0xa0, 0xff]:
    refuse(f"method-byte-{byte:02x}", b"GE%cT /OWN HTTP/1.1\r\nHost: x\r\n\r\n" % byte)
    refuse(f"method-first-byte-{byte:02x}", b"%cGET /OWN HTTP/1.1\r\nHost: x\r\n\r\n" % byte)

# --- Versions (RFC 9112 section 2.3) ---

for version in (b"HTTP/1.2", b"HTTP/1.9"):
    accept("version-" + named(version), b"GET /OWN " + version + b"\r\nHost: x\r\n\r\n", Seen("GET", "/OWN"))
accept("version-1.0", b"GET /OWN HTTP/1.0\r\nHost: x\r\n\r\n", Seen("GET", "/OWN"), stays=False)
accept("version-1.0-length", b"POST /OWN HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", Seen("POST", "/OWN", b"hello"), stays=False)
for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0", b"HTTP/9.9", b"HTTP/2.1", b"HTTP/0.0"):
    refuse("version-not-known-" + named(version), b"GET /OWN " + version + b"\r\nHost: x\r\n\r\n", 505)
refuse("version-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
for version in (b"http/1.1", b"Http/1.1", b"HTTP/1.1.1", b"HTTP/11", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/", b"HTTP", b"HTTP/1.10",
                b"HTTP/01.1", b"HTTP/1.01", b"HTTP/10.1", b"HTTP/1,1", b"HTTP/1-1", b"HTTP 1.1", b"HTTP/ 1.1", b"HTTP/1 .1", b"HTTPS/1.1",
                b"HTTP/a.b", b"HTTP/1.x", b"HTTP\\1.1", b"HTTP/1.1x", b"xHTTP/1.1", b"HTTP/-1.1", b"HTTP/1.-1", b"HTTP/+1.1", b"HTTP/1.1;",
                b"ICY/1.1", b"HTTP/\xb1.1", b"HTTP//1.1", b"HTTP/1/1", b"1.1", b"HTTP1.1", b"HTTP/1.1\x0b", b"HTTP/1.1\x00", b"SIP/2.0",
                b"TTP/1.1", b"HTTP/0x1.1", b"HTTP/1.1\x7f", b"HTTP/\x001.1", b"hTTP/1.1", b"HTTP/1.1HTTP/1.1", b"HTTP/1.11111111111"):
    refuse("version-bad-" + named(version), b"GET /OWN " + version + b"\r\nHost: x\r\n\r\n")
refuse("version-none", b"GET /OWN\r\nHost: x\r\n\r\n")
refuse("version-none-alone", b"GET /OWN\r\n")

# --- Field names and values (RFC 9110 sections 5.1 and 5.5) ---

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"
for byte in TOKEN:
    accept(f"name-byte-{byte:02x}", get(b"Host: x", b"X%cY: z" % byte), Seen("GET", "/OWN"))
for byte in [*range(0x00, 0x21), *b'"(),/;<=>?@[\\]{}', 0x7f, 0x80, 0xa0, 0xc3, 0xff]:
    refuse(f"name-bad-byte-{byte:02x}", get(b"Host: x", b"X%cY: z" % byte))
    refuse(f"name-bad-first-{byte:02x}", get(b"Host: x", b"%cX: z" % byte))
    refuse(f"name-bad-last-{byte:02x}", get(b"Host: x", b"X%c: z" % byte))
refuse("name-empty", get(b"Host: x", b": z"))
refuse("name-empty-first", get(b": z", b"Host: x"))
refuse("name-no-colon", get(b"Host: x", b"X"))
refuse("name-no-colon-first", get(b"X", b"Host: x"))
refuse("name-line-again", get(b"Host: x", b"GET / HTTP/1.1"))
for value in (b"", b"a", b"a b", b"a\tb", b"\xe9", b"\xff\x80", b'"quoted"', b"a:b", b"(comment)", b",;=[]{}<>", b"a" * 3000, b"\xc3\xa9"):
    accept("value-" + named(value[:30]), get(b"Host: x", b"X-Value: " + value),
           Seen("GET", "/OWN", fields=(("x-value", value.decode("latin-1")),)))
for length in range(0, 20):
    for byte in (0x01, 0x7f):
        refuse(f"value-byte-{byte:02x}-at-{length}", get(b"Host: x", b"X: " + b"a" * length + bytes([byte]) + b"b" * (19 - length)))
for byte in [*range(0x00, 0x09), *range(0x0a, 0x20), 0x7f]:
    refuse(f"value-bad-byte-{byte:02x}", get(b"Host: x", b"X: a%cb" % byte))
    refuse(f"value-bad-first-{byte:02x}", get(b"Host: x", b"X: %cb" % byte))
    refuse(f"value-bad-last-{byte:02x}", get(b"Host: x", b"X: a%c" % byte))

# --- Several on one connection; what a client leaves unfinished ---

for count in (2, 5, 20):
    accept(f"pipelined-{count}", b"".join(b"GET /OWN/%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(count)),
           *[Seen("GET", f"/OWN/{i}") for i in range(count)])
accept("pipelined-bodies", b"".join(b"POST /OWN/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % (i, i)
                                    + b"POST /OWN/%d/c HTTP/1.1\r\nHost: x\r\n" % i + CHUNKED + b"\r\n\r\n1\r\n%d\r\n" % i + LAST
                                    for i in range(5)),
       *[Seen("POST", f"/OWN/{i}{kind}", b"%d" % i) for i in range(5) for kind in ("", "/c")])
GOOD = b"GET /OWN/first HTTP/1.1\r\nHost: x\r\n\r\n"
for name, bad in (("two-lengths", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
                  ("both", post(b"Content-Length: 5", CHUNKED, body=LAST)), ("chunk", chunks(b"x\r\n")), ("line", b"hello\r\n\r\n"),
                  ("host", get(b"X: y")), ("lf", b"GET /OWN HTTP/1.1\nHost: x\n\n"), ("fold", get(b"Host: x", b" y"))):
    data = (GOOD + bad).replace(b"/OWN", b"/pipelined-bad-" + name.encode())
    CASES.append(Case("pipelined-bad-" + name, data + smuggled("pipelined-bad-" + name), (200, 400), False,
                      (Seen("GET", f"/pipelined-bad-{name}/first"),)))
for name, data in (("line", b"GET /OWN HT"), ("field", b"GET /OWN HTTP/1.1\r\nHost: x\r\nX: "), ("head", b"GET /OWN HTTP/1.1\r\nHost: x\r\n"),
                   ("head-cr", b"GET /OWN HTTP/1.1\r\nHost: x\r\n\r"), ("body", post(b"Content-Length: 5", body=b"hell")),
                   ("no-body", post(b"Content-Length: 5")), ("chunk", chunks(b"5\r\nhel")), ("chunk-size", chunks(b"5")),
                   ("chunk-size-cr", chunks(b"5\r")), ("chunk-end", chunks(b"5\r\nhello")), ("last", chunks(b"5\r\nhello\r\n")),
                   ("last-size", chunks(b"5\r\nhello\r\n0\r\n")), ("last-cr", chunks(b"5\r\nhello\r\n0\r\n\r")),
                   ("trailer", chunks(b"5\r\nhello\r\n0\r\nX: y\r\n")), ("extension", chunks(b"5;a=\"")), ("nothing", b"")):
    unfinished("unfinished-" + name, data)

IDS = [case.id for case in CASES]
assert len(set(IDS)) == len(IDS), sorted(name for name in set(IDS) if IDS.count(name) > 1)
