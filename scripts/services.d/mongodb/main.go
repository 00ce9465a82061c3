// A MongoDB-compatible server for tests: FerretDB on SQLite, embedded, because the project's own command cannot be
// built from the published module (a generated file is missing there). Embedded, it sends no telemetry.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "", "address to listen on, host:port")
	data := flag.String("data", "", "directory of the SQLite files, which exists")
	flag.Parse()

	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	directory := url.URL{Scheme: "file", Path: *data + "/"}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		SQLiteURL: directory.String(),
	})
	if err != nil {
		slog.Error("cannot start", "error", err)
		os.Exit(1)
	}

	stop, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer release()
	if err := server.Run(stop); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}
