#!/bin/sh
# Tells modprobe about the modules of one kernel. The release is fixed when the package is
# made: the running kernel may be another one, as in a chroot or while an image is built.
#
# Runs after installing and after removing. In an upgrade it runs for the new package and then
# for the old one, whose modules are gone by then: looking again is what that needs.
set -e
release=@RELEASE@
# Where dpkg installs when it runs scripts outside of that directory (--force-script-chrootless).
root=${DPKG_ROOT:-}
modules=$root/lib/modules/$release
# Without the kernel there is nothing to tell, and the index would be left behind.
if [ -e "$modules/modules.builtin" ] || [ -d "$modules/kernel" ]; then
    if command -v depmod >/dev/null; then
        depmod ${root:+-b "$root"} "$release"
    fi
fi
