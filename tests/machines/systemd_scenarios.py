"""What happens on the machine: each scenario does something and reports what it has seen; test_systemd.py judges that.

Run by limpet's interpreter in the machine, as root, at each of its two boots. A report is a line "NAME JSON" on the
second serial line. /checks has limpet.deb, systemd_application/, and packed applications: shop, newer/shop,
broken/shop, notes.
"""

import json
import os
import pathlib
import pwd
import shutil
import sys
import threading
import time
import traceback

from systemd_inside import (ask, children, differences, eventually, exposure, fetch, good, journal, listing, main_pid,
                            process, processes_of, run, send, show, write)

CHECKS = pathlib.Path(__file__).resolve().parent
EXAMPLES = pathlib.Path("/usr/share/doc/limpet/examples")
# Listings of the first boot for the second: as the machine was before the package, and before shop's installation.
KEPT, KEPT_OF_SHOP = pathlib.Path("/root/kept.json"), pathlib.Path("/root/kept_of_shop.json")

FIRST, SECOND = [], []


def first(function):
    FIRST.append(function)
    return function


def second(function):
    SECOND.append(function)
    return function


def prepare(name, settings, application="systemd_application"):
    """The application and the settings of limpet@NAME."""
    shutil.copytree(CHECKS / application, f"/srv/limpet/{name}")
    write(f"/etc/limpet/{name}.toml", f'target = "."\n{settings}')


def drop_in(unit, name, text):
    """What "systemctl edit" does."""
    write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
    good("systemctl", "daemon-reload")


def restart(unit):
    """Restarted, with a new count of restarts; its main process."""
    good("systemctl", "stop", unit)
    run("systemctl", "reset-failed", unit)
    good("systemctl", "start", unit)
    return main_pid(unit)


def started_again(unit, pid):
    """Wait until a service whose main process was that one is started again, by systemd."""
    eventually(lambda: main_pid(unit) not in (0, pid) and show(unit, "ActiveState") == "active",
               "a service that is started again")


def upgrade(unit):
    """USR2, and its end."""
    pid = main_pid(unit)
    good("systemctl", "kill", "--kill-who=main", "--signal=USR2", unit)
    eventually(lambda: main_pid(unit) not in (0, pid), "a new main process")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the old one's end")


# --- The package ---


@first
def package():
    found = {"booted": good("systemctl", "is-system-running", "--wait").strip()}
    KEPT.write_text(json.dumps(listing()))
    found["status"], found["output"] = run("dpkg", "--install", CHECKS / "limpet.deb")
    found["user"] = pwd.getpwnam("limpet")[:]
    found["enabled"] = run("systemctl", "is-enabled", "limpet@shop.service")[1].strip()
    found["unit"] = show("limpet@shop.service", "FragmentPath")
    found["running"] = good("systemctl", "list-units", "--plain", "--no-legend", "limpet@*")
    return found


@first
def example():
    prepare("shop", "")
    shutil.copy(EXAMPLES / "shop.toml", "/etc/limpet")
    status, output = run("systemctl", "enable", "--now", "limpet@shop")
    unit = show("limpet@shop", "ActiveState", "StatusText", "ActiveEnterTimestampMonotonic", "NRestarts", "MainPID")
    answers = [ask(8000) for _ in range(20)]
    return {"status": status, "output": output, "unit": unit, "answers": answers,
            "workers": children(main_pid("limpet@shop")), "control": run(
                "runuser", "-u", "limpet", "--", "limpet", "status", "--control-socket", "/run/limpet/shop/control")}


@first
def confinement():
    prepare("web", 'listen = [":80"]\nworkers = 1\nwritable = ["/var/lib/limpet/web"]\n')
    good("systemctl", "start", "limpet@web")
    pid = main_pid("limpet@web")
    inside = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "sh", "-c"]
    outside = {path: run(*inside, f"echo x >{path}/written && rm {path}/written")[1]
               for path in ("/usr", "/etc", "/var/lib", "/srv", "/var/lib/limpet/web", "/tmp", "/run/limpet/web")}
    return {"answer": ask(80), "writes": ask(80, "/writes"), "namespace": outside, "main": process(pid),
            "workers": [process(child) for child in children(pid)], "user": pwd.getpwnam("limpet").pw_uid,
            "exposure": exposure("limpet@web.service"), "log": journal("limpet@web.service")}


