"""Things, by Pyramid: views found by a scan, a session in a signed cookie, static files by an asset's name."""

import pyramid.config
import pyramid.session

import things


def create_app():
    session = pyramid.session.SignedCookieSessionFactory("tests only")
    with pyramid.config.Configurator(session_factory=session) as config:
        for name, path in {"page": "/", "thing": "/things/{number}", "form": "/form", "hello": "/hello/{name}",
                           "upload": "/upload", "stream": "/stream", "visits": "/visits", "broken": "/broken"}.items():
            config.add_route(name, path)
        config.add_static_view("static", "static:", cache_max_age=60)
        config.scan(things)
        return config.make_wsgi_app()
