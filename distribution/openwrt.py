#!/usr/bin/python3
"""openwrt.py --binary FILE --output FOLDER - limpet_VERSION-1_TARGET.ipk, as opkg reads it: a gzipped tar of debian-binary,
control.tar.gz and data.tar.gz.

A static binary does not care for which of a router's many architectures it is ("aarch64_cortex-a53"): the package is one for
"all", and its preinst refuses other machines.
"""

import release
import tree

# What "uname -m" says where the binary of a target runs.
UNAMES = {"x86_64": "x86_64", "aarch64": "aarch64", "armv7": "armv7l | armv8l", "riscv64": "riscv64"}


def member(files, epoch):
    return release.compress(files.write_tar(epoch, "./"), release.level(9))


def make(what, folder):
    data = tree.Tree()
    data.add("usr/bin/limpet", what.binary, tree.PROGRAM)
    data.add("etc/init.d/limpet", release.source("openwrt/limpet.init"), tree.PROGRAM)
    data.add("etc/config/limpet", release.source("openwrt/limpet.config"))
    control = tree.Tree()
    fields = {"VERSION": what.version, "SIZE": str(data.size()), "LICENCE": what.licence(), "TARGET": what.target,
              "UNAMES": UNAMES[what.target]}
    for name, mode in (("control", tree.FILE), ("preinst", tree.PROGRAM), ("postinst", tree.PROGRAM),
                       ("prerm", tree.PROGRAM)):
        text = release.source(f"openwrt/{name}")
        for field, value in fields.items():
            text = text.replace(f"@{field}@", value)
        control.add(name, text, mode)
    control.add("conffiles", "/etc/config/limpet\n")
    package = tree.Tree()
    package.add("debian-binary", "2.0\n")
    package.add("control.tar.gz", member(control, what.epoch))
    package.add("data.tar.gz", member(data, what.epoch))
    release.write(folder / f"limpet_{what.version}-1_{what.target}.ipk", member(package, what.epoch))


if __name__ == "__main__":
    release.run(make)
