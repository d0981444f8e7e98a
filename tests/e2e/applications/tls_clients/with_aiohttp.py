"""aiohttp in pure Python."""

import asyncio
import os

# Its compiled parts cannot be loaded by a static binary, and the machine's are for another Python.
for name in ("AIOHTTP", "MULTIDICT", "YARL", "FROZENLIST", "PROPCACHE"):
    os.environ[f"{name}_NO_EXTENSIONS"] = "1"

import aiohttp  # noqa: E402
import common  # noqa: E402
from common import URL, task  # noqa: E402


def session(**options):
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(common.TIMEOUT_S), **options)


async def fetch(url, context=None, **options):
    async with session() as made, made.get(url, ssl=context or common.context(), **options) as response:
        return await response.text()


async def digest_of(path):
    async with session() as made, made.get(URL + path, ssl=common.context()) as response:
        return common.digest([piece async for piece in response.content.iter_any()])


def run(coroutine):
    return asyncio.run(coroutine)


@task
def get():
    return common.seen(run(fetch(URL)))["version"]


@task
def post():
    async def send():
        async with session() as made, made.post(URL + "/digest", data=common.UPLOAD, ssl=common.context()) as response:
            return await response.text()

    return run(send())


@task
def download():
    return run(digest_of("/large"))


@task
def keep_alive():
    async def several():
        texts, context = [], common.context()
        async with session() as made:
            for _ in range(5):
                async with made.get(URL, ssl=context) as response:
                    texts.append(await response.text())
        return texts

    return common.connections(run(several()))


@task
def unknown_authority():
    return run(common.failure_of(fetch(URL, aiohttp.client_reqrep.ssl.create_default_context())))


@task
def wrong_host():
    return run(common.failure_of(fetch(common.SETTINGS["wrong_host"])))


@task
def other_name():
    return common.seen(run(fetch(common.SETTINGS["wrong_host"], server_hostname="elsewhere.test")))["version"]


@task
def expired():
    return run(common.failure_of(fetch(common.SETTINGS["expired"])))


@task
def fingerprint():
    good = aiohttp.Fingerprint(bytes.fromhex(common.SETTINGS["fingerprint"]))
    bad = aiohttp.Fingerprint(bytes(32))
    return [common.seen(run(fetch(URL, good)))["version"], run(common.failure_of(fetch(URL, bad)))]


@task
def client_certificate():
    return [common.seen(run(fetch(URL + "/client", context)))["client"] for context in (None, common.with_client())]


@task
def at_once():
    async def all_of_them():
        context = common.context()
        async with session() as made:
            async def one():
                async with made.get(URL, ssl=context) as response:
                    return response.status

            return await asyncio.gather(*(one() for _ in range(common.AT_ONCE)))

    return run(all_of_them()).count(200)


@task
def early_end():
    return run(common.failure_of(fetch(common.SETTINGS["early_end"])))


@task
def no_answer():
    return run(common.failure_of(fetch(common.SETTINGS["no_answer"])))


@task
def proxy():
    return common.seen(run(fetch(URL, proxy=common.SETTINGS["proxy"])))["version"]


@task
def websocket():
    async def talk():
        async with session() as made, made.ws_connect(common.SETTINGS["websocket"], ssl=common.context()) as peer:
            await peer.send_str("Ünïcødé")
            return await peer.receive_str()

    return run(talk())


if __name__ == "__main__":
    common.main()
