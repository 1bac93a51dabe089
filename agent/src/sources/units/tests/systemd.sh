# A real systemd with a few units of its own, as the manager of a user, which needs no machine to boot:
# in namespaces of its own for mounts and control groups, and in a control group that ends with it.
# The namespace of processes stays: systemd answers nobody whose process it cannot see.
# Argument: a folder with `config` and `run`. Ends, with all that it started, when its input does.
set -e
folder=$1
# Below it, since the same file system is not mounted twice at one place.
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/crmscope-units-$$
mkdir "$group"
inside='
set -e
echo $$ > "$2/cgroup.procs"
exec unshare --mount --cgroup sh -c "
  set -e
  umount /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/system
  exec /lib/systemd/systemd --user
"
'
export XDG_RUNTIME_DIR="$folder/run" XDG_CONFIG_HOME="$folder/config" HOME="$folder"
sh -c "$inside" sh "$folder" "$group" </dev/null &
read -r end || true
# Again and again: what has just been started may not be in the group yet.
while kill -0 $! 2>/dev/null; do
  echo 1 > "$group/cgroup.kill" || kill -9 $!
  sleep 0.1
done
wait || true
for try in 1 2 3 4 5 6 7 8 9; do
  find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
  [ -d "$group" ] || exit 0
  sleep 1
done
