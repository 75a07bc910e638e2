# Installs packages over a finished tree, into a folder of their own:
#   layer.sh TREE UPPER WORK MOUNTPOINT PACKAGES
#
# Runs as root in mount and pid namespaces of its own; the tree itself is not changed.
set -eu
umask 022
tree=$1 upper=$2 work=$3 root=$4 packages=$5

mount -t overlay -o "lowerdir=$tree,upperdir=$upper,workdir=$work" overlay "$root"
. "$PERJURY_LEND"
lend "$root"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$root" apt-get -q update
# shellcheck disable=SC2086 # a list of words
chroot "$root" apt-get -q install -y --no-install-recommends \
  -o Dpkg::Options::=--force-unsafe-io $packages
take_back "$root"
umount "$root"
