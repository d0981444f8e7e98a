"""The package's services and "install" on a machine that systemd runs: what systemd_scenarios.py does there in two
boots, told by systemd_machine.py, is judged here, one test a fact."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from systemd_machine import boot, image, make_disk

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUITE = os.environ.get("MACHINE_SUITE", "bookworm")

BROKEN = 'def app(environ, start_response):\n    pass\n\n\nraise RuntimeError("it is broken")\n'

# A capability, as the bit of /proc/PID/status.
NET_BIND_SERVICE = 1 << 10


def packages(binary, folder):
    """limpet.deb of the binary."""
    environment = {**os.environ, "LIMPET_PACKAGES": str(folder / "packages"), "LIMPET_PACKAGE_LEVEL": "1"}
    subprocess.run([ROOT / "build.sh", "package", "deb", "--binary", binary], env=environment, check=True, timeout=600,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    (made,) = (folder / "packages").iterdir()
    return made


@pytest.fixture(scope="session")
def disk(tmp_path_factory):
    """The machine's second disk: limpet, its package, applications, and what is done with them."""
    binary = pathlib.Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "build/limpet")).resolve()
    folder = tmp_path_factory.mktemp("disk")
    content = folder / "content"
    for name in ("newer", "broken", "broken_application"):
        (content / name).mkdir(parents=True)
    (content / "broken_application/app.py").write_text(BROKEN)
    for name in ("systemd_inside.py", "systemd_scenarios.py", "systemd_application"):
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
        copy(HERE / name, content / name)
    shutil.copy(ROOT / "tests/packaging/listing.py", content / "listing.py")
    shutil.copy(binary, content / "limpet")
    shutil.copy(packages(binary, folder), content / "limpet.deb")
    for source, *arguments in ((HERE / "systemd_application", "shop"), (ROOT / "apps/notes", "notes"),
                               (HERE / "systemd_application", "newer/shop", "--workers", "1"),
                               (content / "broken_application", "broken/shop")):
        output, *options = arguments
        subprocess.run([binary, "pack", source, "--output", content / output, *options], check=True, timeout=600,
                       stdout=subprocess.DEVNULL)
    make_disk(folder / "disk.ext4", content)
    return folder / "disk.ext4"


@pytest.fixture(scope="session")
def seen(disk, tmp_path_factory):
    """seen(NAME): what that scenario has reported."""
    folder = tmp_path_factory.mktemp("machine")
    print(f"the machine's console: {folder / 'console'}")
    reports = boot(image(SUITE), disk, folder)

    def of(name):
        assert name in reports, f"the machine did not come so far: see {folder / 'console'}"
        assert "error" not in reports[name], reports[name]["error"]
        return reports[name]

    return of


def texts(log):
    return "\n".join(text for _, text in log)


# --- The package ---


def test_the_package_is_installed(seen):
    found = seen("package")
    assert found["booted"] == "running" and found["status"] == 0, found
    name, _, _, _, _, home, shell = found["user"]
    assert (name, home) == ("limpet", "/var/lib/limpet") and shell.endswith("nologin")
    assert found["unit"].endswith("/lib/systemd/system/limpet@.service")
    assert (found["enabled"], found["running"]) == ("disabled", ""), "nothing is started that nobody asked for"


def test_the_example_is_served(seen):
    found = seen("example")
    assert found["status"] == 0, found["output"]
    assert (found["unit"]["ActiveState"], found["unit"]["NRestarts"]) == ("active", "0")
    assert len(found["workers"]) == 2
    assert {answer["folder"] for answer in found["answers"]} == {"/srv/limpet/shop"}
    assert {answer["state"] for answer in found["answers"]} == {"/var/lib/limpet/shop"}


def test_a_start_ends_when_all_workers_serve(seen):
    found = seen("example")
    ready = int(found["unit"]["ActiveEnterTimestampMonotonic"]) / 1e6
    assert all(answer["loaded"] < ready for answer in found["answers"])
    assert "2 workers" in found["unit"]["StatusText"]


def test_the_control_socket_answers(seen):
    status, output = seen("example")["control"]
    assert status == 0 and "2 of 2 serving" in output, output


def test_port_80_without_root(seen):
    found = seen("confinement")
    user = str(found["user"])
    assert found["answer"]["uid"] == found["user"]
    assert found["main"]["Uid"] == user and int(found["main"]["CapEff"], 16) == NET_BIND_SERVICE
    assert int(found["main"]["CapBnd"], 16) == NET_BIND_SERVICE and found["main"]["NoNewPrivs"] == "1"
    for worker in found["workers"]:
        assert (worker["Uid"], int(worker["CapBnd"], 16), worker["Seccomp"]) == (user, NET_BIND_SERVICE, "2")


