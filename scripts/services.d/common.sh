# shellcheck shell=bash
# shellcheck disable=SC2154  # `state` and `stop_seconds_max` are set by scripts/services
# What the three servers have in common: processes, ports, the lock, and what has to be installed.

die() {
    echo "services: $*" >&2
    exit 1
}

say() { echo "services: $*" >&2; }

export_line() { printf 'export %s=%q\n' "$1" "$2"; }

# One `up`, `down`, `stop` or `start` at a time. The directory itself is the lock, so that none is left behind.
lock() {
    while :; do
        # Its parents may be closed to the user that PostgreSQL runs as; the directory itself must not be.
        mkdir -p "$state"
        chmod a+x "$state"
        exec 9<"$state"
        flock -w 600 9 || die "another scripts/services holds $state"
        # Whoever had the lock before may have removed the directory.
        if [ "$state" -ef /proc/self/fd/9 ]; then return; fi
    done
}

# When a process started, in the kernel's ticks since boot; nothing, and false, if there is none or only its remains.
process_start() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    stat=${stat##*) }
    # What follows the name: 1 is the state, 20 the start.
    read -ra stat <<<"$stat"
    [ "${stat[0]}" != Z ] && [ "${stat[0]}" != X ] && echo "${stat[19]}"
}

# The process id of a server that this script started and that still lives: same id and same start.
pid_of() {
    local pid start
    { read -r pid start <"$state/$1/pid"; } 2>/dev/null || return 1
    [ "$(process_start "$pid")" = "$start" ] && echo "$pid"
}

# launch NAME COMMAND...: runs a server in a session of its own, so that it survives the shell that asked for it and
# holds none of its files open. The process notes its own id before it becomes the server.
launch() {
    local dir=$state/$1
    shift
    rm -f "$dir/pid"
    # shellcheck disable=SC2016  # for the inner shell
    setsid bash -c '
        cd / && ulimit -Sn "$(ulimit -Hn)"
        stat=$(<"/proc/$$/stat") && stat=${stat##*) } && read -ra stat <<<"$stat"
        echo "$$ ${stat[19]}" >"$1/pid.new" && mv "$1/pid.new" "$1/pid"
        shift && exec "$@"' launch "$dir" "$@" </dev/null >>"$dir/log" 2>&1 9>&- &
    disown
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if [ -e "$dir/pid" ]; then return; fi
        sleep 0.05
    done
    die "cannot start a process; see $dir/log"
}

# end_process NAME SIGNAL: stops a server by its id, with SIGKILL if the signal does not do.
end_process() {
    local name=$1 signal=$2 pid deadline=$((SECONDS + stop_seconds_max))
    if ! pid=$(pid_of "$name"); then return 0; fi
    kill -s "$signal" "$pid" 2>/dev/null || true
    # A test may have frozen it.
    kill -s CONT "$pid" 2>/dev/null || true
    while pid_of "$name" >/dev/null; do
        if ((SECONDS >= deadline)); then
            say "$name does not stop within $stop_seconds_max s; killing it"
            kill -s KILL "$pid" 2>/dev/null || true
            deadline=$((SECONDS + stop_seconds_max))
        fi
        sleep 0.05
    done
    rm -f "$state/$name/pid"
}

# Whether no socket of this machine, of any state, has the port.
port_is_free() {
    local hex
    printf -v hex '%04X' "$1"
    ! grep -qs "^ *[0-9]*: [0-9A-F]*:$hex " /proc/net/tcp /proc/net/tcp6
}

# A free port below those that the system hands to outgoing connections, so that it stays free while a server is down.
free_port() {
    local port tries
    for ((tries = 0; tries < 200; tries++)); do
        port=$((20000 + RANDOM % 12000))
        if port_is_free "$port"; then
            echo "$port"
            return
        fi
    done
    die "no free port between 20000 and 32000"
}

# Whether something listens on a port of this machine.
port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# need COMMAND PACKAGE: installs a Debian package if a command is missing, or says what to install.
need() {
    if command -v "$1" >/dev/null; then return; fi
    install_package "$2"
    command -v "$1" >/dev/null || die "$2 is installed, but there is no $1"
}

install_package() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        die "please install $1"
    fi
    say "installing $1"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >&2 </dev/null
}

# The cached directory of one thing that is built or downloaded once, named by what it is made from.
cached() {
    local sum
    sum=$(cat "${@:2}" | sha256sum)
    echo "$cache/$1-${sum:0:12}"
}

# keep MADE DIRECTORY: puts what was made in its place in the cache, unless somebody else was faster.
keep() {
    chmod 755 "$1"
    mv -T "$1" "$2" 2>/dev/null || { rm -rf "$1" && [ -d "$2" ]; }
}
