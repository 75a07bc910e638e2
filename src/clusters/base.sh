# Fills an empty folder with a Debian or Ubuntu system: base.sh FOLDER SUITE MIRROR PACKAGE...
#
# Runs as root in mount and pid namespaces of its own, so that a cut build leaves no mount behind.
# Every setting of the host's apt that is lent to the tree is taken back at the end: the tree names
# no mirror, holds no key and no package list.
set -eu
umask 022
tree=$1 suite=$2 mirror=$3
shift 3

# Only what debootstrap's own resolver can manage: it does not know virtual packages.
debootstrap --variant=minbase --include=ca-certificates "$suite" "$tree" "$mirror"

# No service may start while packages are being installed.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"

lend "$tree"
install_packages "$tree" "$@"
take_back "$tree"

# debootstrap copies these from the host.
: >"$tree/etc/resolv.conf"
echo node >"$tree/etc/hostname"
# The keys that the package made would be the same in every node.
rm -f "$tree"/etc/ssh/ssh_host_*
