"""Django's templates come from the archive: a base template by DIRS, a page by APP_DIRS."""

import pathlib

DJANGO = ("python3-django", "python3-asgiref", "python3-sqlparse")
PAGES = pathlib.Path(__file__).parent / "applications/site_of_pages"


def test_templates_load_from_the_archive(packed, debian_packages, serve):
    server = serve(binary=packed(PAGES, "--with", debian_packages(*DJANGO), "--app", "app:app", name="pages"))
    with server.get("/?name=%3Cyou%3E") as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.read().decode().strip() == (
            "<html><title>Django</title>Hello &lt;you&gt;, 5</html>")
