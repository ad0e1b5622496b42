// Package fault sorts failures by what the caller can do about them. It knows no door:
// each door maps a Kind once, to a status or to an acknowledgement.
//
// A service returns a *Fault for what the user may be told. Every other error is
// internal: the doors log it and answer with one fixed sentence.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a fault.
type Kind string

// The classes of faults.
const (
	KindInternal        Kind = "internal"        // a mistake of ours; the text says nothing about it
	KindInvalid         Kind = "invalid"         // the request can never succeed as it is
	KindUnauthenticated Kind = "unauthenticated" // no identity, or one that is no longer good
	KindForbidden       Kind = "forbidden"       // known identity, not allowed
	KindNotFound        Kind = "not_found"       // absent, or hidden from this caller
	KindConflict        Kind = "conflict"        // the request contradicts what is stored
	KindTooLarge        Kind = "too_large"       // the request is larger than allowed
	KindRateLimited     Kind = "rate_limited"    // the same request may succeed after RetryAfter
	KindLocked          Kind = "locked"          // refused after too many failures, until RetryAfter has passed
	KindUnavailable     Kind = "unavailable"     // the same request may succeed soon
)

// A Fault is a failure that may be shown to the user.
type Fault struct {
	Kind       Kind
	Code       string        // stable and machine-readable, such as EMPTY_MESSAGE
	Text       string        // one English sentence
	RetryAfter time.Duration // when a retry makes sense; 0 where the kind does not say
	err        error         // what happened underneath; logged, never sent
}

func (f *Fault) Error() string {
	if f.err == nil {
		return f.Code
	}
	return fmt.Sprintf("%s: %v", f.Code, f.err)
}

func (f *Fault) Unwrap() error { return f.err }

// Because returns a copy of f that carries its cause for the log.
func (f *Fault) Because(err error) *Fault {
	g := *f
	g.err = err
	return &g
}

// After returns a copy of f that says when a retry makes sense.
func (f *Fault) After(d time.Duration) *Fault {
	g := *f
	g.RetryAfter = d
	return &g
}

// Is reports whether target is a fault with the same code, so that errors.Is compares
// faults by what they mean and not by where they were made.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && t.Kind == f.Kind
}

// Invalid returns a fault of KindInvalid.
func Invalid(code, text string) *Fault { return &Fault{Kind: KindInvalid, Code: code, Text: text} }

// Unauthenticated returns a fault of KindUnauthenticated.
func Unauthenticated(code, text string) *Fault {
	return &Fault{Kind: KindUnauthenticated, Code: code, Text: text}
}

// Forbidden returns a fault of KindForbidden.
func Forbidden(code, text string) *Fault { return &Fault{Kind: KindForbidden, Code: code, Text: text} }

// NotFound returns a fault of KindNotFound.
func NotFound(code, text string) *Fault { return &Fault{Kind: KindNotFound, Code: code, Text: text} }

// Conflict returns a fault of KindConflict.
func Conflict(code, text string) *Fault { return &Fault{Kind: KindConflict, Code: code, Text: text} }

// TooLarge returns a fault of KindTooLarge.
func TooLarge(code, text string) *Fault { return &Fault{Kind: KindTooLarge, Code: code, Text: text} }

// RateLimited returns a fault of KindRateLimited.
func RateLimited(code, text string, after time.Duration) *Fault {
	return &Fault{Kind: KindRateLimited, Code: code, Text: text, RetryAfter: after}
}

// Locked returns a fault of KindLocked.
func Locked(code, text string, after time.Duration) *Fault {
	return &Fault{Kind: KindLocked, Code: code, Text: text, RetryAfter: after}
}

// Unavailable returns a fault of KindUnavailable.
func Unavailable(code, text string, after time.Duration) *Fault {
	return &Fault{Kind: KindUnavailable, Code: code, Text: text, RetryAfter: after}
}

// Of returns the fault in err's chain, or the fixed internal fault with err as its cause.
func Of(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Kind: KindInternal, Code: "INTERNAL_ERROR", Text: "An unexpected error occurred", err: err}
}
