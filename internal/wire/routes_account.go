package wire

import "net/http"

// Routes of accounts and sessions.
var (
	PostSignUp  = route[SignUp, SignedUp](http.MethodPost, "/api/auth/signup", Public, "Make an account.", created)
	PostLogIn   = route[LogIn, LoggedIn](http.MethodPost, "/api/auth/login", Public, "Log in.")
	PostRefresh = route[None, Refreshed](http.MethodPost, "/api/refresh", Cookie, "Trade the refresh cookie for a new access token.", also("/api/auth/refresh"))
	PostLogOut  = route[None, LoggedOut](http.MethodPost, "/api/auth/logout", Bearer, "End this session and its sockets.")
	GetMe       = route[None, User](http.MethodGet, "/api/auth/me", Bearer, "Your own account.")
)
