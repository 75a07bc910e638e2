# Installs packages over a finished tree, into a folder of their own:
#   layer.sh TREE UPPER WORK MOUNTPOINT PACKAGE...
#
# Runs as root in mount and pid namespaces of its own; the tree itself is not changed.
set -eu
umask 022
tree=$1 upper=$2 work=$3 root=$4
shift 4

mount -t overlay -o "lowerdir=$tree,upperdir=$upper,workdir=$work" overlay "$root"
lend "$root"
install_packages "$root" "$@"
take_back "$root"
umount "$root"
