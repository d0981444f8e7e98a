"""smtplib, imaplib and poplib: TLS at once, and after a word in the clear."""

import hashlib
import imaplib
import poplib
import smtplib

import common
from common import task

PORTS = common.SETTINGS.get("ports")
NAME = "client.test"  # or smtplib asks the DNS for ours
TEXT = b"Subject: hello\r\n\r\n" + b"a line of a message\r\n" * 50_000  # 1 MB


def smtp(upgrade, context=None):
    context = context or common.context()
    if not upgrade:
        return smtplib.SMTP_SSL("localhost", PORTS["smtps"], NAME, context=context, timeout=common.TIMEOUT_S)
    made = smtplib.SMTP("localhost", PORTS["smtp"], NAME, timeout=common.TIMEOUT_S)
    made.starttls(context=context)
    return made


def send(upgrade):
    with smtp(upgrade) as made:
        made.login("user", "secret")
        made.mail("a@b.test")
        made.rcpt("c@d.test")
        code, answer = made.data(TEXT)
        return [made.sock.version(), code, answer.decode() == hashlib.sha256(TEXT + b".\r\n").hexdigest()]


@task
def smtp_at_once():
    return send(False)


@task
def smtp_starttls():
    return send(True)


@task
def smtp_in_the_clear():
    """Without TLS the service offers no login."""
    with smtplib.SMTP("localhost", PORTS["smtp"], NAME, timeout=common.TIMEOUT_S) as made:
        return common.failure(made.login, "user", "secret")


@task
def smtp_unknown_authority():
    return [common.failure(smtp, upgrade, smtplib.ssl.create_default_context()) for upgrade in (False, True)]


def read_imap(made):
    made.login("user", "secret")
    made.select()
    _, data = made.fetch("1", "(RFC822)")
    version = made.socket().version()
    made.logout()
    return [version, len(data[0][1])]


@task
def imap_at_once():
    return read_imap(imaplib.IMAP4_SSL("localhost", PORTS["imaps"], ssl_context=common.context(),
                                       timeout=common.TIMEOUT_S))


@task
def imap_starttls():
    made = imaplib.IMAP4("localhost", PORTS["imap"], timeout=common.TIMEOUT_S)
    made.starttls(common.context())
    return read_imap(made)


@task
def imap_unknown_authority():
    return common.failure(imaplib.IMAP4_SSL, "localhost", PORTS["imaps"], timeout=common.TIMEOUT_S,
                          ssl_context=smtplib.ssl.create_default_context())


def read_pop(made):
    made.user("user")
    made.pass_("secret")
    count = len(made.retr(1)[1])
    version = made.sock.version()
    made.quit()
    return [version, count]


@task
def pop_at_once():
    return read_pop(poplib.POP3_SSL("localhost", PORTS["pops"], context=common.context(), timeout=common.TIMEOUT_S))


@task
def pop_stls():
    made = poplib.POP3("localhost", PORTS["pop"], timeout=common.TIMEOUT_S)
    made.stls(common.context())
    return read_pop(made)


@task
def pop_unknown_authority():
    return common.failure(poplib.POP3_SSL, "localhost", PORTS["pops"], timeout=common.TIMEOUT_S,
                          context=smtplib.ssl.create_default_context())


if __name__ == "__main__":
    common.main()
