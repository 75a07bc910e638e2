# Lends the host's way to its package archive to a tree, and takes it back. Sourced, not run.
# APT_SOURCES holds the lines of sources.list, APT_SETTINGS the host's Acquire settings.

# Bound, not copied: they may hold names of machines that do not belong into a tree.
lent_files="/etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt"

lend() {
  printf '%s\n' "$APT_SOURCES" >"$1/etc/apt/sources.list"
  printf '%s\n' "$APT_SETTINGS" >"$1/etc/apt/apt.conf.d/99perjury-lent"
  for file in $lent_files; do
    [ -f "$file" ] || continue
    mkdir -p "$1${file%/*}"
    [ -e "$1$file" ] || : >"$1$file"
    mount --bind "$file" "$1$file"
  done
  mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
}

# install TREE PACKAGE...
install_packages() {
  tree=$1
  shift
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C
  chroot "$tree" apt-get -q update
  # The node's disk may lose what it likes in a crash of this machine: it is made again.
  chroot "$tree" apt-get -q install -y --no-install-recommends \
    -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 -o Dir::Log::Terminal= "$@"
}

take_back() {
  umount "$1/proc"
  for file in $lent_files; do
    ! mountpoint -q "$1$file" || umount "$1$file"
  done
  : >"$1/etc/apt/sources.list"
  rm -rf "$1/etc/apt/apt.conf.d/99perjury-lent" "$1"/var/lib/apt/lists/* "$1"/var/log/apt/* \
    "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1/var/log/dpkg.log" \
    "$1/var/log/alternatives.log" "$1/var/log/bootstrap.log"
}
