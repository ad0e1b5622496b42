package auth

import (
	"errors"
	"time"

	"pryde/internal/fault"
)

// A refusal is the cause of a fault for which a socket hears words of its own. It is the words.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	socketNoToken     refusal = "Authentication required"
	socketBadToken    refusal = "Authentication error"
	socketNoUser      refusal = "User not found"
	socketDeleted     refusal = "Account deleted"
	socketDeactivated refusal = "Account deactivated"
	socketBanned      refusal = "Account banned"
	socketSuspended   refusal = "Account suspended"
	socketSystem      refusal = "System accounts cannot log in"
	socketEnded       refusal = "Session has been logged out"
)

// What an access token that does not count is answered with. Several share a code, as clients
// know them; errors.Is does not tell those apart.
var (
	ErrNoToken        = fault.Unauthenticated("UNAUTHORIZED", "No authentication token, access denied").Because(socketNoToken)
	ErrTokenExpired   = fault.Unauthenticated("TOKEN_EXPIRED", "Token has expired")
	ErrTokenMalformed = fault.Unauthenticated("MALFORMED_TOKEN", "Invalid token format")
	ErrTokenNotActive = fault.Unauthenticated("TOKEN_NOT_ACTIVE", "Token not yet valid")
	ErrTokenInvalid   = fault.Unauthenticated("INVALID_TOKEN", "Token is not valid")
	ErrSessionEnded   = fault.Unauthenticated("UNAUTHORIZED", "Session has been logged out. Please log in again.").Because(socketEnded)
)

// What Accounts answer about somebody who may not be here.
var (
	ErrUserNotFound       = fault.Unauthenticated("UNAUTHORIZED", "User not found").Because(socketNoUser)
	ErrAccountDeleted     = fault.Unauthenticated("ACCOUNT_DELETED", "Account deleted").Because(socketDeleted)
	ErrAccountBanned      = fault.Forbidden("ACCOUNT_BANNED", "Your account has been banned").Because(socketBanned)
	ErrAccountSuspended   = fault.Forbidden("ACCOUNT_SUSPENDED", "Your account is suspended").Because(socketSuspended)
	ErrSystemAccount      = fault.Forbidden("SYSTEM_ACCOUNT_LOGIN_DENIED", "System accounts cannot authenticate").Because(socketSystem)
	ErrAccountDeactivated = fault.Forbidden("ACCOUNT_DEACTIVATED", "Account is deactivated").Because(socketDeactivated)
)

// What a refresh token that does not count is answered with.
var (
	ErrNoRefreshToken  = fault.Unauthenticated("REFRESH_TOKEN_REQUIRED", "Refresh token required")
	ErrRefreshInvalid  = fault.Unauthenticated("INVALID_REFRESH_TOKEN", "Invalid or expired refresh token")
	ErrRefreshForeign  = fault.Unauthenticated("INVALID_REFRESH_TOKEN", "Invalid refresh token")
	ErrRefreshExpired  = fault.Unauthenticated("REFRESH_TOKEN_EXPIRED", "Refresh token has expired. Please log in again.")
	ErrRefreshReused   = fault.Unauthenticated("REFRESH_TOKEN_REUSE", "Refresh token has already been used. Please log in again.")
	ErrRefreshRevoked  = fault.Unauthenticated("SESSION_REVOKED", "Session has been revoked")
	ErrRefreshNotFound = fault.Unauthenticated("SESSION_NOT_FOUND", "Session not found")
	ErrRefreshConflict = fault.Conflict("REFRESH_CONFLICT", "The session was refreshed at the same time, please try again").After(time.Second)
)

// ErrChallengeInvalid refuses the second step of a login that has no first, or one too long ago.
var ErrChallengeInvalid = fault.Unauthenticated("INVALID_TEMP_TOKEN", "Invalid or expired login. Please log in again.")

// ErrStoreAway is the answer where it could not be told whether somebody is let in.
var ErrStoreAway = fault.Unavailable("STORE_UNAVAILABLE", "Service temporarily unavailable", time.Second)

// SocketRefusal returns the words that refuse a socket because of f, as the former system has
// them. It means something for faults of KindUnauthenticated and KindForbidden only: what may
// pass by itself is no reason to refuse a socket for good.
func SocketRefusal(f *fault.Fault) string {
	if r, ok := errors.AsType[refusal](f); ok {
		return string(r)
	}
	return string(socketBadToken)
}
