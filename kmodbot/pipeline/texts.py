"""What the builder's --help says."""

from __future__ import annotations

DESCRIPTION = """\
Builds one driver package for one kernel, and publishes it as a release asset.

The build is described by environment variables, as the workflow sets them:
  KERNEL_VERSION   kernel release, exactly what uname -r prints
  ARCHITECTURE     x86_64 or aarch64
  DISTRIBUTION     ubuntu, debian, fedora, centos or amazonlinux
  DISTRO_VERSION   version of the distribution, such as 24.04, 12, 43, stream9 or 2023
  DRIVER_VERSION   the driver's version, which is also the git tag of its source
  BUILD_ID         id the bot knows the build by (default: manual)
Several kernels are built in one job when this is set in place of KERNEL_VERSION:
  KERNEL_VERSIONS  JSON list of kernel releases
"""
CHECK = """\
Checks the environment variables that describe a build, and does nothing else. The workflow's first
job runs it, so that nothing is pulled or built for what nobody could have meant.
"""
NAME = """\
Prints the driver's name as driver.yml in DRIVER_CHECKOUT has it. Nothing else of the source has to
be there.
"""
# What KMODBOT_ENV may set is what stands here.
SETTINGS = """\
mirrors (environment; addresses, or paths of keys; docs/pipeline.md has the defaults):
  KMODBOT_DEBIAN_MIRROR, KMODBOT_DEBIAN_SECURITY_MIRROR, KMODBOT_DEBIAN_SNAPSHOT_MIRROR,
  KMODBOT_DEBIAN_KEYRING
  KMODBOT_UBUNTU_MIRROR, KMODBOT_UBUNTU_SECURITY_MIRROR, KMODBOT_UBUNTU_PORTS_MIRROR,
  KMODBOT_UBUNTU_OLD_RELEASES_MIRROR, KMODBOT_UBUNTU_SNAPSHOT_MIRROR, KMODBOT_UBUNTU_KEYRING,
  KMODBOT_LAUNCHPAD_URL, KMODBOT_LAUNCHPAD_API_URL
  KMODBOT_FEDORA_MIRROR, KMODBOT_FEDORA_ARCHIVE_MIRROR, KMODBOT_FEDORA_UPDATES_ARCHIVE_MIRROR,
  KMODBOT_FEDORA_KOJI_URL
  KMODBOT_CENTOS_MIRROR, KMODBOT_CENTOS_KOJI_URL
  KMODBOT_AMAZONLINUX_MIRROR
  KMODBOT_DNF_REPOS   directory of .repo files for dnf, in place of this machine's
  KMODBOT_RPM_KEYS    directory of public keys, in place of /etc/pki/rpm-gpg
downloads (environment):
  KMODBOT_DOWNLOAD_WINDOW   seconds in which a server has to send 30 kB (default: 30)
  KMODBOT_DOWNLOAD_TRIES    how often a file is tried (default: 4)
  KMODBOT_HEADERS_SECONDS   seconds after which nothing more is asked for headers (default: 900)
"""
BUILD = f"""\
Fetches the kernel's headers, compiles the driver that driver.yml in DRIVER_CHECKOUT describes,
checks the modules, and writes the package into DIR. Packages of several kernels go into a folder
that is named like their release.

{SETTINGS}all of these at once (environment):
  KMODBOT_ENV   lines NAME=value, as a workflow has them from the repository's variable of this
                name; what is set by itself counts before it
signing (environment; without a key the modules are not signed):
  KMODBOT_SIGNING_KEY    private key in PEM, with the certificate or without
  KMODBOT_SIGNING_CERT   certificate in PEM
also:
  SOURCE_DATE_EPOCH   time given to every file (default: the source's last commit, or 0)
"""
PUBLISH = """\
Uploads the package in DIR to the release of its distribution, which is created if needed.
Safe to repeat: a package that is there already is compared, never replaced.
With --matrix all packages below DIR are published that the matrix asked for; the description of the
build is not needed then.

environment, as GitHub Actions sets it:
  GITHUB_TOKEN        token with the permission contents: write
  GITHUB_REPOSITORY   owner/name
  GITHUB_API_URL      default https://api.github.com
"""
EXIT = "exit status: 0 done, 1 failed, 2 an input is missing or wrong"
