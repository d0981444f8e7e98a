"""A browser without scripts: it keeps cookies, follows redirects, and fills in the forms of the pages it gets."""

import html.parser
import secrets
import urllib.error
import urllib.parse
import urllib.request


class Form:
    """A form of a page. action: as it stands there; fields: name -> value, or list of values, as the page has them."""

    def __init__(self, attributes):
        self.action = attributes.get("action") or ""
        self.method = attributes.get("method", "get").upper()
        self.fields = {}
        self.buttons = {}
        self.files = []

    def add_input(self, attributes):
        """An <input>, as far as it is sent."""
        name, kind = attributes.get("name"), attributes.get("type", "text")
        if not name or (kind in ("checkbox", "radio") and "checked" not in attributes):
            return
        if kind == "file":
            self.files.append(name)
        elif kind == "submit":
            self.buttons[name] = attributes.get("value") or ""
        else:
            self.fields[name] = attributes.get("value") or ("on" if kind == "checkbox" else "")


class _Forms(html.parser.HTMLParser):
    """Finds the forms of a page."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self._form = self._area = self._select = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            self._form = Form(attributes)
            self.forms.append(self._form)
        if self._form is None:
            return
        if tag == "input":
            self._form.add_input(attributes)
        elif tag == "textarea":
            self._area = attributes["name"]
            self._form.fields[self._area] = ""
        elif tag == "select":
            self._select = attributes.get("name")
        elif tag == "option" and self._select and ("selected" in attributes or self._select not in self._form.fields):
            self._form.fields[self._select] = attributes.get("value") or ""  # without a choice, the first

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data):
        if self._area is not None and self._form is not None:
            self._form.fields[self._area] += data


class Page:
    """An answer. url: where it came from, after redirects."""

    def __init__(self, response):
        self.status, self.headers, self.url = response.status, response.headers, response.url
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    def form(self, name):
        """The one form that has a field or button of this name."""
        found = [form for form in _Forms(self.text).forms
                 if name in form.fields or name in form.buttons or name in form.files]
        assert len(found) == 1, f"{len(found)} forms with {name} in\n{self.text}"
        return found[0]


def multipart(fields, files):
    """(content type, body) of a form with files: name -> (file name, bytes)."""
    boundary = secrets.token_hex(16)
    parts = [(f'form-data; name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [(f'form-data; name="{name}"; filename="{file}"\r\nContent-Type: application/octet-stream', content)
              for name, (file, content) in files.items()]
    body = b"".join(f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n".encode() + content + b"\r\n"
                    for head, content in parts)
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


class Visitor:
    """Somebody before a site. cookies: what it keeps, an http.cookiejar.CookieJar."""

    def __init__(self, url):
        processor = urllib.request.HTTPCookieProcessor()
        self.cookies = processor.cookiejar
        self._opener = urllib.request.build_opener(processor)
        self._url = url

    def request(self, method, where, body=None, headers=None):
        """The page at a path, or at the address of another page."""
        headers = {"Accept": "text/html, */*;q=0.8", **(headers or {})}
        request = urllib.request.Request(urllib.parse.urljoin(self._url, where), body, headers, method=method)
        try:
            with self._opener.open(request, timeout=60) as response:
                return Page(response)
        except urllib.error.HTTPError as error:
            with error:
                return Page(error)

    def get(self, where, **headers):
        """GET; headers: Accept_Language="de" and the like."""
        return self.request("GET", where, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, page, form, values=None, files=None, button=None):
        """Send a page's form, some fields filled in, by one of its buttons."""
        fields = {**form.fields, **(values or {})}
        if button:
            fields[button] = form.buttons[button]
        kind, body = "application/x-www-form-urlencoded", urllib.parse.urlencode(fields).encode()
        if form.files:
            chosen = {name: ("", b"") for name in form.files} | (files or {})
            kind, body = multipart(fields, chosen)
        return self.request(form.method, urllib.parse.urljoin(page.url, form.action), body,
                            {"Content-Type": kind, "Referer": page.url})

    def cookie(self, name):
        """The value of a cookie; None when there is none."""
        return next((cookie.value for cookie in self.cookies if cookie.name == name), None)
