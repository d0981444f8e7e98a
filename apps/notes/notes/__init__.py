"""A notebook for the browser on the standard library alone.

From the bottom up; no module imports one that stands below it in this list:

    model     what a note is, and which input makes one
    store     notes in SQLite           (schema: its tables)
    place     where the database lies
    markup    a note's text as HTML
    template  HTML files with blanks, filled in safely
    web       requests, responses, the router
    guard     who may send what, and the headers that keep browsers careful
    assets    style sheet, script and icon
    views     pages from notes
    pages     handlers for people       (forms, redirects)
    api       handlers for programs     (JSON)
    site      the WSGI application
"""
