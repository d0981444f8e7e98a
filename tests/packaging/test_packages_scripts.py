"""The scripts of the Debian package, run as dpkg calls them, on a machine whose systemctl notes what it is told."""

import os
import shutil

import packages
import pytest
from machine import Machine

pytestmark = packages.of_the_static_binary

WANTS = "etc/systemd/system/multi-user.target.wants"
SOCKETS = "etc/systemd/system/sockets.target.wants"
UNIT = "/usr/lib/systemd/system/limpet@.service"


@pytest.fixture
def machine(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts")
    for program in ("deb-systemd-invoke", "systemd-sysusers"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    (tmp_path / "srv").mkdir()
    made = Machine(tmp_path, tmp_path / "srv")
    try:
        # A container's word that no service is to be started is not for this machine; the user is not the matter here.
        agreed = tmp_path / "bin/agreed"
        agreed.write_text("#!/bin/sh\n")
        agreed.chmod(0o755)
        if os.path.exists("/usr/sbin/policy-rc.d"):
            made.good("mount", "--bind", agreed, "/usr/sbin/policy-rc.d")
        shutil.copy(agreed, tmp_path / "bin/systemd-sysusers")
        made.rule("--system is-enabled|echo enabled")
        yield made
    finally:
        made.stop()


def enable(machine, folder, *units, target=UNIT):
    """As systemctl enable does."""
    (machine.root / folder).mkdir(parents=True, exist_ok=True)
    for unit in units:
        (machine.root / folder / unit).symlink_to(target)


def script(machine, name, *arguments, **environment):
    """Run it; what systemctl was told to do, in order. Questions are left out."""
    machine.calls()
    done = machine.run("sh", packages.DISTRIBUTION / "debian" / name, *arguments,
                       env=machine.environment(**environment))
    assert (done.returncode, done.stderr) == (0, ""), done
    return [call for call in machine.calls() if "is-enabled" not in call and "is-active" not in call]


def test_removed_and_not(machine):
    """A removal stops all. Where it fails, and where the package comes again, those run again that are enabled."""
    enable(machine, WANTS, "limpet@blog.service", r"limpet@my\x2dshop.service")
    enable(machine, SOCKETS, "limpet@blog.socket", "other.socket")
    assert script(machine, "prerm", "remove") == ["stop limpet@*.socket limpet@*.service"]
    started = r"--quiet --system start limpet@blog.socket limpet@blog.service limpet@my\x2dshop.service"
    for arguments in (["abort-remove"], ["abort-deconfigure", "in-favour", "x", "1"], ["abort-upgrade", "2-1"],
                      ["configure", ""]):
        assert script(machine, "postinst", *arguments) == ["--system daemon-reload", started], arguments
    # Over another version, or what removal has left: those that run are of this version now, too.
    assert script(machine, "postinst", "configure", "0.0.1-1") == [
        "--system daemon-reload", "try-restart limpet@*.service", started]


def test_nothing_enabled(machine):
    assert script(machine, "postinst", "configure", "") == ["--system daemon-reload"]
    assert script(machine, "postinst", "triggered", "x") == []
    assert script(machine, "prerm", "upgrade", "2-1") == []


def test_systemctl_fails(machine):
    """No reason to leave the package half installed."""
    enable(machine, WANTS, "limpet@blog.service")
    machine.rule("--system is-enabled|echo enabled", "--quiet --system start|exit 1", "--system daemon-reload|exit 1",
                 "stop|exit 1", "try-restart|exit 1")
    for name, *arguments in (["postinst", "configure", "0.0.1-1"], ["prerm", "remove"], ["postrm", "remove"]):
        done = machine.run("sh", packages.DISTRIBUTION / "debian" / name, *arguments)
        assert done.returncode == 0, done


@pytest.mark.parametrize("elsewhere", [False, True])
def test_purged(machine, elsewhere):
    """Links to the unit that is gone go; not those that lead somewhere, nor other units'; also below another root."""
    top = "var/image/" if elsewhere else ""
    environment = {"DPKG_ROOT": "/var/image"} if elsewhere else {}
    nowhere = "/usr/lib/systemd/system/limpet@.none"
    enable(machine, f"{top}{WANTS}", "limpet@blog.service", "limpet@shop.socket", target=nowhere)
    enable(machine, f"{top}{WANTS}", "other@blog.service", target="/none")
    enable(machine, f"{top}{WANTS}", "limpet@own.service", target="/etc/systemd/system/limpet@own.service")
    enable(machine, f"{top}{WANTS}", "limpet@near.service", target="../limpet@own.service")
    (machine.root / f"{top}etc/systemd/system/limpet@own.service").write_text("[Service]\n")
    enable(machine, f"{top}{SOCKETS}", "limpet@blog.socket", target=nowhere)
    before = {path.name for path in (machine.root / f"{top}{WANTS}").iterdir()}
    told = [] if elsewhere else ["--system daemon-reload"]
    assert script(machine, "postrm", "remove", **environment) == told
    assert {path.name for path in (machine.root / f"{top}{WANTS}").iterdir()} == before
    assert script(machine, "postrm", "purge", **environment) == told
    left = {path.name for path in (machine.root / f"{top}{WANTS}").iterdir()}
    assert left == before - {"limpet@blog.service", "limpet@shop.socket"}
    assert not (machine.root / f"{top}{SOCKETS}").exists(), "an empty folder is left"


def test_another_root(machine):
    """Where an image is put together, no service of this machine is anybody's concern."""
    enable(machine, WANTS, "limpet@blog.service")
    for name, *arguments in (["postinst", "configure", "0.0.1-1"], ["postinst", "abort-remove"], ["prerm", "remove"]):
        assert script(machine, name, *arguments, DPKG_ROOT="/var/image") == []
