#!/bin/sh
# Tells modprobe about the modules of one kernel. The release is fixed when the package is
# made: the running kernel may be another one, as in a chroot or while an image is built.
set -e
release=@RELEASE@
if [ -d "/lib/modules/$release" ] && command -v depmod >/dev/null; then
    depmod "$release"
fi
