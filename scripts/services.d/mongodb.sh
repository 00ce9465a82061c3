# shellcheck shell=bash
# shellcheck disable=SC2154  # `state` and `parts` are set by scripts/services
# FerretDB 1.24 on SQLite, a server that speaks MongoDB's protocol and can be built from a published Go module.

readonly go_minor_min=22

mongodb_program() { cached ferretdb "$parts/mongodb/main.go" "$parts/mongodb/go.mod" "$parts/mongodb/go.sum"; }

mongodb_install() {
    local program making minor
    program=$(mongodb_program)
    if [ -d "$program" ]; then return; fi
    need go golang-go
    minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    # From 1.21 on, go fetches a newer one by itself, if it is let.
    if ((minor < go_minor_min)) && { ((minor < 21)) || [ "$(go env GOTOOLCHAIN)" = local ]; }; then
        die "go 1.$minor cannot build FerretDB; please install go 1.$go_minor_min or later (Debian 12's package is too old)"
    fi
    say "building FerretDB once to $program, which takes a minute or two"
    mkdir -p "$cache"
    making=$(mktemp -d "$cache/making.XXXXXX")
    (cd "$parts/mongodb" && CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' \
        go build -trimpath -tags ferretdb_no_postgresql -o "$making/ferretdb" . >&2 </dev/null) ||
        { rm -rf "$making" && die "cannot build FerretDB"; }
    keep "$making" "$program"
}

mongodb_prepare() {
    local dir=$state/mongodb
    free_port >"$dir/port"
    mkdir -p "$dir/data"
}

mongodb_launch() {
    local dir=$state/mongodb
    launch mongodb "$(mongodb_program)/ferretdb" -listen "127.0.0.1:$(<"$dir/port")" -data "$dir/data"
}

# Sends `{ping: 1, $db: "admin"}` as one message of the protocol; whoever sends a whole header back is alive.
mongodb_answers() {
    local message='\x33\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0'
    # shellcheck disable=SC2016  # no variable
    message+='\x1e\0\0\0\x10ping\0\1\0\0\0\2$db\0\6\0\0\0admin\0\0'
    local header_bytes
    header_bytes=$(
        exec 3<>"/dev/tcp/127.0.0.1/$(<"$state/mongodb/port")"
        # shellcheck disable=SC2059  # the message is the format
        printf "$message" >&3
        timeout 3 head -c 16 <&3 | wc -c
    ) 2>/dev/null || return 1
    [ "$header_bytes" = 16 ]
}

mongodb_env() { export_line STAMPEDE_TEST_MONGODB "mongodb://127.0.0.1:$(<"$state/mongodb/port")"; }

mongodb_quick() { echo KILL; }

mongodb_remove() { rm -rf "$state/mongodb"; }
