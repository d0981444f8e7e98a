"""Rooms to talk in, for the browser, on the standard library alone.

From the bottom up; no module imports one that stands below it in this list:

    model         what names, texts and rooms may be; the words between server and browser
    outbox        what one person has still to be sent: bounded
    rooms         who is where, and what was said lately
    conversation  one WebSocket, from its handshake to its end
    web           HTTP responses, and the headers that keep browsers careful
    assets        the page, its style sheet, script and icon
    site          the ASGI application
"""
