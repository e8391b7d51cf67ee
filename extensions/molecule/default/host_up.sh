#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A host: an sshd in network, mount and uts namespaces of its own: host_up.sh NAME ADDRESS [own-pid-namespace]
# Says that it made it, and nothing where it runs already. Its folders for temporary files and its home are empty ones of its own.
set -euo pipefail

name=$1 address=$2
folder=/run/hosts/$name

answers() {
  (exec 3<>"/dev/tcp/$address/22") 2>/dev/null
}

[ ! -e "$folder/pid" ] || ! answers || exit 0
# what is left of one that did not come up, or does not answer any more
"$(dirname "$0")/host_down.sh" "$name" >/dev/null

mkdir -p "$folder"
ssh-keygen -q -t ed25519 -N "" -C "$name" -f "$folder/host_key"
cat >"$folder/sshd_config" <<END
ListenAddress $address
HostKey $folder/host_key
PidFile none
AuthorizedKeysFile /run/hosts/user_key.pub
PasswordAuthentication no
PermitRootLogin prohibit-password
UsePAM no
Subsystem sftp internal-sftp
END

# the name of an interface has 15 characters at most
ip netns add "$name"
ip link add "v-$name" type veth peer name eth0 netns "$name"
ip link set "v-$name" master hosts up
ip -n "$name" address add "$address/24" dev eth0
ip -n "$name" link set lo up
ip -n "$name" link set eth0 up

namespaces=(--mount --uts)
[ "${3:-}" != own-pid-namespace ] || namespaces+=(--pid --mount-proc --fork --kill-child)
# nsenter and not ip netns exec, which mounts a /sys without tracefs, bpffs and cgroups
# shellcheck disable=SC2016  # for the inner shell
setsid nsenter --net="/run/netns/$name" unshare "${namespaces[@]}" sh -euc '
  hostname "$1"
  for folder in ~root /tmp /var/tmp /dev/shm; do
    mount -t tmpfs -o mode=1777 none "$folder"
  done
  chmod 0700 ~root
  cd /
  exec /usr/sbin/sshd -D -e -f "$2"
' sh "$name" "$folder/sshd_config" >"$folder/log" 2>&1 </dev/null &
echo $! >"$folder/pid"

for _ in $(seq 100); do
  if answers; then
    echo "made $name"
    exit 0
  fi
  sleep 0.1
done
cat "$folder/log" >&2
exit 1
