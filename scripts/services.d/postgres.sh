# shellcheck shell=bash
# shellcheck disable=SC2154  # `state` is set by scripts/services
# PostgreSQL 15 or later with the settings of production: what a commit reports is on the disk.

readonly postgres_major_min=15

# The directory of the newest PostgreSQL's programs; Debian keeps them off the PATH.
postgres_programs() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5 -n | tail -n 1)
    if [ -x "$found/initdb" ]; then
        echo "$found"
    elif found=$(command -v initdb); then
        dirname "$found"
    else
        return 1
    fi
}

postgres_install() {
    if ! postgres_programs >/dev/null; then
        # Debian would start a server of its own beside ours, on the usual port.
        if [ "$(id -u)" -eq 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
        fi
        install_package postgresql
    fi
    local major
    major=$("$(postgres_programs)/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    ((major >= postgres_major_min)) || die "PostgreSQL $major is too old; please install $postgres_major_min or later"
}

# PostgreSQL refuses to run as root, so root lends it the user that its package makes.
postgres_as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
    else
        "$@"
    fi
}

postgres_data() { echo "$(<"$state/postgres/place")/data"; }

postgres_prepare() {
    local dir=$state/postgres place
    chmod a+x "$dir"
    place=$dir
    # A clone in a home directory is out of reach for another user.
    if ! (cd / && postgres_as_user test -x "$dir"); then place=$(mktemp -d /var/tmp/stampede-postgres.XXXXXX); fi
    echo "$place" >"$dir/place"
    mkdir -p "$place/data"
    free_port >"$dir/port"
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/password")
    cp "$dir/password" "$place/data.password"
    if [ "$(id -u)" -eq 0 ]; then
        chmod a+x "$place"
        chown postgres: "$place/data" "$place/data.password"
    fi
    (cd / && postgres_as_user "$(postgres_programs)/initdb" --pgdata="$place/data" --username=stampede \
        --pwfile="$place/data.password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1) ||
        { cat "$dir/initdb.log" >&2 && die "initdb failed"; }
    rm -f "$place/data.password"
    cat >>"$place/data/postgresql.conf" <<END

# For the tests of stampede.
listen_addresses = '127.0.0.1'
port = $(<"$dir/port")
unix_socket_directories = ''
max_connections = 300
END
}

postgres_launch() {
    local data programs
    data=$(postgres_data)
    programs=$(postgres_programs)
    if [ "$(id -u)" -eq 0 ]; then
        launch postgres setpriv --reuid=postgres --regid=postgres --init-groups -- "$programs/postgres" -D "$data"
    else
        launch postgres "$programs/postgres" -D "$data"
    fi
}

# The processes of a killed server hold its memory a moment longer.
postgres_predecessor_lingers() { grep -qs 'shared memory block .* is still in use\|lock file .* already exists' "$state/postgres/log"; }

postgres_url() { echo "postgres://stampede:$(<"$state/postgres/password")@127.0.0.1:$(<"$state/postgres/port")/postgres"; }

postgres_answers() {
    PGCONNECT_TIMEOUT=3 timeout 5 "$(postgres_programs)/psql" --no-psqlrc -qtAc 'select 1' "$(postgres_url)" >/dev/null 2>&1
}

postgres_env() { export_line STAMPEDE_TEST_POSTGRES_URL "$(postgres_url)"; }

# Stops at once, and still gives back its shared memory.
postgres_quick() { echo QUIT; }

postgres_remove() {
    local place
    if [ -s "$state/postgres/place" ]; then
        place=$(<"$state/postgres/place")
        # Nothing but what this script made.
        case $place in
        "$state/postgres") ;;
        /var/tmp/stampede-postgres.*) rm -rf "$place" ;;
        *) die "$state/postgres/place does not name a directory of this script" ;;
        esac
    fi
    rm -rf "$state/postgres"
}
