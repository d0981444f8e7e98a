"""A machine of qemu's that has booted a Debian's own systemd (systemd_image.sh), and what it reports."""

import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT = 3600  # seconds, of a machine without KVM that has others beside it

# Of the kernel and systemd: what the journal gets is on the console, too, which is nobody's terminal.
PARAMETERS = ("root=/dev/vda rw console=ttyS0 panic=-1 systemd.mask=serial-getty@ttyS0.service "
              "systemd.journald.forward_to_console=1")

# Without page tables of five levels, which emulation is slow at, and cmpxchg16b, which Linux allocates memory by:
# emulated by qemu 7.2 with it, 6.12 found its lists corrupt.
PROCESSOR = "max,la57=off,cx16=off"

# What the machine runs when it has booted, from its second disk.
RUN = "exec /checks/limpet python /checks/systemd_scenarios.py\n"


def image(suite):
    """The folder of the machine's kernel and disk."""
    command = [HERE / "systemd_image.sh", suite]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=3600)
    return pathlib.Path(done.stdout.strip())


def accelerator(kernel):
    """qemu's name of what runs a kernel here: KVM where that does it, and not only says so, else its own emulation."""
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "max", "-m", "512", "-nodefaults", "-display", "none",
               "-no-reboot", "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 panic=-1"]
    try:
        # There is no disk to boot from: it ends by itself.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return "tcg"
    return "kvm" if b"Kernel panic" in done.stdout else "tcg"


def boot(parts, disk, folder):
    """Run a machine until it powers off. parts: image()'s; disk: its second disk, not written to. What it says comes
    into the folder: "console", and "reports", whose lines it gives as {name: what was seen}."""
    serial = [f"file:{folder / 'console'}", f"file:{folder / 'reports'}"]
    drives = [f"file={parts / 'root.ext4'},snapshot=on", f"file={disk},readonly=on"]
    command = ["qemu-system-x86_64", "-accel", accelerator(parts / "vmlinuz"), "-cpu", PROCESSOR, "-smp", "2",
               "-m", "1024", "-nodefaults", "-display", "none", "-kernel", parts / "vmlinuz", "-initrd",
               parts / "initrd.img", "-append", PARAMETERS]
    command += [word for drive in drives for word in ("-drive", f"if=virtio,format=raw,{drive}")]
    command += [word for line in serial for word in ("-serial", line)]
    try:
        subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, check=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        pass  # what has come so far is judged
    rows = (folder / "reports").read_text(encoding="ascii").splitlines()
    return {name: json.loads(seen) for name, _, seen in (row.partition(" ") for row in rows)}


def make_disk(path, content):
    """A disk with what is in a folder."""
    (content / "run").write_text(RUN)
    size = sum(file.stat().st_size for file in content.rglob("*") if file.is_file()) // 1000000 * 5 // 4 + 16
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", content, path, f"{size}M"],
                   check=True, timeout=300)
