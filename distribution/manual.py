"""The manual page limpet(1), in man(7)'s macros, of the binary's own help (commands.py) and a few words about what is
around it."""

import time

SIGNALS = [
    ("TERM, INT", "stop: requests under way have --graceful-timeout; a second one stops at once"),
    ("QUIT", "stop at once"),
    ("HUP", "read certificates and keys again, open log files again"),
    ("USR1", "replace all workers, one after the other"),
    ("USR2", "execute the binary at its path again, and leave when that one serves"),
    ("TTIN, TTOU", "one worker more, one less"),
]

# As the packages install them (README, "Packages").
FILES = [
    ("/etc/limpet/NAME.toml", "settings of the service limpet@NAME"),
    ("/srv/limpet/NAME", "its working folder, where its application is looked for"),
    ("/var/lib/limpet/NAME", "what its application may keep"),
    ("/run/limpet/NAME/control", "its control socket, for status, logs and ctl"),
    ("/etc/default/limpet, /etc/default/limpet-NAME", "LIMPET_ variables of all services, and of one"),
]


def text(words):
    """Words of running text, so that nothing in them is taken for a request or an escape, and hyphens can be searched."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\\&" + escaped if escaped.startswith(".") else escaped


def sentence(words):
    return text(words[0].upper() + words[1:] + ("" if words.endswith(".") else "."))


def entry(tag, *paragraphs):
    """A tagged paragraph, whose further ones are indented as it is."""
    return [".TP", tag, *[line for words in paragraphs for line in (*words, ".IP")][:-1]]


def about_command(command):
    tag = f".BI \"{text(command.name)}\" \" {text(command.usage)}\"" if command.usage else f".B {text(command.name)}"
    lines = [text(" ".join(command.description.split()))] if command.description else []
    return entry(tag, [sentence(command.summary), *lines])


def tag_of(option):
    """The line that the option stands under: names bold, its value in italics, choices as they are written."""
    names = ", ".join(f"\\fB{text(name)}\\fR" for name in [*option.names, option.negation] if name)
    if not names:
        return f"\\fI{text(option.name)}\\fR" if option.name != option.variable else f"\\fB{text(option.name)}\\fR"
    if option.choices:
        return f"{names} \\fB" + "\\fR|\\fB".join(map(text, option.choices)) + "\\fR"
    value = f"\\fI{text(option.metavar)}\\fR"
    if option.is_optional:
        return f"{names}[=\\,{value}\\/]"
    return f"{names} {value}" if option.metavar else names


def about_option(option):
    facts = [
        ("Range", option.limits), ("Default", option.default if not option.is_switch or option.key else ""),
        ("Variable", option.variable), ("Commands", ", ".join(option.commands)),
        ("A change takes effect", option.effect),
    ]
    words = "; ".join(f"{name.lower() if i else name}: {value}" for i, (name, value) in
                      enumerate((name, value) for name, value in facts if value))
    more = [text("It may be given several times.")] if option.is_repeatable else []
    return entry(tag_of(option), [sentence(option.meaning), *more, text(words + ".")])


def manual(version, epoch, commands, options):
    """The page's source. version: limpet's; epoch: seconds since 1970, the date that the page bears."""
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    lines = [
        f'.TH LIMPET 1 "{date}" "limpet {version}" "User Commands"',
        ".ad l", ".nh",
        ".SH NAME", "limpet \\- serve Python web applications, and pack them into one file",
        ".SH SYNOPSIS", ".B limpet", ".I COMMAND", ".RI [ ARGUMENT ]...",
        ".SH DESCRIPTION",
        text("limpet is an HTTP server for Python web applications (WSGI, ASGI, RSGI) with the interpreter inside: one "
             "static file. limpet pack writes a copy of it that carries an application, its packages and its settings; "
             "that file is a program of its own, has the same commands but needs no TARGET, and serves when it is called "
             "without one."),
        ".SH COMMANDS",
    ]
    for command in commands:
        lines += about_command(command)
    lines += [".SH OPTIONS",
              text("The strongest first: the command line (--port 9000), the environment (LIMPET_PORT=9000), the TOML "
                   "file of --config (port = 9000: the option's name without its dashes), the settings packed in, "
                   "[tool.limpet] of the application's pyproject.toml, the defaults. --print-config shows each value "
                   "and where it comes from. Switches have a --no- form.")]
    for option in options:
        lines += about_option(option)
    for title, rows in (("SIGNALS", SIGNALS), ("FILES", FILES)):
        lines.append(f".SH {title}")
        for name, meaning in rows:
            lines += entry(f".{'B' if title == 'SIGNALS' else 'I'} {text(name)}", [sentence(meaning)])
    lines += [".SH EXIT STATUS",
              text("0 after a stop that was asked for, 1 when it could not start or do what the command says, 2 when the "
                   "command line cannot be understood."),
              ".SH SEE ALSO", ".BR python3 (1),", ".BR systemd.service (5),", ".BR systemd.socket (5)"]
    return "\n".join(lines) + "\n"
