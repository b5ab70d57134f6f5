# Runs a command with no network but loopback, of the devices those that every container has, and no
# control groups.
#   unshare --net --pid --mount-proc --fork --kill-child -- sh confine.sh COMMAND...
# Buildah's chroot isolation gives a container the network, processes and devices of its caller; an
# engine that is run like this has none to give.
set -e
ip link set lo up
dev=/run/zport-dev
mkdir -p $dev
mount -t tmpfs -o mode=755 tmpfs $dev
# The engine's own storage may need fuse.
for one in null zero full random urandom tty fuse; do
    [ ! -e /dev/$one ] || { : >$dev/$one && mount --bind /dev/$one $dev/$one; }
done
mkdir $dev/pts $dev/shm
mount --bind /dev/pts $dev/pts
mount -t tmpfs -o mode=1777 tmpfs $dev/shm
ln -s pts/ptmx $dev/ptmx
ln -s /proc/self/fd $dev/fd
for one in stdin:0 stdout:1 stderr:2; do ln -s /proc/self/fd/${one#*:} $dev/${one%:*}; done
mount --rbind $dev /dev
# Nothing in a container needs control groups.
[ ! -d /sys/fs/cgroup ] || mount -t tmpfs -o ro,size=4k tmpfs /sys/fs/cgroup
exec "$@"
