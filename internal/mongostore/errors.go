package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"pryde/internal/fault"
)

// retryAfter is what a caller is told who was not served in time.
const retryAfter = time.Second

var (
	errOverloaded = fault.Unavailable("OVERLOADED", "The server is overloaded. Please try again.", retryAfter)
	errStore      = fault.Unavailable("STORE_UNAVAILABLE", "The server cannot store anything right now. Please try again.", retryAfter)
	errClosed     = fault.Unavailable("STORE_UNAVAILABLE", "The server is shutting down. Please try again.", retryAfter)
	errStandby    = fault.Unavailable("STANDBY", "Another server has taken over. Please try again.", retryAfter)
)

// Labels and codes of the server's errors.
const (
	labelTransient = "TransientTransactionError"
	labelUnknown   = "UnknownTransactionCommitResult"

	codeNamespaceExists = 48
	codeIndexExists     = 85 // under another name
	codeDuplicateKey    = 11000
)

// either returns err, or found where there is none.
func either(err, found error) error {
	if err != nil {
		return err
	}
	return found
}

// codesAway are those of a server that is not, or no longer, the primary, that shuts down, that
// had not the time, that does not have the state which a snapshot wants, or whose disk is full.
var codesAway = []int{6, 7, 50, 89, 91, 189, 239, 246, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031}

// away reports whether an error says nothing about the operation: the server cannot be reached,
// cannot write now or did not answer in time.
func away(err error) bool {
	if mongo.IsTimeout(err) || mongo.IsNetworkError(err) || errors.Is(err, context.Canceled) {
		return true
	}
	if _, unreachable := errors.AsType[topology.ServerSelectionError](err); unreachable {
		return true
	}
	answer, ok := errors.AsType[mongo.ServerError](err)
	return ok && slices.ContainsFunc(codesAway, answer.HasErrorCode)
}

// transient reports whether a transaction that failed before its commit may be tried again as
// it is.
func transient(err error) bool {
	return away(err) || labeled(err, labelTransient)
}

func labeled(err error, label string) bool {
	l, ok := errors.AsType[mongo.LabeledError](err)
	return ok && l.HasErrorLabel(label)
}

// fromDriver reports whether an error came from the driver: the transaction that saw it is over.
func fromDriver(err error) bool {
	_, answered := errors.AsType[mongo.LabeledError](err)
	return answered || away(err)
}

// unavailable marks the errors that say nothing about the operation as a fault that invites a
// retry, and takes the values of documents out of others.
func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case transient(err):
		return errStore.Because(err)
	case mongo.IsDuplicateKeyError(err):
		return errDuplicate
	}
	return err
}

// errDuplicate stands for an error of the server that repeats the values of the key.
var errDuplicate = fmt.Errorf("a unique key is taken (error %d of the server)", codeDuplicateKey)
