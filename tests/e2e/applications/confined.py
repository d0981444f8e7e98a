"""What a confined application tries: /call/NAME is a system call that it is to be refused, /try/NAME something else,
and /use/NAME what every application may do. The answer is the outcome: "ok", or the name of the error."""

import asyncio
import ctypes
import errno
import json
import mmap
import multiprocessing
import os
import pathlib
import resource
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
NEW_UTS, ATTACH, VALUE = 0x04000000, 16, -1

# x86-64's numbers, with arguments that do no harm where a call is let through.
CALLS = {
    "mount": (165,), "umount2": (166,), "pivot_root": (155,), "chroot": (161,), "ptrace": (101, ATTACH, VALUE),
    "process_vm_readv": (310, VALUE), "process_vm_writev": (311, VALUE), "kexec_load": (246, 0, 1, 0, VALUE),
    "init_module": (175,), "finit_module": (313, VALUE), "delete_module": (176,), "bpf": (321, VALUE),
    "perf_event_open": (298,), "userfaultfd": (323, VALUE), "keyctl": (250, VALUE), "add_key": (248,),
    "request_key": (249,), "unshare": (272, NEW_UTS), "setns": (308, VALUE), "clone": (56, NEW_UTS),
    "open_by_handle_at": (304, VALUE), "swapon": (167,), "swapoff": (168,), "reboot": (169,), "settimeofday": (164, 1),
    "clock_settime": (227, VALUE), "adjtimex": (159,), "clock_adjtime": (305,), "sethostname": (170, 1, VALUE),
    "setdomainname": (171, 1, VALUE), "acct": (163, 1), "quotactl": (179, VALUE), "iopl": (172, VALUE),
    "ioperm": (173, VALUE), "personality": (135, 0x0040000), "io_uring_setup": (425,),
    "io_uring_enter": (426, VALUE), "io_uring_register": (427, VALUE), "syslog": (103, VALUE),
    "move_mount": (429, VALUE), "open_tree": (428, VALUE), "fsopen": (430,), "mount_setattr": (442, VALUE),
    "pidfd_getfd": (438, VALUE), "kcmp": (312, VALUE), "fanotify_init": (300, VALUE), "vhangup": (153,),
    "chmod": (90, 0, 0o4755), "fchmod": (91, VALUE, 0o4755), "fchmodat": (268, VALUE, 0, 0o2755),
    "prlimit64": (302, 1, 7, VALUE), "setpriority": (141, 0, VALUE), "ioprio_set": (251, 1, VALUE),
    "sched_setparam": (142, VALUE), "sched_setscheduler": (144, VALUE), "sched_setattr": (314, VALUE),
    "prctl PR_SET_DUMPABLE": (157, 4, 1), "ioctl TIOCSTI": (16, VALUE, 0x5412), "clone3": (435, 0, VALUE), "x32": (0x40000000 + 39,),
}


def call(name):
    """The name of its error, or "ok"."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_long(value) for value in CALLS[name]]
    result = libc.syscall(*arguments, *[ctypes.c_long(0)] * (7 - len(arguments)))
    if name == "clone" and result == 0:
        os._exit(0)
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def read(path):
    """As long as it has a byte, or an entry."""
    if os.path.isdir(path):
        return len(os.listdir(path))
    with open(path, "rb") as file:
        return len(file.read(1))


def write(path):
    """Append to it, or make it."""
    with open(path, "a") as file:
        file.write("x")


def other_user_of_memory(path):
    """Another process's memory, to be written."""
    with open(path, "r+b"):
        pass


def run_true(*_):
    subprocess.run(["true"], check=True)


def exec_in_child(*_):
    """By execve in a child that was forked."""
    pid = os.fork()
    if pid == 0:
        try:
            os.execv("/bin/true", ["true"])
        except OSError as error:
            os._exit(error.errno)
    error = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if error:
        raise OSError(error, os.strerror(error))


def exec_memory(*_):
    """A program that lies in memory alone."""
    descriptor = os.memfd_create("program", 0)
    try:
        with open("/bin/true", "rb") as file:
            os.write(descriptor, file.read())
        os.posix_spawn(f"/proc/self/fd/{descriptor}", ["true"], {})
    finally:
        os.close(descriptor)


def exec_written(*_):
    """A program that was put into the temporary folder."""
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("#!/bin/sh\n")
    os.chmod(file.name, 0o755)
    try:
        subprocess.run([file.name], check=True)
    finally:
        os.unlink(file.name)


def raw_socket(*_):
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def packet_socket(*_):
    socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()


def vsock(*_):
    socket.socket(40, socket.SOCK_STREAM).close()


def abstract_socket(name):
    socket.socket(socket.AF_UNIX).connect("\0" + name)


def signal_process(pid):
    os.kill(int(pid), 0)


def make_setuid(path):
    """A program that has its user's rights for whoever starts it: not by the mode that it is made with, either."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o6755))
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    if os.stat(path).st_mode & 0o6000:
        return
    os.chmod(path, 0o4755)


def limit(pid):
    """What another process may open, to what that is already."""
    resource.prlimit(int(pid), resource.RLIMIT_NOFILE, resource.prlimit(int(pid), resource.RLIMIT_NOFILE))


def database(path):
    """SQLite, which reports the sandbox in words of its own."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
    connection.close()


