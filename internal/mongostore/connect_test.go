package mongostore

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"pryde/internal/fault"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
)

func TestAServerOutsideAReplicaSetIsRefused(t *testing.T) {
	mongod.Database(t) // skips without a mongod
	binary, err := mongod.Find()
	if err != nil {
		t.Fatal(err)
	}
	port, err := testkit.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	alone := exec.CommandContext(t.Context(), binary, "--dbpath", t.TempDir(), "--bind_ip", "127.0.0.1", "--port", strconv.Itoa(port),
		"--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet")
	if err := alone.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = alone.Process.Kill()
		_ = alone.Wait()
	}()
	for !testkit.Listens(t.Context(), addr) {
		time.Sleep(20 * time.Millisecond)
	}

	for _, name := range []string{"", "?replicaSet=rs0"} {
		_, err = Connect(t.Context(), "mongodb://"+addr+"/pryde"+name, ConnectOptions{Timeout: 2 * time.Second})

		if err == nil || !strings.Contains(err.Error(), "--replSet") || !strings.Contains(err.Error(), "rs.initiate()") ||
			fault.Of(err).Kind == fault.KindUnavailable {
			t.Errorf("Connect to %q: %v", name, err)
		}
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	port, err := testkit.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for uri, away := range map[string]bool{
		"mongodb://user:hunter2@127.0.0.1:" + strconv.Itoa(port) + "/pryde":                      true,
		"mongodb://user:hunter2@:x/%%":                                                           false,
		"mongodb://user:hunter2@db@example.com/":                                                 false,
		"mongodb://user:hunter2@127.0.0.1/?authMechanism=hunter2":                                false,
		"mongodb://user:hunter2@127.0.0.1/?readPreference=some":                                  false,
		"mongodb://user:hunter2@127.0.0.1/?maxPoolSize=some":                                     false,
		"mongodb://127.0.0.1/?tlsCertificateKeyFile=/none&tlsCertificateKeyFilePassword=hunter2": false,
	} {
		_, err := Connect(t.Context(), uri, ConnectOptions{Timeout: 500 * time.Millisecond})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", uri, err)
		}
		if got := fault.Of(err).Kind == fault.KindUnavailable; got != away {
			t.Errorf("%s: away %t, want %t: %v", uri, got, away, err)
		}
	}
}

// The connections of the lease are few whatever the address says of a pool.
func TestAnAddressMaySayHowManyConnectionsThereAre(t *testing.T) {
	uri := mongod.Database(t)
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	connect(t, uri+separator+"minPoolSize=5&maxPoolSize=9", 0)
}