def test_nothing_but_the_state_is_written(seen):
    found = seen("confinement")
    places = found["namespace"]
    for path in ("/usr", "/etc", "/var/lib", "/srv"):
        assert "Read-only file system" in places[path], path
    for path in ("/var/lib/limpet/web", "/tmp", "/run/limpet/web"):
        assert places[path] == "", path
    writes = dict(found["writes"])
    assert (writes.pop("state"), writes.pop("/tmp")) == ("written", "written")
    assert set(writes.values()) <= {"EACCES", "EROFS"} and len(writes) == 6, writes


def test_the_sandbox_is_whole_inside_the_unit(seen):
    assert re.search(r"sandbox: on \(seccomp, Landlock", texts(seen("confinement")["log"]))


def test_exposure_is_as_documented(seen):
    """As test_packages_systemd.py and test_install.py have it for the files."""
    assert seen("confinement")["exposure"] <= 1.8
    assert seen("installed")["exposure"] <= 4.0


def test_logs_are_in_the_journal(seen):
    log = texts(seen("logs")["log"])
    for line in ("said by print", "said by stderr", "said by logging", "serving"):
        assert line in log


def test_reload_opens_logs_again(seen):
    found = seen("reloaded")
    assert found["status"] == 0 and found["active"] == "active", found
    assert found["main"][0] == found["main"][1] and found["workers"][0] == found["workers"][1]
    assert found["lines"] == 1


def test_workers_and_the_server_are_replaced(seen):
    found = seen("replaced")
    assert found["unit"] == {"ActiveState": "active", "NRestarts": "0", "Result": "success"}, texts(found["log"])
    assert found["killed"] == "1", "systemd knows the new main process"


# --- What goes wrong ---


def test_a_killed_server_is_started_again(seen):
    found = seen("killed")
    assert found["unit"] == {"NRestarts": "1", "Result": "success"} and found["count"] == 2
    assert found["left"] == [] and found["answer"]["state"] == "/var/lib/limpet/shop"


def test_the_watchdog_is_armed(seen):
    found = seen("watchdog")
    assert found["as shipped"] == "30s"
    assert found["alive"] == {"NRestarts": "0", "WatchdogUSec": "5s", "same": True}


def test_the_watchdog_ends_a_server_that_hangs(seen):
    found = seen("watchdog")
    assert found["unit"] == "1" and "Watchdog timeout" in texts(found["log"])


def test_an_application_that_fails_is_told(seen):
    """Its log is syslog: that has priorities."""
    found = seen("broken")
    assert found["status"] == 1 and "limpet@broken.service" in found["output"]
    assert [text for priority, text in found["log"] if priority == "3" and "RuntimeError: it is broken" in text]


def test_a_service_without_settings_is_told(seen):
    status, output = seen("broken")["missing"]
    assert status == 1 and "Assert" in output, output


# --- Limits ---


def test_little_memory_makes_a_small_server(seen):
    found = seen("limits")["small"]
    assert found["unit"]["MemoryMax"] == str(128 << 20)
    assert "a small machine, 128M of memory:" in texts(found["log"])
    assert int(found["unit"]["MemoryCurrent"]) < 100 << 20


def test_workers_are_as_many_as_processors_that_may_be_used(seen):
    found = seen("limits")
    assert (found["two"], found["one"]) == (2, 1)


# --- Sockets ---


def test_the_first_client_starts_the_service(seen):
    found = seen("socket_activation")
    assert found["status"] == 0, found["output"]
    assert (found["before"], found["after"]) == ("inactive", "active")
    assert found["answer"]["folder"] == "/srv/limpet/lazy" and found["mode"] == "0o140666"


def test_no_client_is_lost_by_a_restart_behind_a_socket(seen):
    found = seen("socket_restart")
    assert found["status"] == 0 and found["main"][0] != found["main"][1] and found["workers"] >= 2
    assert found["refused"] == []


# --- Others ---


def test_a_packed_application_by_its_drop_in(seen):
    found = seen("packed")
    assert found["status"] == 0, found["output"] + texts(found["log"])
    assert found["answer"]["packed"] == "/srv/limpet/packed/packed"
    assert found["answer"]["state"] == "/var/lib/limpet/packed"


def test_a_stop_leaves_no_process(seen):
    found = seen("stopped")
    assert found["before"] and found["left"] == [] and found["run"] == []
    assert found["unit"] == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}


def test_an_upgrade_of_the_package_starts_services_again(seen):
    found = seen("upgraded_package")
    assert found["done"][0] == 0, found["done"][1]
    assert found["main"][0] != found["main"][1] and found["answer"]["folder"] == "/srv/limpet/web"
    assert found["active"] == {"limpet@shop.service": "active", "limpet@lazy.socket": "active",
                               "limpet@packed.service": "inactive"}


