#!/bin/sh
# Creates the ACL file from its template and the passwords in the environment, then runs the server.
set -eu
directory=${ASKONCE_REDIS_DIRECTORY:-/etc/askonce}
users=${ASKONCE_REDIS_RUN:-/run/askonce}/users.acl

sha256() {
    printf %s "$1" | sha256sum | cut -c-64
}

umask 077
sed -e '/^#/d' -e '/^$/d' -e "s/{prefix}/${ASKONCE_KEY_PREFIX:-askonce}/g" \
    -e "s/{producer_sha256}/$(sha256 "${PRODUCER_PASSWORD:?}")/" \
    -e "s/{worker_sha256}/$(sha256 "${WORKER_PASSWORD:?}")/" \
    -e "s/{operator_sha256}/$(sha256 "${OPERATOR_PASSWORD:?}")/" \
    -e "s/{front_door_sha256}/$(sha256 "${FRONT_DOOR_PASSWORD:?}")/" \
    "$directory/users.acl" >"$users"
exec valkey-server "$directory/redis.conf" --aclfile "$users" "$@"
