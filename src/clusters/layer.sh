# Installs packages over a finished tree, into a folder of their own:
#   layer.sh TREE UPPER WORK MOUNTPOINT PACKAGE...
#
# Runs as root in mount and pid namespaces of its own; the tree itself is not changed.
set -eu
umask 022
tree=$1 upper=$2 work=$3 root=$4
shift 4

mount -t overlay -o "lowerdir=$tree,upperdir=$upper,workdir=$work" overlay "$root"
# A database makes its own data directory; the one that Debian would make is 40 MB in every layer.
mkdir -p "$root/etc/postgresql-common/createcluster.d"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.d/perjury.conf"

lend "$root"
install_packages "$root" "$@"
take_back "$root"
umount "$root"