@first
def logs():
    ask(80, "/say")
    return {"log": journal("limpet@web.service")}


@first
def reloaded():
    """As logrotate does it."""
    log = pathlib.Path("/var/lib/limpet/web/access.log")
    with open("/etc/limpet/web.toml", "a") as file:
        file.write(f'access-log = "{log}"\n')
    pid = restart("limpet@web")
    workers = children(pid)
    ask(80)
    log.rename(log.with_suffix(".1"))
    status, output = run("systemctl", "reload", "limpet@web")
    eventually(log.exists, "a new log")
    ask(80)
    eventually(lambda: log.stat().st_size, "lines in the new log")
    return {"status": status, "output": output, "main": [pid, main_pid("limpet@web")],
            "workers": [workers, children(pid)], "active": show("limpet@web", "ActiveState"),
            "lines": len(log.read_text().splitlines()), "log": journal("limpet@web.service")[-20:]}


@first
def replaced():
    """USR1: workers; USR2: all of it."""
    pid = main_pid("limpet@web")
    workers = children(pid)
    good("systemctl", "kill", "--kill-who=main", "--signal=USR1", "limpet@web")
    eventually(lambda: children(pid) and not set(children(pid)) & set(workers), "new workers")
    upgrade("limpet@web")
    found = {"answer": ask(80), "unit": show("limpet@web", "ActiveState", "NRestarts", "Result")}
    pid = main_pid("limpet@web")
    send(pid, "SIGKILL")
    started_again("limpet@web", pid)
    return {**found, "killed": show("limpet@web", "NRestarts"), "log": journal("limpet@web.service")[-30:]}


# --- What goes wrong ---


@first
def killed():
    pid = restart("limpet@shop")
    workers = children(pid)
    send(pid, "SIGKILL")
    started_again("limpet@shop", pid)
    return {"answer": ask(8000), "unit": show("limpet@shop", "NRestarts", "Result"), "count": len(workers),
            "left": [worker for worker in workers if os.path.exists(f"/proc/{worker}")]}


@first
def watchdog():
    """Of a server that has taken another's place: what it says has to count."""
    as_shipped = show("limpet@shop", "WatchdogUSec")
    drop_in("limpet@shop.service", "watchdog", "[Service]\nWatchdogSec=5\n")
    restart("limpet@shop")
    upgrade("limpet@shop")
    pid = main_pid("limpet@shop")
    end = time.monotonic() + 3 * 5  # three times as long as a silent one lives
    while time.monotonic() < end:
        ask(8000)
    alive = {**show("limpet@shop", "NRestarts", "WatchdogUSec"), "same": main_pid("limpet@shop") == pid}
    send(pid, "SIGSTOP")
    started_again("limpet@shop", pid)
    os.unlink("/etc/systemd/system/limpet@shop.service.d/watchdog.conf")
    good("systemctl", "daemon-reload")
    return {"as shipped": as_shipped, "alive": alive, "answer": ask(8000), "unit": show("limpet@shop", "NRestarts"),
            "log": journal("limpet@shop.service")[-30:]}


@first
def broken():
    prepare("broken", 'listen = [":8001"]\nlog = "syslog"\n', "broken_application")
    status, output = run("systemctl", "start", "limpet@broken")
    good("systemctl", "stop", "limpet@broken")
    missing = run("systemctl", "start", "limpet@missing")
    return {"status": status, "output": output, "missing": missing, "log": journal("limpet@broken.service")}


# --- Limits ---


@first
def limits():
    found = {}
    drop_in("limpet@shop.service", "limits", "[Service]\nMemoryMax=128M\n")
    restart("limpet@shop")
    found["small"] = {"answer": ask(8000), "log": journal("limpet@shop.service")[-30:], "unit": show(
        "limpet@shop", "MemoryMax", "MemoryCurrent")}
    write("/etc/limpet/shop.toml", (EXAMPLES / "shop.toml").read_text().replace("workers = 2\n", ""))
    for name, text in ("two", ""), ("one", "CPUQuota=100%\n"):
        drop_in("limpet@shop.service", "limits", f"[Service]\n{text}")
        found[name] = len(children(restart("limpet@shop")))
    os.unlink("/etc/systemd/system/limpet@shop.service.d/limits.conf")
    good("systemctl", "daemon-reload")
    return found


