# shellcheck shell=bash
# shellcheck disable=SC2154  # `state` and `parts` are set by scripts/services
# Apache Kafka, broker and controller in one process, from its published artifacts. Nothing is replicated and topics
# are not made by accident.

readonly kafka_java_major_min=17

kafka_jars() { cached kafka "$parts/kafka/pom.xml"; }

kafka_install() {
    need java openjdk-17-jre-headless
    local major
    major=$(java -version 2>&1 | sed -n '1s/[^"]*"\([0-9]*\).*/\1/p')
    ((major >= kafka_java_major_min)) || die "java $major is too old; please install $kafka_java_major_min or later"

    local jars making
    jars=$(kafka_jars)
    if [ -d "$jars" ]; then return; fi
    need mvn maven
    say "fetching Kafka once to $jars"
    mkdir -p "$cache"
    making=$(mktemp -d "$cache/making.XXXXXX")
    mvn -q -B -Dstyle.color=never -f "$parts/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$making" >&2 </dev/null || { rm -rf "$making" && die "cannot fetch Kafka"; }
    keep "$making" "$jars"
}

kafka_java() {
    printf '%s\n' java -Xms128m -Xmx384m -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
        -Dlog4j2.configurationFile="$parts/kafka/log4j2.properties" -cp "$(kafka_jars)/*"
}

kafka_prepare() {
    local dir=$state/kafka port controller_port
    port=$(free_port)
    until controller_port=$(free_port) && [ "$controller_port" != "$port" ]; do :; done
    echo "$port" >"$dir/port"
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
controller.listener.names=CONTROLLER
listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=BROKER://127.0.0.1:$port
inter.broker.listener.name=BROKER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data

auto.create.topics.enable=false
delete.topic.enable=true
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Groups that form at once, and members that may be missed after a second.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# A broker that was killed has to be given up before its successor is let in.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500

# Small: two cores, a heap of 384 MiB, and topics by the hundred from tests.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
END
    local java id
    mapfile -t java < <(kafka_java)
    # A cluster's id is 16 bytes in base64 for addresses, without padding.
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
    "${java[@]}" kafka.tools.StorageTool format -t "${id/#-/A}" -c "$dir/server.properties" >"$dir/format.log" 2>&1 </dev/null ||
        { cat "$dir/format.log" >&2 && die "kafka's storage cannot be formatted"; }
}

kafka_launch() {
    local java
    mapfile -t java < <(kafka_java)
    launch kafka "${java[@]}" kafka.Kafka "$state/kafka/server.properties"
}

# A client in Java would take a second of its own, so the server's word is taken for it; a frozen one is seen by its state.
kafka_answers() {
    local pid
    grep -qs 'Kafka Server started' "$state/kafka/log" && port_answers "$(<"$state/kafka/port")" &&
        pid=$(pid_of kafka) && ! grep -qs '^State:[[:space:]]*[Tt]' "/proc/$pid/status"
}

kafka_env() { export_line STAMPEDE_TEST_KAFKA "127.0.0.1:$(<"$state/kafka/port")"; }

kafka_quick() { echo KILL; }

kafka_remove() { rm -rf "$state/kafka"; }
