package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pryde/internal/fault"
)

func TestOfFindsTheFaultInAChain(t *testing.T) {
	cause := errors.New("the cause")
	err := fmt.Errorf("send message: %w", fault.NotFound("USER_NOT_FOUND", "User not found").Because(cause))

	f := fault.Of(err)

	if f.Code != "USER_NOT_FOUND" || f.Kind != fault.KindNotFound || !errors.Is(err, cause) {
		t.Errorf("got %+v", f)
	}
}

func TestAnythingElseIsInternalAndSaysNothing(t *testing.T) {
	f := fault.Of(errors.New("select * from secrets"))
	if f.Kind != fault.KindInternal || f.Text != "An unexpected error occurred" {
		t.Errorf("got %+v", f)
	}
}

func TestFaultsAreComparedByMeaning(t *testing.T) {
	full := fault.Unavailable("BUSY", "Too much at once", time.Second)
	if !errors.Is(fmt.Errorf("log in: %w", full.After(time.Minute)), full) {
		t.Error("a copy is another fault")
	}
	if errors.Is(full, fault.Unavailable("STORE_UNAVAILABLE", "Too much at once", time.Second)) {
		t.Error("another code is the same fault")
	}
}