# --- Sockets ---


@first
def socket_activation():
    prepare("lazy", "workers = 1\n")
    status, output = run("systemctl", "enable", "--now", "limpet@lazy.socket")
    before = show("limpet@lazy.service", "ActiveState")
    mode = oct(os.stat("/run/limpet-lazy.sock").st_mode)
    answer = ask("/run/limpet-lazy.sock")
    after = show("limpet@lazy.service", "ActiveState")
    return {"status": status, "output": output, "before": before, "after": after, "answer": answer, "mode": mode}


@first
def socket_restart():
    """Clients ask all the time, while the service is started again by each of the ways that there are."""
    drop_in("limpet@lazy.socket", "port", "[Socket]\nListenStream=\nListenStream=443\n")
    good("systemctl", "stop", "limpet@lazy.socket", "limpet@lazy.service")
    good("systemctl", "start", "limpet@lazy.socket")
    over, answered, refused = threading.Event(), [], []

    def client():
        while not over.is_set():
            try:
                answered.append(ask(443)["pid"])
            except (OSError, RuntimeError, EOFError) as error:
                refused.append(repr(error))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    eventually(lambda: len(answered) > 20, "answers")
    pid = main_pid("limpet@lazy.service")
    status, output = run("systemctl", "restart", "limpet@lazy.service")
    again = len(answered)
    eventually(lambda: len(answered) > again + 20, "more answers")
    over.set()
    for thread in clients:
        thread.join()
    return {"status": status, "output": output, "refused": refused, "workers": len(set(answered)),
            "main": [pid, main_pid("limpet@lazy.service")], "log": journal("limpet@lazy.service")[-30:]}


# --- The end of a service ---


@first
def packed():
    good("systemctl", "stop", "limpet@shop")
    os.mkdir("/srv/limpet/packed")
    shutil.copy(CHECKS / "shop", "/srv/limpet/packed/packed")
    write("/etc/limpet/packed.toml", "port = 8002\n")
    drop_in("limpet@packed.service", "packed", (EXAMPLES / "packed.conf").read_text())
    status, output = run("systemctl", "start", "limpet@packed")
    return {"status": status, "output": output, "answer": ask(8002), "log": journal("limpet@packed.service")}


@first
def stopped():
    good("systemctl", "restart", "limpet@shop")
    before = processes_of(pwd.getpwnam("limpet").pw_uid)
    good("systemctl", "stop", "limpet@lazy.socket", "limpet@*.service")
    return {"before": before, "left": processes_of(pwd.getpwnam("limpet").pw_uid), "run": os.listdir("/run/limpet"),
            "unit": show("limpet@shop", "Result", "ExecMainStatus", "ActiveState"),
            "log": journal("limpet@shop.service")[-10:]}


@first
def upgraded_package():
    """Services that run are started again, those that are enabled run."""
    good("systemctl", "start", "limpet@web", "limpet@lazy.socket")
    pid = main_pid("limpet@web")
    done = run("dpkg", "--install", CHECKS / "limpet.deb")
    return {"done": done, "main": [pid, main_pid("limpet@web")], "answer": ask(80),
            "active": {unit: show(unit, "ActiveState") for unit in ("limpet@shop.service", "limpet@lazy.socket",
                                                                    "limpet@packed.service")}}


# --- shop install ---


@first
def dry_run():
    before = listing()
    KEPT_OF_SHOP.write_text(json.dumps(before))
    done = run(CHECKS / "shop", "install", "--port", "8080", "--dry-run")
    return {"done": done, "changed": differences(before, listing())}


