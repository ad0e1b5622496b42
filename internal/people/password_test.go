package people

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pryde/internal/fault"
)

func TestHashesAreMadeOneAtATimeAndTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(rand.Reader, false)
		atWork, done := 0, 0
		var all sync.WaitGroup
		for range 51 {
			all.Go(func() {
				err := p.queue(t.Context(), func() error {
					atWork++
					if atWork != 1 {
						t.Errorf("%d are made at once", atWork)
					}
					time.Sleep(time.Second)
					atWork--
					done++
					return nil
				})
				if err != nil {
					t.Errorf("one that fits: %v", err)
				}
			})
		}
		synctest.Wait()

		err := p.queue(t.Context(), func() error { t.Error("one too many ran"); return nil })

		if f := fault.Of(err); f.Kind != fault.KindUnavailable || f.Code != "BUSY" || f.RetryAfter <= 0 {
			t.Errorf("got %v, want BUSY and when to try again", err)
		}
		all.Wait()
		if done != 51 {
			t.Errorf("%d were made, want 51", done)
		}
		if err := p.queue(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestOneThatLeavesTheQueueIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(rand.Reader, false)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		release := make(chan struct{})
		all.Go(func() { _ = p.queue(t.Context(), func() error { <-release; return nil }) })
		synctest.Wait()
		for range 50 {
			all.Go(func() {
				if err := p.queue(ctx, func() error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()

		all.Go(func() {
			if err := p.queue(t.Context(), func() error { return nil }); err != nil {
				t.Errorf("the queue is empty: %v", err)
			}
		})
		synctest.Wait()
		close(release)
		all.Wait()
	})
}

func TestHashIsCheckedAndReadBack(t *testing.T) {
	p := newPasswords(rand.Reader, false)
	hash, err := p.hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"secret": true, "Secret": false, "": false} {
		if right, better, err := p.check(t.Context(), hash, password); right != want || better != "" || err != nil {
			t.Errorf("%q: got %t, %q, %v", password, right, better, err)
		}
	}
	if right, _, err := p.check(t.Context(), "", "secret"); right || err != nil {
		t.Errorf("of nobody: got %t, %v", right, err)
	}

	weak := argon{memory: 1 << 10, time: 1, threads: 1, salt: make([]byte, saltSize)}
	weak.key = weak.derive("secret", keySize)
	right, better, err := p.check(t.Context(), weak.String(), "secret")
	if err != nil || !right || !strings.HasPrefix(better, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("a weaker hash: got %t, %q, %v; want it replaced", right, better, err)
	}
}

func TestHashesOfNoKnownFormAreErrors(t *testing.T) {
	p := newPasswords(rand.Reader, false)
	salt, key := strings.Repeat("A", 22), strings.Repeat("A", 43)
	for _, hash := range []string{
		"plain", "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key, "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=99999999,t=2,p=1$" + salt + "$" + key, "$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key, "$argon2id$v=19$m=19456,t=2,p=1 $" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$", "$argon2id$v=19$m=19456,t=2,p=1$!$" + key, "$2a$31$" + strings.Repeat("a", 53), "$2a$",
	} {
		right, _, err := p.check(t.Context(), hash, "secret")
		if right || !errors.Is(err, errHashForm) {
			t.Errorf("%s: got %t, %v", hash, right, err)
		}
		if err != nil && strings.Contains(err.Error(), salt) {
			t.Errorf("the error shows the hash: %v", err)
		}
	}
}

// TestLongPasswordsOfTheFormerSystem holds that bcrypt looks at 72 bytes: what stands behind
// them was never proven, so that it must not become part of the password.
func TestLongPasswordsOfTheFormerSystem(t *testing.T) {
	p := newPasswords(rand.Reader, false)
	long := strings.Repeat("ä", 36) // 72 bytes
	hash, err := bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]struct{ right, better bool }{
		long:              {true, true},
		long + "x":        {true, false},
		long[:71]:         {false, false},
		long[:71] + "xyz": {false, false},
	} {
		right, better, err := p.check(t.Context(), string(hash), password)
		if right != want.right || (better != "") != want.better || err != nil {
			t.Errorf("%q: got %t, %q, %v", password, right, better, err)
		}
	}
}

func TestHashesForTheFormerSystem(t *testing.T) {
	p, ours := newPasswords(rand.Reader, true), newPasswords(rand.Reader, false)
	for _, password := range []string{"Pässwörd", strings.Repeat("x", 100)} {
		hash, err := p.hash(t.Context(), password)
		if err != nil || !strings.HasPrefix(hash, "$2a$12$") {
			t.Fatalf("got %q, %v", hash, err)
		}
		if right, better, err := p.check(t.Context(), hash, password); !right || better != "" || err != nil {
			t.Errorf("%q: got %t, %q, %v; want it to stay", password, right, better, err)
		}
		if right, _, err := p.check(t.Context(), hash, "y"); right || err != nil {
			t.Errorf("another: got %t, %v", right, err)
		}
	}
	hash, err := ours.hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	right, better, err := p.check(t.Context(), hash, "secret")
	if !right || !strings.HasPrefix(better, "$2a$12$") || err != nil {
		t.Errorf("a hash that the former system does not know: got %t, %q, %v; want it replaced", right, better, err)
	}
	if right, _, err := p.check(t.Context(), "", "secret"); right || err != nil {
		t.Errorf("of nobody: got %t, %v", right, err)
	}
}
