"""Several servers of one test or one file, which end with it."""

import contextlib

import validate
from server import Server


@contextlib.contextmanager
def serving(limpet, validated, new_folder):
    """The function that the fixture serve gives out. new_folder: makes one of that name."""
    servers = []

    def start(*arguments, binary=limpet, port=0, **options):
        listen = [] if port is None else ["--port", port]
        command = ["serve"] if binary == limpet else []
        if validated:
            options["alerts"] = validate.VIOLATIONS
            if binary == limpet:
                arguments = validate.served(arguments, new_folder("validated") / "module")
        server = Server([binary, *command, *arguments, *listen], **options)
        servers.append(server)
        return server

    yield start
    problems = []
    for server in servers:
        try:
            if server.process.returncode is None:
                server.stop()
        except AssertionError as error:
            problems.append(str(error))
            server.kill()
    assert not problems, "\n".join(problems)