@first
def installed():
    before = listing()
    done = run(CHECKS / "shop", "install", "--port", "8080", "--workers", "2")
    answer = ask(8080)
    pid = main_pid("shop.service")
    return {"done": done, "answer": answer, "user": pwd.getpwnam("shop")[:], "main": process(pid), "unit": show(
        "shop.service", "ActiveState", "UnitFileState", "NRestarts", "StatusText", "WatchdogUSec"),
        "workers": [process(child) for child in children(pid)], "writes": ask(8080, "/writes"),
        "exposure": exposure("shop.service"), "changed": differences(before, listing()), "log": journal("shop.service")}


@first
def installed_and_killed():
    pid = main_pid("shop.service")
    reload = run("systemctl", "reload", "shop.service")
    eventually(lambda: show("shop.service", "ActiveState") == "active", "the end of a reload")
    send(pid, "SIGKILL")
    started_again("shop.service", pid)
    return {"reload": reload, "answer": ask(8080), "unit": show("shop.service", "NRestarts")}


@first
def upgraded():
    pid = main_pid("shop.service")
    before = listing()
    broken_one = run(CHECKS / "broken" / "shop", "install")
    changed, answer = differences(before, listing()), ask(8080)
    newer = run(CHECKS / "newer" / "shop", "install")
    return {"broken": broken_one, "changed by broken": changed, "answer after broken": answer, "newer": newer,
            "answer": ask(8080), "main": [pid, main_pid("shop.service")],
            "changed by newer": differences(before, listing())}


@first
def notes():
    """An application with a database, behind a unix socket; it is removed again, and what it has written is not."""
    done = run(CHECKS / "notes", "install", "--listen", "unix:/run/notes/socket")
    page = fetch("/run/notes/socket").decode()
    gone = run("/usr/local/bin/notes", "uninstall")
    return {"done": done, "page": page, "gone": gone, "left": os.listdir("/var/lib/notes")}


# --- The second boot ---


@second
def booted():
    """All that was enabled is there."""
    found = {"booted": good("systemctl", "is-system-running", "--wait").strip()}
    for unit in ("limpet@shop.service", "limpet@lazy.socket", "limpet@lazy.service", "limpet@web.service",
                 "shop.service"):
        found[unit] = show(unit, "ActiveState")
    found["answers"] = [ask(port) for port in (8000, 8080, 443)]
    found["failed"] = good("systemctl", "list-units", "--failed", "--plain", "--no-legend")
    return found


@second
def uninstalled():
    uid = pwd.getpwnam("shop").pw_uid
    kept = run("/usr/local/bin/shop", "uninstall", "--dry-run")
    done = run("/usr/local/bin/shop", "uninstall")
    return {"dry": kept, "done": done, "unit": show("shop.service", "LoadState", "ActiveState"),
            "left": processes_of(uid), "run": os.path.exists("/run/shop"),
            "changed": differences(json.loads(KEPT_OF_SHOP.read_text()), listing())}


@second
def removed():
    uid = pwd.getpwnam("limpet").pw_uid
    done = run("dpkg", "--remove", "limpet")
    units = good("systemctl", "list-units", "--plain", "--no-legend", "limpet@*")
    found = {"done": done, "left": processes_of(uid), "units": units,
             "links": sorted(map(str, pathlib.Path("/etc/systemd/system").glob("*.wants/limpet@*")))}
    again = run("dpkg", "--install", CHECKS / "limpet.deb")
    units = ("limpet@shop.service", "limpet@lazy.socket", "limpet@web.service")
    return {**found, "again": again, "active": {unit: show(unit, "ActiveState") for unit in units}}


@second
def purged():
    done = run("dpkg", "--purge", "limpet")
    return {"done": done, "changed": differences(json.loads(KEPT.read_text()), listing()),
            "links": sorted(map(str, pathlib.Path("/etc/systemd/system").glob("*.wants/limpet@*"))),
            "failed": good("systemctl", "list-units", "--failed", "--plain", "--no-legend")}


def main():
    again = KEPT.exists()
    with open("/dev/ttyS1", "w", encoding="ascii") as out:
        for scenario in SECOND if again else FIRST:
            try:
                seen = scenario()
            except Exception:  # told to who judges, and the others go on
                seen = {"error": traceback.format_exc()}
            print(scenario.__name__, json.dumps(seen), file=out, flush=True)
    good("systemctl", "poweroff" if again else "reboot")


if __name__ == "__main__":
    sys.exit(main())
