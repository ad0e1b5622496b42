package mongod

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.uber.org/goleak"

	"pryde/internal/testkit"
)

// roleVariable makes this test binary start a server and sit beside it.
const roleVariable = "MONGOD_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		s, err := Start(context.Background(), Options{Dir: os.Getenv(roleVariable)})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Addr())
		select {}
	}
	goleak.VerifyTestMain(Around(m))
}

// insert stores a document with this name, journaled on a majority, or fails within a while.
func insert(t *testing.T, uri, name string, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return withClient(ctx, uri, func(c *mongo.Client) error {
		_, err := c.Database("d").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: name}})
		return err
	})
}

func names(t *testing.T, uri string) string {
	t.Helper()
	var all []string
	err := withClient(t.Context(), uri, func(c *mongo.Client) error {
		found, err := c.Database("d").Collection("c").Find(t.Context(), bson.D{})
		if err != nil {
			return err
		}
		var docs []struct {
			ID string `bson:"_id"`
		}
		err = found.All(t.Context(), &docs)
		for _, d := range docs {
			all = append(all, d.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

const enough = 20 * time.Second

func TestServerKeepsItsDataOverKillStopAndPause(t *testing.T) {
	s := ForTest(t, Options{})
	uri := s.URI("d")
	put := func(name string) {
		t.Helper()
		if err := insert(t, uri, name, enough); err != nil {
			t.Fatalf("insert %s: %v", name, err)
		}
	}

	put("first")
	s.Kill()
	if err := insert(t, uri, "lost", 100*time.Millisecond); err == nil {
		t.Error("a killed server stores")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	put("killed")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	put("stopped")
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := insert(t, uri, "paused", 100*time.Millisecond); err == nil {
		t.Error("a paused server stores")
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	put("resumed")

	// What was asked of the paused server may have been done by now.
	if got := strings.ReplaceAll(names(t, uri), " paused", ""); got != "first killed stopped resumed" {
		t.Errorf("the server has %q", got)
	}
}

func TestSetHasAnotherPrimaryAfterAStepDownAndAKill(t *testing.T) {
	set := SetForTest(t, 3, Options{})
	former, err := set.Primary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(t, set.URI("d"), "before", enough); err != nil {
		t.Fatal(err)
	}

	second, err := set.StepDown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second == former {
		t.Error("the primary that stepped down is the primary")
	}
	second.Kill()
	third, err := set.Primary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if third == second {
		t.Error("the primary that was killed is the primary")
	}
	if err := insert(t, set.URI("d"), "after", enough); err != nil {
		t.Fatal(err)
	}
	if err := second.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := names(t, set.URI("d")); got != "before after" {
		t.Errorf("the set has %q", got)
	}
}

func TestASetIsKnownByOtherAddresses(t *testing.T) {
	var proxy *testkit.Proxy
	set := SetForTest(t, 1, Options{Known: func(addr string) (_ string, err error) {
		if proxy, err = testkit.StartProxy(t.Context(), addr); err != nil {
			return "", err
		}
		return proxy.Addr(), nil
	}})
	defer proxy.Close()
	if err := insert(t, set.URI("d"), "first", enough); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()

	if err := insert(t, set.URI("d"), "cut off", 100*time.Millisecond); err == nil {
		t.Error("a server stores whose proxy is cut")
	}
	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := insert(t, set.Servers[0].URI("d"), "second", enough); err != nil {
		t.Fatal(err)
	}
}

func TestTheOnlyServerOfASetTakesItsOwnPlace(t *testing.T) {
	set := SetForTest(t, 1, Options{})

	again, err := set.StepDown(t.Context())

	if err != nil || again != set.Servers[0] {
		t.Fatalf("the primary is %p, %v", again, err)
	}
	if err := insert(t, set.URI("d"), "after", enough); err != nil {
		t.Error(err)
	}
}

func TestStartTellsWhatMongodSaid(t *testing.T) {
	_, err := Start(t.Context(), Options{Args: []string{"--setParameter", "nothingOfThisName=1"}})

	if errors.Is(err, ErrNone) {
		need(t, err)
	}
	if err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("error %v, want that mongod ended by itself", err)
	}
}

func TestServerLeavesWhatWasPutIntoANamedFolder(t *testing.T) {
	dir := t.TempDir()
	s := ForTest(t, Options{Dir: dir})

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(filepath.Join(s.Dir(), "data", "WiredTiger")); err != nil || !strings.HasPrefix(s.Dir(), dir) {
		t.Errorf("the data in %s: %v", s.Dir(), err)
	}
}

func TestServerDiesWithWhoStartedIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills children together with their parent")
	}
	if _, err := Find(); err != nil {
		need(t, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), roleVariable+"="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	addr, _ := bufio.NewReader(out).ReadString('\n')
	addr = strings.TrimSpace(addr)
	if !testkit.Listens(t.Context(), addr) {
		t.Fatalf("nobody listens on %q", addr)
	}

	_ = parent.Process.Kill()
	_ = parent.Wait()

	for deadline := time.Now().Add(enough); testkit.Listens(t.Context(), addr); time.Sleep(poll) {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives who started it")
		}
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	var server string
	t.Run("a test", func(t *testing.T) {
		server = Database(t)
		if other := Database(t); other == server {
			t.Error("two databases have one name")
		}
		if err := insert(t, server, "x", enough); err != nil {
			t.Fatal(err)
		}
		err := withClient(t.Context(), server, func(c *mongo.Client) error {
			_, err := c.Database(nameOf(server)+"_keys").Collection("c").InsertOne(t.Context(), bson.D{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if server == "" {
		t.Skip("there is no mongod")
	}

	err := withClient(t.Context(), server, func(c *mongo.Client) error {
		left, err := c.ListDatabaseNames(t.Context(), bson.D{{Key: "name", Value: bson.Regex{Pattern: "^" + nameOf(server)}}})
		if len(left) != 0 {
			t.Errorf("%q are left", left)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// nameOf is the database that a URI names.
func nameOf(uri string) string {
	rest, _, _ := strings.Cut(uri, "?")
	return rest[strings.LastIndex(rest, "/")+1:]
}

func TestWithDatabase(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"mongodb://127.0.0.1:1", "mongodb://127.0.0.1:1/d"},
		{"mongodb://127.0.0.1:1/", "mongodb://127.0.0.1:1/d"},
		{"mongodb://a:1,b:2/old?replicaSet=x", "mongodb://a:1,b:2/d?replicaSet=x"},
		{"mongodb+srv://user:p%2Fw@host?tls=true", "mongodb+srv://user:p%2Fw@host/d?tls=true"},
	} {
		if got := withDatabase(c.uri, "d"); got != c.want {
			t.Errorf("%s becomes %s, want %s", c.uri, got, c.want)
		}
	}
}
