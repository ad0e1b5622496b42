package wire

import (
	"net/http"

	"pryde/internal/limit"
)

// Routes of accounts.
var (
	PostSignUp         = route[SignUp, SignedUp](http.MethodPost, "/api/auth/signup", Public, "Make an account.", created, limited(Budget{limit.SignUp, PerAddress}))
	PostLogIn          = route[LogIn, LoggedIn](http.MethodPost, "/api/auth/login", Public, "Log in. An account with a second factor needs a second step.", limited(Budget{limit.LogIn, PerAddress}))
	PostSecondStep     = route[SecondStep, LoggedIn](http.MethodPost, "/api/auth/verify-2fa-login", Public, "Complete a login with a code of the authenticator or a backup code.", limited(Budget{limit.SecondStep, PerAddress}))
	PostRefresh        = route[None, Refreshed](http.MethodPost, "/api/refresh", Cookie, "Trade the refresh cookie for a new access token.", also("/api/auth/refresh"), limitedOnly(Budget{limit.Refresh, PerSession}, Budget{limit.RefreshAddress, PerAddress}))
	PostLogOut         = route[None, Done](http.MethodPost, "/api/auth/logout", Cookie, "End the session of the access token, or else that of the refresh cookie, and its sockets.")
	PostLogOutAll      = route[None, Done](http.MethodPost, "/api/auth/logout-all", Bearer, "End every session of yours.")
	PostPasswordChange = route[PasswordChange, Done](http.MethodPost, "/api/auth/change-password", Bearer, "Replace your password. This session stays, the others end.")
	PostDeactivation   = route[None, Done](http.MethodPost, "/api/auth/deactivate", Bearer, "Deactivate your account and end every session. The next login reactivates it.")
	GetMe              = route[None, Account](http.MethodGet, "/api/auth/me", Bearer, "Your own account.")
	GetAuthStatus      = route[None, AuthStatus](http.MethodGet, "/api/auth/status", Public, "Whether your access token, if you show one, counts.")
	GetUsernameCheck   = route[None, UsernameCheck](http.MethodGet, "/api/auth/check-username/{username}", Public, "Whether a username can be had.", limited(Budget{limit.CheckUsername, PerAddress}))
)

// Routes of the second factor.
var (
	PostTwoFactorSetup   = route[None, TwoFactorSetup](http.MethodPost, "/api/2fa/setup", Bearer, "Get the secret for an authenticator app, and backup codes.")
	PostTwoFactorVerify  = route[OneTimeCode, TwoFactorOn](http.MethodPost, "/api/2fa/verify", Bearer, "Put the second factor in force with a code of the app.")
	PostTwoFactorDisable = route[Proof, Done](http.MethodPost, "/api/2fa/disable", Bearer, "Log in without a second factor from now on.")
	GetTwoFactorStatus   = route[None, TwoFactorStatus](http.MethodGet, "/api/2fa/status", Bearer, "Whether you have a second factor, and how many backup codes are left.")
)

// Routes of sessions.
var (
	GetSessions            = route[None, []Session](http.MethodGet, "/api/sessions", Bearer, "Your sessions, the last active first.")
	DeleteSession          = route[None, Done](http.MethodDelete, "/api/sessions/{sessionId}", Bearer, "End one session of yours.")
	PostSessionsLogOut     = route[None, Done](http.MethodPost, "/api/sessions/logout-others", Bearer, "End every session of yours but this one.")
	PostSessionsLogOutAll  = route[None, Done](http.MethodPost, "/api/sessions/logout-all", Bearer, "End every session of yours, this one too.")
	PutSessionLastActivity = route[None, Done](http.MethodPut, "/api/sessions/activity", Bearer, "Say that somebody is at this session.")
)

// Routes of people.
var (
	GetUserSearch = route[None, []FoundPerson](http.MethodGet, "/api/users/search", Bearer, "People whose username or display name contains a text, at most 20.",
		limited(Budget{limit.Search, PerUser}),
		query("q", "The text, without regard to case. Nobody is found by an empty one."))
	GetUser       = route[None, Profile](http.MethodGet, "/api/users/{identifier}", Bearer, "What you may know of a person, by id or username.")
	PatchMe       = route[ProfileChange, ProfileChanged](http.MethodPatch, "/api/users/me", Bearer, "Change what you tell of yourself.")
	DeleteAccount = route[Proof, Done](http.MethodDelete, "/api/users/me", Bearer, "Delete your account for good and end every session.")
)