TRIES = {"read": read, "write": write, "memory": other_user_of_memory, "run": run_true, "exec": exec_in_child,
         "exec memory": exec_memory, "exec written": exec_written, "raw": raw_socket, "packet": packet_socket,
         "vsock": vsock, "abstract": abstract_socket, "signal": signal_process, "database": database,
         "become root": lambda _: os.setuid(0), "device": lambda path: os.mknod(path, 0o020666, os.makedev(1, 3)),
         "setuid": make_setuid, "chmod": lambda path: os.chmod(path, 0o644), "limit": limit,
         "namespace": lambda _: os.unshare(NEW_UTS)}


# --- what is to work ---

def use_temporary_files(_):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a")
        path.write_text("x")
        os.mkdir(path.with_name("b"))
        path.rename(path.with_name("b") / "c")
    with tempfile.TemporaryFile() as file:
        file.write(b"x")


def use_subprocess(_):
    assert subprocess.run(["cat"], input=b"x", capture_output=True, check=True).stdout == b"x"
    assert subprocess.run("echo $((1 + 1))", shell=True, capture_output=True, check=True).stdout == b"2\n"
    # The interpreter itself.
    assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout == b"1\n"


def use_asyncio(_):
    async def main():
        process = await asyncio.create_subprocess_exec("echo", "x", stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        server.close()
        return out

    assert asyncio.run(main()) == b"x\n"


def use_asyncio_alone(_):
    async def main():
        return await asyncio.to_thread(sum, [1, 2])

    assert asyncio.run(main()) == 3


def _double(value):
    return value * 2


def _use_pool(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_double, [1, 2, 3]) == [2, 4, 6]


def use_multiprocessing(_):
    _use_pool("fork")


def use_threads(_):
    found = []
    threads = [threading.Thread(target=found.append, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(20))


def use_names(_):
    assert socket.getaddrinfo("127.0.0.1", 80)
    assert socket.getaddrinfo("localhost", 80)
    assert socket.if_nameindex()


def use_sockets(_):
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(path)
            listener.listen()
            client.connect(path)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind("\0limpet-test-" + str(os.getpid()))
        listener.listen()
        client.connect(listener.getsockname())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname()).close()
    left, right = socket.socketpair()
    socket.send_fds(left, [b"x"], [0])
    for descriptor in socket.recv_fds(right, 1, 1)[1]:
        os.close(descriptor)
    left.close()
    right.close()


def use_memory(_):
    with tempfile.TemporaryFile() as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as memory:
            memory[0] = 1
    with mmap.mmap(-1, 1 << 20) as memory:
        memory.madvise(mmap.MADV_DONTNEED)
    os.close(os.memfd_create("x"))


def use_zipimport(_):
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/package.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("of_a_zip.py", "value = 1")
        sys.path.insert(0, path)
        try:
            import of_a_zip
        finally:
            sys.path.remove(path)
            sys.modules.pop("of_a_zip", None)
    assert of_a_zip.value == 1


def use_ssl(_):
    context = ssl.create_default_context()
    assert context.get_ca_certs()


def use_scheduling(_):
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.sched_get_priority_max(os.SCHED_OTHER)
    os.sched_yield()
    os.nice(1)
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
    assert os.cpu_count()


def use_clocks_and_signals(_):
    time.sleep(0.001)
    time.clock_gettime(time.CLOCK_BOOTTIME)
    os.kill(os.getpid(), 0)
    signal.getsignal(signal.SIGTERM)
    with open("/proc/self/status") as file:
        assert "Seccomp" in file.read()
    assert os.urandom(8) != os.urandom(8)
    with open("/dev/null", "w") as file:
        file.write("x")


def use_time_zones(_):
    import datetime
    import zoneinfo

    assert datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Vienna")).utcoffset().seconds == 7200


def use_own_files(_):
    assert HERE.joinpath("confined.py").read_text()
    os.listdir(HERE)


def use_database(path):
    for mode in ("DELETE", "WAL"):
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        connection.execute("VACUUM")
        connection.close()


def use_pty(_):
    for descriptor in os.openpty():
        os.close(descriptor)


USES = {name.removeprefix("use_"): function for name, function in list(globals().items()) if name.startswith("use_")}


def outcome(function, argument):
    """"ok", or the error's name, and its number's where it has one."""
    try:
        function(argument)
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))
    return "ok"


def answer(kind, name, argument):
    """What one request asks for. Uses that fail raise: their traceback is in the log."""
    if kind == "call":
        return call(name)
    if kind == "try":
        return outcome(TRIES[name], argument)
    if kind == "use":
        USES[name](argument)
        return "ok"
    return {"pid": os.getpid(), "parent": os.getppid(), "user": os.getuid(), "uses": sorted(USES),
            "calls": sorted(CALLS), "executable": sys.executable,
            "status": pathlib.Path("/proc/self/status").read_text()}


def app(environ, start_response):
    """/KIND/NAME?ARGUMENT."""
    kind, _, name = environ["PATH_INFO"][1:].partition("/")
    body = json.dumps(answer(kind, name, urllib.parse.unquote(environ["QUERY_STRING"]))).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
