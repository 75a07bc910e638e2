# The first process of a local node, up to the moment when it becomes the node's init:
#   node.sh FOLDER NAME LOWER IPV4/PREFIX [IPV6/PREFIX]
#
# It runs in pid, mount, uts, ipc, net and cgroup namespaces of its own. It says its process id as
# the host sees it on standard output, waits for a line on standard input (by then it has an eth0;
# an end of input means that its maker died, and it dies too), builds the node's root, says that it
# is ready and becomes init. Everything that it mounts goes with its mount namespace.
set -eu
umask 022
folder=$1 name=$2 lower=$3 address=$4 address6=${5-}

# Two lives on one upper folder would spoil it, and overlayfs does not stop them. The lock is on the
# open log, which init and sshd keep as their standard error, so it lasts exactly as long as they.
flock --nonblock 2 || { echo "node $name: another life still uses $folder" >&2; exit 1; }

# Opened by this very shell and through the host's /proc: this is our number as the host counts.
read -r pid _ </proc/self/stat
echo "$pid"
read -r _
exec </dev/null

echo "$name" >/proc/sys/kernel/hostname
ip -batch - <<END
link set lo up
link set eth0 up
address add $address dev eth0
END
# Without duplicate detection, which would keep the address tentative for a second.
[ -z "$address6" ] || ip -6 address add "$address6" dev eth0 nodad

mount -t overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" \
  overlay "$folder/root"
cd "$folder/root"

mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir -p dev/pts dev/shm dev/net run/sshd run/lock
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
while read -r node major minor; do
  mknod -m 666 "dev/$node" c "$major" "$minor"
done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
fuse 10 229
net/tun 10 200
END
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr

# What belongs to the whole machine is out of reach: a slip in a node must not reboot the host.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
for file in proc/sysrq-trigger proc/kcore proc/kmsg; do
  [ ! -e "$file" ] || mount --bind dev/null "$file"
done

mkdir -p .old
pivot_root . .old
cd /
umount -l /.old
rmdir /.old
echo ready
exec >&2
# The clock and the kernel are those of the host.
exec setpriv --bounding-set=-sys_time,-sys_boot,-sys_module,-sys_rawio \
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  /sbin/perjury-init init -- /usr/sbin/sshd -D -e
