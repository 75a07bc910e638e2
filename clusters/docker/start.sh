#!/bin/sh
# The service of a node. Its keys are lent to it in /run/perjury, read-only and with the owner that
# they have outside; sshd wants them with its own.
set -eu
mkdir -p /run/sshd
install -m 600 /run/perjury/host_key /etc/ssh/ssh_host_ed25519_key
install -m 600 /run/perjury/authorized_keys /root/.ssh/authorized_keys
exec /usr/sbin/sshd -D -e
