# Makes a docker image of the base tree and its packages: import.sh IMAGE MOUNTPOINT LOWER...
#
# LOWER are folders, the topmost first. Runs in a mount namespace of its own.
set -eu
image=$1 root=$2
shift 2
lower=$1
[ $# -eq 1 ] || {
  lower=$(IFS=:; echo "$*")
  mount -t overlay -o "ro,lowerdir=$lower" overlay "$root"
  lower=$root
}
# Through a file, not a pipe, would take the space twice; a pipe hides the failure of tar, which
# then shows as a truncated archive that docker refuses.
tar -C "$lower" --numeric-owner --one-file-system -c . | docker import - "$image"
