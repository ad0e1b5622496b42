package wire

import "net/http"

// Routes about the server.
var (
	GetHealth        = route[None, Health](http.MethodGet, "/api/health", Public, "Whether the server answers.", limitedOnly())
	GetVersion       = route[None, Version](http.MethodGet, "/api/version", Public, "Which version of the server this is.")
	GetVersionStatus = route[None, VersionStatus](http.MethodGet, "/api/version/status", Public, "Whether the page that asks may go on as it is.")
)

// Routes that the former page needs.
var (
	PostTourDone = route[None, Succeeded](http.MethodPost, "/api/auth/tour/skip", Bearer, "Say that you have seen the tour. There is none.",
		also("/api/auth/tour/complete", "/api/auth/onboarding/remind-later"))
)
