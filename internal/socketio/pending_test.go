package socketio

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// byHeader counts a client by what is forwarded.
func byHeader(_ string, forwarded []string) string { return strings.Join(forwarded, ",") }

const mallory, ann = "X-Forwarded-For: mallory", "X-Forwarded-For: ann"

func TestTransportsThatNeverConnectAreBoundedPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := servePipes(t, Config{MaxPendingPerAddress: 3, Address: byHeader}, &stub{})
		for range 3 {
			open(t, e, mallory)
		}

		full, _ := request(t, e, goodQuery, mallory)
		if want := `{"message":"Too many connections"}`; full.status != http.StatusTooManyRequests || full.body != want || full.kind != "application/json" {
			t.Errorf("one too many was answered %d %s %s, want 429 %s", full.status, full.kind, full.body, want)
		}
		open(t, e, ann).connect()

		// What never connects is closed by the connect time-out and the wait for its farewell.
		time.Sleep(40 * time.Second)
		synctest.Wait()
		open(t, e, mallory)
	})
}

func TestAPlaceIsGivenBackOnAdmissionAndClose(t *testing.T) {
	left := make(chan struct{}, 4)
	var refuse atomic.Bool
	e := serve(t, Config{MaxPendingPerAddress: 1, Address: byHeader}, &stub{
		admit: func(_ context.Context, h Handshake) (Admission, error) {
			if h.Address != "mallory" {
				t.Errorf("the handshake is from %q", h.Address)
			}
			if refuse.Load() {
				return Admission{}, errors.New("trouble")
			}
			return Admission{}, nil
		},
		disconnected: func(*Socket, Reason) { left <- struct{}{} },
	})
	isTaken := func() {
		t.Helper()
		if got, _ := request(t, e, goodQuery, mallory); got.status != http.StatusTooManyRequests {
			t.Errorf("answered %d, want 429", got.status)
		}
	}

	c := open(t, e, mallory)
	isTaken()
	c.connect()
	second := open(t, e, mallory)
	second.connect() // the place of the admitted one is free
	c.send("41")
	receive(t, left)
	isTaken() // it is a transport without a socket again
	c.connect()

	refuse.Store(true)
	trouble := open(t, e, mallory)
	trouble.send("40")
	trouble.ended(1013)
	eventually(t, "the place of the one in trouble is free", func() bool { return e.engine.Count() == 2 })
	open(t, e, mallory)
	isTaken()
}

func TestNamespacesThatThereAreNotCostNothing(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	c := join(t, e)

	for range 300 {
		c.send("40/" + strings.Repeat("n", maxNamespace-1) + ",{}")
		if got := c.recv(); !strings.HasSuffix(got, `,{"message":"Invalid namespace"}`) {
			t.Fatalf("answered %q", got)
		}
	}

	if got := len(e.Sockets(c.sid)[0].seat.client.seats); got != 1 {
		t.Errorf("%d places are kept for the client, want 1", got)
	}
}