# --- shop install ---


def test_a_dry_run_changes_nothing(seen):
    found = seen("dry_run")
    assert found["done"][0] == 0 and found["done"][1].endswith("\nnothing was done\n")
    assert found["changed"] == []


def test_it_is_installed(seen):
    found = seen("installed")
    assert found["done"][0] == 0, found["done"][1] + texts(found["log"])
    unit = found["unit"]
    assert (unit["ActiveState"], unit["UnitFileState"], unit["NRestarts"]) == ("active", "enabled", "0")
    assert found["answer"]["state"] == found["answer"]["folder"] == "/var/lib/shop"
    assert found["answer"]["uid"] == found["user"][2] != 0


def test_what_is_installed(seen):
    accounts = {"/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"}
    assert set(seen("installed")["changed"]) - accounts == {
        "/etc/systemd/system/multi-user.target.wants/shop.service", "/etc/systemd/system/shop.service",
        "/usr/local/bin/shop", "/var/lib/limpet/shop.json", "/var/lib/shop"}


def test_workers_of_an_installed_one_are_confined(seen):
    found = seen("installed")
    assert found["main"]["Uid"] == "0" and len(found["workers"]) == 2
    for worker in found["workers"]:
        assert (worker["Uid"], int(worker["CapEff"], 16), worker["Seccomp"]) == (str(found["user"][2]), 0, "2")
    writes = dict(found["writes"])
    assert (writes.pop("state"), writes.pop("/tmp")) == ("written", "written")
    assert set(writes.values()) <= {"EACCES", "EROFS"} and len(writes) == 6, writes


def test_an_installed_one_that_is_killed_is_started_again(seen):
    found = seen("installed_and_killed")
    assert found["unit"] == "1" and found["answer"]["folder"] == "/var/lib/shop"


def test_an_installed_one_is_reloaded(seen):
    assert seen("installed_and_killed")["reload"] == [0, ""]


def test_a_version_that_does_not_serve_leaves_the_old_one(seen):
    found = seen("upgraded")
    status, output = found["broken"]
    assert status == 1 and output.endswith("; all is as it was\n"), output
    assert found["changed by broken"] == [] and found["answer after broken"]["folder"] == "/var/lib/shop"


def test_a_newer_version_takes_its_place(seen):
    found = seen("upgraded")
    assert found["newer"][0] == 0, found["newer"][1]
    assert found["main"][0] != found["main"][1]
    assert found["changed by newer"] == ["/usr/local/bin/shop", "/var/lib/limpet/shop.json"]


def test_an_application_with_a_database(seen):
    found = seen("notes")
    assert found["done"][0] == 0 and "<title>" in found["page"], found["done"][1]
    assert found["gone"][0] == 0 and "kept /var/lib/notes: there is something in it\n" in found["gone"][1]
    assert found["left"], "no database"


# --- The second boot ---


def test_all_that_is_enabled_is_there_after_a_boot(seen):
    found = seen("booted")
    assert (found["booted"], found["failed"]) == ("running", "")
    assert found["limpet@shop.service"] == found["limpet@lazy.socket"] == found["shop.service"] == "active"
    assert found["limpet@web.service"] == found["limpet@lazy.service"] == "inactive"
    states = [answer["state"] for answer in found["answers"]]
    assert states == ["/var/lib/limpet/shop", "/var/lib/shop", "/var/lib/limpet/lazy"]


def test_uninstalled_nothing_is_left(seen):
    found = seen("uninstalled")
    assert found["done"][0] == 0 and "kept" not in found["done"][1], found["done"][1]
    assert found["dry"][1] == found["done"][1] + "nothing was done\n"
    assert found["unit"] == {"LoadState": "not-found", "ActiveState": "inactive"}
    assert (found["left"], found["run"]) == ([], False)
    kept = [path for path in found["changed"] if not path.startswith("/var/lib/notes")]
    assert kept == [], "the machine is not as it was before"


def test_a_removed_package_leaves_no_process(seen):
    found = seen("removed")
    assert found["done"][0] == 0, found["done"][1]
    assert (found["left"], found["units"]) == ([], "") and len(found["links"]) == 2
    assert found["again"][0] == 0
    assert found["active"] == {"limpet@shop.service": "active", "limpet@lazy.socket": "active",
                               "limpet@web.service": "inactive"}


def test_purged_what_is_the_operators_is_left(seen):
    found = seen("purged")
    assert found["done"][0] == 0 and (found["links"], found["failed"]) == ([], "")
    kept = [path for path in found["changed"] if not path.startswith((
        "/etc/limpet", "/srv/limpet", "/var/lib/limpet", "/var/lib/notes", "/etc/systemd/system/limpet@"))]
    assert kept == ["/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"]
