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
# A pipe hides the failure of what is before it, and docker takes half a tree for a whole one.
failed=$(
  {
    { tar -C "$lower" --numeric-owner --one-file-system -c . || echo tar >&3; } |
      docker import - "$image" >&2
  } 3>&1
)
[ -z "$failed" ]
